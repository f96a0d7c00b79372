// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;

/// A passphrase, PIN or encoded key that the operator gives. Never shown.
public final class Secret {
    private static final int MAX_SIZE = 4096;
    /// A group may read: that is how container platforms hand a secret to a process that is not root.
    private static final Set<PosixFilePermission> FORBIDDEN_RIGHTS = PosixFilePermissions.fromString("----wxrwx");

    private final byte[] utf8;

    private Secret(byte[] utf8) {
        this.utf8 = utf8;
    }

    public static Secret of(String text) {
        return new Secret(text.getBytes(StandardCharsets.UTF_8));
    }

    /// The content of a file, without the line break at its end.
    ///
    /// @throws VaultException where the file cannot be read, is empty or too long, or is open to other
    /// users
    public static Secret ofFile(Path file) {
        requireRights(file, FORBIDDEN_RIGHTS);
        byte[] content = read(file);
        int end = content.length;
        while (end > 0 && (content[end - 1] == '\n' || content[end - 1] == '\r')) {
            end--;
        }
        if (end == 0) {
            throw new VaultException("the secret file " + file + " is empty", false);
        }
        return new Secret(Arrays.copyOf(content, end));
    }

    static byte[] read(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] content = in.readNBytes(MAX_SIZE + 1);
            if (content.length > MAX_SIZE) {
                throw new VaultException("the secret file " + file + " is longer than " + MAX_SIZE + " bytes", false);
            }
            return content;
        } catch (IOException e) {
            throw new VaultException("the secret file " + file + " cannot be read", false, e);
        }
    }

    /// @throws VaultException where the file gives any of the rights in `forbidden`
    static void requireRights(Path file, Set<PosixFilePermission> forbidden) {
        try {
            PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
            if (view == null) {
                throw new VaultException(
                        "the file system of " + file + " has no owner-only rights: keep secrets elsewhere", false);
            }
            Set<PosixFilePermission> excess = EnumSet.noneOf(PosixFilePermission.class);
            excess.addAll(view.readAttributes().permissions());
            excess.retainAll(forbidden);
            if (!excess.isEmpty()) {
                throw new VaultException(
                        "the secret file " + file + " is open to other users: run chmod 600 on it", false);
            }
        } catch (IOException e) {
            throw new VaultException("the secret file " + file + " cannot be read", false, e);
        }
    }

    String text() {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /// Nothing of the content.
    @Override
    public String toString() {
        return "secret";
    }
}
