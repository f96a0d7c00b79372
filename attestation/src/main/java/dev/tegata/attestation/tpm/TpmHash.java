// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.jspecify.annotations.Nullable;

/// The hash algorithms of TPMs. SHA-1 serves for reading old PCR banks and logs only; nothing signed with it
/// counts.
public enum TpmHash {
    SHA1(0x0004, "SHA-1", 20, "sha-1", null, null),
    SHA256(0x000b, "SHA-256", 32, "sha-256", SignatureAlgorithm.ECDSA_SHA256, SignatureAlgorithm.RSA_SHA256),
    SHA384(0x000c, "SHA-384", 48, "sha-384", SignatureAlgorithm.ECDSA_SHA384, SignatureAlgorithm.RSA_SHA384),
    SHA512(0x000d, "SHA-512", 64, "sha-512", SignatureAlgorithm.ECDSA_SHA512, SignatureAlgorithm.RSA_SHA512);

    private final int id;
    private final String jca;
    private final int size;
    private final String digestName;
    private final @Nullable SignatureAlgorithm ecdsa;
    private final @Nullable SignatureAlgorithm rsa;

    TpmHash(
            int id,
            String jca,
            int size,
            String digestName,
            @Nullable SignatureAlgorithm ecdsa,
            @Nullable SignatureAlgorithm rsa) {
        this.id = id;
        this.jca = jca;
        this.size = size;
        this.digestName = digestName;
        this.ecdsa = ecdsa;
        this.rsa = rsa;
    }

    static TpmHash of(int id) throws MalformedException {
        for (TpmHash hash : values()) {
            if (hash.id == id) {
                return hash;
            }
        }
        throw new MalformedException("the TPM's hash algorithm " + Integer.toHexString(id) + " is not supported");
    }

    /// TPM_ALG_ID.
    public int id() {
        return id;
    }

    String jca() {
        return jca;
    }

    public int size() {
        return size;
    }

    /// The name in endorsements.
    public String digestName() {
        return digestName;
    }

    @Nullable
    SignatureAlgorithm ecdsa() {
        return ecdsa;
    }

    @Nullable
    SignatureAlgorithm rsa() {
        return rsa;
    }

    public Bytes digest(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance(jca);
            for (byte[] part : parts) {
                digest.update(part);
            }
            return Bytes.of(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + jca, e);
        }
    }
}
