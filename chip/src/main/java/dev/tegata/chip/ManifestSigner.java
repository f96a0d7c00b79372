// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;

/// Signs the manifest of a batch of chips: a JSON array of flattened JWS, one for each chip.
public final class ManifestSigner {
    private static final Base64.Encoder BASE64_URL = Base64.getUrlEncoder().withoutPadding();
    private static final HexFormat HEX = HexFormat.of();
    private static final DateTimeFormatter MILLISECONDS =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

    private final SecureRandom random;
    private final byte[] privateKey;
    private final byte[] certificate;
    private final String protectedHeader;

    private ManifestSigner(SecureRandom random, byte[] privateKey, byte[] certificate) {
        this.random = random;
        this.privateKey = privateKey;
        this.certificate = certificate;
        this.protectedHeader = base64Url("""
                {"alg":"ES256","kid":"%s","typ":"JWT","x5t#S256":"%s"}""".formatted(
                        BASE64_URL.encodeToString(VendorCertificates.keyId(P256.publicKey(privateKey))),
                        BASE64_URL.encodeToString(Crypto.sha256(certificate))));
    }

    /// A signer with a new key and a self-signed certificate.
    public static ManifestSigner create(SecureRandom random, Instant notBefore, Instant notAfter) {
        byte[] key = P256.newPrivateKey(random);
        VendorCertificates.Unsigned certificate =
                VendorCertificates.manifestSigner(P256.publicKey(key), notBefore, notAfter);
        return new ManifestSigner(random, key, certificate.with(P256.sign(key, certificate.digest(), random)));
    }

    /// The self-signed certificate by which manifests of this signer are recognised, as DER.
    public byte[] certificate() {
        return certificate.clone();
    }

    /// Writes a manifest, one chip at a time: give it an iterable that makes its chips as it goes and the batch may be
    /// of any size. The stream is flushed, not closed.
    public void write(
            Iterable<VirtualChip> chips, ManifestVersion version, Instant provisioningTimestamp, OutputStream out)
            throws IOException {
        String before = "[\n  ";
        for (VirtualChip chip : chips) {
            out.write((before + element(chip, version, provisioningTimestamp)).getBytes(StandardCharsets.US_ASCII));
            before = ",\n  ";
        }
        out.write((before.startsWith("[") ? "[]" : "\n]").getBytes(StandardCharsets.US_ASCII));
        out.flush();
    }

    private String element(VirtualChip chip, ManifestVersion version, Instant provisioningTimestamp) {
        String payload = base64Url(payload(chip, version, provisioningTimestamp));
        byte[] signingInput = (protectedHeader + "." + payload).getBytes(StandardCharsets.US_ASCII);
        byte[] signature = P256.sign(privateKey, Crypto.sha256(signingInput), random);
        return """
                {
                    "payload": "%s",
                    "protected": "%s",
                    "header": {
                      "uniqueId": "%s"
                    },
                    "signature": "%s"
                  }""".formatted(
                        payload, protectedHeader, HEX.formatHex(chip.serial()), BASE64_URL.encodeToString(signature));
    }

    private static String payload(VirtualChip chip, ManifestVersion version, Instant provisioningTimestamp) {
        StringBuilder json = new StringBuilder(2048);
        json.append("""
                {"version":%d,"model":"%s","partNumber":"%s",\
                "manufacturer":{"organizationName":"%4$s","organizationalUnitName":"Chips"},\
                "provisioner":{"organizationName":"%4$s","organizationalUnitName":"Chips"},\
                "distributor":{"organizationName":"%4$s","organizationalUnitName":"Direct"},\
                "groupId":"VIRTUAL0000%5$s","provisioningTimestamp":"%6$s","uniqueId":"%7$s\"""".formatted(
                        version.number(),
                        chip.preset().model(),
                        chip.preset().partNumber(),
                        VendorCertificates.ORGANIZATION,
                        chip.preset().ordinal(),
                        MILLISECONDS.format(provisioningTimestamp),
                        HEX.formatHex(chip.serial())));
        if (version != ManifestVersion.SHORT) {
            json.append(",\"publicKeySet\":{\"keys\":[");
            String before = "";
            for (var key : chip.publicKeys().entrySet()) {
                json.append(before);
                publicKey(json, key.getKey(), key.getValue(), key.getKey() == 0 ? chip.certificateChain() : List.of());
                before = ",";
            }
            json.append("]}");
        }
        if (version == ManifestVersion.FULL) {
            json.append(",\"modelInfo\":{\"deviceRevision\":\"")
                    .append(HEX.formatHex(chip.revision()))
                    .append("\",\"publicData\":[]}");
        }
        return json.append('}').toString();
    }

    private static void publicKey(StringBuilder json, int slot, byte[] key, List<byte[]> chain) {
        json.append("{\"kid\":\"%d\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\""
                .formatted(
                        slot,
                        BASE64_URL.encodeToString(Arrays.copyOf(key, 32)),
                        BASE64_URL.encodeToString(Arrays.copyOfRange(key, 32, 64))));
        if (!chain.isEmpty()) {
            List<String> certificates = chain.stream()
                    .map(certificate -> '"' + Base64.getEncoder().encodeToString(certificate) + '"')
                    .toList();
            json.append(",\"x5c\":[").append(String.join(",", certificates)).append(']');
        }
        json.append('}');
    }

    private static String base64Url(String json) {
        return BASE64_URL.encodeToString(json.getBytes(StandardCharsets.UTF_8));
    }
}
