// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.key.KeyAlgorithm;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/// What a key may be used for (RFC 5280 §4.2.1.3), in the order of the bits.
public enum KeyUsage {
    DIGITAL_SIGNATURE,
    CONTENT_COMMITMENT,
    KEY_ENCIPHERMENT,
    DATA_ENCIPHERMENT,
    KEY_AGREEMENT,
    KEY_CERT_SIGN,
    CRL_SIGN,
    ENCIPHER_ONLY,
    DECIPHER_ONLY;

    /// How JSON and messages write it, such as `keyCertSign`.
    public String text() {
        StringBuilder text = new StringBuilder();
        for (String word : name().toLowerCase(Locale.ROOT).split("_")) {
            text.append(text.isEmpty() ? word : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1));
        }
        return text.toString();
    }

    // spec| RFC 8813 §3, RFC 4055 §1.2, RFC 8410 §5, RFC 9881 §3: which usages keys of each kind may have
    static Set<KeyUsage> unfitFor(KeyAlgorithm algorithm) {
        return switch (algorithm) {
            case EC_P256, EC_P384 -> EnumSet.of(KEY_ENCIPHERMENT, DATA_ENCIPHERMENT);
            case ED25519 -> EnumSet.of(KEY_ENCIPHERMENT, DATA_ENCIPHERMENT, KEY_AGREEMENT);
            case RSA_2048, RSA_3072, RSA_4096 -> EnumSet.of(KEY_AGREEMENT);
            // spec| RFC 9881 §3: digitalSignature, nonRepudiation, keyCertSign or cRLSign, and no others
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                EnumSet.complementOf(EnumSet.of(DIGITAL_SIGNATURE, CONTENT_COMMITMENT, KEY_CERT_SIGN, CRL_SIGN));
        };
    }

    static int bits(Iterable<KeyUsage> usages) {
        int bits = 0;
        for (KeyUsage usage : usages) {
            bits |= 1 << usage.ordinal();
        }
        return bits;
    }

    /// The usages that `bits` name; bits that have no meaning yet are left out.
    static Set<KeyUsage> of(int bits) {
        Set<KeyUsage> usages = EnumSet.noneOf(KeyUsage.class);
        for (KeyUsage usage : values()) {
            if ((bits >> usage.ordinal() & 1) == 1) {
                usages.add(usage);
            }
        }
        return usages;
    }
}
