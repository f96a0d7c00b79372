// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// An X.509 certificate (RFC 5280), ours or another's: read once, never changed, equal by its bytes.
///
/// Reading checks the form of everything that has an accessor here. It does not check the key, which may be
/// of a kind that we do not support, nor any signature.
public final class Certificate {
    private static final int MAX_SIZE = 64 * 1024;

    private final Bytes encoded;
    private final Bytes tbsEncoded;
    private final TbsCertificate tbs;
    private final SerialNumber serial;
    private final KnownExtensions known;
    private final Bytes signature;

    // Computed on first use; two threads may both do it and agree.
    private @Nullable PublicKeyInfo publicKey;
    private @Nullable Bytes fingerprint;

    private Certificate(Bytes encoded) throws EncodingException {
        this.encoded = encoded;
        byte[] data = encoded.toArray();
        DerReader outer = DerReader.of(data);
        DerReader certificate = outer.sequence();
        outer.end();
        int tbsStart = certificate.position();
        this.tbs = TbsCertificate.read(certificate);
        this.tbsEncoded = Bytes.of(data, tbsStart, certificate.position() - tbsStart);
        // spec| RFC 5280 §4.1.1.2: this field MUST contain the same algorithm identifier as the signature field
        if (!certificate.element().equals(tbs.signatureIdentifier())) {
            throw new EncodingException("the certificate names two different signature algorithms");
        }
        this.signature = certificate.bitString();
        certificate.end();
        this.serial = serial(tbs);
        this.known = KnownExtensions.read(tbs.extensions());
        Optional<Oid> duplicate = KnownExtensions.firstDuplicate(tbs.extensions());
        if (duplicate.isPresent()) {
            throw new EncodingException("the extension " + duplicate.get() + " is there twice");
        }
    }

    /// Of parts that were read, and checked, already: those of a certificate that was just made.
    Certificate(Bytes encoded, Bytes tbsEncoded, TbsCertificate tbs, KnownExtensions known, Bytes signature) {
        this.encoded = encoded;
        this.tbsEncoded = tbsEncoded;
        this.tbs = tbs;
        this.serial = new SerialNumber(tbs.serial());
        this.known = known;
        this.signature = signature;
    }

    private static SerialNumber serial(TbsCertificate tbs) throws EncodingException {
        try {
            return new SerialNumber(tbs.serial());
        } catch (IllegalArgumentException e) {
            throw new EncodingException("the serial number is not positive, or has more than 20 octets");
        }
    }

    /// Reads a certificate in DER.
    public static Certificate parse(Bytes encoded) throws InvalidCertificateException {
        if (encoded.size() > MAX_SIZE) {
            throw new InvalidCertificateException("a certificate has at most " + MAX_SIZE + " bytes");
        }
        try {
            return new Certificate(encoded);
        } catch (EncodingException e) {
            throw new InvalidCertificateException("the certificate cannot be read: " + e.getMessage());
        }
    }

    /// Reads all certificates of a PEM text in their order, at least one. Blocks with other labels are
    /// passed over.
    public static List<Certificate> parsePem(String text) throws InvalidCertificateException {
        try {
            List<Certificate> certificates = new ArrayList<>();
            for (Bytes content : Pem.contents(text, Pem.CERTIFICATE)) {
                certificates.add(parse(content));
            }
            return List.copyOf(certificates);
        } catch (EncodingException e) {
            throw new InvalidCertificateException(e.getMessage());
        }
    }

    public String pem() {
        return Pem.encode(Pem.CERTIFICATE, encoded);
    }

    /// The PEM text of several certificates, one after the other.
    public static String pem(List<Certificate> certificates) {
        StringBuilder text = new StringBuilder();
        certificates.forEach(certificate -> text.append(certificate.pem()));
        return text.toString();
    }

    public Bytes encoded() {
        return encoded;
    }

    /// SHA-256 of [#encoded].
    public Bytes fingerprint() {
        Bytes computed = fingerprint;
        if (computed == null) {
            computed = encoded.sha256();
            fingerprint = computed;
        }
        return computed;
    }

    /// 1 or 3.
    public int version() {
        return tbs.version();
    }

    public SerialNumber serial() {
        return serial;
    }

    public Name issuer() {
        return tbs.issuer();
    }

    public Name subject() {
        return tbs.subject();
    }

    public Validity validity() {
        return tbs.validity();
    }

