// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// A kind and size of key pair. `id` is the name used in the API, the CLI and storage.
public enum KeyAlgorithm {
    EC_P256("ec-p256"),
    EC_P384("ec-p384"),
    ED25519("ed25519"),
    RSA_2048("rsa-2048"),
    RSA_3072("rsa-3072"),
    RSA_4096("rsa-4096"),
    ML_DSA_44("ml-dsa-44"),
    ML_DSA_65("ml-dsa-65"),
    ML_DSA_87("ml-dsa-87");

    private final String id;

    KeyAlgorithm(String id) {
        this.id = id;
    }

    public String id() {
        return id;
    }

    /// The signature algorithm that a key of this kind signs certificates with.
    public SignatureAlgorithm signatureAlgorithm() {
        return switch (this) {
            case EC_P256 -> SignatureAlgorithm.ECDSA_SHA256;
            case EC_P384 -> SignatureAlgorithm.ECDSA_SHA384;
            case ED25519 -> SignatureAlgorithm.ED25519;
            case RSA_2048, RSA_3072, RSA_4096 -> SignatureAlgorithm.RSA_SHA256;
            case ML_DSA_44 -> SignatureAlgorithm.ML_DSA_44;
            case ML_DSA_65 -> SignatureAlgorithm.ML_DSA_65;
            case ML_DSA_87 -> SignatureAlgorithm.ML_DSA_87;
        };
    }

    /// Whether a key of this kind can make signatures of `algorithm`.
    public boolean signsWith(SignatureAlgorithm algorithm) {
        return switch (algorithm) {
            case ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512 -> this == EC_P256 || this == EC_P384;
            case ED25519 -> this == ED25519;
            case RSA_SHA256, RSA_SHA384, RSA_SHA512 -> this == RSA_2048 || this == RSA_3072 || this == RSA_4096;
            case ML_DSA_44 -> this == ML_DSA_44;
            case ML_DSA_65 -> this == ML_DSA_65;
            case ML_DSA_87 -> this == ML_DSA_87;
        };
    }

    /// Whether it holds against quantum computers (FIPS 204).
    public boolean isPostQuantum() {
        return this == ML_DSA_44 || this == ML_DSA_65 || this == ML_DSA_87;
    }

    /// The algorithm called `id`.
    ///
    /// @throws IllegalArgumentException where there is none
    public static KeyAlgorithm of(String id) {
        for (KeyAlgorithm algorithm : values()) {
            if (algorithm.id.equals(id)) {
                return algorithm;
            }
        }
        throw new IllegalArgumentException("there is no key algorithm '" + id + "'");
    }
}
