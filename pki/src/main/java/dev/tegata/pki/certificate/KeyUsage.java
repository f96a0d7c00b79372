// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import java.util.EnumSet;
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