    /// The DER SubjectPublicKeyInfo, whatever the kind of key.
    public Bytes publicKeyEncoded() {
        return tbs.publicKey();
    }

    /// The key, checked.
    ///
    /// @throws InvalidKeyInfoException where it is malformed, weak or of a kind that is not supported
    public PublicKeyInfo publicKey() throws InvalidKeyInfoException {
        PublicKeyInfo checked = publicKey;
        if (checked == null) {
            checked = PublicKeyInfo.parse(tbs.publicKey());
            publicKey = checked;
        }
        return checked;
    }

    /// The algorithm of the signature, where it is one that is supported.
    public Optional<SignatureAlgorithm> signatureAlgorithm() {
        return SignatureIdentifiers.algorithm(tbs.signatureIdentifier());
    }

    /// The signed part, in DER.
    public Bytes tbs() {
        return tbsEncoded;
    }

    public Bytes signature() {
        return signature;
    }

    /// Whether this certificate's signature verifies under `issuerKey`. Costs a verification; looks at
    /// nothing else.
    public boolean isSignedBy(PublicKeyInfo issuerKey) {
        Optional<SignatureAlgorithm> algorithm = signatureAlgorithm();
        return algorithm.isPresent() && issuerKey.verifies(algorithm.get(), tbsEncoded.toArray(), signature.toArray());
    }

    /// Whether subject and issuer are the same name. Says nothing of the signature.
    public boolean isSelfIssued() {
        return subject().equals(issuer());
    }

    /// Whether its own key has signed it, as a root's has. A certificate that joins two keys of one name
    /// has not.
    public boolean isSelfSigned() {
        if (!isSelfIssued()) {
            return false;
        }
        try {
            return isSignedBy(publicKey());
        } catch (InvalidKeyInfoException e) {
            return false;
        }
    }

    /// All extensions in their order.
    public List<Extension> extensions() {
        return tbs.extensions();
    }

    public Optional<Extension> extension(Oid type) {
        for (Extension extension : tbs.extensions()) {
            if (extension.type().equals(type)) {
                return Optional.of(extension);
            }
        }
        return Optional.empty();
    }

    public Optional<BasicConstraints> basicConstraints() {
        return Optional.ofNullable(known.basicConstraints());
    }

    /// Whether the basic constraints say that this is an authority.
    public boolean isAuthority() {
        BasicConstraints constraints = known.basicConstraints();
        return constraints != null && constraints.authority();
    }

    /// The key usages; empty where the extension is absent, which allows all.
    public Optional<Set<KeyUsage>> keyUsages() {
        Integer bits = known.keyUsageBits();
        return bits == null ? Optional.empty() : Optional.of(KeyUsage.of(bits));
    }

    /// Whether the key may be used so: the extension says so, or is absent.
    public boolean allows(KeyUsage usage) {
        Integer bits = known.keyUsageBits();
        return bits == null || (bits >> usage.ordinal() & 1) == 1;
    }

    /// The extended key usages; empty where the extension is absent, which allows all.
    public Optional<List<Oid>> extendedKeyUsages() {
        return Optional.ofNullable(known.extendedKeyUsages());
    }

    /// Whether the key may be used for a purpose of [KeyPurpose]: it or any purpose is listed, or none is.
    public boolean allows(Oid purpose) {
        List<Oid> purposes = known.extendedKeyUsages();
        return purposes == null || purposes.contains(purpose) || purposes.contains(KeyPurpose.ANY);
    }

    /// Empty where the extension is absent.
    public List<GeneralName> alternativeNames() {
        return known.alternativeNames();
    }

    /// Where it says that its status and its issuer are to be found;
    /// [CertificateProfile.Locations#NONE] where it says
    /// nothing that can be read.
    public CertificateProfile.Locations locations() {
        try {
            return WrittenLocations.read(extensions());
        } catch (EncodingException e) {
            return CertificateProfile.Locations.NONE;
        }
    }

    public Optional<Bytes> subjectKeyIdentifier() {
        return Optional.ofNullable(known.subjectKeyIdentifier());
    }

    public Optional<Bytes> authorityKeyIdentifier() {
        return Optional.ofNullable(known.authorityKeyIdentifier());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Certificate certificate && encoded.equals(certificate.encoded);
    }

    @Override
    public int hashCode() {
        return encoded.hashCode();
    }

    @Override
    public String toString() {
        return subject() + ", serial " + serial + ", issued by " + issuer();
    }
}
