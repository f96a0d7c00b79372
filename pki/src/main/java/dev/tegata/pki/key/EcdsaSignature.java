// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// The two forms of an ECDSA signature: DER Ecdsa-Sig-Value (RFC 3279 §2.2.3), as X.509 has it, and raw `r || s`, as
/// JWS (RFC 7518 §3.4), COSE (RFC 9053 §2.1) and PKCS#11 have it.
public final class EcdsaSignature {
    private static final byte SEQUENCE = 0x30;
    private static final byte INTEGER = 0x02;

    private EcdsaSignature() {}

    /// The DER form of a raw signature.
    ///
    /// @throws IllegalArgumentException where `raw` is not 64 (P-256) or 96 (P-384) bytes
    public static byte[] derOf(byte[] raw) {
        if (raw.length != 64 && raw.length != 96) {
            throw new IllegalArgumentException("a raw ECDSA signature has 64 or 96 bytes, this one " + raw.length);
        }
        int half = raw.length / 2;
        int rStart = firstSignificant(raw, 0, half);
        int sStart = firstSignificant(raw, half, raw.length);
        int rLength = half - rStart + (raw[rStart] < 0 ? 1 : 0);
        int sLength = raw.length - sStart + (raw[sStart] < 0 ? 1 : 0);

        // Both integers have at most 49 bytes, so that each length fits the short form.
        byte[] der = new byte[6 + rLength + sLength];
        der[0] = SEQUENCE;
        der[1] = (byte) (4 + rLength + sLength);
        der[2] = INTEGER;
        der[3] = (byte) rLength;
        System.arraycopy(raw, rStart, der, 4 + rLength - (half - rStart), half - rStart);
        der[4 + rLength] = INTEGER;
        der[5 + rLength] = (byte) sLength;
        System.arraycopy(raw, sStart, der, der.length - (raw.length - sStart), raw.length - sStart);
        return der;
    }

    private static int firstSignificant(byte[] raw, int from, int to) {
        int at = from;
        while (at < to - 1 && raw[at] == 0) {
            at++;
        }
        return at;
    }

    /// The raw form, of twice the size of the curve's coordinates, of a DER signature.
    ///
    /// @throws IllegalArgumentException where `der` is not exactly one DER signature of such a key
    public static byte[] rawOf(byte[] der, KeyAlgorithm curve) {
        int half = switch (curve) {
            case EC_P256 -> 32;
            case EC_P384 -> 48;
            case ED25519, RSA_2048, RSA_3072, RSA_4096, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                throw new IllegalArgumentException(curve.id() + " makes no ECDSA signatures");
        };
        if (der.length < 8 || der[0] != SEQUENCE || der[1] != der.length - 2) {
            throw malformed();
        }
        byte[] raw = new byte[2 * half];
        int rEnd = copyInteger(der, 2, raw, half);
        int sEnd = copyInteger(der, rEnd, raw, 2 * half);
        if (sEnd != der.length) {
            throw malformed();
        }
        return raw;
    }

    /// Copies the INTEGER at `at` so that it ends at `end` of `raw`, and tells where it ended in `der`.
    private static int copyInteger(byte[] der, int at, byte[] raw, int end) {
        if (at + 2 >= der.length || der[at] != INTEGER) {
            throw malformed();
        }
        int half = raw.length / 2;
        int length = der[at + 1];
        int start = at + 2;
        int stop = start + length;
        if (length < 1 || length > half + 1 || stop > der.length || der[start] < 0) {
            throw malformed();
        }
        if (der[start] == 0 && length > 1) {
            start++;
            if (der[start] >= 0) {
                throw malformed(); // not the shortest form
            }
        }
        if (stop - start > half) {
            throw malformed();
        }
        System.arraycopy(der, start, raw, end - (stop - start), stop - start);
        return stop;
    }

    private static IllegalArgumentException malformed() {
        return new IllegalArgumentException("not a DER ECDSA signature of this curve");
    }
}
