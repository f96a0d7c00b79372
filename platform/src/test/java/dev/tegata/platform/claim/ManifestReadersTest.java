// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.tegata.pki.der.Pem;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.commons.compress.archivers.sevenz.SevenZMethod;
import org.apache.commons.compress.archivers.sevenz.SevenZOutputFile;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ManifestReadersTest {
    private static final ImportOptions STATEMENT = new ImportOptions(true);

    @TempDir
    Path folder;

    @Nested
    @DisplayName("recognised by content")
    class Recognition {
        @Test
        void formats() {
            assertThat(Read.of("  [ ]", STATEMENT).formats).containsExactly(ManifestFormat.MICROCHIP_JSON);
            assertThat(Read.of("\ufeff{}", STATEMENT).formats).containsExactly(ManifestFormat.MICROCHIP_JSON);
            assertThat(Read.of("MAC,cn,cert\n", STATEMENT).formats).containsExactly(ManifestFormat.ESPRESSIF_CSV);
            assertThat(Read.of("\"cert\";\"CN\";\"MAC\"\r\n", STATEMENT).formats)
                    .containsExactly(ManifestFormat.ESPRESSIF_CSV);
            assertThat(Read.of("Model\tSerial Number\n", STATEMENT).formats).containsExactly(ManifestFormat.CSV);
            assertThat(Read.of("made by us\n-----BEGIN CERTIFICATE-----\n", STATEMENT).formats)
                    .containsExactly(ManifestFormat.PEM);
        }

        @Test
        void nothing() {
            for (String other : List.of("", "hello", "a,b,c\n1,2,3", "<xml/>", "serial,serial\n", "\0\0\0\0")) {
                assertThat(Read.of(other, STATEMENT).broken).as(other).isEqualTo("not recognised");
            }
        }
    }

    @Nested
    @DisplayName("lists")
    class Lists {
        @Test
        @DisplayName("serials, models and makers; what is wrong with a line costs that line only")
        void csv() {
            Read read = Read.of("""
                    chip,Serial,model,extra
                    microchip,01:23:AA:BB:CC:DD:EE:FF:01,ATECC608B,x
                    ,"Device, 7"
                    infineon,0A091B5C001500070063
                    espressif,not a mac
                    nokia,1
                    tpm,,
                    other,"quoted"tail
                    ,%s

                    ,last
                    """.formatted("9".repeat(200)), STATEMENT);

            assertThat(read.broken).isNull();
            assertThat(read.candidates())
                    .extracting(candidate -> candidate.chip() + " " + candidate.serial() + " " + candidate.model())
                    .containsExactly(
                            "MICROCHIP 0123aabbccddeeff01 ATECC608B",
                            "OTHER device, 7 ",
                            "INFINEON 0a091b5c001500070063 ",
                            "OTHER quotedtail ",
                            "OTHER last ");
            assertThat(read.rejected())
                    .extracting(Element.Rejected::position, Element.Rejected::reason)
                    .containsExactly(
                            tuple(3L, IssueReason.MALFORMED),
                            tuple(4L, IssueReason.MALFORMED),
                            tuple(5L, IssueReason.MALFORMED),
                            tuple(7L, IssueReason.MALFORMED));
        }

        @Test
        @DisplayName(
                "a column twice is no header; what is cut off within quotes or too long breaks, after what stood before")
        void badCsv() {
            assertThat(Read.of("serial,model,serial\n1,x,2\n", STATEMENT).broken)
                    .isEqualTo("not recognised");
            String tooLong = "x".repeat(70_000);
            for (String end : List.of("2,\"cut", "2,\"", "2,\"" + tooLong + "\"\n3,y\n", tooLong + "\n3\n")) {
                Read read = Read.of("serial,model\n1,x\n" + end, STATEMENT);
                assertThat(read.candidates()).extracting(Candidate::serial).containsExactly("1");
                assertThat(read.broken).contains("quotes", "in element 1");
            }
            for (String end : List.of("", "\n", "\r\n", ",\"\"", ",\"a \"\"b\"\"\"")) {
                Read read = Read.of("serial,model\n1,x\n2" + end, STATEMENT);
                assertThat(read.candidates()).extracting(Candidate::serial).containsExactly("1", "2");
                assertThat(read.broken).isNull();
            }
        }

        @Test
        @DisplayName("public keys as PEM, base64, a point in hex; weak ones are conflicts")
        void keys() {
            var key = TestSigner.newKey();
            String pem = Pem.encode(Pem.PUBLIC_KEY, key.encoded());
            String point = key.encoded().slice(26, 91).hex();
            Read read = Read.of(
                    "serial,publickey\n" + "a,\"" + pem + "\"\nb,"
                            + key.encoded().base64() + "\nc," + point + "\nd,"
                            + point.substring(2) + "\ne," + pem.replace("\n", "\\n") + "\nf,rubbish!\ng,"
                            + point.substring(0, 128) + "00\n",
                    STATEMENT);

            assertThat(read.candidates())
                    .hasSize(5)
                    .allSatisfy(
                            candidate -> assertThat(candidate.keys()).containsExactly(BirthKey.of(0, key.encoded())));
            assertThat(read.reasons()).containsExactly(IssueReason.MALFORMED, IssueReason.WEAK_KEY);
        }

        @Test
        @DisplayName("without the tenant's statement, a bare serial is rejected, and says how to claim it")
        void noProof() {
            Read read = Read.of("serial\n1\n", ImportOptions.STRICT);
            assertThat(read.reasons()).containsExactly(IssueReason.NO_PROOF);
            assertThat(read.rejected().getFirst().detail()).contains("your own statement");
        }

        @Test
        @DisplayName("a bundle: keys, private keys (never read), other blocks, rubbish, a block without an end")
        void pem() {
            String key = Pem.encode(Pem.PUBLIC_KEY, TestSigner.newKey().encoded());
            Read read = Read.of(
                    "subject=x\n" + key
                            + Pem.encode("EC PRIVATE KEY", TestSigner.newKey().encoded())
                            + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
                            + "-----BEGIN CERTIFICATE-----\n" + key
                            + "-----BEGIN CERTIFICATE-----\n"
                            + "A".repeat(70_000).replaceAll("(.{64})", "$1\n")
                            + "\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\nMFk",
                    STATEMENT);

            assertThat(read.candidates()).hasSize(2);
            assertThat(read.reasons())
                    .containsExactly(
                            IssueReason.MALFORMED,
                            IssueReason.BAD_CERTIFICATE,
                            IssueReason.MALFORMED,
                            IssueReason.TOO_LARGE);
            assertThat(read.broken).isEqualTo("the file ends inside element 6");
        }
    }

    @Nested
    @DisplayName("archives")
    class Archives {
        @Test
        @DisplayName("gzip and ZIP, one in the other, entries that are something else")
        void wrapped() throws IOException {
            byte[] list = "serial\n1\n2\n".getBytes(StandardCharsets.UTF_8);
            assertThat(read(gzip(list)).candidates()).hasSize(2);
            assertThat(read(zip("readme.txt", "hello".getBytes(StandardCharsets.UTF_8), "a/list.csv", list))
                            .candidates())
                    .hasSize(2);
            assertThat(read(gzip(zip("list.csv", list))).candidates()).hasSize(2);
            assertThat(read(gzip(gzip(gzip(list)))).broken).contains("no known manifest");
            assertThat(read(zip("readme.txt", new byte[3])).broken).contains("no known manifest");
        }

        @Test
        @DisplayName("names that point outside")
        void traversal() throws IOException {
            byte[] list = "serial\n1\n".getBytes(StandardCharsets.UTF_8);
            for (String name :
                    List.of("../list.csv", "a/../../list.csv", "/etc/list.csv", "..\\list.csv", "C:\\x.csv")) {
                assertThat(read(zip(name, list)).broken).as(name).contains("points outside");
                assertThat(read(zip(name, list)).candidates()).isEmpty();
            }
            assertThat(read(sevenZ("../00112233_E0E0.pem", list)).broken).contains("points outside");
        }

        @Test
        @DisplayName("bombs end early")
        void bombs() throws IOException {
            byte[] zeros = new byte[1 << 20];
            ByteArrayOutputStream bomb = new ByteArrayOutputStream();
            try (GZIPOutputStream out = new GZIPOutputStream(bomb)) {
                out.write("[".getBytes(StandardCharsets.US_ASCII));
                for (int i = 0; i < 40; i++) {
                    out.write(" ".repeat(1 << 20).getBytes(StandardCharsets.US_ASCII));
                }
            }
            assertThat(read(bomb.toByteArray()).broken).contains("100 times its size");
            ByteArrayOutputStream zipped = new ByteArrayOutputStream();
            try (ZipOutputStream out = new ZipOutputStream(zipped)) {
                out.putNextEntry(new ZipEntry("not-a-manifest"));
                for (int i = 0; i < 40; i++) {
                    out.write(zeros);
                }
            }
            assertThat(read(zipped.toByteArray()).broken).contains("100 times its size");
            byte[] sevenZBomb = sevenZ("00112233_E0E0.pem", new byte[36 << 20]);
            assertThat(read(sevenZBomb).broken).contains("100 times its size");
            assertThat(read(sevenZBomb).elements).isEmpty();
        }

        @Test
        @DisplayName("cut off, or not what they seem")
        void damaged() throws IOException {
            byte[] list = ("serial\n" + "abc\n".repeat(10)).getBytes(StandardCharsets.UTF_8);
            for (byte[] archive : List.of(gzip(list), zip("list.csv", list), sevenZ("00112233_E0E0.pem", list))) {
                for (int length : new int[] {6, archive.length / 2, archive.length * 3 / 4}) {
                    Read read = read(Arrays.copyOf(archive, length));
                    assertThat(read.broken).isNotNull();
                }
            }
        }

        @Test
        @DisplayName("of a reel only the certificates of E0E0 are opened; the secrets never are")
        void secrets() throws IOException {
            byte[] pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
                    .getBytes(StandardCharsets.US_ASCII);
            byte[] inner = sevenZ("AABBCCDD_E0E0.pem", pem);
            byte[] others = sevenZ("AABBCCDD_E0E1.pem", pem);
            // Opening these would fail the file: they are no archives.
            byte[] closed = new byte[] {1, 2, 3};
            Read read = read(sevenZ(
                    "R_G_keys.7z",
                    closed,
                    "R_G_E0E0_Certs.7z",
                    inner,
                    "R_G_E0E1_Certs.7z",
                    others,
                    "README.txt",
                    closed));

            assertThat(read.broken).isNull();
            assertThat(read.rejected()).singleElement().satisfies(rejected -> {
                assertThat(rejected.serial()).isEqualTo("aabbccdd");
                assertThat(rejected.reason()).isEqualTo(IssueReason.BAD_CERTIFICATE);
            });
            assertThat(read(zip("R_G_keys.7z", inner)).elements).isEmpty();
            assertThat(read(sevenZ("R_G_keys.7z", inner)).broken).contains("no birth certificates");
        }

        private Read read(byte[] file) {
            return Read.of(file, Trust.BUILT_IN, STATEMENT);
        }

        private byte[] sevenZ(Object... namesAndContents) throws IOException {
            Path file = folder.resolve("test.7z");
            try (SevenZOutputFile out = new SevenZOutputFile(file.toFile())) {
                out.setContentCompression(SevenZMethod.DEFLATE); // quicker to make
                for (int i = 0; i < namesAndContents.length; i += 2) {
                    out.putArchiveEntry(out.createArchiveEntry(folder.toFile(), (String) namesAndContents[i]));
                    out.write((byte[]) namesAndContents[i + 1]);
                    out.closeArchiveEntry();
                }
            }
            return Files.readAllBytes(file);
        }
    }

    @Test
    @DisplayName("a list of any length is read in little memory")
    void endless() throws Exception {
        long[] count = {0};
        new JsonManifestReader()
                .read(
                        new Repeated("[", "{\"payload\":\"" + "x".repeat(3000) + "\"},", 200_000),
                        new ManifestReader.Sink() {
                            @Override
                            public void format(ManifestFormat format) {}

                            @Override
                            public void element(RawElement element) {
                                count[0]++;
                            }
                        });
        assertThat(count[0]).isEqualTo(200_001);
    }

    /// `before`, then `part` many times, then an empty object and the end of the array.
    private static final class Repeated extends InputStream {
        private final byte[] part;
        private int left;
        private byte[] current;
        private int at;

        Repeated(String before, String part, int times) {
            this.current = before.getBytes(StandardCharsets.US_ASCII);
            this.part = part.getBytes(StandardCharsets.US_ASCII);
            this.left = times + 1;
        }

        @Override
        public int read() {
            throw new UnsupportedOperationException();
        }

        @Override
        public int read(byte[] buffer, int offset, int length) {
            if (at == current.length) {
                if (left == 0) {
                    return -1;
                }
                left--;
                current = left == 0 ? "{}]".getBytes(StandardCharsets.US_ASCII) : part;
                at = 0;
            }
            int read = Math.min(length, current.length - at);
            System.arraycopy(current, at, buffer, offset, read);
            at += read;
            return read;
        }
    }

    private static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        }
        return out.toByteArray();
    }

    private static byte[] zip(Object... namesAndContents) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            for (int i = 0; i < namesAndContents.length; i += 2) {
                zip.putNextEntry(new ZipEntry((String) namesAndContents[i]));
                zip.write((byte[]) namesAndContents[i + 1]);
            }
        }
        return out.toByteArray();
    }
}
