// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.tpm.Tpm;
import dev.tegata.agent.tpm.Tpm.Kind;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/// Keys of a TPM 2.0: the birth key stays in it under a persistent handle; those of the field are loaded
/// when they are used.
///
/// A key's name is the key itself, wrapped by the TPM: nobody else can use it, and the TPM need not
/// remember it. So there can be any number of them, and one is gone when its name is forgotten.
public final class TpmKeys implements DeviceKeys {
    private static final String PREFIX = "tpm:";

    private final Tpm tpm;
    private final DeviceKey birthKey;
    private final List<Bytes> birthChain;

    private TpmKeys(Tpm tpm, DeviceKey birthKey, List<Bytes> birthChain) {
        this.tpm = tpm;
        this.birthKey = birthKey;
        this.birthChain = List.copyOf(birthChain);
    }

    /// The keys of this TPM, which is closed in the end.
    ///
    /// @param birthHandle the persistent handle of the birth key
    /// @param birthChain DER certificates, the key's own first
    public static TpmKeys of(Tpm tpm, long birthHandle, List<Bytes> birthChain) throws IOException {
        PublicKeyInfo publicKey = publicKey(tpm.readPublic(birthHandle));
        DeviceKey key = new DeviceKey(publicKey) {
            private static final long serialVersionUID = 1L;

            @Override
            protected byte[] signDigest(byte[] digest) throws IOException {
                return tpm.sign(birthHandle, digest);
            }
        };
        return new TpmKeys(tpm, key, birthChain);
    }

    static PublicKeyInfo publicKey(Bytes publicArea) throws IOException {
        try {
            return DeviceKey.requireP256(TpmPublic.parse(publicArea).key());
        } catch (MalformedException | IllegalArgumentException e) {
            throw new IOException("the TPM's key cannot be used: " + e.getMessage(), e);
        }
    }

    @Override
    public DeviceIdentity birth() {
        return DeviceIdentity.of(birthKey, birthChain);
    }

    @Override
    public Made make(Set<String> inUse) throws IOException {
        long parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE).handle();
        try {
            Tpm.Created made = tpm.create(parent, Kind.SIGNING);
            String name = PREFIX + made.privatePart().base64Url() + ":"
                    + made.publicArea().base64Url();
            return new Made(name, key(made.privatePart(), made.publicArea()));
        } finally {
            tpm.flush(parent);
        }
    }

    @Override
    public DeviceKey open(String name) throws IOException {
        String[] parts = name.split(":", -1);
        if (!name.startsWith(PREFIX) || parts.length != 3) {
            throw new IOException("the TPM has no such key");
        }
        try {
            return key(Bytes.ofBase64Url(parts[1]), Bytes.ofBase64Url(parts[2]));
        } catch (IllegalArgumentException e) {
            throw new IOException("the TPM has no such key", e);
        }
    }

    private DeviceKey key(Bytes privatePart, Bytes publicArea) throws IOException {
        return new DeviceKey(publicKey(publicArea)) {
            private static final long serialVersionUID = 1L;

            @Override
            protected byte[] signDigest(byte[] digest) throws IOException {
                return TpmKeys.this.signLoaded(privatePart, publicArea, digest);
            }
        };
    }

    /// One at a time: a TPM has room for few keys.
    private synchronized byte[] signLoaded(Bytes privatePart, Bytes publicArea, byte[] digest) throws IOException {
        long parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE).handle();
        try {
            long key = tpm.load(parent, privatePart, publicArea);
            try {
                return tpm.sign(key, digest);
            } finally {
                tpm.flush(key);
            }
        } finally {
            tpm.flush(parent);
        }
    }

    /// Nothing: who has forgotten the name has forgotten the key.
    @Override
    public void forget(String name) {}

    @Override
    public void close() throws IOException {
        tpm.close();
    }
}
