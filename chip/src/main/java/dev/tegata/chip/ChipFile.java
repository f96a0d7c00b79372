// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;

/// The file that stands for a chip's non-volatile memory.
///
/// A write replaces the file whole: after a power cut it has the old content or the new. It holds private keys in the
/// clear, so it is readable by its owner only.
final class ChipFile {
    private static final byte[] MAGIC = "TGTCHIP1".getBytes(StandardCharsets.US_ASCII);
    private static final int DIGEST_LENGTH = 32;
    private static final int LENGTH = MAGIC.length + 1 + ChipMemory.SIZE + DIGEST_LENGTH;

    private final Path path;

    ChipFile(Path path) {
        this.path = path.toAbsolutePath();
    }

    record Content(Preset preset, ChipMemory memory) {}

    Content read() throws IOException {
        if (Files.size(path) != LENGTH) {
            throw new IOException("not a chip's file: " + path);
        }
        byte[] bytes = Files.readAllBytes(path);
        if (bytes.length != LENGTH || !Arrays.equals(Arrays.copyOf(bytes, MAGIC.length), MAGIC)) {
            throw new IOException("not a chip's file: " + path);
        }
        byte[] content = Arrays.copyOf(bytes, LENGTH - DIGEST_LENGTH);
        byte[] digest = Arrays.copyOfRange(bytes, LENGTH - DIGEST_LENGTH, LENGTH);
        int preset = content[MAGIC.length];
        if (!Arrays.equals(Crypto.sha256(content), digest) || preset < 0 || preset >= Preset.values().length) {
            throw new IOException("a chip's file is damaged: " + path);
        }
        byte[] image = Arrays.copyOfRange(content, MAGIC.length + 1, content.length);
        return new Content(Preset.values()[preset], ChipMemory.of(image));
    }

    void write(Preset preset, ChipMemory memory) throws IOException {
        byte[] content = Crypto.join(MAGIC, new byte[] {(byte) preset.ordinal()}, memory.image());
        ByteBuffer bytes = ByteBuffer.wrap(Crypto.join(content, Crypto.sha256(content)));
        Path fresh = path.resolveSibling(path.getFileName() + ".new");
        Files.deleteIfExists(fresh);
        Set<StandardOpenOption> options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        try (FileChannel channel = FileChannel.open(
                fresh, options, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
        }
        Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        try (FileChannel directory = FileChannel.open(path.getParent(), StandardOpenOption.READ)) {
            directory.force(true);
        }
    }
}
