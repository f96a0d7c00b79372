// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// The symmetric primitives of the chip, through the JDK, and the handling of byte strings around them.
final class Crypto {
    private Crypto() {}

    static byte[] sha256(byte[]... parts) {
        return digest("SHA-256", parts);
    }

    static byte[] sha1(byte[]... parts) {
        return digest("SHA-1", parts);
    }

    private static byte[] digest(String algorithm, byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            for (byte[] part : parts) {
                digest.update(part);
            }
            return digest.digest();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has " + algorithm, e);
        }
    }

    static Mac hmacSha256(byte[] key) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HmacSHA256", e);
        }
    }

    static byte[] hmacSha256(byte[] key, byte[]... parts) {
        Mac mac = hmacSha256(key);
        for (byte[] part : parts) {
            mac.update(part);
        }
        return mac.doFinal();
    }

    /// P_SHA256 of RFC 5246 §5, with label and seed as one message.
    static byte[] tlsPrf(byte[] key, byte[] message, int length) {
        byte[] output = new byte[0];
        byte[] a = message;
        while (output.length < length) {
            a = hmacSha256(key, a);
            output = join(output, hmacSha256(key, a, message));
        }
        return Arrays.copyOf(output, length);
    }

    static byte[] aesEncrypt(byte[] key, byte[] block) {
        return aes(Cipher.ENCRYPT_MODE, key, block);
    }

    static byte[] aesDecrypt(byte[] key, byte[] block) {
        return aes(Cipher.DECRYPT_MODE, key, block);
    }

    private static byte[] aes(int direction, byte[] key, byte[] block) {
        try {
            // one block by itself is what the chip's command is; chaining is its user's work
            Cipher cipher = Cipher.getInstance("AES/ECB/NoPadding");
            cipher.init(direction, new SecretKeySpec(key, "AES"));
            return cipher.doFinal(block);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has AES", e);
        }
    }

    /// The product of two blocks in the field of GCM (NIST SP 800-38D §6.3).
    static byte[] galoisMultiply(byte[] x, byte[] y) {
        byte[] product = new byte[16];
        byte[] v = y.clone();
        for (int bit = 0; bit < 128; bit++) {
            if ((x[bit >> 3] >> (7 - (bit & 7)) & 1) != 0) {
                product = xor(product, v);
            }
            boolean carry = (v[15] & 1) != 0;
            for (int i = 15; i >= 0; i--) {
                int above = i == 0 ? 0 : v[i - 1] & 1;
                v[i] = (byte) ((v[i] & 0xFF) >> 1 | above << 7);
            }
            if (carry) {
                v[0] ^= (byte) 0xE1;
            }
        }
        return product;
    }

    static byte[] xor(byte[] a, byte[] b) {
        byte[] result = new byte[a.length];
        for (int i = 0; i < a.length; i++) {
            result[i] = (byte) (a[i] ^ b[i]);
        }
        return result;
    }

    static byte[] join(byte[]... parts) {
        byte[] joined =
                new byte[Arrays.stream(parts).mapToInt(part -> part.length).sum()];
        int at = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, joined, at, part.length);
            at += part.length;
        }
        return joined;
    }

    static byte[] slice(byte[] bytes, int from, int length) {
        return Arrays.copyOfRange(bytes, from, from + length);
    }

    static boolean areEqual(byte[] a, byte[] b) {
        return MessageDigest.isEqual(a, b);
    }
}
