// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.CertIOException;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A TLS certificate from a CA of this installation's own, both made at the first start and kept in a
/// folder that only this user can read.
///
/// The CA lasts ten years, the certificate ninety days; a new one is made when a third of its time is left,
/// or when the names change. This CA has nothing to do with the tenants' authorities: it vouches for the
/// server's address only.
public final class LocalTlsIdentity implements TlsIdentity {
    private static final Logger LOG = LoggerFactory.getLogger(LocalTlsIdentity.class);
    private static final Duration AUTHORITY_LIFE = Duration.ofDays(3650);
    private static final Duration LIFE = Duration.ofDays(90);
    private static final Duration BACKDATE = Duration.ofMinutes(5);

    private final Path folder;
    private final Set<String> names;
    private final InstantSource clock;
    private final SecureRandom random = new SecureRandom();
    private volatile PemMaterial material;
    private volatile X509Certificate certificate;

    private record Identity(X509Certificate certificate, PrivateKey key) {}

    /// Reads the identity in `folder`, or makes one.
    ///
    /// @param moreNames host names and addresses beside `localhost`, the loopback addresses and this host's
    /// name
    /// @throws UncheckedIOException where the folder cannot be used
    public LocalTlsIdentity(Path folder, List<String> moreNames, InstantSource clock) {
        this.folder = folder;
        this.names = names(moreNames);
        this.clock = clock;
        try {
            Files.createDirectories(
                    folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Identity identity = usable().orElse(null);
            if (identity == null) {
                identity = issue();
            }
            this.certificate = identity.certificate();
            this.material = pem(identity);
        } catch (IOException e) {
            throw new UncheckedIOException("the TLS folder " + folder + " cannot be used: " + e.getMessage(), e);
        }
    }

    /// The identity in the folder, where it is whole and good. The local authority can make another at any
    /// time: a process that was killed between its two files, or a disk that lost one, is no reason to wait
    /// for somebody.
    private Optional<Identity> usable() {
        if (!Files.exists(folder.resolve("server.pem"))) {
            return Optional.empty();
        }
        try {
            Identity identity = read("server");
            if (!belongTogether("SHA256withECDSA", identity.certificate().getPublicKey(), identity.key())) {
                throw new IOException("the certificate is for another key");
            }
            return Optional.of(identity).filter(known -> isGood(known.certificate()));
        } catch (IOException | GeneralSecurityException e) {
            LOG.warn("The TLS certificate in {} is made anew: {}", folder, e.getMessage());
            return Optional.empty();
        }
    }

    /// Whether what the one signs verifies under the other.
    ///
    /// @param algorithm JCA's name of a signature algorithm for these keys
    static boolean belongTogether(String algorithm, PublicKey open, PrivateKey key) throws GeneralSecurityException {
        Signature signature = Signature.getInstance(algorithm);
        signature.initSign(key);
        byte[] signed = signature.sign();
        signature.initVerify(open);
        return signature.verify(signed);
    }

    @Override
    public PemMaterial material() {
        return material;
    }

    @Override
    public synchronized boolean refresh() {
        if (isGood(certificate)) {
            return false;
        }
        try {
            Identity identity = issue();
            material = pem(identity);
            certificate = identity.certificate();
            return true;
        } catch (IOException e) {
            LOG.error("The TLS certificate cannot be renewed; the old one stays in use.", e);
            return false;
        }
    }

    @Override
    public Optional<Path> authorityFile() {
        return Optional.of(folder.resolve("ca.pem"));
    }

    private PemMaterial pem(Identity identity) throws IOException {
        return new PemMaterial(Files.readAllBytes(folder.resolve("server.pem")), keyPem(identity.key()));
    }

    private boolean isGood(X509Certificate shown) {
        Instant renewAt = shown.getNotAfter().toInstant().minus(LIFE.dividedBy(3));
        return clock.instant().isBefore(renewAt) && alternativeNames(shown).containsAll(names);
    }

    private static Set<String> alternativeNames(X509Certificate shown) {
        Set<String> found = new LinkedHashSet<>();
        try {
            for (List<?> name : shown.getSubjectAlternativeNames()) {
                found.add(canonical(String.valueOf(name.get(1))));
            }
        } catch (GeneralSecurityException e) {
            return Set.of();
        }
        return found;
    }

    private Identity issue() throws IOException {
        Identity authority = authority();
        Instant now = clock.instant().truncatedTo(ChronoUnit.SECONDS);
        KeyPair pair = keyPair();
        try {
            X509v3CertificateBuilder builder = builder(
                            authority.certificate().getSubjectX500Principal().getName(),
                            "CN=Tegata server",
                            pair.getPublic(),
                            now.plus(LIFE))
                    .addExtension(Extension.basicConstraints, true, new BasicConstraints(false))
                    .addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature))
                    .addExtension(
                            Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_serverAuth))
                    .addExtension(Extension.subjectAlternativeName, false, generalNames())
                    .addExtension(
                            Extension.authorityKeyIdentifier,
                            false,
                            new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(authority.certificate()));
            Identity identity = new Identity(sign(builder, authority.key()), pair.getPrivate());
            write("server", identity, certificatePem(authority.certificate()));
            LOG.info(
                    "Made a TLS certificate for {}, good until {}.",
                    names,
                    identity.certificate().getNotAfter().toInstant());
            return identity;
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
    }

    private Identity authority() throws IOException {
        if (Files.exists(folder.resolve("ca.pem"))) {
            Identity known = read("ca");
            Instant end = known.certificate().getNotAfter().toInstant();
            if (clock.instant().plus(LIFE).isBefore(end)) {
                return known;
            }
            LOG.warn(
                    "The local TLS authority ends at {}: clients must be given the new {}.",
                    end,
                    folder.resolve("ca.pem"));
        }
        Instant now = clock.instant().truncatedTo(ChronoUnit.SECONDS);
        KeyPair pair = keyPair();
        String name = "CN=Tegata local TLS authority " + "%06x".formatted(random.nextInt(1 << 24));
        try {
            X509v3CertificateBuilder builder = builder(name, name, pair.getPublic(), now.plus(AUTHORITY_LIFE))
                    .addExtension(Extension.basicConstraints, true, new BasicConstraints(0))
                    .addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign))
                    .addExtension(
                            Extension.subjectKeyIdentifier,
                            false,
                            new JcaX509ExtensionUtils().createSubjectKeyIdentifier(pair.getPublic()));
            Identity authority = new Identity(sign(builder, pair.getPrivate()), pair.getPrivate());
            write("ca", authority, "");
            return authority;
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
    }

    private X509v3CertificateBuilder builder(String issuer, String subject, PublicKey key, Instant notAfter) {
        return new JcaX509v3CertificateBuilder(
                new X500Name(issuer),
                new BigInteger(127, random).setBit(126),
                Date.from(clock.instant().truncatedTo(ChronoUnit.SECONDS).minus(BACKDATE)),
                Date.from(notAfter),
                new X500Name(subject),
                key);
    }

    private static X509Certificate sign(X509v3CertificateBuilder builder, PrivateKey key)
            throws GeneralSecurityException, CertIOException {
        try {
            return new JcaX509CertificateConverter()
                    .getCertificate(builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(key)));
        } catch (OperatorCreationException e) {
            throw new GeneralSecurityException(e);
        }
    }

    private GeneralNames generalNames() {
        return new GeneralNames(names.stream()
                .map(name -> new GeneralName(isAddress(name) ? GeneralName.iPAddress : GeneralName.dNSName, name))
                .toArray(GeneralName[]::new));
    }

    private static Set<String> names(List<String> moreNames) {
        Set<String> names = new LinkedHashSet<>(List.of("localhost", "127.0.0.1", canonical("::1")));
        try {
            String host = InetAddress.getLocalHost().getHostName();
            // One of digits alone, as a container may have, would be read as an address.
            if (host.matches("[0-9.-]*[A-Za-z][A-Za-z0-9.-]{0,252}")) {
                names.add(canonical(host));
            }
        } catch (UnknownHostException e) {
            LOG.debug("This host does not know its own name.", e);
        }
        moreNames.forEach(name -> names.add(canonical(name)));
        return names;
    }

    private static boolean isAddress(String name) {
        return name.contains(":") || name.matches("[0-9.]+");
    }

    /// Addresses as the JDK writes them, so that they compare.
    private static String canonical(String name) {
        if (!isAddress(name)) {
            return name.toLowerCase(java.util.Locale.ROOT);
        }
        return InetAddress.ofLiteral(name).getHostAddress();
    }

    private static KeyPair keyPair() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK makes P-256 keys", e);
        }
    }

    private Identity read(String name) throws IOException {
        try {
            X509Certificate first = (X509Certificate) CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(folder.resolve(name + ".pem"))));
            String pem = Files.readString(folder.resolve(name + ".key"));
            byte[] pkcs8 = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
            return new Identity(first, KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(pkcs8)));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new IOException(
                    "the files " + folder.resolve(name) + ".* are damaged; remove them to have them made anew", e);
        }
    }

    private void write(String name, Identity identity, String upperChain) throws IOException, GeneralSecurityException {
        replace(name + ".key", keyPem(identity.key()));
        replace(
                name + ".pem",
                (certificatePem(identity.certificate()) + upperChain).getBytes(StandardCharsets.US_ASCII));
    }

    private void replace(String name, byte[] content) throws IOException {
        Path temporary = Files.createTempFile(folder, name, ".new");
        try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(content));
            channel.force(true);
        }
        Files.move(
                temporary, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static String certificatePem(X509Certificate certificate) throws GeneralSecurityException {
        return pem("CERTIFICATE", certificate.getEncoded());
    }

    /// As PKCS#8, which all that show an identity can read.
    static byte[] keyPem(PrivateKey key) {
        return pem("PRIVATE KEY", key.getEncoded()).getBytes(StandardCharsets.US_ASCII);
    }

    private static String pem(String label, byte[] content) {
        String lines = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
        return "-----BEGIN " + label + "-----\n" + lines + "\n-----END " + label + "-----\n";
    }
}
