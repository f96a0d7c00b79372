// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;

/// A signature algorithm as it stands in certificates and requests.
///
/// `identifier` is the DER AlgorithmIdentifier (RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3, RFC 9881 §2);
/// `jca` the name for [java.security.Signature].
public enum SignatureAlgorithm {
    ECDSA_SHA256("300a06082a8648ce3d040302", "SHA256withECDSA"),
    ECDSA_SHA384("300a06082a8648ce3d040303", "SHA384withECDSA"),
    ECDSA_SHA512("300a06082a8648ce3d040304", "SHA512withECDSA"),
    ED25519("300506032b6570", "Ed25519"),
    RSA_SHA256("300d06092a864886f70d01010b0500", "SHA256withRSA"),
    RSA_SHA384("300d06092a864886f70d01010c0500", "SHA384withRSA"),
    RSA_SHA512("300d06092a864886f70d01010d0500", "SHA512withRSA"),
    ML_DSA_44("300b0609608648016503040311", "ML-DSA-44"),
    ML_DSA_65("300b0609608648016503040312", "ML-DSA-65"),
    ML_DSA_87("300b0609608648016503040313", "ML-DSA-87");

    private final Bytes identifier;
    private final String jca;

    SignatureAlgorithm(String identifier, String jca) {
        this.identifier = Bytes.ofHex(identifier);
        this.jca = jca;
    }

    public Bytes identifier() {
        return identifier;
    }

    public String jca() {
        return jca;
    }
}
