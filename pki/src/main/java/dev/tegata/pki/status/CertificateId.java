// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Optional;

/// How an OCSP request names a certificate (RFC 6960 §4.1.1).
///
/// @param encoded as it came, for the answer repeats it
/// @param serial the content octets of the serial number
public record CertificateId(Bytes encoded, Oid hash, Bytes issuerName, Bytes issuerKey, Bytes serial) {
    static final Oid SHA1 = Oid.of("1.3.14.3.2.26");

    private static final int LONGEST_HASH = 64;
    private static final int LONGEST_SERIAL = 64;

    /// Reads what [#encoded] holds; empty where it is something else.
    public static Optional<CertificateId> read(Bytes encoded) {
        try {
            return Optional.of(read(DerReader.of(encoded)));
        } catch (EncodingException e) {
            return Optional.empty();
        }
    }

    /// The name of a certificate by SHA-1, which every responder knows (RFC 5019 §2.1.1).
    static CertificateId sha1(Certificate authority, Bytes serial) {
        Bytes name = hash("SHA-1", authority.subject().encoded().toArray());
        Bytes key = keyHash(authority);
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.sequence(() -> {
                writer.oid(SHA1);
                writer.nullValue();
            });
            writer.octetString(name.toArray());
            writer.octetString(key.toArray());
            writer.integer(new BigInteger(serial.toArray()));
        });
        return new CertificateId(writer.toBytes(), SHA1, name, key, serial);
    }

    /// Whether both name the same, whatever parameters their algorithms have.
    boolean isSame(CertificateId other) {
        return hash.equals(other.hash)
                && issuerName.equals(other.issuerName)
                && issuerKey.equals(other.issuerKey)
                && serial.equals(other.serial);
    }

    // spec| RFC 6960 §4.2.1: KeyHash ::= OCTET STRING, SHA-1 hash of the responder's public key
    static Bytes keyHash(Certificate certificate) {
        return hash("SHA-1", keyBits(certificate));
    }

    /// The content of the subjectPublicKey.
    static byte[] keyBits(Certificate certificate) {
        try {
            DerReader info = DerReader.of(certificate.publicKeyEncoded()).sequence();
            info.skip();
            return info.bitString().toArray();
        } catch (EncodingException e) {
            throw new IllegalStateException("the key of a certificate that was read is well formed", e);
        }
    }

    static Bytes hash(String algorithm, byte[] data) {
        try {
            return Bytes.of(MessageDigest.getInstance(algorithm).digest(data));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + algorithm, e);
        }
    }

    static CertificateId read(DerReader reader) throws EncodingException {
        Bytes encoded = reader.element();
        DerReader id = DerReader.of(encoded).sequence();
        DerReader algorithm = id.sequence();
        Oid hash = algorithm.oid();
        if (algorithm.nextIs(Tag.NULL)) {
            algorithm.nullValue();
        }
        algorithm.end();
        Bytes name = id.octetString();
        Bytes key = id.octetString();
        Bytes serial = id.integerContent();
        id.end();
        if (name.size() > LONGEST_HASH || key.size() > LONGEST_HASH || serial.size() > LONGEST_SERIAL) {
            throw new EncodingException("a certificate is named by something longer than a hash or serial number");
        }
        return new CertificateId(encoded, hash, name, key, serial);
    }
}
