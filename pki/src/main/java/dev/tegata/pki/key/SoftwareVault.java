// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;

/// A vault whose keys are sealed in a store and used in this process's memory.
///
/// Keys in use are cached. A key that one process destroys stays usable in the cache of another until it is
/// dropped there: whoever destroys a key must first stop its use everywhere.
public final class SoftwareVault implements Vault {
    // A sealed key is: version (1 byte), id of the key-encryption key (8), length of the algorithm's name (1), the
    // name; all of which is authenticated together with the space and the handle; then the nonce (12) and the
    // encryption of: length of the public key (2), the public key, the PKCS#8 private key.
    private static final byte VERSION = 1;
    private static final int KEK_ID_SIZE = 8;

    private static final int KEEPING_ATTEMPTS = 3;

    private final SealedKeyStore store;
    private final KeyEncryptionKeys keks;
    private final SecureRandom random;
    private final RecentlyUsed<Address, SoftwareKey> cache;

    private record Address(KeySpace space, KeyHandle key) {}

    /// @param cachedKeys how many opened keys are held in memory
    public SoftwareVault(SealedKeyStore store, KeyEncryptionKey kek, SecureRandom random, int cachedKeys) {
        this(store, KeyEncryptionKeys.of(kek), random, cachedKeys);
    }

    /// @param cachedKeys how many opened keys are held in memory
    public SoftwareVault(SealedKeyStore store, KeyEncryptionKeys keks, SecureRandom random, int cachedKeys) {
        this.store = store;
        this.keks = keks;
        this.random = random;
        this.cache = new RecentlyUsed<>(cachedKeys);
    }

    @Override
    public void createSpace(KeySpace space) {
        // A space is a part of each key's address in the store.
    }

    @Override
    public KeyHandle generate(KeySpace space, KeyAlgorithm algorithm) {
        return keep(space, SoftwareKey.generate(algorithm));
    }

    @Override
    public KeyHandle importKey(KeySpace space, byte[] pkcs8) {
        return keep(space, SoftwareKey.toImport(pkcs8));
    }

    private KeyHandle keep(KeySpace space, SoftwareKey key) {
        KeyHandle handle = KeyHandle.random(random);
        for (int attempt = 0; attempt < KEEPING_ATTEMPTS; attempt++) {
            if (store.put(space, handle, seal(space, handle, key, keks.sealing(), random))) {
                return handle;
            }
        }
        throw new VaultException("the key-encryption key was changed again and again", true);
    }

    @Override
    public PublicKeyInfo publicKey(KeySpace space, KeyHandle key) {
        return open(space, key).publicKey();
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, byte[] data) {
        return openFor(algorithm, space, key).sign(algorithm, data);
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, LongData data) {
        return openFor(algorithm, space, key).sign(algorithm, data);
    }

    private SoftwareKey openFor(SignatureAlgorithm algorithm, KeySpace space, KeyHandle key) {
        SoftwareKey opened = open(space, key);
        KeyAlgorithm kind = opened.publicKey().algorithm();
        if (!kind.signsWith(algorithm)) {
            throw new VaultException("a key of " + kind.id() + " cannot sign with " + algorithm, false);
        }
        return opened;
    }

    @Override
    public void destroy(KeySpace space, KeyHandle key) {
        store.delete(space, key);
        cache.remove(new Address(space, key));
    }

    private SoftwareKey open(KeySpace space, KeyHandle key) {
        return cache.get(
                new Address(space, key),
                () -> unseal(
                        space,
                        key,
                        store.get(space, key).orElseThrow(() -> VaultException.noSuchKey(space, key)),
                        keks));
    }

    /// The same key, sealed under `to`.
    ///
    /// @throws VaultException where `from` does not have the key that it is sealed under, or it was damaged
    public static Bytes sealAnew(
            KeySpace space, KeyHandle handle, Bytes sealed, KeyEncryptionKeys from, KeyEncryptionKey to) {
        return seal(space, handle, unseal(space, handle, sealed, from), to, new SecureRandom());
    }

    /// The public half of a sealed key, which shows that `keys` opens it.
    ///
    /// @throws VaultException where `keys` does not have the key that it is sealed under, or it was damaged
    public static PublicKeyInfo publicKeyOf(KeySpace space, KeyHandle handle, Bytes sealed, KeyEncryptionKeys keys) {
        return unseal(space, handle, sealed, keys).publicKey();
    }

