// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.Set;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

/// The key under which the software vault seals private keys (AES-256-GCM).
///
/// Its `id` is worked out from the key, stands in every sealed blob, and tells which key a blob needs.
public final class KeyEncryptionKey {
    /// Salts of passphrases have at least this many bytes.
    public static final int MIN_SALT_SIZE = 16;

    private static final int SIZE = 32;
    private static final int MIN_PASSPHRASE_LENGTH = 12;
    private static final int ITERATIONS = 600_000;
    private static final int NONCE_SIZE = 12;
    private static final int TAG_BITS = 128;
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rw-------");
    private static final Set<PosixFilePermission> FORBIDDEN_RIGHTS = PosixFilePermissions.fromString("---rwxrwx");

    private final SecretKeySpec key;
    private final Bytes id;

    private KeyEncryptionKey(byte[] key) {
        this.key = new SecretKeySpec(key, "AES");
        id = Bytes.of(derive(this.key, "tegata key-encryption key id".getBytes(StandardCharsets.US_ASCII)), 0, 8);
    }

    /// The key in a secret: 32 bytes in base64, or else a passphrase that is stretched by
    /// PBKDF2-HMAC-SHA-512.
    ///
    /// @param salt at least [#MIN_SALT_SIZE] random bytes, made once and kept beside the sealed keys
    /// @throws VaultException where the passphrase is too short
    public static KeyEncryptionKey of(Secret secret, Bytes salt) {
        String text = secret.text();
        byte[] key = keyInBase64(text);
        if (key.length == SIZE) {
            return new KeyEncryptionKey(key);
        }
        if (text.length() < MIN_PASSPHRASE_LENGTH) {
            throw new VaultException(
                    "the passphrase of the vault has fewer than " + MIN_PASSPHRASE_LENGTH + " characters", false);
        }
        if (salt.size() < MIN_SALT_SIZE) {
            throw new IllegalArgumentException("a salt has at least " + MIN_SALT_SIZE + " bytes, not " + salt.size());
        }
        try {
            PBEKeySpec spec = new PBEKeySpec(text.toCharArray(), salt.toArray(), ITERATIONS, 8 * SIZE);
            return new KeyEncryptionKey(SecretKeyFactory.getInstance("PBKDF2WithHmacSHA512")
                    .generateSecret(spec)
                    .getEncoded());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has PBKDF2 with HMAC-SHA-512", e);
        }
    }

    /// The key in `file`, which is made, readable by its owner only, where it does not exist.
    ///
    /// @throws VaultException where the file cannot be read or made, is damaged, or is open to other users
    public static KeyEncryptionKey ofFile(Path file, SecureRandom random) {
        try {
            if (Files.notExists(file)) {
                create(file, random);
            }
        } catch (IOException | UnsupportedOperationException e) {
            throw new VaultException("the key file " + file + " cannot be made", false, e);
        }
        Secret.requireRights(file, FORBIDDEN_RIGHTS);
        byte[] key = keyInBase64(new String(Secret.read(file), StandardCharsets.US_ASCII).strip());
        if (key.length != SIZE) {
            throw new VaultException(
                    "the key file " + file + " is damaged: restore it from its backup, without it no key can be used",
                    false);
        }
        return new KeyEncryptionKey(key);
    }

    /// Makes the file under another name and links it into place, so that it appears whole, once, and never
    /// replaces another.
    private static void create(Path file, SecureRandom random) throws IOException {
        byte[] key = new byte[SIZE];
        random.nextBytes(key);
        byte[] line = (Base64.getEncoder().encodeToString(key) + "\n").getBytes(StandardCharsets.US_ASCII);
        Path directory = file.toAbsolutePath().getParent();
        if (directory == null) {
            throw new IOException("a key file lies in a directory");
        }
        Files.createDirectories(directory);
        Path draft = Files.createTempFile(directory, ".kek", ".tmp", PosixFilePermissions.asFileAttribute(OWNER_ONLY));
        try {
            try (FileChannel out = FileChannel.open(draft, StandardOpenOption.WRITE)) {
                ByteBuffer content = ByteBuffer.wrap(line);
                while (content.hasRemaining()) {
                    out.write(content);
                }
                out.force(true);
            }
            Files.createLink(file, draft);
        } catch (FileAlreadyExistsException e) {
            // Another process was faster: its key is the one.
            return;
        } finally {
            Files.delete(draft);
            Arrays.fill(key, (byte) 0);
            Arrays.fill(line, (byte) 0);
        }
        try (FileChannel entries = FileChannel.open(directory, StandardOpenOption.READ)) {
            entries.force(true);
        }
    }

    private static byte[] keyInBase64(String text) {
        try {
            return Base64.getDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            return new byte[0];
        }
    }

    /// Tells keys apart; says nothing of the key.
    public Bytes id() {
        return id;
    }

    /// A fresh nonce and the encryption of `plaintext`, bound to `context`.
    byte[] seal(byte[] plaintext, byte[] context, SecureRandom random) {
        byte[] nonce = new byte[NONCE_SIZE];
        random.nextBytes(nonce);
        try {
            Cipher cipher = cipher(Cipher.ENCRYPT_MODE, new GCMParameterSpec(TAG_BITS, nonce), context);
            byte[] sealed = Arrays.copyOf(nonce, NONCE_SIZE + plaintext.length + TAG_BITS / 8);
            cipher.doFinal(plaintext, 0, plaintext.length, sealed, NONCE_SIZE);
            return sealed;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has AES-GCM", e);
        }
    }

    /// The plaintext of what [#seal] made.
    ///
    /// @throws GeneralSecurityException where it was made under another key or context, or was changed
    byte[] open(byte[] sealed, byte[] context) throws GeneralSecurityException {
        if (sealed.length < NONCE_SIZE + TAG_BITS / 8) {
            throw new GeneralSecurityException("cut off");
        }
        return cipher(Cipher.DECRYPT_MODE, new GCMParameterSpec(TAG_BITS, sealed, 0, NONCE_SIZE), context)
                .doFinal(sealed, NONCE_SIZE, sealed.length - NONCE_SIZE);
    }

    /// A key for another purpose, from which nothing follows for this one.
    byte[] derive(byte[] purpose) {
        return derive(key, purpose);
    }

    private static byte[] derive(SecretKeySpec key, byte[] purpose) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return mac.doFinal(purpose);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
        }
    }

    private Cipher cipher(int mode, GCMParameterSpec parameters, byte[] context) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, key, parameters);
        cipher.updateAAD(context);
        return cipher;
    }

    /// The id only.
    @Override
    public String toString() {
        return "key-encryption key " + id.hex();
    }
}
