// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;

/// An immutable byte string: copied on the way in and on the way out, equal by content.
///
/// Not for secrets: equality is not constant-time and `toString` shows the content.
public final class Bytes implements Comparable<Bytes> {
    public static final Bytes EMPTY = new Bytes(new byte[0]);

    private final byte[] value;

    private Bytes(byte[] value) {
        this.value = value;
    }

    /// A copy of `value`.
    public static Bytes of(byte... value) {
        return new Bytes(value.clone());
    }

    /// A copy of `length` bytes of `value` from `offset`.
    public static Bytes of(byte[] value, int offset, int length) {
        return new Bytes(Arrays.copyOfRange(value, offset, offset + length));
    }

    /// Reads hex digits of either case, without separators.
    ///
    /// @throws IllegalArgumentException where the text is not hex
    public static Bytes ofHex(String hex) {
        return new Bytes(HexFormat.of().parseHex(hex));
    }

    /// Reads base64 (RFC 4648 §4) with its padding.
    ///
    /// @throws IllegalArgumentException where the text is not base64
    public static Bytes ofBase64(String base64) {
        return new Bytes(Base64.getDecoder().decode(base64));
    }

    /// Reads base64url (RFC 4648 §5), with or without padding.
    ///
    /// @throws IllegalArgumentException where the text is not base64url
    public static Bytes ofBase64Url(String base64Url) {
        return new Bytes(Base64.getUrlDecoder().decode(base64Url));
    }

    /// The SHA-256 digest of the concatenation of `parts`.
    public static Bytes sha256(byte[]... parts) {
        return digest("SHA-256", parts);
    }

    private static Bytes digest(String algorithm, byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            for (byte[] part : parts) {
                digest.update(part);
            }
            return new Bytes(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + algorithm, e);
        }
    }

    public int size() {
        return value.length;
    }

    public boolean isEmpty() {
        return value.length == 0;
    }

    public byte at(int index) {
        return value[index];
    }

    /// A copy of the content.
    public byte[] toArray() {
        return value.clone();
    }

    /// The bytes from `from` (inclusive) to `to` (exclusive).
    public Bytes slice(int from, int to) {
        return new Bytes(Arrays.copyOfRange(value, from, to));
    }

    public Bytes concat(Bytes other) {
        byte[] joined = Arrays.copyOf(value, value.length + other.value.length);
        System.arraycopy(other.value, 0, joined, value.length, other.value.length);
        return new Bytes(joined);
    }

    public Bytes sha256() {
        return sha256(value);
    }

    /// Lower-case hex digits.
    public String hex() {
        return HexFormat.of().formatHex(value);
    }

    /// Base64 (RFC 4648 §4) with padding and without line breaks.
    public String base64() {
        return Base64.getEncoder().encodeToString(value);
    }

    /// Base64url (RFC 4648 §5) without padding.
    public String base64Url() {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(value);
    }

    @Override
    public int compareTo(Bytes other) {
        return Arrays.compareUnsigned(value, other.value);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Bytes bytes && Arrays.equals(value, bytes.value);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(value);
    }

    /// The content in hex.
    @Override
    public String toString() {
        return hex();
    }
}