    private static Bytes seal(
            KeySpace space, KeyHandle handle, SoftwareKey key, KeyEncryptionKey kek, SecureRandom random) {
        byte[] publicKey = key.publicKey().encoded().toArray();
        byte[] pkcs8 = key.pkcs8();
        byte[] plaintext = ByteBuffer.allocate(2 + publicKey.length + pkcs8.length)
                .putShort((short) publicKey.length)
                .put(publicKey)
                .put(pkcs8)
                .array();
        Bytes header = header(kek.id(), key.publicKey().algorithm());
        try {
            return header.concat(Bytes.of(kek.seal(plaintext, context(header, space, handle), random)));
        } finally {
            Arrays.fill(plaintext, (byte) 0);
            Arrays.fill(pkcs8, (byte) 0);
        }
    }

    private static SoftwareKey unseal(KeySpace space, KeyHandle handle, Bytes sealed, KeyEncryptionKeys keks) {
        if (sealed.isEmpty() || sealed.at(0) != VERSION) {
            throw new VaultException(name(space, handle) + " is sealed in a form that this version cannot read", false);
        }
        if (sealed.size() < 1 + KEK_ID_SIZE + 1) {
            throw damaged(space, handle);
        }
        Bytes kekId = sealed.slice(1, 1 + KEK_ID_SIZE);
        KeyEncryptionKey kek = keks.find(kekId)
                .orElseThrow(() -> new VaultException(
                        name(space, handle) + " is sealed under the key-encryption key " + kekId.hex()
                                + ", but this vault was given " + keks + ": give it the right one",
                        false));
        int headerSize = 1 + KEK_ID_SIZE + 1 + (sealed.at(1 + KEK_ID_SIZE) & 0xff);
        if (sealed.size() < headerSize) {
            throw damaged(space, handle);
        }
        Bytes header = sealed.slice(0, headerSize);
        byte[] plaintext = new byte[0];
        try {
            plaintext = kek.open(sealed.slice(headerSize, sealed.size()).toArray(), context(header, space, handle));
            SoftwareKey key = read(plaintext);
            if (!header.equals(header(kek.id(), key.publicKey().algorithm()))) {
                throw damaged(space, handle);
            }
            return key;
        } catch (GeneralSecurityException | InvalidKeyInfoException | BufferUnderflowException e) {
            throw damaged(space, handle);
        } finally {
            Arrays.fill(plaintext, (byte) 0);
        }
    }

    private static SoftwareKey read(byte[] plaintext) throws GeneralSecurityException, InvalidKeyInfoException {
        ByteBuffer in = ByteBuffer.wrap(plaintext);
        byte[] publicKey = new byte[in.getShort()];
        in.get(publicKey);
        byte[] pkcs8 = new byte[in.remaining()];
        in.get(pkcs8);
        try {
            return SoftwareKey.ofTrusted(PublicKeyInfo.parse(Bytes.of(publicKey)), pkcs8);
        } finally {
            Arrays.fill(pkcs8, (byte) 0);
        }
    }

    private static Bytes header(Bytes kekId, KeyAlgorithm algorithm) {
        byte[] name = algorithm.id().getBytes(StandardCharsets.US_ASCII);
        return Bytes.of(VERSION)
                .concat(kekId)
                .concat(Bytes.of((byte) name.length))
                .concat(Bytes.of(name));
    }

    private static byte[] context(Bytes header, KeySpace space, KeyHandle handle) {
        Bytes name = Bytes.of(space.name().getBytes(StandardCharsets.US_ASCII));
        return header.concat(Bytes.of((byte) name.size()))
                .concat(name)
                .concat(Bytes.ofHex(handle.id()))
                .toArray();
    }

    private static VaultException damaged(KeySpace space, KeyHandle handle) {
        return new VaultException(name(space, handle) + " was changed, damaged or moved since it was sealed", false);
    }

    private static String name(KeySpace space, KeyHandle handle) {
        return "key " + handle.id() + " of " + space.name();
    }

    @Override
    public String kind() {
        return "software";
    }

    @Override
    public void close() {
        cache.clear();
    }

    /// Nothing of the keys.
    @Override
    public String toString() {
        return "software vault under " + keks;
    }
}
