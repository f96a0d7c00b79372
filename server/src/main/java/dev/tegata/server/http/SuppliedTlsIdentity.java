// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.openssl.PEMEncryptedKeyPair;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.pkcs.PKCS8EncryptedPrivateKeyInfo;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The operator's own certificate and key, checked, and read again when the files change.
public final class SuppliedTlsIdentity implements TlsIdentity {
    private static final Logger LOG = LoggerFactory.getLogger(SuppliedTlsIdentity.class);
    private static final int LARGEST_FILE = 1 << 20;
    private static final List<String> SERVER_PURPOSES = List.of("1.3.6.1.5.5.7.3.1", "2.5.29.37.0");

    private final Path chainFile;
    private final Path keyFile;
    private final InstantSource clock;
    private volatile PemMaterial material;
    private String lastComplaint = "";

    /// @throws UncheckedIOException where a file cannot be read or used, with a sentence for a person
    public SuppliedTlsIdentity(Path chainFile, Path keyFile, InstantSource clock) {
        this.chainFile = chainFile;
        this.keyFile = keyFile;
        this.clock = clock;
        try {
            this.material = read();
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    @Override
    public PemMaterial material() {
        return material;
    }

    @Override
    public synchronized boolean refresh() {
        try {
            PemMaterial now = read();
            lastComplaint = "";
            if (Arrays.equals(now.chain(), material.chain()) && Arrays.equals(now.key(), material.key())) {
                return false;
            }
            material = now;
            return true;
        } catch (IOException e) {
            String complaint = String.valueOf(e.getMessage());
            if (!complaint.equals(lastComplaint)) {
                LOG.warn("The TLS identity as it was stays in use: {}.", complaint);
                lastComplaint = complaint;
            }
            return false;
        }
    }

    @Override
    public Optional<Path> authorityFile() {
        return Optional.empty();
    }

    private PemMaterial read() throws IOException {
        byte[] pem = content("tls-certificate", chainFile);
        List<X509Certificate> chain = chain(pem);
        PrivateKey key = key(new String(content("tls-key", keyFile), StandardCharsets.ISO_8859_1));
        X509Certificate own = chain.getFirst();
        if (!belongTogether(own.getPublicKey(), key)) {
            for (X509Certificate upper : chain) {
                if (belongTogether(upper.getPublicKey(), key)) {
                    throw wrongCertificate("does not begin with the certificate of tls-key: put that one first,"
                            + " then the CA that issued it, and so on");
                }
            }
            throw new IOException("tls-key " + keyFile + " is not the key of the certificate in " + chainFile
                    + ": give the two that were made together");
        }
        checkUse(own);
        checkOrder(chain);
        return new PemMaterial(pem, LocalTlsIdentity.keyPem(key));
    }

    private static byte[] content(String setting, Path file) throws IOException {
        try {
            if (Files.isRegularFile(file) && Files.size(file) <= LARGEST_FILE) {
                return Files.readAllBytes(file);
            }
        } catch (IOException e) {
            LOG.debug("{} cannot be read.", file, e);
        }
        throw new IOException(
                setting + " " + file + " cannot be read: give a PEM file that the server's user may read");
    }

    private IOException wrongCertificate(String what) {
        return new IOException("tls-certificate " + chainFile + " " + what);
    }

    private List<X509Certificate> chain(byte[] pem) throws IOException {
        try {
            List<X509Certificate> chain =
                    CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(pem)).stream()
                            .map(X509Certificate.class::cast)
                            .toList();
            if (!chain.isEmpty()
                    && new String(pem, StandardCharsets.ISO_8859_1).contains("-----BEGIN CERTIFICATE-----")) {
                return chain;
            }
        } catch (CertificateException e) {
            LOG.debug("{} holds no certificates.", chainFile, e);
        }
        throw wrongCertificate(
                "holds no certificates as PEM: give the server's certificate, then the CA that issued it, and so on");
    }

    private PrivateKey key(String pem) throws IOException {
        try (PEMParser parser = new PEMParser(new StringReader(pem))) {
            JcaPEMKeyConverter converter = new JcaPEMKeyConverter();
            for (Object part = parser.readObject(); part != null; part = parser.readObject()) {
                switch (part) {
                    case PKCS8EncryptedPrivateKeyInfo _, PEMEncryptedKeyPair _ ->
                        throw new EncryptedKeyException("tls-key " + keyFile
                                + " is encrypted, and there is no setting for its passphrase: give it as it is after"
                                + " 'openssl pkey -in KEY -out PLAIN', in a file that only the server's user may read");
                    case PEMKeyPair pair -> {
                        return converter.getPrivateKey(pair.getPrivateKeyInfo());
                    }
                    case PrivateKeyInfo info -> {
                        return converter.getPrivateKey(info);
                    }
                    default -> LOG.trace("Passed over a part of {}.", keyFile);
                }
            }
        } catch (EncryptedKeyException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            LOG.debug("{} holds no key.", keyFile, e);
        }
        throw new IOException("tls-key " + keyFile + " holds no private key as PEM: give the key of tls-certificate");
    }

    private static final class EncryptedKeyException extends IOException {
        private static final long serialVersionUID = 1L;

        EncryptedKeyException(String message) {
            super(message);
        }
    }

    private boolean belongTogether(PublicKey open, PrivateKey key) throws IOException {
        String algorithm = switch (open.getAlgorithm()) {
            case "RSA" -> "SHA256withRSA";
            case "EC" -> "SHA256withECDSA";
            default ->
                throw wrongCertificate("is for a key of the kind " + open.getAlgorithm()
                        + ", which cannot be used here: have one issued for an EC or RSA key");
        };
        try {
            return LocalTlsIdentity.belongTogether(algorithm, open, key);
        } catch (InvalidKeyException e) {
            return false; // of another kind
        } catch (GeneralSecurityException e) {
            LOG.debug("The key does not verify.", e);
            return false;
        }
    }

    private void checkUse(X509Certificate own) throws IOException {
        Instant now = clock.instant();
        Instant begin = own.getNotBefore().toInstant();
        Instant end = own.getNotAfter().toInstant();
        if (now.isAfter(end)) {
            throw wrongCertificate("has expired at " + end + ": have it renewed");
        }
        if (now.isBefore(begin)) {
            throw wrongCertificate("is good from " + begin + " only, and here it is " + now + ": is the clock right?");
        }
        boolean[] uses = own.getKeyUsage();
        try {
            List<String> purposes = own.getExtendedKeyUsage();
            if (uses != null && !uses[0] && !uses[2]
                    || purposes != null && purposes.stream().noneMatch(SERVER_PURPOSES::contains)) {
                throw wrongCertificate("begins with one that is not for TLS servers, by its key usage"
                        + (own.getBasicConstraints() >= 0 ? " (it is a CA's)" : "")
                        + ": put the server's own first, issued with the purpose serverAuth");
            }
        } catch (CertificateException e) {
            throw wrongCertificate("holds a key usage that cannot be read: have it issued anew");
        }
    }

    /// A CA's signature that this JDK cannot verify is left to the clients.
    private void checkOrder(List<X509Certificate> chain) throws IOException {
        for (int i = 1; i < chain.size(); i++) {
            boolean issued = chain.get(i - 1)
                    .getIssuerX500Principal()
                    .equals(chain.get(i).getSubjectX500Principal());
            try {
                if (issued) {
                    chain.get(i - 1).verify(chain.get(i).getPublicKey());
                }
            } catch (NoSuchAlgorithmException e) {
                LOG.debug("A signature in {} cannot be verified.", chainFile, e);
            } catch (GeneralSecurityException e) {
                issued = false;
            }
            if (!issued) {
                throw wrongCertificate("is not in order: its certificate " + (i + 1) + " has not issued the "
                        + (i == 1 ? "first" : "one before") + "; put the server's own first, then the CA that issued"
                        + " it, and so on");
            }
        }
    }
}
