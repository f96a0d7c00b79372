// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cose;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.key.SignatureAlgorithm;
import org.jspecify.annotations.Nullable;

/// The algorithms that we sign and verify with (RFC 9053 §2 and §3.1, RFC 8812 §2).
public enum CoseAlgorithm {
    ES256(-7, "ES256", SignatureAlgorithm.ECDSA_SHA256, "", 0),
    ES384(-35, "ES384", SignatureAlgorithm.ECDSA_SHA384, "", 0),
    ES512(-36, "ES512", SignatureAlgorithm.ECDSA_SHA512, "", 0),
    EDDSA(-8, "EdDSA", SignatureAlgorithm.ED25519, "", 0),
    RS256(-257, "RS256", SignatureAlgorithm.RSA_SHA256, "", 0),
    HMAC_256_64(4, "HS256/64", null, "HmacSHA256", 8),
    HMAC_256(5, "HS256", null, "HmacSHA256", 32),
    HMAC_384(6, "HS384", null, "HmacSHA384", 48),
    HMAC_512(7, "HS512", null, "HmacSHA512", 64);

    private final int id;
    private final String jose;
    private final @Nullable SignatureAlgorithm signature;
    private final String mac;
    private final int macSize;

    CoseAlgorithm(int id, String jose, @Nullable SignatureAlgorithm signature, String mac, int macSize) {
        this.id = id;
        this.jose = jose;
        this.signature = signature;
        this.mac = mac;
        this.macSize = macSize;
    }

    /// The number in COSE headers.
    public int id() {
        return id;
    }

    /// The name in JOSE headers.
    public String joseName() {
        return jose;
    }

    @Nullable
    SignatureAlgorithm signature() {
        return signature;
    }

    String mac() {
        return mac;
    }

    int macSize() {
        return macSize;
    }

    static CoseAlgorithm of(SignatureAlgorithm signature) {
        for (CoseAlgorithm algorithm : values()) {
            if (algorithm.signature == signature) {
                return algorithm;
            }
        }
        throw new IllegalArgumentException("COSE messages are not signed with " + signature);
    }

    static CoseAlgorithm parse(Cbor value) throws MalformedException {
        for (CoseAlgorithm algorithm : values()) {
            if (value instanceof Cbor.Int(long id) && id == algorithm.id) {
                return algorithm;
            }
        }
        throw new MalformedException("the message's algorithm is not one that we know");
    }
}
