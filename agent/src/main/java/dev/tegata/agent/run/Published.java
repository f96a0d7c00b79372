// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.run;

import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.Disk;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// What other programs on the device need, as files that are replaced as a whole: `certificate.pem` (the
/// chain), `trust-anchors.pem`, and `objects/` with one file for each managed object.
///
/// The agent's state is the truth; the files follow it after each step and at each start.
final class Published {
    private final Disk disk;
    private final Path folder;

    Published(Disk disk, Path folder) throws IOException {
        this.disk = disk;
        this.folder = folder;
        disk.makeFolder(folder);
        disk.makeFolder(objects());
    }

    private Path objects() {
        return folder.resolve("objects");
    }

    void follow(AgentState state) throws IOException {
        Path certificate = folder.resolve("certificate.pem");
        if (state.identity().isPresent()) {
            put(certificate, pem(state.identity().get().chain()));
        } else {
            disk.delete(certificate);
        }
        put(folder.resolve("trust-anchors.pem"), pem(state.anchors()));
        for (Map.Entry<String, Bytes> object : state.objects().entrySet()) {
            put(objects().resolve(object.getKey()), object.getValue().toArray());
        }
        try (Stream<Path> files = Files.list(objects())) {
            for (Path file : files.toList()) {
                if (!state.objects().containsKey(String.valueOf(file.getFileName()))) {
                    disk.delete(file);
                }
            }
        }
    }

    private void put(Path file, byte[] content) throws IOException {
        Optional<byte[]> before = disk.read(file);
        if (before.isEmpty() || !Arrays.equals(before.get(), content)) {
            disk.replace(file, content);
        }
    }

    private static byte[] pem(List<Bytes> encoded) throws IOException {
        List<Certificate> certificates = new ArrayList<>();
        for (Bytes der : encoded) {
            try {
                certificates.add(Certificate.parse(der));
            } catch (InvalidCertificateException e) {
                throw new IOException("a certificate in the device's state cannot be read", e);
            }
        }
        return Certificate.pem(certificates).getBytes(StandardCharsets.US_ASCII);
    }
}
