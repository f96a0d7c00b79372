// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.Optional;

/// How an OCSP request names a certificate (RFC 6960 §4.1.1).
///
/// @param encoded as it came, for the answer repeats it
/// @param serial the content octets of the serial number
public record CertificateId(Bytes encoded, Oid hash, Bytes issuerName, Bytes issuerKey, Bytes serial) {
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
