// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.io.IOException;
import java.io.OutputStream;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.SignatureException;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// Software signatures through the fastest provider that this machine has.
public final class Signatures {
    private static final Map<SignatureAlgorithm, Pool> POOLS = new EnumMap<>(SignatureAlgorithm.class);

    static {
        for (SignatureAlgorithm algorithm : SignatureAlgorithm.values()) {
            POOLS.put(algorithm, new Pool(algorithm));
        }
    }

    private Signatures() {}

    /// Whether `signature` over `data` verifies under `key`; false too where it is malformed or the
    /// algorithm does not fit the key.
    static boolean verify(PublicKeyInfo key, SignatureAlgorithm algorithm, byte[] data, byte[] signature) {
        if (!key.algorithm().signsWith(algorithm)) {
            return false;
        }
        Pool pool = pool(algorithm);
        try {
            Signature verifier = pool.take();
            verifier.initVerify(key.key());
            verifier.update(data);
            boolean verified = verifier.verify(signature);
            pool.give(verifier);
            return verified;
        } catch (GeneralSecurityException e) {
            // The object that threw may be half-way through an operation: it does not go back to the pool.
            return false;
        }
    }

    /// Signs `data` with a private key held in memory: the software vault, virtual chips, tests.
    ///
    /// Keys of [SoftwareKey] are signed with directly; those of another provider are translated on each
    /// call.
    ///
    /// @throws IllegalArgumentException where the algorithm does not fit the key
    public static byte[] sign(PrivateKey key, SignatureAlgorithm algorithm, byte[] data) {
        return sign(key, algorithm, (Signature signer) -> signer.update(data));
    }

    static byte[] sign(PrivateKey key, SignatureAlgorithm algorithm, LongData data) {
        return sign(key, algorithm, (Signature signer) -> data.writeUnchecked(new Feed(signer)));
    }

    /// Tells a signature what it is made over.
    private interface Update {
        void of(Signature signer) throws SignatureException;
    }

    private static byte[] sign(PrivateKey key, SignatureAlgorithm algorithm, Update data) {
        Pool pool = pool(algorithm);
        try {
            Signature signer = pool.take();
            signer.initSign(key);
            data.of(signer);
            byte[] signature = signer.sign();
            pool.give(signer);
            return signature;
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("the key cannot sign with " + algorithm, e);
        }
    }

    /// Writes into a signature.
    private static final class Feed extends OutputStream {
        private final Signature signer;

        Feed(Signature signer) {
            this.signer = signer;
        }

        @Override
        public void write(int octet) throws IOException {
            write(new byte[] {(byte) octet}, 0, 1);
        }

        @Override
        public void write(byte[] data, int from, int length) throws IOException {
            try {
                signer.update(data, from, length);
            } catch (SignatureException e) {
                throw new IOException(e);
            }
        }
    }

    @SuppressWarnings("NullAway") // the static initializer puts every algorithm
    private static Pool pool(SignatureAlgorithm algorithm) {
        return POOLS.get(algorithm);
    }

    /// Idle signature objects of one algorithm, at most one per slot.
    ///
    /// A thread always meets the slot of its id. Ids of virtual threads are consecutive, so threads that
    /// run at the same time rarely share a slot; where two do, one makes a new object and the later return
    /// wins.
    private static final class Pool {
        private static final int SLOTS = 64;

        private final SignatureAlgorithm algorithm;
        private final AtomicReferenceArray<Signature> idle = new AtomicReferenceArray<>(SLOTS);

        Pool(SignatureAlgorithm algorithm) {
            this.algorithm = algorithm;
        }

        @SuppressWarnings("NullAway") // an empty slot holds null
        Signature take() throws GeneralSecurityException {
            Signature signature = idle.getAndSet(slot(), null);
            return signature != null ? signature : NativeProvider.signature(algorithm.jca());
        }

        void give(Signature signature) {
            idle.setRelease(slot(), signature);
        }

        private static int slot() {
            return (int) (Thread.currentThread().threadId() % SLOTS);
        }
    }
}
