// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.store;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/// The few things that the agent does to a disk, each of which a power cut may end in the middle.
public interface Disk {
    /// A file's content; empty where there is no such file.
    Optional<byte[]> read(Path file) throws IOException;

    /// Writes a file that only its owner may read. After a power cut it has any part of its content.
    void write(Path file, byte[] content) throws IOException;

    /// Returns when the file's content is on the disk.
    void sync(Path file) throws IOException;

    /// Gives a file the name of another, which is gone then. After a power cut the name means one of the
    /// two.
    void rename(Path from, Path to) throws IOException;

    /// Returns when the names in a folder are on the disk.
    void syncFolder(Path folder) throws IOException;

    /// Deletes a file. Does nothing where there is none.
    void delete(Path file) throws IOException;

    /// Makes a folder that only its owner may look into. Does nothing where there is one.
    void makeFolder(Path folder) throws IOException;

    /// Puts `content` in the place of what the file holds: afterwards, whatever happens, it has one or the
    /// other.
    default void replace(Path file, byte[] content) throws IOException {
        Path folder = Objects.requireNonNull(file.toAbsolutePath().getParent(), "a file lies in a folder");
        Path fresh = fresh(file);
        try {
            write(fresh, content);
            sync(fresh);
            rename(fresh, file);
            syncFolder(folder);
        } catch (IOException e) {
            throw new IOException(file + " cannot be written: " + e.getMessage(), e);
        }
    }

    /// Deletes a file, and what a [#replace] of it left behind that was cut off.
    default void remove(Path file) throws IOException {
        delete(fresh(file));
        delete(file);
    }

    private static Path fresh(Path file) {
        return file.resolveSibling(file.getFileName() + ".new");
    }

    /// The disk of this machine.
    static Disk local() {
        return new LocalDisk();
    }
}
