// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChipFactoryTest {
    private static final Instant PROVISIONED = Instant.parse("2026-03-04T05:06:07.089Z");
    private static final Pattern MEMBER = Pattern.compile("\"([^\"]+)\":");

    private final ChipFactory factory = new ChipFactory(new SecureRandom());

    @Test
    void chipsCarrySerialsKeysAndAChainThatTheJdkAccepts() throws Exception {
        VirtualChip chip = factory.make(Preset.TRUST_GO, PROVISIONED);
        assertThat(chip.serial()).hasSize(9).startsWith(0x01, 0x23).endsWith(0x01);
        assertThat(chip.publicKeys().keySet()).containsExactly(0, 1, 2, 3, 4);

        X509Certificate root = parse(factory.rootCertificate());
        List<X509Certificate> chain = new ArrayList<>();
        for (byte[] certificate : chip.certificateChain()) {
            chain.add(parse(certificate));
        }
        assertThat(chain).hasSize(2);
        root.verify(root.getPublicKey());
        chain.get(1).verify(root.getPublicKey());
        chain.get(0).verify(chain.get(1).getPublicKey());
        assertThat(chain.get(1).getBasicConstraints()).isZero();
        assertThat(chain.get(0).getBasicConstraints()).isEqualTo(-1);
        assertThat(chain.get(0).getSubjectX500Principal().getName())
                .contains("CN=sn" + HexFormat.of().withUpperCase().formatHex(chip.serial()));
        assertThat(chain.get(0).getIssuerX500Principal()).isEqualTo(chain.get(1).getSubjectX500Principal());
        assertThat(chain.get(0).getNotBefore().toInstant()).isEqualTo("2026-03-04T05:00:00Z");
        assertThat(chain.get(0).getNotAfter().toInstant()).isEqualTo("2054-03-04T05:00:00Z");
        assertThat(raw(chain.get(0))).isEqualTo(chip.publicKey(0));
    }

    @Test
    void slotZeroSignsAndSlotOneRefuses() {
        VirtualChip chip = factory.make(Preset.TRUST_GO, PROVISIONED);
        byte[] digest = Crypto.sha256(new byte[] {1, 2, 3});
        assertThat(P256.verify(chip.publicKey(0), digest, chip.sign(0, digest))).isTrue();
        assertThatThrownBy(() -> chip.sign(1, digest)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> chip.sign(8, digest)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> chip.sign(16, digest)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aTrustManagerHasOnlyItsAttestationKey() {
        VirtualChip chip = factory.make(Preset.TRUST_MANAGER, PROVISIONED);
        assertThat(chip.publicKeys().keySet()).containsExactly(1);
        assertThat(chip.certificateChain()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(ManifestVersion.class)
    void everyElementOfAManifestIsSigned(ManifestVersion version) throws Exception {
        List<VirtualChip> chips = factory.make(Preset.TRUST_GO, 3, PROVISIONED);
        String manifest = manifest(chips, version);
        X509Certificate signer = parse(factory.manifestSigner().certificate());
        signer.verify(signer.getPublicKey());

        List<Element> elements = elements(manifest);
        assertThat(elements).hasSize(3);
        for (int i = 0; i < 3; i++) {
            Element element = elements.get(i);
            Signature verifier = Signature.getInstance("SHA256withECDSAinP1363Format");
            verifier.initVerify(signer.getPublicKey());
            verifier.update((element.header + "." + element.payload).getBytes(StandardCharsets.US_ASCII));
            assertThat(verifier.verify(Base64.getUrlDecoder().decode(element.signature)))
                    .isTrue();
            byte[] keyId = signer.getExtensionValue("2.5.29.14");
            assertThat(text(element.header))
                    .contains("\"kid\":\"" + base64Url(java.util.Arrays.copyOfRange(keyId, 4, keyId.length)) + "\"")
                    .contains("\"x5t#S256\":\""
                            + base64Url(MessageDigest.getInstance("SHA-256").digest(signer.getEncoded())) + "\"");
            assertThat(element.uniqueId)
                    .isEqualTo(HexFormat.of().formatHex(chips.get(i).serial()));
            assertThat(text(element.payload))
                    .startsWith("{\"version\":" + version.number() + ",")
                    .contains("\"uniqueId\":\"" + element.uniqueId + "\"")
                    .contains("\"provisioningTimestamp\":\"2026-03-04T05:06:07.089Z\"");
        }
    }

    @Test
    void membersAreThoseOfTheRealFiles() throws Exception {
        Path folder = Path.of(System.getProperty("tegata.shared", "../../shared"), "vectors/manifest/microchip");
        assumeTrue(Files.isDirectory(folder), "the real manifests are not here: " + folder);
        assertSameMembers(folder.resolve("trustgo-ATECC608A-MAH4I.json"), Preset.TRUST_GO, ManifestVersion.FULL_2018);
        assertSameMembers(
                folder.resolve("trustmanager-ECC608-TMNGTLSS-B.json"), Preset.TRUST_MANAGER, ManifestVersion.SHORT);
    }

    private void assertSameMembers(Path real, Preset preset, ManifestVersion version) throws IOException {
        Element theirs = elements(Files.readString(real)).getFirst();
        Element ours = elements(manifest(factory.make(preset, 1, PROVISIONED), version))
                .getFirst();
        assertThat(members(text(ours.header))).isEqualTo(members(text(theirs.header)));
        assertThat(members(text(ours.payload))).isEqualTo(members(text(theirs.payload)));
        assertThat(ours.signature).hasSameSizeAs(theirs.signature);
        assertThat(ours.uniqueId).hasSameSizeAs(theirs.uniqueId);
    }

    @Test
    void anEmptyBatchIsAnEmptyArray() throws IOException {
        assertThat(manifest(List.of(), ManifestVersion.FULL)).isEqualTo("[]");
    }

    @Test
    void serialsAndKeysDiffer() {
        Set<String> seen = new HashSet<>();
        for (VirtualChip chip : factory.make(Preset.TRUST_GO, 50, PROVISIONED)) {
            assertThat(seen.add(HexFormat.of().formatHex(chip.serial()))).isTrue();
            assertThat(seen.add(HexFormat.of().formatHex(chip.publicKey(0)))).isTrue();
        }
    }

    @Test
    void storedCertificatesOfAnyBytesAreRebuiltOrRefused() {
        VirtualChip chip = factory.make(Preset.TRUST_GO, PROVISIONED);
        Random random = new Random(4);
        byte[] good = chip.memory().readSlot(VendorCertificates.DEVICE_CERTIFICATE_SLOT, 0, 72);
        byte[] signer = chip.memory().readSlot(VendorCertificates.SIGNER_CERTIFICATE_SLOT, 0, 72);
        int refused = 0;
        for (int i = 0; i < 2_000; i++) {
            byte[] device = good.clone();
            device[64 + random.nextInt(7)] = (byte) random.nextInt();
            device[random.nextInt(72)] = (byte) random.nextInt();
            VendorCertificates.Stored stored =
                    new VendorCertificates.Stored(device, chip.publicKey(1), signer, new byte[20]);
            try {
                VendorCertificates.rebuild(chip.serial(), chip.publicKey(0), stored);
            } catch (IllegalArgumentException e) {
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void refusesATimeThatACompressedCertificateCannotSay() {
        assertThatThrownBy(() -> factory.make(Preset.TRUST_GO, Instant.parse("2032-01-01T00:00:00Z")))
                .isInstanceOf(IllegalArgumentException.class);
    }

    private String manifest(List<VirtualChip> chips, ManifestVersion version) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        factory.manifestSigner().write(chips, version, PROVISIONED, out);
        return out.toString(StandardCharsets.UTF_8);
    }

    private record Element(String payload, String header, String uniqueId, String signature) {}

    private static List<Element> elements(String manifest) {
        Matcher matcher = Pattern.compile(
                        "\\{\\s*\"payload\":\\s*\"([\\w-]+)\",\\s*\"protected\":\\s*\"([\\w-]+)\",\\s*"
                                + "\"header\":\\s*\\{\\s*\"uniqueId\":\\s*\"([0-9a-f]+)\"\\s*},\\s*\"signature\":\\s*\"([\\w-]+)\"\\s*}")
                .matcher(manifest);
        List<Element> elements = new ArrayList<>();
        while (matcher.find()) {
            elements.add(new Element(matcher.group(1), matcher.group(2), matcher.group(3), matcher.group(4)));
        }
        return elements;
    }

    private static Set<String> members(String json) {
        Set<String> members = new HashSet<>();
        Matcher matcher = MEMBER.matcher(json);
        while (matcher.find()) {
            members.add(matcher.group(1));
        }
        return members;
    }

    private static String text(String base64Url) {
        return new String(Base64.getUrlDecoder().decode(base64Url), StandardCharsets.UTF_8);
    }

    private static String base64Url(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    private static byte[] raw(X509Certificate certificate) {
        ECPublicKey key = (ECPublicKey) certificate.getPublicKey();
        return HexFormat.of()
                .parseHex("%064x%064x"
                        .formatted(key.getW().getAffineX(), key.getW().getAffineY()));
    }

    private static X509Certificate parse(byte[] der) throws Exception {
        return (X509Certificate)
                CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
    }
}
