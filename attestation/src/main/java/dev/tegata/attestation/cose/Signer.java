// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cose;

import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Signatures;
import java.security.PrivateKey;
import java.util.function.UnaryOperator;

/// Signs messages with a key that lives elsewhere: `sign` gives the signature over the data that it is
/// handed, in the form that certificates carry (ECDSA in DER), as a vault does.
public record Signer(PublicKeyInfo publicKey, UnaryOperator<byte[]> sign) {
    /// A signer with a key in memory: tests, tools, software roots of trust.
    public static Signer of(PublicKeyInfo publicKey, PrivateKey privateKey) {
        return new Signer(
                publicKey,
                data -> Signatures.sign(privateKey, publicKey.algorithm().signatureAlgorithm(), data));
    }

    public CoseAlgorithm algorithm() {
        return CoseAlgorithm.of(publicKey.algorithm().signatureAlgorithm());
    }

    /// The signature in the form of COSE and JOSE: r and s side by side.
    public byte[] signRaw(byte[] data) {
        byte[] signature = sign.apply(data);
        return switch (publicKey.algorithm()) {
            case EC_P256, EC_P384 -> EcdsaSignature.rawOf(signature, publicKey.algorithm());
            case ED25519, RSA_2048, RSA_3072, RSA_4096, ML_DSA_44, ML_DSA_65, ML_DSA_87 -> signature;
        };
    }
}
