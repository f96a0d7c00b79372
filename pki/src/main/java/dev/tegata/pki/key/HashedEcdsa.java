// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.InvalidParameterException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// ECDSA (FIPS 186-5 §6.4) of which the JDK computes the hash and the native engine the rest.
///
/// The engine's own combination makes two native contexts per signature that are freed by finalizers: at
/// thousands of signatures per second they took half of each garbage collection.
final class HashedEcdsa extends Signature {
    /// The engine's name for ECDSA over what has been hashed.
    static final String RAW = "NONEwithECDSA";

    private static final Map<String, String> HASHES = Map.of(
            "SHA256withECDSA", "SHA-256",
            "SHA384withECDSA", "SHA-384",
            "SHA512withECDSA", "SHA-512");

    private final MessageDigest hash;
    private final Signature raw;

    HashedEcdsa(String algorithm, String hash, Signature raw) throws GeneralSecurityException {
        super(algorithm);
        this.hash = MessageDigest.getInstance(hash);
        this.raw = raw;
    }

    /// The hash of an algorithm of ECDSA; null for others.
    static @Nullable String hashOf(String algorithm) {
        return HASHES.get(algorithm);
    }

    @Override
    protected void engineInitVerify(PublicKey key) throws InvalidKeyException {
        raw.initVerify(key);
        hash.reset();
    }

    @Override
    protected void engineInitSign(PrivateKey key) throws InvalidKeyException {
        raw.initSign(key);
        hash.reset();
    }

    @Override
    protected void engineUpdate(byte octet) {
        hash.update(octet);
    }

    @Override
    protected void engineUpdate(byte[] data, int from, int length) {
        hash.update(data, from, length);
    }

    @Override
    protected void engineUpdate(ByteBuffer data) {
        hash.update(data);
    }

    @Override
    protected byte[] engineSign() throws SignatureException {
        raw.update(hash.digest());
        return raw.sign();
    }

    @Override
    protected boolean engineVerify(byte[] signature) throws SignatureException {
        raw.update(hash.digest());
        return raw.verify(signature);
    }

    @Override
    @Deprecated
    protected void engineSetParameter(String name, Object value) {
        throw new InvalidParameterException("ECDSA has no parameters");
    }

    @Override
    @Deprecated
    protected Object engineGetParameter(String name) {
        throw new InvalidParameterException("ECDSA has no parameters");
    }
}
