// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.math.BigInteger;
import java.util.Set;

/// Whether an encoded public point is one: on its curve and, for Ed25519, not of small order.
///
/// The JDK's key factories take any coordinates, and no provider looks at Ed25519 points before a signature is
/// verified. Variable time is fine here: points are public.
final class CurvePoints {
    private static final Weierstrass P256 = new Weierstrass(
            "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
            "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");
    private static final Weierstrass P384 = new Weierstrass(
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
            "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef");

    private CurvePoints() {}

    /// Whether the coordinates x and y at `offset`, of `size` bytes each, are a point of P-256 (32) or P-384 (48).
    static boolean onCurve(byte[] der, int offset, int size) {
        BigInteger x = new BigInteger(1, der, offset, size);
        BigInteger y = new BigInteger(1, der, offset + size, size);
        return (size == 32 ? P256 : P384).contains(x, y);
    }

    /// Whether `point` (RFC 8032 §5.1.2) decodes as §5.1.3 says and has an order that a signature can mean something
    /// under: with a point of order 1, 2, 4 or 8, one signature fits many messages.
    static boolean onEd25519(byte[] point) {
        return Edwards25519.contains(point);
    }

    /// The curve y² = x³ − 3x + b over the integers modulo p.
    private record Weierstrass(BigInteger p, BigInteger b) {
        Weierstrass(String p, String b) {
            this(new BigInteger(p, 16), new BigInteger(b, 16));
        }

        boolean contains(BigInteger x, BigInteger y) {
            if (x.compareTo(p) >= 0 || y.compareTo(p) >= 0) {
                return false;
            }
            BigInteger right =
                    x.multiply(x).subtract(BigInteger.valueOf(3)).multiply(x).add(b);
            return y.multiply(y).subtract(right).mod(p).signum() == 0;
        }
    }

    /// The curve −x² + y² = 1 + d·x²·y² over the integers modulo 2²⁵⁵ − 19.
    private static final class Edwards25519 {
        private static final BigInteger P = BigInteger.TWO.pow(255).subtract(BigInteger.valueOf(19));
        private static final BigInteger D = BigInteger.valueOf(-121665)
                .multiply(BigInteger.valueOf(121666).modInverse(P))
                .mod(P);
        private static final BigInteger EULER = P.shiftRight(1);
        private static final BigInteger ORDER_EIGHT =
                new BigInteger("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7", 16);
        /// The y of every point whose order divides 8.
        private static final Set<BigInteger> SMALL_ORDER = Set.of(
                BigInteger.ZERO, BigInteger.ONE, P.subtract(BigInteger.ONE), ORDER_EIGHT, P.subtract(ORDER_EIGHT));

        static boolean contains(byte[] point) {
            BigInteger y = y(point);
            if (y.compareTo(P) >= 0 || SMALL_ORDER.contains(y)) {
                return false;
            }
            // x² = (y² − 1) / (d·y² + 1) must be a square; u/v is one exactly where u·v is.
            BigInteger ySquared = y.multiply(y).mod(P);
            BigInteger u = ySquared.subtract(BigInteger.ONE);
            BigInteger v = ySquared.multiply(D).add(BigInteger.ONE);
            return u.multiply(v).mod(P).modPow(EULER, P).equals(BigInteger.ONE);
        }

        private static BigInteger y(byte[] point) {
            byte[] bigEndian = new byte[point.length];
            for (int i = 0; i < point.length; i++) {
                bigEndian[i] = point[point.length - 1 - i];
            }
            bigEndian[0] &= 0x7f; // the sign of x
            return new BigInteger(1, bigEndian);
        }
    }
}
