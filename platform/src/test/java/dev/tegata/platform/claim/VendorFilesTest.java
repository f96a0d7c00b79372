// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.device.Device.Proof;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.commons.compress.archivers.sevenz.SevenZFile;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// The files of real purchases. What must come out is found by other means: regular expressions and the JDK.
class VendorFilesTest {
    @Test
    @DisplayName("ten TrustMANAGER parts: serial numbers without keys, signed by signer 5")
    void trustManager() throws Exception {
        Path file = Read.shared("microchip/trustmanager-ECC608-TMNGTLSS-B.json");

        Read read = Read.of(Files.newInputStream(file), Trust.BUILT_IN, ImportOptions.STRICT);

        assertThat(read.broken).isNull();
        assertThat(read.rejected()).isEmpty();
        assertThat(read.candidates())
                .extracting(Candidate::serial)
                .isEqualTo(uniqueIds(file))
                .hasSize(10);
        assertThat(read.candidates()).allSatisfy(candidate -> {
            assertThat(candidate.chip()).isEqualTo(Chip.MICROCHIP);
            assertThat(candidate.proof()).isEqualTo(Proof.VENDOR_SIGNATURE);
            assertThat(candidate.model()).isEqualTo("ATECC608C-SSH8Q");
            assertThat(candidate.keys()).isEmpty();
        });
    }

    @Test
    @DisplayName("two Trust&GO parts: five keys each, the chain of slot 0 leads to the vendor's root")
    void trustAndGo() throws Exception {
        Path file = Read.shared("microchip/trustgo-ATECC608A-MAH4I.json");

        Read read = Read.of(Files.newInputStream(file), Trust.BUILT_IN, ImportOptions.STRICT);

        assertThat(read.rejected()).isEmpty();
        assertThat(read.candidates())
                .extracting(Candidate::serial)
                .isEqualTo(uniqueIds(file))
                .hasSize(2);
        List<String> x = payloads(file).stream()
                .flatMap(payload -> all(payload, "\"x\":\"([^\"]+)\"").stream())
                .toList();
        assertThat(read.candidates().stream()
                        .flatMap(candidate -> candidate.keys().stream())
                        .map(key -> key.publicKey().slice(27, 59).base64Url()))
                .isEqualTo(x)
                .hasSize(10);
        assertThat(read.candidates()).allSatisfy(candidate -> {
            assertThat(candidate.keys()).extracting(BirthKey::slot).containsExactly(0, 1, 2, 3, 4);
            assertThat(candidate.keys().getFirst().anchor()).isEqualTo("Crypto Authentication Root CA 002");
            X509Certificate birth =
                    x509(Objects.requireNonNull(candidate.keys().getFirst().certificate()));
            assertThat(birth.getSubjectX500Principal().getName()).containsIgnoringCase("sn" + candidate.serial());
        });
    }

    @Test
    @DisplayName("the ESP32 list: by the tenant's statement, as nobody here knows its CA")
    void espressif() throws Exception {
        Path file = Read.shared("espressif/manifest-espressif.csv");
        String text = Files.readString(file);

        Read read = Read.of(Files.newInputStream(file), Trust.BUILT_IN, new ImportOptions(true));

        assertThat(read.formats).containsExactly(ManifestFormat.ESPRESSIF_CSV);
        assertThat(read.rejected()).isEmpty();
        assertThat(read.candidates())
                .extracting(Candidate::serial)
                .isEqualTo(all(text, "(?m)^([0-9A-F]{12}),").stream()
                        .map(String::toLowerCase)
                        .toList())
                .hasSize(7);
        List<Bytes> keys = all(text, "(?s)(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)").stream()
                .map(pem -> spki(pem.getBytes(StandardCharsets.US_ASCII)))
                .toList();
        assertThat(read.candidates().stream()
                        .map(candidate -> candidate.keys().getFirst().publicKey()))
                .isEqualTo(keys);
        assertThat(read.candidates()).extracting(Candidate::proof).containsOnly(Proof.STATEMENT);
        assertThat(Read.of(Files.newInputStream(file), Trust.BUILT_IN, ImportOptions.STRICT)
                        .rejected())
                .hasSize(7)
                .allSatisfy(rejected -> {
                    assertThat(rejected.reason()).isEqualTo(IssueReason.UNTRUSTED_ISSUER);
                    assertThat(rejected.detail()).contains("esp-test-cn", "trusted birth CAs", "statement");
                });
    }

