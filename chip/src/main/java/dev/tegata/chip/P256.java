// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.math.BigInteger;
import java.security.SecureRandom;
import java.util.Arrays;

/// ECDSA and ECDH on the curve P-256 over raw byte strings, the form in which a secure element keeps its keys.
///
/// A private key is 32 bytes, a public key is X ‖ Y in 64 bytes, a signature is r ‖ s in 64 bytes, all big-endian.
///
/// Made for virtual chips: a process runs thousands of them, and a chip must find the public key of a private key that
/// it keeps as bytes, which the JDK has no call for. It is fast because it uses the key in every computation: the time
/// it takes depends on the key. Use it for keys of virtual chips and of the virtual factory, never for one that guards
/// anything.
public final class P256 {
    public static final int PRIVATE_KEY_LENGTH = 32;
    public static final int PUBLIC_KEY_LENGTH = 64;
    public static final int SIGNATURE_LENGTH = 64;

    /* Field elements are four limbs of 64 bits, lowest first, in Montgomery form (times 2^256). The prime is
     * 2^256 - 2^224 + 2^192 + 2^96 - 1, so its lowest limb is -1 and the factor of each reduction step is the limb
     * itself. Points are Jacobian: x = X/Z², y = Y/Z³, and Z = 0 is the point at infinity. */
    private static final long[] PRIME = {-1L, 0x00000000FFFFFFFFL, 0L, 0xFFFFFFFF00000001L};

