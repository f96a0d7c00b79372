// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.NameAttribute;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.Texts;
import dev.tegata.platform.device.Device.Proof;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Reads chips of formats that are not signed as a whole: what vouches for such a chip is its birth
/// certificate, or else nothing but the tenant's own word.
final class ListedElements {
    private static final Pattern P256_POINT = Pattern.compile("(?:04)?([0-9A-Fa-f]{64})([0-9A-Fa-f]{64})");

    private final BirthChains chains;
    private final boolean statement;

    ListedElements(BirthChains chains, boolean statement) {
        this.chains = chains;
        this.statement = statement;
    }

    Candidate read(RawElement.Listed listed) throws RejectedException {
        String serial = listed.serial() == null ? null : SerialNumbers.of(listed.chip(), listed.serial());
        try {
            return listed.certificate() != null
                    ? certified(listed, serial, certificates(listed.certificate()))
                    : stated(listed, serial);
        } catch (RejectedException e) {
            throw serial == null ? e : e.of(serial);
        }
    }

    private Candidate certified(RawElement.Listed listed, @Nullable String serial, List<Certificate> chain)
            throws RejectedException {
        Certificate leaf = chain.getFirst();
        if (leaf.isAuthority()) {
            throw new RejectedException(
                    IssueReason.CA_CERTIFICATE,
                    "this is the CA certificate of '"
                            + Texts.quoted(leaf.subject().toString())
                            + "': if it is the vendor's, add it to the trusted birth CAs and import the file again");
        }
        PublicKeyInfo key = key(leaf);
        checkAgainst(listed, leaf, key);
        Optional<String> anchor = chains.anchor(
                leaf, chain.stream().skip(1).map(Certificate::encoded).toList());
        if (anchor.isEmpty() && !statement) {
            throw new RejectedException(
                    IssueReason.UNTRUSTED_ISSUER,
                    "the issuer '" + Texts.quoted(leaf.issuer().toString()) + "' is not trusted: add its certificate to"
                            + " the trusted birth CAs, or import the file as your own statement");
        }
        return new Candidate(
                listed.chip(),
                serial == null ? serial(leaf, key) : serial,
                Texts.quoted(listed.model()),
                anchor.isPresent() ? Proof.VENDOR_CERTIFICATE : Proof.STATEMENT,
                false,
                List.of(BirthKey.of(0, key.encoded()).certified(leaf.encoded(), anchor.orElse(null))));
    }

    private Candidate stated(RawElement.Listed listed, @Nullable String serial) throws RejectedException {
        List<BirthKey> keys = listed.publicKey() == null
                ? List.of()
                : List.of(BirthKey.of(0, publicKey(listed.publicKey()).encoded()));
        if (!statement) {
            throw new RejectedException(
                    IssueReason.NO_PROOF,
                    "no vendor vouches for this chip: import the file as your own statement to claim it");
        }
        return new Candidate(
                listed.chip(),
                serial == null ? keys.getFirst().fingerprint().hex() : serial,
                Texts.quoted(listed.model()),
                Proof.STATEMENT,
                false,
                keys);
    }

    private static void checkAgainst(RawElement.Listed listed, Certificate leaf, PublicKeyInfo key)
            throws RejectedException {
        String commonName = listed.commonName();
        if (commonName != null && !leaf.subject().commonName().equals(Optional.of(commonName))) {
            throw new RejectedException(
                    IssueReason.SERIAL_MISMATCH,
                    "the certificate is for another common name than '" + Texts.quoted(commonName) + "'");
        }
        if (listed.publicKey() != null && !publicKey(listed.publicKey()).equals(key)) {
            throw new RejectedException(
                    IssueReason.BAD_CERTIFICATE, "the certificate is around another key than the list has");
        }
    }

    /// What a certificate that stands alone names its device: its subject's serial number or common name,
    /// else its key.
    private static String serial(Certificate leaf, PublicKeyInfo key) {
        for (NameAttribute attribute : List.of(NameAttribute.SERIAL_NUMBER, NameAttribute.COMMON_NAME)) {
            try {
                return SerialNumbers.of(
                        Chip.OTHER, leaf.subject().value(attribute).orElse(""));
            } catch (RejectedException e) {
                // Absent, or with signs that a serial number here does not have.
            }
        }
        return key.fingerprint().hex();
    }

    private static List<Certificate> certificates(String text) throws RejectedException {
        try {
            if (text.contains("-----BEGIN")) {
                return Certificate.parsePem(unescaped(text));
            }
            return List.of(Certificate.parse(base64(text)));
        } catch (InvalidCertificateException e) {
            throw new RejectedException(IssueReason.BAD_CERTIFICATE, Texts.quoted(String.valueOf(e.getMessage())));
        } catch (IllegalArgumentException e) {
            throw new RejectedException(IssueReason.BAD_CERTIFICATE, "the certificate is neither PEM nor base64");
        }
    }

    private static PublicKeyInfo key(Certificate leaf) throws RejectedException {
        try {
            return leaf.publicKey();
        } catch (InvalidKeyInfoException e) {
            throw new RejectedException(IssueReason.WEAK_KEY, String.valueOf(e.getMessage()));
        }
    }

    private static PublicKeyInfo publicKey(String text) throws RejectedException {
        try {
            var point = P256_POINT.matcher(text);
            if (point.matches()) {
                return PublicKeyInfo.ofP256Point(Bytes.ofHex(point.group(1)), Bytes.ofHex(point.group(2)));
            }
            boolean pem = text.contains("-----BEGIN");
            return PublicKeyInfo.parse(
                    pem ? Pem.contents(unescaped(text), Pem.PUBLIC_KEY).getFirst() : base64(text));
        } catch (InvalidKeyInfoException e) {
            throw new RejectedException(IssueReason.WEAK_KEY, String.valueOf(e.getMessage()));
        } catch (EncodingException | IllegalArgumentException e) {
            throw new RejectedException(
                    IssueReason.MALFORMED, "the public key is neither PEM nor base64 nor a point in hex");
        }
    }

    /// Some tools put a PEM text on one line, with `\n` for its line ends.
    private static String unescaped(String pem) {
        return pem.replace("\\n", "\n");
    }

    private static Bytes base64(String text) {
        return Bytes.ofBase64(text.replaceAll("\\s", ""));
    }
}
