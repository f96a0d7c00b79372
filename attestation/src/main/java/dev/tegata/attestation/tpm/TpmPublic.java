// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.spec.RSAPublicKeySpec;
import java.util.Objects;

/// The public area of a key in a TPM (TPMT_PUBLIC), with the policy that the TPM enforces for it.
public record TpmPublic(Bytes encoded, TpmHash nameHash, long attributes, PublicKeyInfo key) {
    private static final int RSA = 0x0001;
    private static final int ECC = 0x0023;
    private static final int NULL = 0x0010;
    private static final int ECDAA = 0x001a;

    private static final int FIXED_TPM = 1 << 1;
    private static final int FIXED_PARENT = 1 << 4;
    private static final int SENSITIVE_DATA_ORIGIN = 1 << 5;
    private static final int RESTRICTED = 1 << 16;
    private static final int DECRYPT = 1 << 17;
    private static final int SIGN = 1 << 18;

    /// Reads a TPM2B_PUBLIC: the public area with its size before it.
    public static TpmPublic parseSized(Bytes encoded) throws MalformedException {
        TpmReader reader = TpmReader.of(encoded);
        Bytes area = reader.sized();
        reader.end();
        return parse(area);
    }

    /// Reads a TPMT_PUBLIC.
    public static TpmPublic parse(Bytes encoded) throws MalformedException {
        TpmReader reader = TpmReader.of(encoded);
        int type = reader.u16();
        TpmHash nameHash = TpmHash.of(reader.u16());
        long attributes = reader.u32();
        reader.sized();
        if (type != RSA && type != ECC) {
            throw new MalformedException("the TPM key must be of RSA or an elliptic curve");
        }
        if (reader.u16() != NULL) {
            reader.u16();
            reader.u16();
        }
        int scheme = reader.u16();
        if (scheme != NULL) {
            reader.u16();
            if (scheme == ECDAA) {
                reader.u16();
            }
        }
        PublicKeyInfo key = type == RSA ? rsa(reader) : ecc(reader);
        reader.end();
        return new TpmPublic(encoded, nameHash, attributes, key);
    }

    private static PublicKeyInfo rsa(TpmReader reader) throws MalformedException {
        reader.u16();
        long exponent = reader.u32();
        BigInteger modulus = new BigInteger(1, reader.sized().toArray());
        if (modulus.bitLength() < 2048 || modulus.bitLength() > 4096) {
            throw new MalformedException("the TPM's RSA key must have 2048 to 4096 bits");
        }
        try {
            // spec| TPM 2.0 part 2 §12.2.3.5: an exponent of zero is the default of 65 537.
            return PublicKeyInfo.of(KeyFactory.getInstance("RSA")
                    .generatePublic(
                            new RSAPublicKeySpec(modulus, BigInteger.valueOf(exponent == 0 ? 65_537 : exponent))));
        } catch (GeneralSecurityException | InvalidKeyInfoException _) {
            throw new MalformedException("the TPM's RSA key is malformed");
        }
    }

    private static PublicKeyInfo ecc(TpmReader reader) throws MalformedException {
        int curve = reader.u16();
        if (reader.u16() != NULL) {
            reader.u16();
        }
        String prefix = switch (curve) {
            case 0x0003 -> "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
            case 0x0004 -> "3076301006072a8648ce3d020106052b8104002203620004";
            default -> throw new MalformedException("the TPM's curve must be P-256 or P-384");
        };
        int size = curve == 0x0003 ? 32 : 48;
        Bytes x = padded(reader.sized(), size);
        Bytes y = padded(reader.sized(), size);
        try {
            return PublicKeyInfo.parse(Bytes.ofHex(prefix).concat(x).concat(y));
        } catch (InvalidKeyInfoException e) {
            throw new MalformedException(Objects.requireNonNull(e.getMessage()));
        }
    }

    static Bytes padded(Bytes number, int size) throws MalformedException {
        if (number.size() > size) {
            throw new MalformedException("a number is too large for its curve");
        }
        return Bytes.of(new byte[size - number.size()]).concat(number);
    }

    /// The name by which TPMs refer to the key: the hash algorithm and the hash of the public area.
    public Bytes name() {
        return Bytes.of((byte) (nameHash.id() >> 8), (byte) nameHash.id()).concat(nameHash.digest(encoded.toArray()));
    }

    /// Whether this may serve as an attestation key: it cannot leave its TPM and signs nothing that the TPM did
    /// not make.
    public boolean isAttestationKey() {
        return has(FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | SIGN) && !has(DECRYPT);
    }

    /// Whether the private half was made in the TPM and cannot leave it.
    public boolean isBoundToTpm() {
        return has(FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN);
    }

    private boolean has(int bits) {
        return (attributes & bits) == bits;
    }
}
