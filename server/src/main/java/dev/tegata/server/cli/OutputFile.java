// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

/// Writes the files that command lines name.
final class OutputFile {
    private OutputFile() {}

    /// Writes a file that only its owner may read, and that is there under its name only once it is whole
    /// and on disk.
    ///
    /// @return what `filling` returns
    static <T> T write(Path file, Filling<T> filling) {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        try {
            Files.deleteIfExists(part);
            Files.createFile(part, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            T result;
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part), 1 << 17)) {
                result = filling.with(out);
            }
            try (FileChannel written = FileChannel.open(part, StandardOpenOption.WRITE)) {
                written.force(true);
            }
            Files.move(part, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            return result;
        } catch (IOException e) {
            throw CommandFailure.usage("the file " + file + " cannot be written: " + e.getMessage());
        } finally {
            part.toFile().delete();
        }
    }

    interface Filling<T> {
        T with(OutputStream out) throws IOException;
    }
}
