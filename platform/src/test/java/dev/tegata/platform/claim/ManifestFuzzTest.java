// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.commons.compress.archivers.sevenz.SevenZOutputFile;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Damaged files of every format: they may be broken, and elements may be rejected, and nothing else may happen.
class ManifestFuzzTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());
    private static Trust trust = Trust.BUILT_IN;
    private static byte[] json = {};
    private static String pem = "";
    private static String commonName = "";

    @TempDir
    Path folder;

    @BeforeAll
    static void files() throws Exception {
        var chips = FACTORY.make(Preset.TRUST_GO, 2, NOW);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FACTORY.manifestSigner().write(chips, ManifestVersion.FULL, NOW, out);
        json = out.toByteArray();
        Certificate signer = Certificate.parse(Bytes.of(FACTORY.manifestSigner().certificate()));
        Certificate root = Certificate.parse(Bytes.of(FACTORY.rootCertificate()));
        trust = new Trust(List.of(Signer.of(signer)), List.of(BirthChains.Anchor.of(root)));
        List<Certificate> chain = new ArrayList<>();
        for (byte[] der : chips.getFirst().certificateChain()) {
            chain.add(Certificate.parse(Bytes.of(der)));
        }
        pem = Certificate.pem(chain);
        commonName = chain.getFirst().subject().commonName().orElseThrow();
    }

    @Test
    @DisplayName("JSON")
    void json() {
        fuzz(json, 3000);
    }

    @Test
    @DisplayName("what stands signed inside an element: protected header and payload")
    void signed() {
        TestSigner signer = new TestSigner();
        String serial = "0123aabbccddeeff01";
        byte[] payload = TestSigner.payload(serial, TestSigner.newKey(), TestSigner.newKey())
                .getBytes(StandardCharsets.ISO_8859_1);
        byte[] header = signer.protectedHeader().getBytes(StandardCharsets.ISO_8859_1);
        Random random = new Random(7);
        for (int i = 0; i < 1500; i++) {
            String changedPayload = latin(i % 2 == 0 ? mutated(payload, random) : payload);
            String changedHeader = latin(i % 2 == 0 ? header : mutated(header, random));
            byte[] file = TestSigner.manifest(signer.element(changedHeader, serial, changedPayload));
            Read read = Read.of(file, signer.trust(), ImportOptions.STRICT);
            assertThat(read.broken).isNull();
            assertThat(read.elements).hasSize(1);
        }
    }

    @Test
    @DisplayName("CSV")
    void csv() {
        String row = "," + commonName + ",\"" + pem + "\"\n";
        String file = "MAC,cn,cert\n001122334455" + row + "001122334466" + row;
        fuzz(file.getBytes(StandardCharsets.US_ASCII), 2000);
        fuzz(
                ("chip;serial;model;public key\nother;a;m;"
                                + TestSigner.newKey().encoded().base64() + "\ntpm;b;m;\n")
                        .getBytes(StandardCharsets.US_ASCII),
                2000);
    }

    @Test
    @DisplayName("PEM")
    void pem() {
        fuzz((pem + pem).getBytes(StandardCharsets.US_ASCII), 2000);
    }

    @Test
    @DisplayName("ZIP and 7z")
    void archives() throws Exception {
        ByteArrayOutputStream zip = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(zip)) {
            out.putNextEntry(new ZipEntry("manifest.json"));
            out.write(json);
            out.putNextEntry(new ZipEntry("manifest.pem"));
            out.write(pem.getBytes(StandardCharsets.US_ASCII));
        }
        fuzz(zip.toByteArray(), 1000);
        byte[] inner = sevenZ("00112233_E0E0.pem", pem.getBytes(StandardCharsets.US_ASCII));
        fuzz(sevenZ("R_G_E0E0_Certs.7z", inner), 400);
    }

    private byte[] sevenZ(String name, byte[] content) throws Exception {
        File file = folder.resolve("fuzz.7z").toFile();
        try (SevenZOutputFile out = new SevenZOutputFile(file)) {
            out.putArchiveEntry(out.createArchiveEntry(folder.toFile(), name));
            out.write(content);
            out.closeArchiveEntry();
        }
        return Files.readAllBytes(file.toPath());
    }

    private static void fuzz(byte[] good, int rounds) {
        Random random = new Random(good.length);
        Read whole = Read.of(good, trust, new ImportOptions(true));
        assertThat(whole.broken).isNull();
        assertThat(whole.candidates()).isNotEmpty();
        for (int i = 0; i < rounds; i++) {
            Read.of(mutated(good, random), trust, new ImportOptions(i % 2 == 0));
        }
    }

    private static byte[] mutated(byte[] good, Random random) {
        byte[] changed = good.clone();
        int kind = random.nextInt(6);
        int at = random.nextInt(good.length);
        if (kind == 0) {
            return Arrays.copyOf(good, at);
        }
        if (kind == 1) {
            int from = random.nextInt(good.length);
            int length = Math.min(random.nextInt(64), good.length - Math.max(at, from));
            System.arraycopy(good, from, changed, at, Math.max(0, length));
            return changed;
        }
        byte[] interesting = "\"{}[],:\\\n\0;-0A\u00ff".getBytes(StandardCharsets.ISO_8859_1);
        for (int i = 0; i <= random.nextInt(4); i++) {
            changed[random.nextInt(good.length)] =
                    kind < 4 ? interesting[random.nextInt(interesting.length)] : (byte) random.nextInt();
        }
        return changed;
    }

    private static String latin(byte[] text) {
        return new String(text, StandardCharsets.ISO_8859_1);
    }
}
