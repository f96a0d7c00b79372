// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/// SHA-256 whose inner state can be taken out and put back, which the JDK's cannot.
final class Sha256 {
    private static final int BLOCK = 64;
    private static final int CONTEXT_HEADER = 8;
    private static final int CONTEXT_FIXED = CONTEXT_HEADER + 32;

    private static final int[] INITIAL = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    };

    private static final int[] K = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
    };

    private final int[] state;
    private final byte[] buffer = new byte[BLOCK];
    private long length;

    Sha256() {
        state = INITIAL.clone();
    }

    private Sha256(int[] state, byte[] pending, long length) {
        this.state = state;
        this.length = length;
        System.arraycopy(pending, 0, buffer, 0, pending.length);
    }

    /// The state in 40 bytes and the bytes of the unfinished block: length of the message so far (eight bytes, low
    /// first), the eight chaining words, and what is pending.
    byte[] context() {
        int pending = (int) (length % BLOCK);
        ByteBuffer context = ByteBuffer.allocate(CONTEXT_FIXED + pending);
        context.order(ByteOrder.LITTLE_ENDIAN).putLong(length).order(ByteOrder.BIG_ENDIAN);
        for (int word : state) {
            context.putInt(word);
        }
        return context.put(buffer, 0, pending).array();
    }

    static Sha256 ofContext(byte[] context) {
        Refusal.parseUnless(context.length >= CONTEXT_FIXED);
        ByteBuffer in = ByteBuffer.wrap(context).order(ByteOrder.LITTLE_ENDIAN);
        long length = in.getLong();
        in.order(ByteOrder.BIG_ENDIAN);
        Refusal.parseUnless(length >= 0 && context.length == CONTEXT_FIXED + length % BLOCK);
        int[] state = new int[8];
        for (int i = 0; i < 8; i++) {
            state[i] = in.getInt();
        }
        return new Sha256(state, Arrays.copyOfRange(context, CONTEXT_FIXED, context.length), length);
    }

    void update(byte[] data) {
        for (byte value : data) {
            buffer[(int) (length % BLOCK)] = value;
            length++;
            if (length % BLOCK == 0) {
                compress();
            }
        }
    }

    byte[] digest() {
        long bits = length * 8;
        update(new byte[] {(byte) 0x80});
        update(new byte[(int) ((BLOCK + 56 - length % BLOCK) % BLOCK)]);
        update(ByteBuffer.allocate(8).putLong(bits).array());
        ByteBuffer digest = ByteBuffer.allocate(32);
        for (int word : state) {
            digest.putInt(word);
        }
        return digest.array();
    }

    private void compress() {
        int[] w = new int[64];
        ByteBuffer block = ByteBuffer.wrap(buffer);
        for (int t = 0; t < 16; t++) {
            w[t] = block.getInt();
        }
        for (int t = 16; t < 64; t++) {
            int x = w[t - 15];
            int y = w[t - 2];
            int s0 = Integer.rotateRight(x, 7) ^ Integer.rotateRight(x, 18) ^ x >>> 3;
            int s1 = Integer.rotateRight(y, 17) ^ Integer.rotateRight(y, 19) ^ y >>> 10;
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        int[] v = state.clone();
        for (int t = 0; t < 64; t++) {
            int s1 = Integer.rotateRight(v[4], 6) ^ Integer.rotateRight(v[4], 11) ^ Integer.rotateRight(v[4], 25);
            int choice = v[4] & v[5] ^ ~v[4] & v[6];
            int t1 = v[7] + s1 + choice + K[t] + w[t];
            int s0 = Integer.rotateRight(v[0], 2) ^ Integer.rotateRight(v[0], 13) ^ Integer.rotateRight(v[0], 22);
            int majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2];
            System.arraycopy(v, 0, v, 1, 7);
            v[4] += t1;
            v[0] = t1 + s0 + majority;
        }
        for (int i = 0; i < 8; i++) {
            state[i] += v[i];
        }
    }
}
