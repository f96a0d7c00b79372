// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.tpm.Tpm;
import dev.tegata.agent.tpm.Tpm.Kind;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.tpm.KeyCertification;
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

    /// The name of no key: one has its own when it is made.
    @Override
    public String nameNext(Set<String> inUse) {
        return PREFIX;
    }

    @Override
    public Made make(String name) throws IOException {
        long parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE).handle();
        try {
            Tpm.Created made = tpm.create(parent, Kind.SIGNING);
            return new Made(name(made), key(made));
        } finally {
            tpm.flush(parent);
        }
    }

    @Override
    public DeviceKey open(String name) throws IOException {
        return key(made(name));
    }

    /// The key, and what proves to the TPM that it was made there.
    private static String name(Tpm.Created made) {
        return PREFIX + made.privatePart().base64Url() + ":"
                + made.publicArea().base64Url() + ":"
                + made.creationHash().base64Url() + ":"
                + made.creationTicket().base64Url();
    }

    private static Tpm.Created made(String name) throws IOException {
        String[] parts = name.split(":", -1);
        if (!name.startsWith(PREFIX) || parts.length != 5) {
            throw new IOException("the TPM has no such key");
        }
        try {
            return new Tpm.Created(
                    Bytes.ofBase64Url(parts[1]),
                    Bytes.ofBase64Url(parts[2]),
                    Bytes.ofBase64Url(parts[3]),
                    Bytes.ofBase64Url(parts[4]));
        } catch (IllegalArgumentException e) {
            throw new IOException("the TPM has no such key", e);
        }
    }

    private DeviceKey key(Tpm.Created made) throws IOException {
        return new DeviceKey(publicKey(made.publicArea())) {
            private static final long serialVersionUID = 1L;

            @Override
            protected byte[] signDigest(byte[] digest) throws IOException {
                return loaded(tpm, made, key -> tpm.sign(key, digest));
            }
        };
    }

    /// The TPM's word, by its attestation key, that it has made the key of this name.
    static KeyCertification certify(Tpm tpm, String name, long attestationKey, Bytes nonce) throws IOException {
        Tpm.Created made = made(name);
        Tpm.Signed signed = loaded(tpm, made, key -> tpm.certifyCreation(attestationKey, key, nonce, made));
        return new KeyCertification(signed.statement(), signed.signature(), made.publicArea());
    }

    private interface Use<T> {
        T of(long key) throws IOException;
    }

    /// One at a time: a TPM has room for few keys.
    private static <T> T loaded(Tpm tpm, Tpm.Created made, Use<T> use) throws IOException {
        synchronized (tpm) {
            long parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE).handle();
            try {
                long key = tpm.load(parent, made.privatePart(), made.publicArea());
                try {
                    return use.of(key);
                } finally {
                    tpm.flush(key);
                }
            } finally {
                tpm.flush(parent);
            }
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
