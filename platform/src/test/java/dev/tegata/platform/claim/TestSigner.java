// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Validity;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.Signatures;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.time.Instant;
import java.util.List;

/// Signs elements in Microchip's format, good ones and others.
final class TestSigner {
    static final String AT = "2024-05-06T07:08:09.123Z";

    final Signer signer;
    private final KeyPair keys = keyPair();

    TestSigner() {
        this(new Validity(Instant.parse("2024-01-01T00:00:00Z"), Instant.parse("2025-01-01T00:00:00Z")));
    }

    TestSigner(Validity validity) {
        PublicKeyInfo key = publicKey(keys);
        this.signer =
                new Signer("Test Signer", key.fingerprint(), key.fingerprint().slice(0, 20), validity, key);
    }

    Trust trust() {
        return new Trust(List.of(signer), List.of());
    }

    String protectedHeader() {
        return """
                {"alg":"ES256","kid":"%s","typ":"JWT","x5t#S256":"%s"}""".formatted(signer.keyId().base64Url(), signer.thumbprint().base64Url());
    }

    /// A good element for one chip.
    String element(String serial, PublicKeyInfo... keysBySlot) {
        return element(protectedHeader(), serial, payload(serial, keysBySlot));
    }

    String element(String protectedHeader, String unsignedSerial, String payload) {
        String header = base64Url(protectedHeader);
        String body = base64Url(payload);
        byte[] signature = Signatures.sign(
                keys.getPrivate(),
                SignatureAlgorithm.ECDSA_SHA256,
                (header + "." + body).getBytes(StandardCharsets.US_ASCII));
        return """
                {"payload":"%s","protected":"%s","header":{"uniqueId":"%s"},"signature":"%s"}""".formatted(
                body,
                header,
                unsignedSerial,
                Bytes.of(EcdsaSignature.rawOf(signature, KeyAlgorithm.EC_P256)).base64Url());
    }

    static String payload(String serial, PublicKeyInfo... keysBySlot) {
        StringBuilder jwks = new StringBuilder();
        for (int slot = 0; slot < keysBySlot.length; slot++) {
            jwks.append(slot == 0 ? "" : ",").append(jwk(slot, keysBySlot[slot]));
        }
        String keySet = keysBySlot.length == 0 ? "" : ",\"publicKeySet\":{\"keys\":[" + jwks + "]}";
        return """
                {"version":%d,"model":"ATECC608B","partNumber":"ATECC608B-TEST","provisioningTimestamp":"%s","uniqueId":"%s"%s}""".formatted(keysBySlot.length == 0 ? 2 : 3, AT, serial, keySet);
    }

    static String jwk(int slot, PublicKeyInfo key) {
        Bytes point = key.encoded().slice(27, 91);
        return """
                {"kid":"%d","kty":"EC","crv":"P-256","x":"%s","y":"%s"}""".formatted(
                slot, point.slice(0, 32).base64Url(), point.slice(32, 64).base64Url());
    }

    static byte[] manifest(String... elements) {
        return ("[" + String.join(",\n", elements) + "]").getBytes(StandardCharsets.UTF_8);
    }

    static String base64Url(String text) {
        return Bytes.of(text.getBytes(StandardCharsets.UTF_8)).base64Url();
    }

    static PublicKeyInfo newKey() {
        return publicKey(keyPair());
    }

    private static PublicKeyInfo publicKey(KeyPair pair) {
        try {
            return PublicKeyInfo.of(pair.getPublic());
        } catch (InvalidKeyInfoException e) {
            throw new IllegalStateException(e);
        }
    }

    private static KeyPair keyPair() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
