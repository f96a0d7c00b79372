// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;

/// Fresh keys for tests.
public final class TestKeys {
    private TestKeys() {}

    /// A pair on a curve by its JCA name.
    public static KeyPair pair(String kind) {
        try {
            if (kind.equals("Ed25519")) {
                return KeyPairGenerator.getInstance(kind).generateKeyPair();
            }
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec(kind));
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    public static Signer signer(String kind) {
        return signer(pair(kind));
    }

    public static Signer signer(KeyPair pair) {
        return Signer.of(info(pair), pair.getPrivate());
    }

    public static PublicKeyInfo info(KeyPair pair) {
        try {
            return PublicKeyInfo.of(pair.getPublic());
        } catch (InvalidKeyInfoException e) {
            throw new IllegalStateException(e);
        }
    }
}
