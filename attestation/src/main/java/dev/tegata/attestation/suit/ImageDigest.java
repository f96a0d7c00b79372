// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.suit;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;

/// A digest with its algorithm (draft-ietf-suit-manifest §10).
record ImageDigest(String algorithm, Bytes value) {
    static ImageDigest of(Cbor item) throws MalformedException {
        List<Cbor> pair = item.array("a digest", 2, 2);
        return switch (pair.get(0).integer("a digest's algorithm", -50, 0)) {
            case -16 -> new ImageDigest("SHA-256", pair.get(1).bytes("a digest", 32));
            case -43 -> new ImageDigest("SHA-384", pair.get(1).bytes("a digest", 48));
            case -44 -> new ImageDigest("SHA-512", pair.get(1).bytes("a digest", 64));
            default -> throw new MalformedException("a digest must be SHA-256, SHA-384 or SHA-512");
        };
    }

    boolean isOf(Bytes content) {
        try {
            return Bytes.of(MessageDigest.getInstance(algorithm).digest(content.toArray()))
                    .equals(value);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + algorithm, e);
        }
    }
}
