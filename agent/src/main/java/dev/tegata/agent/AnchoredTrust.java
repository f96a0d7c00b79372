// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.GeneralName;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import java.net.InetAddress;
import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;

/// Trusts servers whose certificate chains to one of some anchors and names the host that was asked for.
///
/// A device that does not know the time yet accepts a chain that is valid at any time that it may be: from
/// the latest time that it ever heard on. So a clock that is years off locks nobody out, and an old
/// certificate that had expired when the device last heard the time stays expired.
final class AnchoredTrust extends X509ExtendedTrustManager {
    private static final PathCheck PATHS = new PathCheck(256);
    private static final int MAX_CHAIN = 8;

    private final TrustAnchors anchors;
    private final List<Certificate> all;
    private final DeviceClock clock;
    private final String host;

    /// @param host that the certificate must name
    AnchoredTrust(List<Certificate> anchors, DeviceClock clock, String host) {
        this.all = List.copyOf(anchors);
        this.anchors = TrustAnchors.of(anchors);
        this.clock = clock;
        this.host = host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    }

    /// The certificates in these encodings.
    ///
    /// @throws IllegalArgumentException where one cannot be read
    static List<Certificate> certificates(List<Bytes> encoded) {
        List<Certificate> certificates = new ArrayList<>(encoded.size());
        for (Bytes der : encoded) {
            try {
                certificates.add(Certificate.parse(der));
            } catch (InvalidCertificateException e) {
                throw new IllegalArgumentException("not a certificate in DER: " + e.getMessage(), e);
            }
        }
        return certificates;
    }

    private void check(X509Certificate[] shown) throws CertificateException {
        if (shown.length == 0 || shown.length > MAX_CHAIN) {
            throw new CertificateException("the server shows " + shown.length + " certificates");
        }
        List<Certificate> chain = new ArrayList<>(shown.length);
        for (X509Certificate certificate : shown) {
            try {
                chain.add(Certificate.parse(Bytes.of(certificate.getEncoded())));
            } catch (InvalidCertificateException e) {
                throw new CertificateException("the server's certificate cannot be read: " + e.getMessage(), e);
            }
        }
        if (!names(chain.getFirst())) {
            throw new CertificateException("the server's certificate is not for " + host);
        }
        Optional<String> problem = problem(chain, clock.now());
        if (problem.isPresent() && !clock.isSure() && isValidLater(chain)) {
            problem = Optional.empty();
        }
        if (problem.isPresent()) {
            throw new CertificateException("the server is not trusted: " + problem.get());
        }
    }

    /// Why the chain is not trusted at a time; empty where it is.
    private Optional<String> problem(List<Certificate> chain, Instant at) {
        Certificate leaf = chain.getFirst();
        if (all.contains(leaf) && leaf.validity().contains(at)) {
            return Optional.empty(); // the server's own certificate is trusted by decision
        }
        return switch (PATHS.check(Presented.of(chain), anchors, at, Purpose.SERVER)) {
            case PathResult.Valid _ -> Optional.empty();
            case PathResult.Invalid(PathResult.Reason _, String sentence) -> Optional.of(sentence);
        };
    }

    /// Whether there is a later time at which the chain is valid. If there is one, it is when its last part
    /// begins.
    private boolean isValidLater(List<Certificate> chain) {
        return Stream.concat(chain.stream(), all.stream())
                .map(certificate -> certificate.validity().notBefore())
                .filter(begin -> begin.isAfter(clock.now()))
                .distinct()
                .anyMatch(begin -> problem(chain, begin).isEmpty());
    }

    // spec| RFC 9525 §6: only subjectAltName counts; a wildcard stands for one whole label, the leftmost.
    private boolean names(Certificate leaf) {
        for (GeneralName name : leaf.alternativeNames()) {
            boolean matches = switch (name) {
                case GeneralName.Dns(String pattern) -> matches(pattern.toLowerCase(Locale.ROOT));
                case GeneralName.Ip ip -> isAddress() && address().equals(ip.address());
                case GeneralName.Uri _, GeneralName.Email _, GeneralName.Directory _, GeneralName.Other _ -> false;
            };
            if (matches) {
                return true;
            }
        }
        return false;
    }

    private boolean matches(String pattern) {
        String wanted = host.toLowerCase(Locale.ROOT);
        if (pattern.startsWith("*.")) {
            int dot = wanted.indexOf('.');
            return dot > 0 && !isAddress() && pattern.substring(1).equals(wanted.substring(dot));
        }
        return pattern.equals(wanted);
    }

    private boolean isAddress() {
        return host.matches("[0-9.]+") || host.contains(":");
    }

    private Bytes address() {
        try {
            return Bytes.of(InetAddress.ofLiteral(host).getAddress());
        } catch (IllegalArgumentException e) {
            return Bytes.EMPTY;
        }
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        check(chain);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        check(chain);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        check(chain);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        throw new CertificateException("a device serves nobody");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        throw new CertificateException("a device serves nobody");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw new CertificateException("a device serves nobody");
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return new X509Certificate[0];
    }
}
