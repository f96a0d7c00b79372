// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderVerifier;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.protocol.RelayedEnrolment;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Signed messages that a gateway carries, which can read them and lose them, and nothing more. Errors are
/// not signed: they make the device wait, or come with its birth identity, and that is all they can do.
final class RelayedUplink implements Uplink {
    private static final int PATIENCE_SECONDS = 60;

    private final Home home;
    private final List<Certificate> anchors;
    private final Network network;
    private final DeviceClock clock;

    RelayedUplink(Home home, List<Certificate> anchors, Network network, DeviceClock clock) {
        this.home = home;
        this.anchors = anchors;
        this.network = network;
        this.clock = clock;
    }

    /// A message on its way, which the answer must name.
    private interface Message {
        Bytes signed(Bytes nonce);
    }

    private record Exchange(Bytes message, Network.HttpAnswer answer) {}

    private Exchange exchange(DeviceIdentity as, String path, String contentType, Message message) throws IOException {
        try (Network.Connection connection = network.connect(URI.create(home.url()), as, anchors, clock)) {
            Network.HttpAnswer nonce = connection.ask(Network.Question.get(
                    "/device/v1/nonce?fleet=" + URLEncoder.encode(home.fleet(), StandardCharsets.UTF_8)));
            if (nonce.status() != 200) {
                return new Exchange(Bytes.EMPTY, nonce);
            }
            if (nonce.body().length != RelayedCheckIn.NONCE_SIZE) {
                throw new IOException("the gateway brings no nonce");
            }
            Bytes signed = message.signed(Bytes.of(nonce.body()));
            return new Exchange(
                    signed,
                    connection.ask(Network.Question.post(path, Map.of("Content-Type", contentType), signed.toArray())));
        }
    }

    private static Signer signer(DeviceIdentity as) {
        return new Signer(as.key().publicKey(), as.key()::sign);
    }

    private TrustAnchors trusted() {
        return TrustAnchors.of(anchors);
    }

    @Override
    public Enrolment enrol(DeviceIdentity as, DeviceKeys.Made made, Optional<Name> subject) throws IOException {
        DeviceKey key = made.key();
        Bytes request = CertificateRequest.create(subject.orElse(Name.EMPTY), key.publicKey(), List.of(), key::sign)
                .encoded();
        Exchange exchange = exchange(
                as,
                "/device/v1/enrolment",
                RelayedEnrolment.CONTENT_TYPE,
                nonce -> RelayedEnrolment.sign(
                        nonce, home.fleet(), subject.isPresent(), request, signer(as), as.chain()));
        Network.HttpAnswer answer = exchange.answer();
        return switch (answer.status()) {
            case 200 -> issued(exchange, key);
            case 202, 429, 503 -> new Enrolment.Later(Duration.ofSeconds(answer.retryAfter(PATIENCE_SECONDS)));
            default -> new Enrolment.Refused(answer.status(), answer.text());
        };
    }

    private Enrolment issued(Exchange exchange, DeviceKey key) throws IOException {
        RelayedEnrolment.Answer answer;
        try {
            answer = RelayedEnrolment.parseAnswer(Bytes.of(exchange.answer().body()), exchange.message(), trusted());
        } catch (MalformedException e) {
            throw new IOException("the server's answer is not to be believed: " + e.getMessage(), e);
        }
        if (!answer.certificate().publicKeyEncoded().equals(key.publicKey().encoded())) {
            throw new IOException("the server's answer holds no certificate for the key that was sent");
        }
        clock.hear(answer.time());
        return new Enrolment.Issued(answer.certificate(), answer.authorities());
    }

    @Override
    public Reply checkIn(DeviceIdentity as, CheckIn said) throws IOException {
        Exchange exchange = exchange(
                as,
                "/device/v1/check-in",
                RelayedCheckIn.CONTENT_TYPE,
                nonce -> RelayedCheckIn.sign(nonce, said, signer(as), as.chain()));
        if (exchange.answer().status() != 200) {
            return exchange.answer().refusedCheckIn();
        }
        try {
            return new Reply.Heard(
                    RelayedCheckIn.parseAnswer(Bytes.of(exchange.answer().body()), exchange.message(), trusted()));
        } catch (MalformedException e) {
            throw new IOException("the server's answer is not to be believed: " + e.getMessage(), e);
        }
    }

    /// The server's answers are signed as its orders are.
    @Override
    public Optional<String> lockedOutBy(List<Certificate> others, Bytes order, DeviceIdentity as) {
        return OrderVerifier.untrusted(order, TrustAnchors.of(others), clock.now());
    }
}
