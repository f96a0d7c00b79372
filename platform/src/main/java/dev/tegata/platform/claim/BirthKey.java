// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import org.jspecify.annotations.Nullable;

/// A public key that a chip was born with.
///
/// @param slot of the chip; 0 where the format knows no slots
/// @param publicKey DER SubjectPublicKeyInfo, checked
/// @param fingerprint its SHA-256
/// @param certificate DER of the birth certificate around it
/// @param anchor the name of the trusted CA that the certificate leads to
record BirthKey(
        int slot,
        Bytes publicKey,
        Bytes fingerprint,
        @Nullable Bytes certificate,
        @Nullable String anchor) {

    static BirthKey of(int slot, Bytes publicKey) {
        return new BirthKey(slot, publicKey, publicKey.sha256(), null, null);
    }

    BirthKey certified(Bytes birthCertificate, @Nullable String anchorName) {
        return new BirthKey(slot, publicKey, fingerprint, birthCertificate, anchorName);
    }
}
