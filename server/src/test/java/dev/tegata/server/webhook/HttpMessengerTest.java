// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.RefusedException;
import dev.tegata.platform.webhook.Messenger.Answer;
import dev.tegata.server.RunningServer;
import dev.tegata.server.http.TlsClient;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Random;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HttpMessengerTest {
    private static final SSLSocketFactory TLS = (SSLSocketFactory) SSLSocketFactory.getDefault();
    private static final InstantSource CLOCK = InstantSource.system();

    private static Answer post(HttpMessenger messenger, String url) {
        return messenger.post(URI.create(url), Map.of(), new byte[] {'{', '}'});
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1",
                "127.9.9.9",
                "10.1.2.3",
                "172.16.0.1",
                "192.168.1.1",
                "169.254.169.254",
                "100.64.0.1",
                "0.0.0.0",
                "224.0.0.1",
                "255.255.255.255",
                "198.18.0.1",
                "[::1]",
                "[::]",
                "[fe80::1]",
                "[fd00::1]",
                "[fc00::1]",
                "[ff02::1]",
                "[::ffff:127.0.0.1]",
                "[64:ff9b::7f00:1]",
                "[2002:7f00:1::]",
                "[::7f00:1]",
                "[2001:0:1::1]"
            })
    void addressesThatAreNotPublicAreRefused(String host) {
        try (OutboundHttp http = new OutboundHttp(TLS, false)) {
            HttpMessenger messenger = new HttpMessenger(http, CLOCK);
            URI target = URI.create("https://" + host + "/");
            assertThatThrownBy(() -> messenger.requireAcceptable(target)).isInstanceOf(RefusedException.class);
            assertThat(post(messenger, target.toString()).problem()).contains("not public");
        }
    }

    @Test
    void aNameThatLeadsInsideIsRefusedWhenItIsConnectedTo() {
        try (Receiver receiver = new Receiver();
                OutboundHttp http = new OutboundHttp(TLS, false)) {
            HttpMessenger messenger = new HttpMessenger(http, CLOCK);
            String url = receiver.url().replace("http://127.0.0.1", "https://localhost");
            messenger.requireAcceptable(URI.create(url));
            assertThat(post(messenger, url).problem()).contains("not public");
            assertThatThrownBy(() -> messenger.requireAcceptable(URI.create(receiver.url())))
                    .isInstanceOf(RefusedException.class);
            assertThat(receiver.all()).isEmpty();
        }
    }

    @Test
    void publicAddressesAreAcceptedOverTlsAlone() {
        try (OutboundHttp http = new OutboundHttp(TLS, true)) {
            HttpMessenger messenger = new HttpMessenger(http, CLOCK);
            messenger.requireAcceptable(URI.create("https://93.184.216.34/"));
            messenger.requireAcceptable(URI.create("https://[2606:4700::1]/"));
            messenger.requireAcceptable(URI.create("http://10.0.0.1/"));
            assertThatThrownBy(() -> messenger.requireAcceptable(URI.create("http://93.184.216.34/")))
                    .isInstanceOf(RefusedException.class);
            assertThatThrownBy(() -> messenger.requireAcceptable(URI.create("https://224.0.0.1/")))
                    .isInstanceOf(RefusedException.class);
        }
    }

    @Test
    void aCertificateOfAnUnknownAuthorityIsRefused() throws Exception {
        RunningServer server = RunningServer.shared();
        String api = server.server().apiUrl();
        SSLSocketFactory trusting = TlsClient.context(
                        server.server().authorityFile().orElseThrow(), null, null)
                .getSocketFactory();
        try (OutboundHttp untrusting = new OutboundHttp(TLS, true);
                OutboundHttp http = new OutboundHttp(trusting, true)) {
            HttpMessenger stranger = new HttpMessenger(untrusting, CLOCK);
            HttpMessenger messenger = new HttpMessenger(http, CLOCK);
            assertThat(post(stranger, api + "/api/v1/tenant").problem()).startsWith("TLS: ");
            assertThat(post(messenger, api + "/no/such/thing").status()).isEqualTo(404);
        }
    }

    @Test
    void aReceiverThatNeverAnswersIsLeft() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
                OutboundHttp http = new OutboundHttp(TLS, true, Duration.ofMillis(300))) {
            HttpMessenger messenger = new HttpMessenger(http, CLOCK);
            Answer answer = post(messenger, "http://127.0.0.1:" + silent.getLocalPort() + "/");
            assertThat(answer.status()).isZero();
            assertThat(answer.problem()).contains("no answer");
        }
    }

    private static Answer read(String answer) throws IOException {
        return HttpMessenger.answer(
                OutboundHttp.read(new ByteArrayInputStream(answer.getBytes(StandardCharsets.ISO_8859_1)), 0),
                Instant.parse("2026-01-01T00:00:00Z"));
    }

    @Test
    void answersAreReadWithinBounds() throws Exception {
        assertThat(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\nX: y\r\n\r\n")
                        .isSuccess())
                .isTrue();
        assertThat(read("HTTP/1.1 503 No\r\nretry-after: 7\r\n\r\n").retryAfter())
                .isEqualTo(Duration.ofSeconds(7));
        assertThat(read("HTTP/1.1 503 No\r\nRetry-After: Thu, 1 Jan 2026 00:01:00 GMT\r\n\r\n")
                        .retryAfter())
                .isEqualTo(Duration.ofMinutes(1));
        assertThat(read("HTTP/1.1 503 No\r\nRetry-After: never\r\n\r\n").retryAfter())
                .isNull();
        assertThatThrownBy(() -> read("HTTP/1.1 200 OK\r\nX: " + "x".repeat(20_000) + "\r\n\r\n"))
                .hasMessageContaining("too long");
        assertThatThrownBy(() -> read("SSH-2.0-x\r\n\r\n")).isInstanceOf(IOException.class);
    }

    @Test
    void noAnswerBreaksTheReader() {
        Random random = new Random(20);
        byte[] good = "HTTP/1.1 503 No\r\nRetry-After: 99\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1);
        for (int i = 0; i < 20_000; i++) {
            byte[] bad = good.clone();
            for (int j = random.nextInt(4); j >= 0; j--) {
                bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
            }
            try {
                int status =
                        OutboundHttp.read(new ByteArrayInputStream(bad), 64).status();
                assertThat(status).isBetween(200, 599);
            } catch (IOException expected) {
                assertThat(expected).hasMessageNotContaining("null");
            }
        }
    }
}
