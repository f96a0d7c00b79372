// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.EcdsaSignature;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLSocketFactory;

/// The device's side of EST (RFC 7030, RFC 8951). Blocking; one connection per request.
public final class EstClient {
    private static final int MAX_ANSWER = 256 * 1024;
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    private final URI fleet;
    private final AnchoredTrust trust;

    /// @param fleet `https://host:port/.well-known/est/{fleet}`
    /// @param anchors DER certificates of the CAs that the server's TLS certificate may chain to
    public EstClient(URI fleet, List<Bytes> anchors) {
        this.fleet = fleet;
        this.trust = AnchoredTrust.of(anchors);
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
        HttpsURLConnection connection = open(identity.tls(trust).getSocketFactory(), "/cacerts");
        try {
            if (connection.getResponseCode() != 200) {
                throw new IOException("the server refused cacerts with status " + connection.getResponseCode());
            }
            return certificates(connection);
        } finally {
            connection.disconnect();
        }
    }

    /// Asks for the first certificate of `key`.
    ///
    /// @param identity what the device shows in TLS: its birth identity
    /// @param key that the certificate is to be for; may be the identity's own
    public Answer enrol(DeviceIdentity identity, DeviceKey key) throws IOException {
        return request("/simpleenroll", identity, key, Name.EMPTY);
    }

    /// Asks for the next certificate.
    ///
    /// @param identity the current operational identity
    /// @param subject that of the current certificate (RFC 7030 §4.2.2)
    public Answer reEnrol(DeviceIdentity identity, DeviceKey key, Name subject) throws IOException {
        return request("/simplereenroll", identity, key, subject);
    }

    private Answer request(String operation, DeviceIdentity identity, DeviceKey key, Name subject) throws IOException {
        CertificateRequest request = CertificateRequest.create(
                subject,
                key.publicKey(),
                List.of(),
                data -> EcdsaSignature.derOf(key.signDigest(Bytes.sha256(data).toArray())));
        HttpsURLConnection connection = open(identity.tls(trust).getSocketFactory(), operation);
        try {
            connection.setRequestMethod("POST");
            connection.setDoOutput(true);
            connection.setRequestProperty("Content-Type", "application/pkcs10");
            connection.setRequestProperty("Content-Transfer-Encoding", "base64");
            byte[] body = request.encoded().base64().getBytes(StandardCharsets.US_ASCII);
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body);
            }
            return answer(connection, key);
        } finally {
            connection.disconnect();
        }
    }

    private static Answer answer(HttpsURLConnection connection, DeviceKey key) throws IOException {
        int status = connection.getResponseCode();
        return switch (status) {
            case 200 -> new Answer.Enrolled(certificateOf(key, certificates(connection)));
            case 202, 503 ->
                new Answer.Later(Duration.ofSeconds(Math.max(1, connection.getHeaderFieldInt("Retry-After", 60))));
            default -> new Answer.Refused(status, text(connection.getErrorStream()));
        };
    }

    /// The answer may hold the chain too, in any order.
    private static Certificate certificateOf(DeviceKey key, List<Certificate> certificates) throws IOException {
        for (Certificate certificate : certificates) {
            if (certificate.publicKeyEncoded().equals(key.publicKey().encoded())) {
                return certificate;
            }
        }
        throw new IOException("the server's answer holds no certificate for the key that was sent");
    }

    private HttpsURLConnection open(SSLSocketFactory sockets, String operation) throws IOException {
        HttpsURLConnection connection =
                (HttpsURLConnection) URI.create(fleet + operation).toURL().openConnection();
        connection.setSSLSocketFactory(sockets);
        connection.setConnectTimeout((int) TIMEOUT.toMillis());
        connection.setReadTimeout((int) TIMEOUT.toMillis());
        connection.setInstanceFollowRedirects(false);
        connection.setUseCaches(false);
        connection.setRequestProperty("Connection", "close");
        return connection;
    }

    private static List<Certificate> certificates(HttpsURLConnection connection) throws IOException {
        String text = text(connection.getInputStream());
        try {
            return CertsOnlyCms.decode(Bytes.of(Base64.getMimeDecoder().decode(text)));
        } catch (InvalidCertificateException | IllegalArgumentException e) {
            throw new IOException("the server's answer is no certificate message: " + e.getMessage(), e);
        }
    }

    private static String text(InputStream in) throws IOException {
        if (in == null) {
            return "";
        }
        byte[] body = in.readNBytes(MAX_ANSWER + 1);
        if (body.length > MAX_ANSWER) {
            throw new IOException("the server's answer is too long");
        }
        return new String(body, StandardCharsets.UTF_8);
    }
}
