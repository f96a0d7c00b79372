// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.platform.Texts;
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
    /// and on disk. What has the name already and is no file, such as a pipe or `/dev/stdout`, is written
    /// to.
    ///
    /// @return what `filling` returns
    static <T> T write(Path file, Filling<T> filling) {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            return writeInto(file, filling);
        }
        Path part = file.resolveSibling(file.getFileName() + ".part");
        // Where Ctrl-C ends the process, nothing below is run.
        part.toFile().deleteOnExit();
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
            throw unwritable(file, e);
        } finally {
            part.toFile().delete();
        }
    }

    private static <T> T writeInto(Path sink, Filling<T> filling) {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(sink, StandardOpenOption.WRITE))) {
            return filling.with(out);
        } catch (IOException e) {
            throw unwritable(sink, e);
        }
    }

    private static CommandFailure unwritable(Path file, IOException e) {
        return CommandFailure.usage("the file " + file + " cannot be written: " + Texts.reason(e));
    }

    interface Filling<T> {
        T with(OutputStream out) throws IOException;
    }
}
