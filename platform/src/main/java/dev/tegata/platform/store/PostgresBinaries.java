// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.UnavailableException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/// The server's programs, unpacked from the archive that comes with us.
final class PostgresBinaries {
    /// Names the folder; a test holds it against what the archive contains.
    static final String VERSION = "18.6";

    private static final Map<String, String> ARCHIVES =
            Map.of("amd64", "/postgres-linux-x86_64.txz", "aarch64", "/postgres-linux-arm_64.txz");

    private PostgresBinaries() {}

    /// Unpacks into a folder of `parent`, unless an earlier start has done so, and returns that folder.
    static Path unpack(Path parent) throws IOException {
        Path folder = parent.resolve(VERSION);
        if (Files.exists(folder)) {
            return folder;
        }
        Path unfinished = parent.resolve(VERSION + ".new");
        deleteTree(unfinished);
        Files.createDirectory(unfinished);
        try (InputStream archive = archive();
                TarArchiveInputStream entries =
                        new TarArchiveInputStream(new XZInputStream(new BufferedInputStream(archive)))) {
            for (TarArchiveEntry entry = entries.getNextEntry(); entry != null; entry = entries.getNextEntry()) {
                unpack(entry, entries, unfinished);
            }
        }
        // A half-written program must not survive a power cut under its final name.
        PostgresUser.ourselves().run(List.of("sync", "--file-system", unfinished.toString()), "");
        return Files.move(unfinished, folder, StandardCopyOption.ATOMIC_MOVE);
    }

    /// Deletes a folder and all in it, where it exists.
    static void deleteTree(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> tree = Files.walk(folder)) {
            for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    private static InputStream archive() {
        String processor = System.getProperty("os.arch");
        String name = ARCHIVES.get(processor);
        InputStream archive = name == null ? null : PostgresBinaries.class.getResourceAsStream(name);
        if (archive == null) {
            throw new UnavailableException(
                    "no PostgreSQL comes with Tegata for this kind of machine (%s): install one and name it with --database"
                            .formatted(processor));
        }
        return archive;
    }

    private static void unpack(TarArchiveEntry entry, InputStream content, Path folder) throws IOException {
        Path target = folder.resolve(entry.getName()).normalize();
        if (!target.startsWith(folder)) {
            throw new IOException("the archive reaches outside: " + entry.getName());
        }
        if (entry.isDirectory()) {
            Files.createDirectories(target);
            return;
        }
        Files.createDirectories(target.resolveSibling("."));
        if (entry.isSymbolicLink()) {
            Files.createSymbolicLink(target, Path.of(entry.getLinkName()));
        } else {
            Files.copy(content, target);
            boolean program = (entry.getMode() & 0100) != 0;
            Files.setPosixFilePermissions(target, PosixFilePermissions.fromString(program ? "rwxr-xr-x" : "rw-r--r--"));
        }
    }
}
