// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The device's side of EST (RFC 7030, RFC 8951). Blocking.
public final class EstClient {
    private static final int PATIENCE_SECONDS = 60;

    /// A nonce of 8 to 64 bytes, or none.
    private static final Pattern NONCE = Pattern.compile("\"nonce\"\\s*:\\s*\"([A-Za-z0-9_-]{11,86}|)\"");

    private final URI fleet;
    private final List<Certificate> anchors;
    private final Network network;
    private final DeviceClock clock;

    /// A client of a machine whose clock is right.
    ///
    /// @param fleet `https://host:port/.well-known/est/{fleet}`
    /// @param anchors DER certificates of the CAs that the server's TLS certificate may chain to
    public EstClient(URI fleet, List<Bytes> anchors) {
        this(fleet, AnchoredTrust.certificates(anchors), Network.ofThisMachine(), rightClock());
    }

    EstClient(URI fleet, List<Certificate> anchors, Network network, DeviceClock clock) {
        this.fleet = fleet;
        this.anchors = anchors;
        this.network = network;
        this.clock = clock;
    }

    private static DeviceClock rightClock() {
        DeviceClock clock = new DeviceClock(InstantSource.system(), Instant.EPOCH);
        clock.hear(InstantSource.system().instant());
        return clock;
    }

    /// What the server said to an enrolment.
    public sealed interface Answer {
        record Enrolled(Certificate certificate) implements Answer {}

        /// Ask again later: somebody has to approve first, or the server is busy.
        record Later(Duration retryAfter) implements Answer {}

        /// @param status the HTTP status
        record Refused(int status, String reason) implements Answer {}
    }

    /// The fleet's CA certificates.
    public List<Certificate> caCertificates(DeviceIdentity identity) throws IOException {
        try (Network.Connection connection = network.connect(fleet, identity, anchors, clock)) {
            return caCertificates(connection);
        }
    }

    List<Certificate> caCertificates(Network.Connection connection) throws IOException {
        Network.HttpAnswer answer = connection.ask(Network.Question.get(fleet.getRawPath() + "/cacerts"));
        if (answer.status() != 200) {
            throw new IOException("the server refused cacerts with status " + answer.status());
        }
        return certificates(answer);
    }

    /// Asks for the first certificate of `key`.
    ///
    /// @param identity what the device shows in TLS: its birth identity
    /// @param key that the certificate is to be for; may be the identity's own
    public Answer enrol(DeviceIdentity identity, DeviceKey key) throws IOException {
        try (Network.Connection connection = network.connect(fleet, identity, anchors, clock)) {
            return enrol(connection, key, Optional.empty(), Proof.NONE);
        }
    }

    /// Asks for the next certificate.
    ///
    /// @param identity the current operational identity
    /// @param subject that of the current certificate (RFC 7030 §4.2.2)
    public Answer reEnrol(DeviceIdentity identity, DeviceKey key, Name subject) throws IOException {
        try (Network.Connection connection = network.connect(fleet, identity, anchors, clock)) {
            return reEnrol(connection, key, subject, Proof.NONE);
        }
    }

    /// Asks over a connection that is open already.
    Answer enrol(Network.Connection connection, DeviceKey key, Optional<String> claimToken, Proof proof)
            throws IOException {
        return request(connection, "/simpleenroll", key, Name.EMPTY, claimToken, proof);
    }

    Answer reEnrol(Network.Connection connection, DeviceKey key, Name subject, Proof proof) throws IOException {
        return request(connection, "/simplereenroll", key, subject, Optional.empty(), proof);
    }

    /// What a request proves beside the possession of its key.
    ///
    /// @param headers that tie it to the nonce
    record Proof(List<RequestAttribute> attributes, Map<String, String> headers) {
        static final Proof NONE = new Proof(List.of(), Map.of());

        static Proof of(Bytes nonce, List<AttestationBundle.Statement> statements) {
            return new Proof(
                    List.of(new RequestAttribute(
                            AttestationBundle.ATTRIBUTE, new AttestationBundle(statements, List.of()).encode())),
                    Map.of("Cookie", "est-nonce=" + nonce.base64Url()));
        }
    }

    /// The nonce for evidence in the next request (draft-ietf-lamps-attestation-freshness); empty where the
    /// server wants none.
    Optional<Bytes> nonce(Network.Connection connection) throws IOException {
        Network.HttpAnswer answer = connection.ask(Network.Question.get(fleet.getRawPath() + "/nonce"));
        Matcher nonce = NONCE.matcher(answer.text());
        try {
            return answer.status() == 200 && nonce.find() && !nonce.group(1).isEmpty()
                    ? Optional.of(Bytes.ofBase64Url(nonce.group(1)))
                    : Optional.empty();
        } catch (IllegalArgumentException e) {
            throw new IOException("the server's nonce cannot be read", e);
        }
    }

    /// Asks for a certificate of the second chain, for a key that TLS does not know.
    Answer reEnrol(Network.Connection connection, SoftwareKey key, Name subject) throws IOException {
        SignatureAlgorithm algorithm = key.publicKey().algorithm().signatureAlgorithm();
        return request(
                connection,
                "/simplereenroll",
                CertificateRequest.create(subject, key.publicKey(), List.of(), data -> key.sign(algorithm, data)),
                Optional.empty(),
                Proof.NONE);
    }

    private Answer request(
            Network.Connection connection,
            String operation,
            DeviceKey key,
            Name subject,
            Optional<String> claimToken,
            Proof proof)
            throws IOException {
        return request(
                connection,
                operation,
                CertificateRequest.create(subject, key.publicKey(), proof.attributes(), key::sign),
                claimToken,
                proof);
    }

    private Answer request(
            Network.Connection connection,
            String operation,
            CertificateRequest request,
            Optional<String> claimToken,
            Proof proof)
            throws IOException {
        Map<String, String> headers =
                new HashMap<>(Map.of("Content-Type", "application/pkcs10", "Content-Transfer-Encoding", "base64"));
        headers.putAll(proof.headers());
        claimToken.ifPresent(token -> headers.put("Authorization", "Bearer " + token));
        Network.HttpAnswer answer = connection.ask(Network.Question.post(
                fleet.getRawPath() + operation,
                headers,
                request.encoded().base64().getBytes(StandardCharsets.US_ASCII)));
        return switch (answer.status()) {
            case 200 -> new Answer.Enrolled(certificateOf(request.publicKey(), certificates(answer)));
            case 202, 429, 503 -> new Answer.Later(Duration.ofSeconds(answer.retryAfter(PATIENCE_SECONDS)));
            default -> new Answer.Refused(answer.status(), new String(answer.body(), StandardCharsets.UTF_8));
        };
    }

    /// The answer may hold the chain too, in any order.
    private static Certificate certificateOf(PublicKeyInfo key, List<Certificate> certificates) throws IOException {
        for (Certificate certificate : certificates) {
            if (certificate.publicKeyEncoded().equals(key.encoded())) {
                return certificate;
            }
        }
        throw new IOException("the server's answer holds no certificate for the key that was sent");
    }

    private static List<Certificate> certificates(Network.HttpAnswer answer) throws IOException {
        String text = new String(answer.body(), StandardCharsets.US_ASCII);
        try {
            return CertsOnlyCms.decode(Bytes.of(Base64.getMimeDecoder().decode(text)));
        } catch (InvalidCertificateException | IllegalArgumentException e) {
            throw new IOException("the server's answer is no certificate message: " + e.getMessage(), e);
        }
    }
}