    @Test
    @DisplayName("the OPTIGA reel: 200 chips with the certificate of E0E0 each")
    void infineon() throws Exception {
        Path file = Read.shared("infineon/78211223032C7EFA.7z");

        Read read = Read.of(Files.newInputStream(file), Trust.BUILT_IN, new ImportOptions(true));

        assertThat(read.broken).isNull();
        assertThat(read.rejected()).isEmpty();
        Map<String, Bytes> keys = read.candidates().stream()
                .collect(Collectors.toMap(
                        Candidate::serial,
                        candidate -> candidate.keys().getFirst().publicKey()));
        assertThat(keys).isEqualTo(reelKeys(file)).hasSize(200);
        assertThat(read.candidates()).extracting(Candidate::chip).containsOnly(Chip.INFINEON);
        assertThat(Read.of(Files.newInputStream(file), Trust.BUILT_IN, ImportOptions.STRICT)
                        .rejected())
                .hasSize(200)
                .allSatisfy(rejected -> assertThat(rejected.detail()).contains("Infineon OPTIGA(TM) Trust M CA 306"));
    }

    @Test
    @DisplayName("the built-in signers are the five published certificates, to the last number")
    void signers() throws Exception {
        Path folder = Read.shared("microchip/signers");
        List<String> published = new ArrayList<>();
        try (var files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                X509Certificate certificate = x509(Bytes.of(Files.readAllBytes(file)));
                published.add(Bytes.sha256(certificate.getEncoded()) + " "
                        + Bytes.of(certificate.getExtensionValue("2.5.29.14")).slice(4, 24) + " "
                        + Bytes.of(certificate.getPublicKey().getEncoded()) + " "
                        + certificate.getNotBefore().toInstant() + " "
                        + certificate.getNotAfter().toInstant());
            }
        }
        assertThat(Signer.BUILT_IN.stream()
                        .map(signer -> signer.thumbprint() + " " + signer.keyId() + " "
                                + signer.key().encoded() + " "
                                + signer.validity().notBefore() + " "
                                + signer.validity().notAfter()))
                .isEqualTo(published);
    }

    @Test
    @DisplayName("the built-in roots are the vendor's two root certificates")
    void roots() throws Exception {
        Path folder = Read.shared("microchip/roots");
        Map<Bytes, Bytes> published = new TreeMap<>();
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                X509Certificate certificate = x509(Bytes.of(Files.readAllBytes(file)));
                published.put(
                        Bytes.of(certificate.getSubjectX500Principal().getEncoded()),
                        Bytes.of(certificate.getPublicKey().getEncoded()));
            }
        }
        Map<Bytes, Bytes> builtIn = BirthChains.BUILT_IN.stream()
                .collect(Collectors.toMap(
                        anchor -> anchor.subject().encoded(),
                        anchor -> anchor.key().encoded(),
                        (a, b) -> a,
                        TreeMap::new));
        assertThat(builtIn).isEqualTo(published);
    }

    private static Map<String, Bytes> reelKeys(Path reel) throws Exception {
        Map<String, Bytes> keys = new TreeMap<>();
        try (SevenZFile outer = SevenZFile.builder().setPath(reel).get()) {
            for (var entry = outer.getNextEntry(); entry != null; entry = outer.getNextEntry()) {
                if (!entry.getName().contains("_E0E0_")) {
                    continue;
                }
                byte[] inner = outer.getInputStream(entry).readAllBytes();
                try (SevenZFile certificates =
                        SevenZFile.builder().setByteArray(inner).get()) {
                    for (var file = certificates.getNextEntry(); file != null; file = certificates.getNextEntry()) {
                        String chipId =
                                file.getName().substring(0, file.getName().indexOf('_'));
                        keys.put(
                                chipId.toLowerCase(Locale.ROOT),
                                spki(certificates.getInputStream(file).readAllBytes()));
                    }
                }
            }
        }
        return keys;
    }

    private static List<String> uniqueIds(Path json) throws Exception {
        return payloads(json).stream()
                .flatMap(payload -> all(payload, "\"uniqueId\":\"([0-9a-f]+)\"").stream())
                .toList();
    }

    private static List<String> payloads(Path json) throws Exception {
        return all(Files.readString(json), "\"payload\": \"([^\"]+)\"").stream()
                .map(payload -> new String(Base64.getUrlDecoder().decode(payload), StandardCharsets.UTF_8))
                .toList();
    }

    private static List<String> all(String text, String pattern) {
        List<String> found = new ArrayList<>();
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        while (matcher.find()) {
            found.add(matcher.group(1));
        }
        return found;
    }

    private static Bytes spki(byte[] pem) {
        return Bytes.of(x509(Bytes.of(pem)).getPublicKey().getEncoded());
    }

    private static X509Certificate x509(Bytes encoded) {
        try (InputStream in = new ByteArrayInputStream(encoded.toArray())) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        } catch (Exception e) {
            throw new IllegalArgumentException(e);
        }
    }
}
