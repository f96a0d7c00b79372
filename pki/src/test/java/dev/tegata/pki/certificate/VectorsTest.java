// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Certificates that others made.
class VectorsTest {
    private static final Path VECTORS =
            Path.of(System.getProperty("tegata.shared", "")).resolve("vectors");

    @BeforeAll
    static void vectorsAreThere() {
        assumeTrue(Files.isDirectory(VECTORS), "the folder of shared vectors is absent: " + VECTORS);
    }

    private static List<Certificate> pem(String folder) throws Exception {
        List<Certificate> certificates = new ArrayList<>();
        try (Stream<Path> files = Files.list(VECTORS.resolve(folder))) {
            for (Path file : files.sorted().toList()) {
                certificates.addAll(Certificate.parsePem(Files.readString(file)));
            }
        }
        return certificates;
    }

    @Test
    void chipMakersSigners() throws Exception {
        List<Certificate> roots = pem("manifest/microchip/roots");
        assertThat(roots).hasSize(2).allSatisfy(root -> {
            assertThat(root.isSignedBy(root.publicKey())).isTrue();
            assertThat(root.isAuthority()).isTrue();
        });
        assertThat(pem("manifest/microchip/signers")).hasSize(5);
    }

    @Test
    void matterAttestationChains() throws Exception {
        Path folder = VECTORS.resolve("matter/revocation");
        assumeTrue(Files.isDirectory(folder), "no Matter vectors");
        PathResult result = new PathCheck(10)
                .check(
                        Presented.of(
                                der(folder, "Matter-Development-DAC-FFF1-8001-Revoked-01-Cert.der"),
                                der(folder, "Matter-Development-PAI-FFF1-noPID-Cert.der")),
                        TrustAnchors.of(der(folder, "Chip-Test-PAA-FFF1-Cert.der")),
                        Instant.parse("2026-01-01T00:00:00Z"),
                        Purpose.ANY);
        assertThat(result).isInstanceOf(PathResult.Valid.class);
    }

    private static Certificate der(Path folder, String name) throws IOException, InvalidCertificateException {
        return Certificate.parse(Bytes.of(Files.readAllBytes(folder.resolve(name))));
    }
}
