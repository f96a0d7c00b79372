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
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.OrderVerifier;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.protocol.RelayedEnrolment;
import dev.tegata.protocol.RelayedRefusal;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Signed messages that a gateway carries, which can read them and lose them, and nothing more. A refusal
/// counts where the server has signed it: whatever else comes makes the device wait.
final class RelayedUplink implements Uplink {
    private static final int PATIENCE_SECONDS = 60;

    /// How long anybody who carries messages can make the device wait.
    private static final int MOST_PATIENCE_SECONDS = 3600;

    private final Home home;
    private final List<Certificate> anchors;
    private final Network network;
    private final Optional<Attester> attester;
    private final DeviceClock clock;

    RelayedUplink(Home home, List<Certificate> anchors, Agent.Setup setup, DeviceClock clock) {
        this.home = home;
        this.anchors = anchors;
        this.network = setup.network();
        this.attester = setup.attester();
        this.clock = clock;
    }

    /// A message on its way, which the answer must name.
    private interface Message {
        Bytes signed(Bytes nonce) throws IOException;
    }

    private sealed interface Exchange {
        /// @param answer of the kind that was asked for; yet to be checked
        record Yes(Bytes asked, Bytes answer) implements Exchange {}

        /// Nothing is known but that it did not work. Anybody can say so.
        record Busy(Duration retryAfter) implements Exchange {}

        record No(RelayedRefusal refusal) implements Exchange {}
    }

    private Exchange exchange(DeviceIdentity as, String path, String contentType, Message message) throws IOException {
        try (Network.Connection connection = network.connect(URI.create(home.url()), as, anchors, clock)) {
            Network.HttpAnswer nonce = connection.ask(Network.Question.get(
                    "/device/v1/nonce?fleet=" + URLEncoder.encode(home.fleet(), StandardCharsets.UTF_8)));
            if (nonce.status() != 200) {
                return unsigned(nonce);
            }
            if (nonce.body().length != RelayedCheckIn.NONCE_SIZE) {
                throw new IOException("the gateway brings no nonce");
            }
            Bytes asked = message.signed(Bytes.of(nonce.body()));
            Network.HttpAnswer answer =
                    connection.ask(Network.Question.post(path, Map.of("Content-Type", contentType), asked.toArray()));
            if (answer.status() == 200) {
                return new Exchange.Yes(asked, Bytes.of(answer.body()));
            }
            return answer.header("content-type").equals(Optional.of(RelayedRefusal.CONTENT_TYPE))
                    ? refused(answer, asked)
                    : unsigned(answer);
        }
    }

    private static Exchange unsigned(Network.HttpAnswer answer) throws IOException {
        if (answer.status() == 429 || answer.status() == 503) {
            return new Exchange.Busy(
                    Duration.ofSeconds(Math.min(answer.retryAfter(PATIENCE_SECONDS), MOST_PATIENCE_SECONDS)));
        }
        throw new IOException("status " + answer.status() + " comes without the server's signature");
    }

    private Exchange refused(Network.HttpAnswer answer, Bytes asked) throws IOException {
        RelayedRefusal refusal;
        try {
            refusal = RelayedRefusal.parse(Bytes.of(answer.body()), asked, trusted());
        } catch (MalformedException e) {
            throw new IOException("the server's refusal is not to be believed: " + e.getMessage(), e);
        }
        clock.hear(refusal.time());
        if (refusal.code().equals("nonce-invalid")) {
            throw new IOException("the message was too long on its way: " + refusal.detail());
        }
        return refusal.retryAfter() > 0
                ? new Exchange.Busy(Duration.ofSeconds(refusal.retryAfter()))
                : new Exchange.No(refusal);
    }

    private static String why(RelayedRefusal refusal) {
        return refusal.detail().isEmpty() ? refusal.code() : refusal.code() + ": " + refusal.detail();
    }

    /// A TPM makes its attestation key known over TLS only.
    private String whyNot(RelayedRefusal refusal) {
        boolean unknownTpm = refusal.code().equals("evidence-refused")
                && attester.filter(TpmAttester.class::isInstance).isPresent();
        return unknownTpm
                ? why(refusal) + " (behind a gateway a TPM cannot introduce itself: where the server does not know its"
                        + " attestation key, an operator makes it known with 'tegata attest activate', or the device"
                        + " enrols once where it reaches the server)"
                : why(refusal);
    }

    private static Signer signer(DeviceIdentity as) {
        return new Signer(as.key().publicKey(), as.key()::sign);
    }

    private TrustAnchors trusted() {
        return TrustAnchors.of(anchors);
    }

    /// Evidence is given where the server asks for it: it says a device's secrets to whoever carries it.
    @Override
    public Enrolment enrol(DeviceIdentity as, DeviceKeys.Made made, Optional<Name> subject) throws IOException {
        Exchange first = enrol(as, made, subject, Optional.empty());
        Exchange last = first instanceof Exchange.No(RelayedRefusal refusal)
                        && refusal.code().equals("evidence-required")
                        && attester.isPresent()
                ? enrol(as, made, subject, attester)
                : first;
        return switch (last) {
            case Exchange.Yes(Bytes asked, Bytes answer) -> issued(asked, answer, made.key());
            case Exchange.Busy(Duration retryAfter) -> new Enrolment.Later(retryAfter);
            case Exchange.No(RelayedRefusal refusal) ->
                new Enrolment.Refused(refusal.status(), whyNot(refusal), List.of());
        };
    }

    private Exchange enrol(DeviceIdentity as, DeviceKeys.Made made, Optional<Name> subject, Optional<Attester> vouching)
            throws IOException {
        return exchange(as, "/device/v1/enrolment", RelayedEnrolment.CONTENT_TYPE, nonce -> {
            EstClient.Proof proof = vouching.isPresent()
                    ? EstClient.Proof.of(nonce, vouching.get().vouch(nonce, made))
                    : EstClient.Proof.NONE;
            Bytes request = CertificateRequest.create(
                            subject.orElse(Name.EMPTY), made.key().publicKey(), proof.attributes(), made.key()::sign)
                    .encoded();
            return RelayedEnrolment.sign(nonce, home.fleet(), subject.isPresent(), request, signer(as), as.chain());
        });
    }

    private Enrolment issued(Bytes asked, Bytes signed, DeviceKey key) throws IOException {
        RelayedEnrolment.Answer answer;
        try {
            answer = RelayedEnrolment.parseAnswer(signed, asked, trusted());
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
        return switch (exchange) {
            case Exchange.Yes(Bytes asked, Bytes answer) -> new Reply.Heard(heard(asked, answer));
            case Exchange.Busy(Duration retryAfter) -> new Reply.Later(retryAfter);
            case Exchange.No(RelayedRefusal refusal) -> Reply.refused(refusal.status(), why(refusal));
        };
    }

    private CheckInAnswer heard(Bytes asked, Bytes answer) throws IOException {
        try {
            return RelayedCheckIn.parseAnswer(answer, asked, trusted());
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
