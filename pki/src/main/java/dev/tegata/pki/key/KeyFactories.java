// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Key factories by algorithm, looked up once: a provider look-up per call costs more than the decoding.
final class KeyFactories {
    private static final Map<String, KeyFactory> FACTORIES = new ConcurrentHashMap<>();

    private KeyFactories() {}

    static KeyFactory of(String algorithm) {
        return FACTORIES.computeIfAbsent(algorithm, KeyFactories::create);
    }

    private static KeyFactory create(String algorithm) {
        try {
            return NativeProvider.keyFactory(algorithm);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no provider has keys of " + algorithm, e);
        }
    }
}
