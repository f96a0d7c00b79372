// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.util.List;
import java.util.Optional;

/// The keys that endorsements name, in the forms of draft-ietf-rats-corim §5.1.4.6.
public final class CryptoKeys {
    private static final int PUBLIC_KEY_PEM = 554;
    private static final int CERTIFICATE_PEM = 555;
    private static final int CHAIN_PEM = 556;
    private static final int KEY_THUMBPRINT = 557;
    private static final int COSE_KEY = 558;
    private static final int CERTIFICATE = 562;
    private static final List<Cbor> SHA_256 = List.of(Cbor.of(1), Cbor.of("sha-256"));

    private CryptoKeys() {}

    /// The statement of a public key, in PEM.
    public static Cbor of(PublicKeyInfo key) {
        String base64 = key.encoded().base64();
        StringBuilder pem = new StringBuilder("-----BEGIN PUBLIC KEY-----\n");
        for (int i = 0; i < base64.length(); i += 64) {
            pem.append(base64, i, Math.min(base64.length(), i + 64)).append('\n');
        }
        return new Cbor.Tagged(
                PUBLIC_KEY_PEM, Cbor.of(pem.append("-----END PUBLIC KEY-----").toString()));
    }

    /// The public key that a statement holds; empty where it holds a certificate or a thumbprint, or no key
    /// of ours.
    public static Optional<CoseKey> publicKey(Cbor statement) {
        try {
            return statement instanceof Cbor.Tagged(long tag, Cbor content)
                    ? switch ((int) tag) {
                        case PUBLIC_KEY_PEM ->
                            Optional.of(CoseKey.of(PublicKeyInfo.parse(pem(content.text("a key"), "PUBLIC KEY"))));
                        case COSE_KEY -> Optional.of(CoseKey.parse(content));
                        default -> Optional.empty();
                    }
                    : Optional.empty();
        } catch (MalformedException | InvalidKeyInfoException _) {
            return Optional.empty();
        }
    }

    private static Bytes pem(String text, String label) throws MalformedException {
        String begin = "-----BEGIN " + label + "-----";
        int start = text.indexOf(begin);
        int end = text.indexOf("-----END " + label + "-----");
        if (start < 0 || end < start) {
            throw new MalformedException("a key is not in PEM");
        }
        try {
            return Bytes.ofBase64(text.substring(start + begin.length(), end).replaceAll("[\\r\\n]", ""));
        } catch (IllegalArgumentException _) {
            throw new MalformedException("a key is not in PEM");
        }
    }

    /// The SHA-256 of the SubjectPublicKeyInfo that a statement names, by the key itself, by its
    /// thumbprint, or by a certificate of it (the first, where there are several).
    static Optional<Bytes> fingerprint(Cbor statement) {
        if (!(statement instanceof Cbor.Tagged(long tag, Cbor content))) {
            return Optional.empty();
        }
        try {
            return switch ((int) tag) {
                case KEY_THUMBPRINT -> {
                    List<Cbor> pair = content.array("a thumbprint", 2, 2);
                    yield SHA_256.contains(pair.get(0))
                            ? Optional.of(pair.get(1).bytes("a thumbprint"))
                            : Optional.empty();
                }
                case CERTIFICATE_PEM, CHAIN_PEM ->
                    Optional.of(keyOf(pem(content.text("a certificate"), "CERTIFICATE")));
                case CERTIFICATE -> Optional.of(keyOf(content.bytes("a certificate")));
                default ->
                    publicKey(statement).orElse(null) instanceof CoseKey.Public(PublicKeyInfo info)
                            ? Optional.of(info.fingerprint())
                            : Optional.empty();
            };
        } catch (MalformedException | InvalidCertificateException _) {
            return Optional.empty();
        }
    }

    private static Bytes keyOf(Bytes certificate) throws InvalidCertificateException {
        return Certificate.parse(certificate).publicKeyEncoded().sha256();
    }

    /// Whether a statement names the key whose SubjectPublicKeyInfo has this SHA-256.
    static boolean names(Cbor statement, Bytes fingerprint) {
        if (statement instanceof Cbor.Tagged(long tag, Cbor content)
                && tag == KEY_THUMBPRINT
                && content instanceof Cbor.ArrayItem(List<Cbor> pair)) {
            return pair.size() == 2 && pair.get(1).equals(Cbor.of(fingerprint));
        }
        return publicKey(statement)
                .filter(key -> key instanceof CoseKey.Public(PublicKeyInfo info)
                        && info.fingerprint().equals(fingerprint))
                .isPresent();
    }
}
