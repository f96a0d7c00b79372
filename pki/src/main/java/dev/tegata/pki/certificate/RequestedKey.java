// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.InvalidRequestException.Reason;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;

/// Checks the key of a request, and where it is refused says which kind of refusal it is.
final class RequestedKey {
    private static final Oid EC = Oid.of("1.2.840.10045.2.1");
    private static final Oid P256 = Oid.of("1.2.840.10045.3.1.7");
    private static final Oid P384 = Oid.of("1.3.132.0.34");
    private static final Oid ED25519 = Oid.of("1.3.101.112");
    private static final Oid RSA = Oid.of("1.2.840.113549.1.1.1");
    private static final int MIN_RSA_BITS = 2048;

    private RequestedKey() {}

    static PublicKeyInfo check(Bytes key) throws InvalidRequestException {
        try {
            return PublicKeyInfo.parse(key);
        } catch (InvalidKeyInfoException e) {
            throw new InvalidRequestException(reason(key), String.valueOf(e.getMessage()));
        }
    }

    private static Reason reason(Bytes key) {
        try {
            DerReader info = DerReader.of(key).sequence();
            DerReader algorithm = info.sequence();
            Oid type = algorithm.oid();
            if (type.equals(RSA)) {
                int bits = DerReader.of(info.bitString()).sequence().integer().bitLength();
                return bits < MIN_RSA_BITS ? Reason.WEAK_KEY : Reason.UNSUPPORTED_KEY;
            }
            boolean supported = type.equals(ED25519) || type.equals(EC) && isSupportedCurve(algorithm.oid());
            return supported ? Reason.INVALID_KEY : Reason.UNSUPPORTED_KEY;
        } catch (EncodingException e) {
            return Reason.INVALID_KEY;
        }
    }

    private static boolean isSupportedCurve(Oid curve) {
        return curve.equals(P256) || curve.equals(P384);
    }
}
