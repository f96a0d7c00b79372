// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.util.HexFormat;

/// The serial number of a certificate: positive, and of at most 20 octets as a DER INTEGER (RFC 5280 §4.1.2.2).
public record SerialNumber(BigInteger value) implements Comparable<SerialNumber> {
    private static final int MAX_BITS = 20 * 8 - 1;
    private static final int RANDOM_BITS = 128;

    public SerialNumber {
        if (value.signum() <= 0 || value.bitLength() > MAX_BITS) {
            throw new IllegalArgumentException("a serial number is positive and has at most 20 octets");
        }
    }

    /// 128 random bits, not all zero.
    public static SerialNumber random(SecureRandom random) {
        BigInteger value = new BigInteger(RANDOM_BITS, random);
        while (value.signum() == 0) {
            value = new BigInteger(RANDOM_BITS, random);
        }
        return new SerialNumber(value);
    }

    /// Reads hex digits, as [#hex] writes them.
    ///
    /// @throws IllegalArgumentException where the text is not the hex of a serial number
    public static SerialNumber ofHex(String hex) {
        if (!hex.matches("[0-9a-fA-F]{1,40}")) {
            throw new IllegalArgumentException("a serial number is 1 to 40 hex digits: '" + hex + "'");
        }
        return new SerialNumber(new BigInteger(hex, 16));
    }

    /// The number in lower-case hex, an even number of digits, without a leading `00`.
    public String hex() {
        byte[] content = value.toByteArray();
        int from = content[0] == 0 ? 1 : 0;
        return HexFormat.of().formatHex(content, from, content.length);
    }

    /// The content octets of its DER INTEGER.
    public Bytes content() {
        return Bytes.of(value.toByteArray());
    }

    @Override
    public int compareTo(SerialNumber other) {
        return value.compareTo(other.value);
    }

    @Override
    public String toString() {
        return hex();
    }
}
