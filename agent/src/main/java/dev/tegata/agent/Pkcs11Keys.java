// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.Pkcs11Config;
import dev.tegata.pki.key.Pkcs11Vault;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.VaultException;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.List;
import java.util.Set;

/// Keys in a PKCS#11 token. A key's name is its CKA_ID in hex, behind `id-`; CKA_LABEL is the same for all
/// of them.
public final class Pkcs11Keys implements DeviceKeys {
    private static final String PREFIX = "id-";

    private final Pkcs11Vault vault;
    private final KeySpace label;
    private final DeviceIdentity birth;
    private final SecureRandom random;

    private Pkcs11Keys(Pkcs11Vault vault, KeySpace label, DeviceIdentity birth, SecureRandom random) {
        this.vault = vault;
        this.label = label;
        this.birth = birth;
        this.random = random;
    }

    /// The keys in a token.
    ///
    /// @param label CKA_LABEL of the birth key and of those that will be made
    /// @param birthKey CKA_ID of the birth key
    /// @param birthChain DER certificates, the key's own first
    public static Pkcs11Keys open(
            Pkcs11Config token, KeySpace label, KeyHandle birthKey, List<Bytes> birthChain, SecureRandom random)
            throws IOException {
        Pkcs11Vault vault = null;
        try {
            vault = Pkcs11Vault.open(token.withSessions(1), random);
            DeviceKey key = new TokenKey(vault, label, birthKey, vault.publicKey(label, birthKey));
            return new Pkcs11Keys(vault, label, DeviceIdentity.of(key, birthChain), random);
        } catch (VaultException e) {
            if (vault != null) {
                vault.close();
            }
            throw failed(e);
        }
    }

    @Override
    public DeviceIdentity birth() {
        return birth;
    }

    @Override
    public String nameNext(Set<String> inUse) {
        return PREFIX + KeyHandle.random(random).id();
    }

    @Override
    public Made make(String name) throws IOException {
        try {
            KeyHandle handle = handle(name);
            vault.generate(label, handle, KeyAlgorithm.EC_P256);
            return new Made(name, key(handle));
        } catch (VaultException e) {
            throw failed(e);
        }
    }

    @Override
    public DeviceKey open(String name) throws IOException {
        try {
            return key(handle(name));
        } catch (VaultException e) {
            throw failed(e);
        }
    }

    private DeviceKey key(KeyHandle handle) {
        return new TokenKey(vault, label, handle, vault.publicKey(label, handle));
    }

    @Override
    public void forget(String name) throws IOException {
        try {
            vault.destroy(label, handle(name));
        } catch (VaultException e) {
            throw failed(e);
        }
    }

    private static KeyHandle handle(String name) throws IOException {
        try {
            return new KeyHandle(name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name);
        } catch (IllegalArgumentException e) {
            throw new IOException("the token has no key called '" + name + "'", e);
        }
    }

    @Override
    public void close() {
        vault.close();
    }

    private static IOException failed(VaultException e) {
        return new IOException(e.getMessage(), e);
    }

    private static final class TokenKey extends DeviceKey {
        private static final long serialVersionUID = 1L;

        private final transient Pkcs11Vault vault;
        private final transient KeySpace label;
        private final transient KeyHandle handle;

        TokenKey(Pkcs11Vault vault, KeySpace label, KeyHandle handle, PublicKeyInfo publicKey) {
            super(publicKey);
            this.vault = vault;
            this.label = label;
            this.handle = handle;
        }

        @Override
        protected byte[] signDigest(byte[] digest) throws IOException {
            try {
                return EcdsaSignature.rawOf(vault.signDigest(label, handle, digest), KeyAlgorithm.EC_P256);
            } catch (VaultException e) {
                throw failed(e);
            }
        }
    }
}
