// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.util.List;
import java.util.Optional;

/// The keys that endorsements name, in the forms of draft-ietf-rats-corim §5.1.4.6.
public final class CryptoKeys {
    private static final int PUBLIC_KEY_PEM = 554;
    private static final int KEY_THUMBPRINT = 557;
    private static final int COSE_KEY = 558;

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

    /// The public key that a statement holds; empty where it holds a certificate or a thumbprint, or no key of
    /// ours.
    public static Optional<CoseKey> publicKey(Cbor statement) {
        try {
            return statement instanceof Cbor.Tagged(long tag, Cbor content)
                    ? switch ((int) tag) {
                        case PUBLIC_KEY_PEM -> Optional.of(CoseKey.of(pem(content.text("a key"))));
                        case COSE_KEY -> Optional.of(CoseKey.parse(content));
                        default -> Optional.empty();
                    }
                    : Optional.empty();
        } catch (MalformedException | InvalidKeyInfoException _) {
            return Optional.empty();
        }
    }

    private static PublicKeyInfo pem(String text) throws MalformedException, InvalidKeyInfoException {
        String begin = "-----BEGIN PUBLIC KEY-----";
        int start = text.indexOf(begin);
        int end = text.indexOf("-----END PUBLIC KEY-----");
        if (start < 0 || end < start) {
            throw new MalformedException("a key is not in PEM");
        }
        try {
            return PublicKeyInfo.parse(
                    Bytes.ofBase64(text.substring(start + begin.length(), end).replaceAll("[\\r\\n]", "")));
        } catch (IllegalArgumentException _) {
            throw new MalformedException("a key is not in PEM");
        }
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
