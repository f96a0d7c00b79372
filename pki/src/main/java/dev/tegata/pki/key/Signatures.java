// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;

/// Software signatures through the fastest provider that this machine has.
public final class Signatures {
    private Signatures() {}

    /// Whether `signature` over `data` verifies under `key`; false too where it is malformed or the algorithm does not
    /// fit the key.
    static boolean verify(PublicKeyInfo key, SignatureAlgorithm algorithm, byte[] data, byte[] signature) {
        try {
            Signature verifier = Signature.getInstance(algorithm.jca());
            verifier.initVerify(key.key());
            verifier.update(data);
            return verifier.verify(signature);
        } catch (GeneralSecurityException e) {
            return false;
        }
    }

    /// Signs `data` with a private key held in memory: the software vault, virtual chips, tests.
    public static byte[] sign(PrivateKey key, SignatureAlgorithm algorithm, byte[] data) {
        try {
            Signature signer = Signature.getInstance(algorithm.jca());
            signer.initSign(key);
            signer.update(data);
            return signer.sign();
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("the key cannot sign with " + algorithm, e);
        }
    }
}
