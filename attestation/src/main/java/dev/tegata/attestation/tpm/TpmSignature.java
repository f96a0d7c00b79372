// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.security.GeneralSecurityException;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import org.jspecify.annotations.Nullable;

/// A signature as TPMs make them (TPMT_SIGNATURE).
public record TpmSignature(Scheme scheme, TpmHash hash, Bytes first, Bytes second) {
    /// The schemes of attestation keys. An RSA signature is `first`; an ECDSA one has r and s.
    public enum Scheme {
        RSASSA,
        RSAPSS,
        ECDSA
    }

    public static TpmSignature parse(Bytes encoded) throws MalformedException {
        TpmReader reader = TpmReader.of(encoded);
        int algorithm = reader.u16();
        TpmHash hash = TpmHash.of(reader.u16());
        if (hash == TpmHash.SHA1) {
            throw new MalformedException("signatures with SHA-1 are not accepted");
        }
        Bytes first = reader.sized();
        Bytes second = algorithm == 0x0018 ? reader.sized() : Bytes.EMPTY;
        reader.end();
        return switch (algorithm) {
            case 0x0014 -> new TpmSignature(Scheme.RSASSA, hash, first, second);
            case 0x0016 -> new TpmSignature(Scheme.RSAPSS, hash, first, second);
            case 0x0018 -> new TpmSignature(Scheme.ECDSA, hash, first, second);
            default ->
                throw new MalformedException(
                        "the TPM's signature scheme " + Integer.toHexString(algorithm) + " is not supported");
        };
    }

    public boolean verifies(PublicKeyInfo key, Bytes data) {
        boolean elliptic = key.algorithm() == KeyAlgorithm.EC_P256 || key.algorithm() == KeyAlgorithm.EC_P384;
        return switch (scheme) {
            case ECDSA -> elliptic && verifiesEcdsa(key, data);
            case RSASSA -> !elliptic && verifies(key, hash.rsa(), data, first.toArray());
            case RSAPSS -> !elliptic && verifiesPss(key, data);
        };
    }

    private static boolean verifies(
            PublicKeyInfo key, @Nullable SignatureAlgorithm algorithm, Bytes data, byte[] signature) {
        return algorithm != null && key.verifies(algorithm, data.toArray(), signature);
    }

    private boolean verifiesEcdsa(PublicKeyInfo key, Bytes data) {
        int size = key.algorithm() == KeyAlgorithm.EC_P256 ? 32 : 48;
        try {
            Bytes raw = TpmPublic.padded(first, size).concat(TpmPublic.padded(second, size));
            return verifies(key, hash.ecdsa(), data, EcdsaSignature.derOf(raw.toArray()));
        } catch (MalformedException _) {
            return false;
        }
    }

    private boolean verifiesPss(PublicKeyInfo key, Bytes data) {
        try {
            Signature verifier = Signature.getInstance("RSASSA-PSS");
            // spec| TPM 2.0 part 1 §B.7: the salt is as long as the digest.
            verifier.setParameter(
                    new PSSParameterSpec(hash.jca(), "MGF1", new MGF1ParameterSpec(hash.jca()), hash.size(), 1));
            verifier.initVerify(key.key());
            verifier.update(data.toArray());
            return verifier.verify(first.toArray());
        } catch (GeneralSecurityException _) {
            return false;
        }
    }
}