    private static final BigInteger FIELD = new BigInteger(1, bytesOf(PRIME));
    private static final BigInteger ORDER =
            new BigInteger("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16);

    private static final long[] R_SQUARED =
            limbsOf(BigInteger.ONE.shiftLeft(512).mod(FIELD).toByteArray());
    private static final long[] ONE = toMontgomery(limbsOf(new byte[] {1}));
    private static final long[] B =
            toMontgomery(limbsOf("5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B"));
    private static final Point GENERATOR = new Point(
            toMontgomery(limbsOf("6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296")),
            toMontgomery(limbsOf("4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5")),
            ONE);
    private static final Point INFINITY = new Point(ONE, ONE, new long[4]);

    /// `WINDOWS[i][j]` is (j+1) · 32^i · G with Z = 1: one addition for each five bits of a scalar.
    private static final int WINDOW_BITS = 5;

    private static final Point[][] WINDOWS = generatorWindows();

    private record Point(long[] x, long[] y, long[] z) {
        boolean isInfinity() {
            return isZero(z);
        }
    }

    private P256() {}

    /// A new private key.
    public static byte[] newPrivateKey(SecureRandom random) {
        return fixedLength(randomScalar(random));
    }

    /// Whether these 32 bytes are a private key: a number from 1 to the group order less one.
    public static boolean isPrivateKey(byte[] key) {
        return key.length == PRIVATE_KEY_LENGTH && isScalar(new BigInteger(1, key));
    }

    /// Whether these 64 bytes are a point of the curve.
    public static boolean isPublicKey(byte[] key) {
        return key.length == PUBLIC_KEY_LENGTH && decode(key).isOnCurve();
    }

    /// The public key of a private key.
    public static byte[] publicKey(byte[] privateKey) {
        return encode(timesGenerator(scalar(privateKey)));
    }

    /// Signs a SHA-256 digest.
    public static byte[] sign(byte[] privateKey, byte[] digest, SecureRandom random) {
        BigInteger key = scalar(privateKey);
        BigInteger message = new BigInteger(1, digest);
        while (true) {
            BigInteger nonce = randomScalar(random);
            BigInteger r = new BigInteger(1, Arrays.copyOf(encode(timesGenerator(nonce)), 32)).mod(ORDER);
            BigInteger s = nonce.modInverse(ORDER)
                    .multiply(message.add(r.multiply(key)))
                    .mod(ORDER);
            if (r.signum() != 0 && s.signum() != 0) {
                return join(fixedLength(r), fixedLength(s));
            }
        }
    }

    /// Whether a signature over a SHA-256 digest verifies; false too where the key or the signature is malformed.
    public static boolean verify(byte[] publicKey, byte[] digest, byte[] signature) {
        if (!isPublicKey(publicKey) || signature.length != SIGNATURE_LENGTH) {
            return false;
        }
        BigInteger r = new BigInteger(1, signature, 0, 32);
        BigInteger s = new BigInteger(1, signature, 32, 32);
        if (!isScalar(r) || !isScalar(s)) {
            return false;
        }
        BigInteger inverse = s.modInverse(ORDER);
        BigInteger u = new BigInteger(1, digest).multiply(inverse).mod(ORDER);
        BigInteger v = r.multiply(inverse).mod(ORDER);
        Point point = add(timesGenerator(u), times(v, decode(publicKey).point()));
        return !point.isInfinity()
                && new BigInteger(1, Arrays.copyOf(encode(point), 32))
                        .mod(ORDER)
                        .equals(r);
    }

    /// The X coordinate of the product of a private and a public key.
    ///
    /// @throws IllegalArgumentException where the public key is not a point of the curve
    public static byte[] ecdh(byte[] privateKey, byte[] publicKey) {
        if (!isPublicKey(publicKey)) {
            throw new IllegalArgumentException("not a point of P-256");
        }
        return Arrays.copyOf(encode(times(scalar(privateKey), decode(publicKey).point())), 32);
    }

    private static BigInteger scalar(byte[] privateKey) {
        BigInteger scalar = new BigInteger(1, privateKey);
        if (!isScalar(scalar)) {
            throw new IllegalArgumentException("not a private key of P-256");
        }
        return scalar;
    }

    private static boolean isScalar(BigInteger number) {
        return number.signum() > 0 && number.compareTo(ORDER) < 0;
    }

    private static BigInteger randomScalar(SecureRandom random) {
        byte[] bytes = new byte[32];
        while (true) {
            random.nextBytes(bytes);
            BigInteger scalar = new BigInteger(1, bytes);
            if (isScalar(scalar)) {
                return scalar;
            }
        }
    }

    // ---- points

    private static Point timesGenerator(BigInteger scalar) {
        long[] bits = limbsOf(scalar.toByteArray());
        Point sum = INFINITY;
        for (int i = 0; i < WINDOWS.length; i++) {
            int digit = window(bits, i * WINDOW_BITS, WINDOW_BITS);
            if (digit != 0) {
                sum = add(sum, WINDOWS[i][digit - 1]);
            }
        }
        return sum;
    }

    private static Point times(BigInteger scalar, Point point) {
        Point[] multiples = new Point[15];
        multiples[0] = point;
        for (int i = 1; i < multiples.length; i++) {
            multiples[i] = add(multiples[i - 1], point);
        }
        long[] bits = limbsOf(scalar.toByteArray());
        Point sum = INFINITY;
        for (int at = 252; at >= 0; at -= 4) {
            sum = twice(twice(twice(twice(sum))));
            int digit = window(bits, at, 4);
            if (digit != 0) {
                sum = add(sum, multiples[digit - 1]);
            }
        }
        return sum;
    }

    private static int window(long[] bits, int from, int width) {
        int limb = from >>> 6;
        int shift = from & 63;
        long value = bits[limb] >>> shift;
        if (shift + width > 64 && limb < 3) {
            value |= bits[limb + 1] << (64 - shift);
        }
        return (int) value & ((1 << width) - 1);
    }

    private static Point[][] generatorWindows() {
        Point[][] windows = new Point[(256 + WINDOW_BITS - 1) / WINDOW_BITS][(1 << WINDOW_BITS) - 1];
        Point base = GENERATOR;
        for (Point[] row : windows) {
            row[0] = base;
            for (int j = 1; j < row.length; j++) {
                row[j] = add(row[j - 1], base);
            }
            base = add(row[row.length - 1], base);
        }
        normalize(windows);
        return windows;
    }

    /// Brings all points to Z = 1 at the price of one inversion: the inverse of the product of all Z, taken apart from
    /// its end.
    private static void normalize(Point[][] points) {
        long[][] products = new long[points.length * points[0].length + 1][];
        products[0] = ONE;
        int count = 0;
        for (Point[] row : points) {
            for (Point point : row) {
                products[count + 1] = multiply(products[count], point.z);
                count++;
            }
        }
        long[] inverse = inverse(products[count]);
        for (int i = points.length - 1; i >= 0; i--) {
            for (int j = points[i].length - 1; j >= 0; j--) {
                count--;
                Point point = points[i][j];
                points[i][j] = affine(point, multiply(inverse, products[count]));
                inverse = multiply(inverse, point.z);
            }
        }
    }

    private static Point normalize(Point point) {
        return affine(point, inverse(point.z));
    }

    private static Point affine(Point point, long[] inverseOfZ) {
        long[] square = multiply(inverseOfZ, inverseOfZ);
        return new Point(multiply(point.x, square), multiply(point.y, multiply(square, inverseOfZ)), ONE);
    }

    private static long[] inverse(long[] a) {
        BigInteger number = new BigInteger(1, bytesOf(fromMontgomery(a)));
        return toMontgomery(limbsOf(number.modInverse(FIELD).toByteArray()));
    }

    private static Point twice(Point a) {
        if (a.isInfinity()) {
            return a;
        }
        long[] delta = multiply(a.z, a.z);
        long[] gamma = multiply(a.y, a.y);
        long[] beta = multiply(a.x, gamma);
        long[] product = multiply(subtract(a.x, delta), add(a.x, delta));
        long[] alpha = add(add(product, product), product);
        long[] fourBeta = doubled(doubled(beta));
        long[] x = subtract(subtract(multiply(alpha, alpha), fourBeta), fourBeta);
        long[] yz = multiply(a.y, a.z);
        long[] eightGammaSquared = doubled(doubled(doubled(multiply(gamma, gamma))));
        return new Point(x, subtract(multiply(alpha, subtract(fourBeta, x)), eightGammaSquared), doubled(yz));
    }

    private static Point add(Point a, Point b) {
        if (a.isInfinity()) {
            return b;
        }
        if (b.isInfinity()) {
            return a;
        }
        boolean mixed = Arrays.equals(b.z, ONE);
        long[] zz1 = multiply(a.z, a.z);
        long[] zz2 = mixed ? ONE : multiply(b.z, b.z);
        long[] u1 = mixed ? a.x : multiply(a.x, zz2);
        long[] u2 = multiply(b.x, zz1);
        long[] s1 = mixed ? a.y : multiply(a.y, multiply(b.z, zz2));
        long[] s2 = multiply(b.y, multiply(a.z, zz1));
        long[] h = subtract(u2, u1);
        long[] r = subtract(s2, s1);
        if (isZero(h)) {
            return isZero(r) ? twice(a) : INFINITY;
        }
        long[] hh = multiply(h, h);
        long[] hhh = multiply(h, hh);
        long[] v = multiply(u1, hh);
        long[] x = subtract(subtract(multiply(r, r), hhh), doubled(v));
        long[] y = subtract(multiply(r, subtract(v, x)), multiply(s1, hhh));
        long[] z = multiply(mixed ? a.z : multiply(a.z, b.z), h);
        return new Point(x, y, z);
    }

    private record Decoded(long[] rawX, long[] rawY) {
        Point point() {
            return new Point(toMontgomery(rawX), toMontgomery(rawY), ONE);
        }

        boolean isOnCurve() {
            if (!isBelowPrime(rawX) || !isBelowPrime(rawY)) {
                return false;
            }
            Point point = point();
            long[] x = point.x;
            long[] cube = multiply(multiply(x, x), x);
            long[] right = add(subtract(cube, add(doubled(x), x)), B);
            return Arrays.equals(multiply(point.y, point.y), right);
        }
    }

    private static Decoded decode(byte[] publicKey) {
        return new Decoded(limbsOf(Arrays.copyOf(publicKey, 32)), limbsOf(Arrays.copyOfRange(publicKey, 32, 64)));
    }

    private static byte[] encode(Point point) {
        Point affine = normalize(point);
        return join(bytesOf(fromMontgomery(affine.x)), bytesOf(fromMontgomery(affine.y)));
    }

    // ---- field

    private static long[] toMontgomery(long[] a) {
        return multiply(a, R_SQUARED);
    }

    private static long[] fromMontgomery(long[] a) {
        return multiply(a, new long[] {1, 0, 0, 0});
    }

    private static long[] multiply(long[] a, long[] b) {
        long b0 = b[0];
        long b1 = b[1];
        long b2 = b[2];
        long b3 = b[3];
        long t0 = 0;
        long t1 = 0;
        long t2 = 0;
        long t3 = 0;
        long t4 = 0;
        for (int i = 0; i < 4; i++) {
            long ai = a[i];

            // t += a[i] · b
            long low = ai * b0;
            long carry = Math.unsignedMultiplyHigh(ai, b0);
            t0 += low;
            carry += carryOf(t0, low);

            low = ai * b1;
            long high = Math.unsignedMultiplyHigh(ai, b1);
            low += carry;
            high += carryOf(low, carry);
            t1 += low;
            carry = high + carryOf(t1, low);

            low = ai * b2;
            high = Math.unsignedMultiplyHigh(ai, b2);
            low += carry;
            high += carryOf(low, carry);
            t2 += low;
            carry = high + carryOf(t2, low);

            low = ai * b3;
            high = Math.unsignedMultiplyHigh(ai, b3);
            low += carry;
            high += carryOf(low, carry);
            t3 += low;
            carry = high + carryOf(t3, low);

            t4 += carry;
            long t5 = carryOf(t4, carry);

            // t = (t + m · p) / 2^64 with m = t0: the lowest limb cancels and carries m
            long m = t0;
            long shifted = m << 32;
            low = shifted - m;
            high = (m >>> 32) - (Long.compareUnsigned(shifted, m) < 0 ? 1 : 0);
            low += m;
            high += carryOf(low, m);
            t1 += low;
            carry = high + carryOf(t1, low);

            t2 += carry;
            carry = carryOf(t2, carry);

            low = m - shifted;
            high = m - (m >>> 32) - (Long.compareUnsigned(m, shifted) < 0 ? 1 : 0);
            low += carry;
            high += carryOf(low, carry);
            t3 += low;
            carry = high + carryOf(t3, low);

            t4 += carry;
            t5 += carryOf(t4, carry);

            t0 = t1;
            t1 = t2;
            t2 = t3;
            t3 = t4;
            t4 = t5;
        }
        return reduceOnce(t0, t1, t2, t3, t4);
    }

    private static long[] add(long[] a, long[] b) {
        long t0 = a[0] + b[0];
        long carry = carryOf(t0, a[0]);
        long t1 = a[1] + b[1];
        long next = carryOf(t1, a[1]);
        t1 += carry;
        carry = next + carryOf(t1, carry);
        long t2 = a[2] + b[2];
        next = carryOf(t2, a[2]);
        t2 += carry;
        carry = next + carryOf(t2, carry);
        long t3 = a[3] + b[3];
        next = carryOf(t3, a[3]);
        t3 += carry;
        carry = next + carryOf(t3, carry);
        return reduceOnce(t0, t1, t2, t3, carry);
    }

    private static long[] doubled(long[] a) {
        return add(a, a);
    }

    private static long[] subtract(long[] a, long[] b) {
        long[] difference = new long[4];
        return wrappingSubtract(a, b, difference) == 0 ? difference : wrappingAdd(difference, PRIME);
    }

    /// A number below twice the prime, in five limbs, less the prime where it is not below it.
    private static long[] reduceOnce(long t0, long t1, long t2, long t3, long t4) {
        long[] value = {t0, t1, t2, t3};
        if (t4 != 0 || !isBelowPrime(value)) {
            wrappingSubtract(value, PRIME, value);
        }
        return value;
    }

    /// Modulo 2^256; returns the borrow.
    private static long wrappingSubtract(long[] a, long[] b, long[] into) {
        long borrow = 0;
        for (int i = 0; i < 4; i++) {
            long limb = a[i] - b[i];
            long next = Long.compareUnsigned(a[i], b[i]) < 0 ? 1 : 0;
            next += Long.compareUnsigned(limb, borrow) < 0 ? 1 : 0;
            into[i] = limb - borrow;
            borrow = next;
        }
        return borrow;
    }

    /// Modulo 2^256, into `a`.
    private static long[] wrappingAdd(long[] a, long[] b) {
        long carry = 0;
        for (int i = 0; i < 4; i++) {
            long limb = a[i] + carry;
            carry = carryOf(limb, carry);
            limb += b[i];
            carry += carryOf(limb, b[i]);
            a[i] = limb;
        }
        return a;
    }

    private static boolean isBelowPrime(long[] value) {
        for (int i = 3; i >= 0; i--) {
            int order = Long.compareUnsigned(value[i], PRIME[i]);
            if (order != 0) {
                return order < 0;
            }
        }
        return false;
    }

    private static boolean isZero(long[] value) {
        return (value[0] | value[1] | value[2] | value[3]) == 0;
    }

    /// 1 where an unsigned addition that gave `sum` wrapped around.
    private static long carryOf(long sum, long addend) {
        return Long.compareUnsigned(sum, addend) < 0 ? 1 : 0;
    }

    // ---- bytes

    private static long[] limbsOf(String hex) {
        return limbsOf(new BigInteger(hex, 16).toByteArray());
    }

    private static long[] limbsOf(byte[] bigEndian) {
        long[] limbs = new long[4];
        for (int i = 0; i < Math.min(bigEndian.length, 32); i++) {
            limbs[i >>> 3] |= (bigEndian[bigEndian.length - 1 - i] & 0xFFL) << ((i & 7) * 8);
        }
        return limbs;
    }

    private static byte[] bytesOf(long[] limbs) {
        byte[] bytes = new byte[32];
        for (int i = 0; i < 32; i++) {
            bytes[31 - i] = (byte) (limbs[i >>> 3] >>> ((i & 7) * 8));
        }
        return bytes;
    }

    private static byte[] fixedLength(BigInteger number) {
        return bytesOf(limbsOf(number.toByteArray()));
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }
}
