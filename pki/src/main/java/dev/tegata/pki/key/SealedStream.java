// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/// A stream of any length, encrypted and authenticated under a secret, in memory that does not grow with
/// it.
///
/// A header (magic and version, 8 bytes; salt, 16; id of the key-encryption key, 8), then chunks of
/// [#CHUNK] bytes, of which the last one may be shorter, each by AES-256-GCM and followed by its tag.
/// Their key is made for this stream alone; a nonce is the chunk's number and whether it is the last one;
/// the header is authenticated with each. So none can be changed, left out, moved, taken from another
/// stream, or be missing at the end. No byte is given out before its chunk has been authenticated.
public final class SealedStream {
    /// Bytes of content in one chunk.
    public static final int CHUNK = 1 << 16;

    private static final byte[] MAGIC = "TEGATA\0\1".getBytes(StandardCharsets.ISO_8859_1);
    private static final int ID_SIZE = 8;
    private static final int HEADER_SIZE = MAGIC.length + KeyEncryptionKey.MIN_SALT_SIZE + ID_SIZE;
    private static final int TAG_SIZE = 16;
    private static final String PURPOSE = "tegata sealed stream ";

    private SealedStream() {}

    /// What is written here arrives sealed. It is whole only once it has been finished; where that does
    /// not happen, what was written is refused as cut short.
    ///
    /// @param out stays open
    public static Sealing seal(OutputStream out, Secret secret, SecureRandom random) throws IOException {
        byte[] salt = new byte[KeyEncryptionKey.MIN_SALT_SIZE];
        random.nextBytes(salt);
        KeyEncryptionKey key = KeyEncryptionKey.of(secret, Bytes.of(salt));
        byte[] header = ByteBuffer.allocate(HEADER_SIZE)
                .put(MAGIC)
                .put(salt)
                .put(key.id().toArray())
                .array();
        return new Sealing(out, key, header);
    }

    /// Reads what was sealed.
    ///
    /// @param in is closed with it
    /// @throws SealBrokenException where it is no sealed stream, or was sealed under another secret
    public static Opening open(InputStream in, Secret secret) throws IOException {
        byte[] header = in.readNBytes(HEADER_SIZE);
        if (header.length < HEADER_SIZE || !Arrays.equals(header, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw new SealBrokenException("this is no archive of a form that this version knows");
        }
        Bytes salt = Bytes.of(header).slice(MAGIC.length, MAGIC.length + KeyEncryptionKey.MIN_SALT_SIZE);
        KeyEncryptionKey key = KeyEncryptionKey.of(secret, salt);
        if (!key.id().equals(Bytes.of(header).slice(HEADER_SIZE - ID_SIZE, HEADER_SIZE))) {
            throw new SealBrokenException("the archive was made with another passphrase, or its header was changed");
        }
        return new Opening(in, key, header);
    }

    /// The content is not what was sealed, or not all of it.
    public static final class SealBrokenException extends IOException {
        private static final long serialVersionUID = 1L;

        SealBrokenException(String message) {
            super(message);
        }
    }

    /// One chunk after the other, under one key.
    private static final class Chunks {
        private final SecretKeySpec key;
        private final byte[] header;
        private long number;

        Chunks(KeyEncryptionKey key, byte[] header) {
            byte[] purpose = Bytes.of(PURPOSE.getBytes(StandardCharsets.US_ASCII))
                    .concat(Bytes.of(header))
                    .toArray();
            this.key = new SecretKeySpec(key.derive(purpose), "AES");
            this.header = header;
        }

        byte[] next(int mode, byte[] content, int size, boolean last) throws GeneralSecurityException {
            byte[] nonce = ByteBuffer.allocate(12)
                    .putLong(number++)
                    .putInt(last ? 1 : 0)
                    .array();
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
            cipher.init(mode, key, new GCMParameterSpec(8 * TAG_SIZE, nonce));
            cipher.updateAAD(header);
            return cipher.doFinal(content, 0, size);
        }
    }

    /// The sealing side.
    public static final class Sealing extends OutputStream {
        private final OutputStream out;
        private final KeyEncryptionKey key;
        private final Chunks chunks;
        private final byte[] buffer = new byte[CHUNK];
        private int filled;

        private Sealing(OutputStream out, KeyEncryptionKey key, byte[] header) throws IOException {
            this.out = out;
            this.key = key;
            this.chunks = new Chunks(key, header);
            out.write(header);
        }

        /// The key that the stream's own is made from, for private keys that go into it.
        public KeyEncryptionKey key() {
            return key;
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] content, int offset, int length) throws IOException {
            int from = offset;
            int left = length;
            while (left > 0) {
                // A full chunk waits until there is more: it may be the last one.
                if (filled == CHUNK) {
                    writeChunk(false);
                }
                int part = Math.min(left, CHUNK - filled);
                System.arraycopy(content, from, buffer, filled, part);
                filled += part;
                from += part;
                left -= part;
            }
        }

        private void writeChunk(boolean last) throws IOException {
            try {
                out.write(chunks.next(Cipher.ENCRYPT_MODE, buffer, filled, last));
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("every JDK has AES-GCM", e);
            }
            filled = 0;
        }

        /// Writes the last chunk: called once, when all went well.
        public void finish() throws IOException {
            writeChunk(true);
            Arrays.fill(buffer, (byte) 0);
            out.flush();
        }
    }

    /// The opening side.
    public static final class Opening extends InputStream {
        private final InputStream in;
        private final KeyEncryptionKey key;
        private final Chunks chunks;
        private byte[] ahead;
        private byte[] content = new byte[0];
        private int position;
        private boolean ended;

        private Opening(InputStream in, KeyEncryptionKey key, byte[] header) throws IOException {
            this.in = in;
            this.key = key;
            this.chunks = new Chunks(key, header);
            this.ahead = in.readNBytes(CHUNK + TAG_SIZE);
        }

        /// The key that the stream's own is made from, for private keys that come out of it.
        public KeyEncryptionKey key() {
            return key;
        }

        @Override
        public int read() throws IOException {
            return fill() ? content[position++] & 0xff : -1;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            if (!fill()) {
                return -1;
            }
            int part = Math.min(length, content.length - position);
            System.arraycopy(content, position, target, offset, part);
            position += part;
            return part;
        }

        private boolean fill() throws IOException {
            while (position == content.length) {
                if (ended) {
                    return false;
                }
                byte[] sealed = ahead;
                ahead = in.readNBytes(CHUNK + TAG_SIZE);
                ended = ahead.length == 0;
                try {
                    content = chunks.next(Cipher.DECRYPT_MODE, sealed, sealed.length, ended);
                } catch (GeneralSecurityException e) {
                    throw new SealBrokenException("the archive is damaged or cut short: its chunk "
                            + (chunks.number - 1) + " is not the one that was written there");
                }
                position = 0;
            }
            return true;
        }

        @Override
        public void close() throws IOException {
            Arrays.fill(content, (byte) 0);
            in.close();
        }
    }
}
