// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.store.Disk;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/// Keys in files that only their owner can read: for devices that have nothing better, and for trials.
///
/// A key is a PKCS#8 structure in DER; its name is its file's. The birth key is one of them, made
/// elsewhere.
public final class FileKeys implements DeviceKeys {
    private static final String PREFIX = "key-";

    private final Disk disk;
    private final Path folder;
    private final DeviceIdentity birth;
    private final SecureRandom random;

    private FileKeys(Disk disk, Path folder, DeviceIdentity birth, SecureRandom random) {
        this.disk = disk;
        this.folder = folder;
        this.birth = birth;
        this.random = random;
    }

    /// Keys in this folder.
    ///
    /// @param birthKey PKCS#8 in DER, which is wiped
    /// @param birthChain DER certificates, the key's own first
    public static FileKeys of(Disk disk, Path folder, byte[] birthKey, List<Bytes> birthChain, SecureRandom random)
            throws IOException {
        disk.makeFolder(folder);
        return new FileKeys(disk, folder, DeviceIdentity.of(new SoftKey(read(birthKey)), birthChain), random);
    }

    @Override
    public DeviceIdentity birth() {
        return birth;
    }

    @Override
    public String nameNext(Set<String> inUse) {
        byte[] id = new byte[8];
        random.nextBytes(id);
        return PREFIX + HexFormat.of().formatHex(id);
    }

    @Override
    public Made make(String name) throws IOException {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        byte[] pkcs8 = key.pkcs8();
        try {
            disk.replace(file(name), pkcs8);
        } finally {
            Arrays.fill(pkcs8, (byte) 0);
        }
        return new Made(name, new SoftKey(key));
    }

    @Override
    public DeviceKey open(String name) throws IOException {
        return new SoftKey(read(disk.read(file(name))
                .orElseThrow(() -> new NoSuchKeyException("the key '" + name + "' is not in " + folder))));
    }

    @Override
    public void forget(String name) throws IOException {
        disk.remove(file(name));
    }

    private Path file(String name) throws IOException {
        if (!name.matches(PREFIX + "[0-9a-f]{16}")) {
            throw new IOException("no key is called '" + name + "'");
        }
        return folder.resolve(name);
    }

    @Override
    public void close() {}

    private static SoftwareKey read(byte[] pkcs8) throws IOException {
        try {
            return SoftwareKey.ofPkcs8(pkcs8);
        } catch (InvalidKeyInfoException e) {
            throw new IOException("the device's key cannot be read: " + e.getMessage(), e);
        } finally {
            Arrays.fill(pkcs8, (byte) 0);
        }
    }

    private static final class SoftKey extends DeviceKey {
        private static final long serialVersionUID = 1L;

        private final transient PrivateKey key;

        SoftKey(SoftwareKey key) {
            super(key.publicKey());
            this.key = key.privateKey();
        }

        @Override
        protected byte[] signDigest(byte[] digest) throws IOException {
            try {
                Signature signature = Signature.getInstance("NONEwithECDSA");
                signature.initSign(key);
                signature.update(digest);
                return EcdsaSignature.rawOf(signature.sign(), KeyAlgorithm.EC_P256);
            } catch (GeneralSecurityException e) {
                throw new IOException("the device's key cannot be used", e);
            }
        }
    }
}
