// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.Provider;
import java.security.Signature;
import java.util.Optional;
import org.conscrypt.Conscrypt;
import org.jspecify.annotations.Nullable;

/// The native crypto engine (Conscrypt over BoringSSL), obtained once and never registered with the JVM.
///
/// Where it has no build for this machine, or lacks an algorithm, the JDK's own providers stand in.
public final class NativeProvider {
    private static final @Nullable Provider PROVIDER = Conscrypt.isAvailable() ? Conscrypt.newProvider() : null;

    private NativeProvider() {}

    /// The engine, where this machine has it.
    public static Optional<Provider> find() {
        return Optional.ofNullable(PROVIDER);
    }

    static Signature signature(String algorithm) throws GeneralSecurityException {
        String hash = HashedEcdsa.hashOf(algorithm);
        if (hash != null && having("Signature", HashedEcdsa.RAW) != null) {
            return new HashedEcdsa(algorithm, hash, signature(HashedEcdsa.RAW));
        }
        Provider provider = having("Signature", algorithm);
        return provider == null ? Signature.getInstance(algorithm) : Signature.getInstance(algorithm, provider);
    }

    static KeyFactory keyFactory(String algorithm) throws GeneralSecurityException {
        Provider provider = having("KeyFactory", algorithm);
        return provider == null ? KeyFactory.getInstance(algorithm) : KeyFactory.getInstance(algorithm, provider);
    }

    static KeyPairGenerator keyPairGenerator(String algorithm) throws GeneralSecurityException {
        Provider provider = having("KeyPairGenerator", algorithm);
        return provider == null
                ? KeyPairGenerator.getInstance(algorithm)
                : KeyPairGenerator.getInstance(algorithm, provider);
    }

    private static @Nullable Provider having(String type, String algorithm) {
        return PROVIDER != null && PROVIDER.getService(type, algorithm) != null ? PROVIDER : null;
    }
}
