// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.pki.Bytes;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Optional;
import java.util.random.RandomGenerator;

/// A secret of 32 random bytes as it stands at the end of a key: base64url. Stored is its SHA-256 and nothing else; a
/// slow hash would add nothing to 256 random bits.
final class Secret {
    private static final int SIZE = 32;
    private static final int TEXT_LENGTH = 43;

    private Secret() {}

    static String generate(RandomGenerator random) {
        byte[] secret = new byte[SIZE];
        random.nextBytes(secret);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
    }

    /// What is stored of a secret; empty where `text` cannot be one.
    static Optional<Bytes> hash(String text) {
        if (text.length() != TEXT_LENGTH) {
            return Optional.empty();
        }
        try {
            return Optional.of(Bytes.ofBase64Url(text).sha256());
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /// Compares in a time that does not tell where the difference is.
    static boolean matches(Bytes hash, Bytes other) {
        return MessageDigest.isEqual(hash.toArray(), other.toArray());
    }
}
