// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import org.jspecify.annotations.Nullable;

/// Which PINs tokens have refused, so that none is offered twice: tokens lock after a few attempts, and a
/// server that is started again and again by its supervisor would spend them all.
///
/// With a file, refusals outlive the process, and all processes that share the file know of them. It holds
/// no PIN but a slow, salted digest, so that another PIN is offered as soon as it is set. A file that
/// cannot be read or written is no reason to offer a PIN again in this process.
public final class RefusedPins {
    private static final int ITERATIONS = 200_000;
    private static final int SALT = 16;
    private static final int DIGEST_BITS = 256;
    private static final int LONGEST_FILE = 1 << 20;

    private final @Nullable Path file;
    private final Path library;
    private final SecureRandom random = new SecureRandom();

    /// By the token's label, what it said in this process.
    private final Map<String, String> told = new ConcurrentHashMap<>();

    /// @param library whose tokens it is about: those of others may have the same labels
    RefusedPins(@Nullable Path file, Path library) {
        this.file = file;
        this.library = library;
    }

    private record Refusal(String token, Bytes salt, Bytes digest, String why) {
        static Optional<Refusal> parse(String line) {
            String[] parts = line.split(" ", -1);
            try {
                return parts.length == 4
                        ? Optional.of(new Refusal(
                                text(parts[0]), Bytes.ofHex(parts[1]), Bytes.ofHex(parts[2]), text(parts[3])))
                        : Optional.empty();
            } catch (IllegalArgumentException e) {
                return Optional.empty();
            }
        }

        private static String text(String hex) {
            return new String(Bytes.ofHex(hex).toArray(), StandardCharsets.UTF_8);
        }

        private static String hex(String text) {
            return Bytes.of(text.getBytes(StandardCharsets.UTF_8)).hex();
        }

        String line() {
            return String.join(" ", hex(token), salt.hex(), digest.hex(), hex(why));
        }
    }

    /// A token that was made anew, or another one of the same label, has another serial number.
    private String token(String label, String serialNumber) {
        return library + ":" + label + ":" + serialNumber;
    }

    /// What the token said in this process.
    Optional<String> told(String label) {
        return Optional.ofNullable(told.get(label));
    }

    /// What the token said to this PIN in any process; empty where it was not offered yet, or another one
    /// was.
    Optional<String> find(String label, String serialNumber, String pin) {
        return read().stream()
                .filter(refusal -> refusal.token().equals(token(label, serialNumber))
                        && refusal.digest().equals(digest(pin, refusal.salt())))
                .map(Refusal::why)
                .findFirst();
    }

    /// Remembers, in this process only, what has nothing to do with which PIN it is.
    void note(String label, String why) {
        told.put(label, why);
    }

    /// Remembers that the token has refused the PIN.
    void put(String label, String serialNumber, String pin, String why) {
        byte[] salt = new byte[SALT];
        random.nextBytes(salt);
        Refusal refused = new Refusal(token(label, serialNumber), Bytes.of(salt), digest(pin, Bytes.of(salt)), why);
        if (file == null || !write(file, refused)) {
            told.put(label, why);
        }
    }

    /// Has all PINs tried anew, by all processes that share the file.
    ///
    /// @throws VaultException where the file cannot be deleted
    public static void forget(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new VaultException("the refused PINs cannot be forgotten: delete " + file, false, e);
        }
    }

    private List<Refusal> read() {
        try {
            return file == null || Files.size(file) > LONGEST_FILE
                    ? List.of()
                    : Files.readAllLines(file).stream()
                            .flatMap(line -> Refusal.parse(line).stream())
                            .toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    /// One process at a time; readers see the old file or the new one.
    private synchronized boolean write(Path target, Refusal refused) {
        Path folder = target.toAbsolutePath().getParent();
        try (FileChannel lock = FileChannel.open(
                        target.resolveSibling(target.getFileName() + ".lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE);
                var _ = lock.lock()) {
            List<String> lines = new ArrayList<>();
            read().stream()
                    .filter(other -> !other.token().equals(refused.token()))
                    .forEach(other -> lines.add(other.line()));
            lines.add(refused.line());
            Path fresh = Files.createTempFile(
                    folder,
                    "pins",
                    "",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.write(fresh, lines);
            Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static Bytes digest(String pin, Bytes salt) {
        PBEKeySpec spec = new PBEKeySpec(pin.toCharArray(), salt.toArray(), ITERATIONS, DIGEST_BITS);
        try {
            return Bytes.of(SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
                    .generateSecret(spec)
                    .getEncoded());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the JDK has no PBKDF2", e);
        } finally {
            spec.clearPassword();
        }
    }
}
