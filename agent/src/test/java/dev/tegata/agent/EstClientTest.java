// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CertsOnlyCms;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("A device with its keys in a chip")
final class EstClientTest {
    private static final VirtualChip CHIP =
            new ChipFactory(new SecureRandom()).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));

    private final DeviceKey birthKey = DeviceKey.inChip(CHIP, 0);
    private final DeviceKey operationalKey = DeviceKey.inChip(CHIP, 2);
    private final DeviceIdentity birth = DeviceIdentity.of(
            birthKey, CHIP.certificateChain().stream().map(Bytes::of).toList());

    private EstDouble server;
    private EstClient client;

    @BeforeEach
    void start() throws Exception {
        server = new EstDouble("localhost");
        client = new EstClient(server.fleet(), List.of(server.anchor()));
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static String message(Certificate... certificates) {
        return CertsOnlyCms.encode(List.of(certificates)).base64();
    }

    private CertificateRequest sent() throws Exception {
        String body = new String(Objects.requireNonNull(server.body), StandardCharsets.US_ASCII);
        return CertificateRequest.parse(Bytes.ofBase64(body));
    }

    @Test
    @DisplayName("shows its birth certificate, proves both keys, and gets a certificate for the second")
    void enrols() throws Exception {
        Certificate certificate = server.certify(operationalKey.publicKey().encoded());
        server.answer(200, message(certificate));

        assertThat(client.enrol(birth, operationalKey)).isEqualTo(new EstClient.Answer.Enrolled(certificate));

        assertThat(server.path).isEqualTo("/.well-known/est/fleet/simpleenroll");
        assertThat(Objects.requireNonNull(server.shown).getEncoded())
                .isEqualTo(CHIP.certificateChain().getFirst());
        assertThat(sent().prove().publicKey()).isEqualTo(operationalKey.publicKey());
    }

    @Test
    @DisplayName("renews with its operational certificate, under the same subject")
    void renews() throws Exception {
        Certificate first = server.certify(operationalKey.publicKey().encoded());
        DeviceKey next = DeviceKey.inChip(CHIP, 3);
        Certificate second = server.certify(next.publicKey().encoded());
        server.answer(200, message(second));

        DeviceIdentity operational = DeviceIdentity.of(operationalKey, List.of(first.encoded()));
        assertThat(client.reEnrol(operational, next, first.subject())).isEqualTo(new EstClient.Answer.Enrolled(second));

        assertThat(server.path).endsWith("/simplereenroll");
        assertThat(Objects.requireNonNull(server.shown).getEncoded())
                .isEqualTo(first.encoded().toArray());
        assertThat(sent().subject()).isEqualTo(first.subject());
        assertThat(sent().prove().publicKey()).isEqualTo(next.publicKey());
    }

    @Test
    @DisplayName("fetches the fleet's CA certificates, wrapped lines or not")
    void caCertificates() throws Exception {
        Certificate certificate = server.certify(birthKey.publicKey().encoded());
        server.answer(200, message(certificate).replaceAll("(.{64})", "$1\r\n"));
        assertThat(client.caCertificates(birth)).containsExactly(certificate);
        server.answer(404, "no");
        assertThatThrownBy(() -> client.caCertificates(birth)).isInstanceOf(IOException.class);
    }

    @Test
    @DisplayName("takes no certificate for another key than the one it asked for")
    void foreignKey() throws Exception {
        server.answer(200, message(server.certify(birthKey.publicKey().encoded())));
        assertThatThrownBy(() -> client.enrol(birth, operationalKey)).isInstanceOf(IOException.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {202, 503})
    @DisplayName("comes later when it is told to")
    void later(int status) throws Exception {
        server.answer(status, "later");
        server.headers = Map.of("Retry-After", "17");
        assertThat(client.enrol(birth, operationalKey)).isEqualTo(new EstClient.Answer.Later(Duration.ofSeconds(17)));
        for (String odd : List.of("0", "-5", "Fri, 31 Dec 1999 23:59:59 GMT", "")) {
            server.headers = Map.of("Retry-After", odd);
            assertThat(client.enrol(birth, operationalKey))
                    .isInstanceOfSatisfying(
                            EstClient.Answer.Later.class,
                            answer -> assertThat(answer.retryAfter()).isPositive());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 401, 403, 500})
    @DisplayName("hears why it is refused")
    void refused(int status) throws Exception {
        server.answer(status, "device-unknown: no");
        assertThat(client.enrol(birth, operationalKey))
                .isEqualTo(new EstClient.Answer.Refused(status, "device-unknown: no"));
    }

    @Test
    @DisplayName("follows no redirect")
    void redirect() throws Exception {
        server.answer(302, "elsewhere");
        server.headers = Map.of("Location", server.fleet() + "/trap");
        assertThat(client.enrol(birth, operationalKey)).isInstanceOf(EstClient.Answer.Refused.class);
        assertThat(server.path).endsWith("/simpleenroll");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "AAAA", "hello", "MIIB"})
    @DisplayName("fails in order where the answer is none")
    void garbage(String text) {
        server.answer(200, text);
        assertThatThrownBy(() -> client.enrol(birth, operationalKey)).isInstanceOf(IOException.class);
    }

    @Test
    @DisplayName("reads no endless answer")
    void endless() {
        server.answer(200, "A".repeat(1 << 20));
        assertThatThrownBy(() -> client.enrol(birth, operationalKey))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("too long");
    }

    @Test
    @DisplayName("talks to no server that its anchors do not vouch for, and to none of another name")
    void wrongServer() throws Exception {
        try (EstDouble other = new EstDouble("localhost");
                EstDouble elsewhere = new EstDouble("elsewhere.example")) {
            EstClient untrusting = new EstClient(other.fleet(), List.of(server.anchor()));
            assertThatThrownBy(() -> untrusting.enrol(birth, operationalKey)).isInstanceOf(SSLException.class);
            EstClient misled = new EstClient(elsewhere.fleet(), List.of(elsewhere.anchor()));
            assertThatThrownBy(() -> misled.enrol(birth, operationalKey)).isInstanceOf(IOException.class);
            assertThat(other.body).isNull();
            assertThat(elsewhere.body).isNull();
        }
    }

    @Test
    @DisplayName("has keys that cannot be read out")
    void keysStay() {
        assertThat(birthKey.getEncoded()).isNull();
        assertThat(birthKey.getFormat()).isNull();
        assertThat(birthKey.toString()).doesNotContain("BigInteger");
        assertThatThrownBy(() -> DeviceKey.inChip(CHIP, 5)).isInstanceOf(IllegalArgumentException.class);
    }
}
