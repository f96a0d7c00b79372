// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.platform.Texts;
import dev.tegata.platform.device.Device.Proof;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Reads elements in Microchip's format: a flattened JWS (RFC 7515 §7.2.2) over the description of one chip.
final class SignedElements {
    private static final int MAX_KEYS = 16;
    private static final int MAX_CHAIN = 5;
    private static final Pattern NAMES_SERIAL = Pattern.compile("(?i)sn([0-9a-f]{18})");

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(16)
                            .maxStringLength(JsonManifestReader.MAX_ELEMENT)
                            .maxNameLength(256)
                            .maxNumberLength(32)
                            .build())
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Map<Bytes, Signer> signers;
    private final BirthChains chains;

    /// The latest one: all elements of a file usually have the same. Threads may overwrite each other's.
    private volatile @Nullable ProtectedHeader latest;

    SignedElements(List<Signer> signers, BirthChains chains) {
        this.signers = new HashMap<>();
        signers.forEach(signer -> this.signers.put(signer.thumbprint(), signer));
        this.chains = chains;
    }

    Candidate read(byte[] json) throws RejectedException {
        JsonNode element = object(json, "the element");
        String payload = text(element, "payload");
        String protectedHeader = text(element, "protected");
        JsonNode header = member(element, "header");
        String unsignedSerial = serial(text(header, "uniqueId"));
        try {
            Signer signer = signer(protectedHeader, header);
            verify(signer, protectedHeader, payload, decode(text(element, "signature"), "signature"));
            return candidate(signer, object(decode(payload, "payload"), "the payload"), unsignedSerial);
        } catch (RejectedException e) {
            throw e.of(unsignedSerial);
        }
    }

    /// A protected header that was found to be in order.
    private record ProtectedHeader(String encoded, Set<String> names, Signer signer) {}

    private Signer signer(String encoded, JsonNode header) throws RejectedException {
        ProtectedHeader known = latest;
        if (known == null || !known.encoded().equals(encoded)) {
            JsonNode decoded = object(decode(encoded, "protected"), "the protected header");
            known = new ProtectedHeader(encoded, Set.copyOf(decoded.propertyNames()), signer(decoded));
            latest = known;
        }
        // spec| RFC 7515 §7.2.1: the Header Parameter names in the two locations MUST be disjoint
        for (String name : header.propertyNames()) {
            if (known.names().contains(name)) {
                throw malformed("a header parameter is there twice, once without protection");
            }
        }
        return known.signer();
    }

    private Signer signer(JsonNode protectedHeader) throws RejectedException {
        String algorithm = text(protectedHeader, "alg");
        if (!algorithm.equals("ES256")) {
            throw new RejectedException(
                    IssueReason.ALGORITHM_NOT_ALLOWED, "alg must be ES256 and is '" + Texts.quoted(algorithm) + "'");
        }
        if (!text(protectedHeader, "typ").equals("JWT")) {
            throw malformed("typ must be JWT");
        }
        // spec| RFC 7515 §4.1.11: if any of the listed extension Header Parameters are not understood, the JWS is
        // invalid
        if (protectedHeader.has("crit")) {
            throw malformed("the element has critical header parameters");
        }
        Bytes thumbprint = Bytes.of(decode(text(protectedHeader, "x5t#S256"), "x5t#S256"));
        Bytes keyId = Bytes.of(decode(text(protectedHeader, "kid"), "kid"));
        Signer signer = signers.get(thumbprint);
        if (signer == null) {
            throw new RejectedException(
                    IssueReason.UNKNOWN_SIGNER,
                    "no trusted manifest signer has the certificate with x5t#S256 "
                            + Texts.quoted(text(protectedHeader, "x5t#S256")));
        }
        if (!signer.keyId().isEmpty() && !signer.keyId().equals(keyId)) {
            throw new RejectedException(
                    IssueReason.UNKNOWN_SIGNER, "kid is not the key identifier of the signer that x5t#S256 names");
        }
        return signer;
    }

    private static void verify(Signer signer, String protectedHeader, String payload, byte[] signature)
            throws RejectedException {
        byte[] signed = (protectedHeader + '.' + payload).getBytes(StandardCharsets.US_ASCII);
        // spec| RFC 7518 §3.4: the signature value MUST be a 64-octet sequence
        if (signature.length != 64
                || !signer.key().verifies(SignatureAlgorithm.ECDSA_SHA256, signed, EcdsaSignature.derOf(signature))) {
            throw new RejectedException(
                    IssueReason.BAD_SIGNATURE, "the signature is not one of " + signer.name() + " over this element");
        }
    }

    private Candidate candidate(Signer signer, JsonNode payload, String unsignedSerial) throws RejectedException {
        JsonNode version = member(payload, "version");
        if (!version.isInt() || version.intValue() < 1 || version.intValue() > 3) {
            throw new RejectedException(IssueReason.UNSUPPORTED_VERSION, "the element's version is none of 1, 2 and 3");
        }
        Instant provisioned = instant(text(payload, "provisioningTimestamp"));
        if (!signer.validity().contains(provisioned)) {
            throw new RejectedException(
                    IssueReason.SIGNER_NOT_VALID,
                    signer.name() + " was not valid when the chip was provisioned, at " + provisioned);
        }
        String serial = serial(text(payload, "uniqueId"));
        if (!serial.equals(unsignedSerial)) {
            throw new RejectedException(
                    IssueReason.SERIAL_MISMATCH, "the header names another chip than the signed payload, " + serial);
        }
        JsonNode partNumber = payload.get("partNumber");
        String model = partNumber != null && partNumber.isString() ? partNumber.stringValue() : text(payload, "model");
        return new Candidate(
                Chip.MICROCHIP, serial, Texts.quoted(model), Proof.VENDOR_SIGNATURE, keys(payload, serial));
    }

    private List<BirthKey> keys(JsonNode payload, String serial) throws RejectedException {
        JsonNode keySet = payload.get("publicKeySet");
        if (keySet == null) {
            return List.of(); // version 2, or a chip whose keys are made in the field
        }
        JsonNode listed = member(keySet, "keys");
        if (!listed.isArray() || listed.size() > MAX_KEYS) {
            throw malformed("publicKeySet.keys is not a list of at most " + MAX_KEYS + " keys");
        }
        List<BirthKey> keys = new ArrayList<>();
        Set<Integer> slots = new HashSet<>();
        Set<Bytes> fingerprints = new HashSet<>();
        for (JsonNode jwk : listed) {
            BirthKey key = key(jwk, serial);
            if (!slots.add(key.slot())) {
                throw malformed("slot " + key.slot() + " is there twice");
            }
            if (!fingerprints.add(key.fingerprint())) {
                throw new RejectedException(IssueReason.WEAK_KEY, "two slots have the same key");
            }
            keys.add(key);
        }
        return keys;
    }

    private BirthKey key(JsonNode jwk, String serial) throws RejectedException {
        int slot = slot(text(jwk, "kid"));
        if (!text(jwk, "kty").equals("EC") || !text(jwk, "crv").equals("P-256")) {
            throw malformed("the key of slot " + slot + " is not one on P-256");
        }
        BirthKey key;
        try {
            key = BirthKey.of(
                    slot,
                    PublicKeyInfo.encodeP256Point(
                            Bytes.of(decode(text(jwk, "x"), "x")), Bytes.of(decode(text(jwk, "y"), "y"))));
        } catch (InvalidKeyInfoException e) {
            throw new RejectedException(IssueReason.WEAK_KEY, "slot " + slot + ": " + String.valueOf(e.getMessage()));
        }
        JsonNode chain = jwk.get("x5c");
        return chain == null ? key : certified(key, chain, serial);
    }

    private BirthKey certified(BirthKey key, JsonNode chain, String serial) throws RejectedException {
        if (!chain.isArray() || chain.isEmpty() || chain.size() > MAX_CHAIN) {
            throw malformed("x5c is not a list of 1 to " + MAX_CHAIN + " certificates");
        }
        List<Bytes> encoded = new ArrayList<>();
        for (JsonNode certificate : chain) {
            encoded.add(certificate(certificate));
        }
        try {
            Certificate leaf = Certificate.parse(encoded.getFirst());
            if (!leaf.publicKeyEncoded().equals(key.publicKey())) {
                throw new RejectedException(
                        IssueReason.BAD_CERTIFICATE,
                        "the certificate of slot " + key.slot() + " is around another key");
            }
            Optional<String> name = leaf.subject().commonName();
            var named = NAMES_SERIAL.matcher(name.orElse(""));
            if (named.matches() && !named.group(1).toLowerCase(Locale.ROOT).equals(serial)) {
                throw new RejectedException(
                        IssueReason.SERIAL_MISMATCH, "the certificate names another chip, " + named.group(1));
            }
            Optional<String> anchor = chains.anchor(leaf, encoded.subList(1, encoded.size()));
            return key.certified(leaf.encoded(), anchor.orElse(null));
        } catch (InvalidCertificateException e) {
            throw new RejectedException(IssueReason.BAD_CERTIFICATE, Texts.quoted(String.valueOf(e.getMessage())));
        }
    }

    private static Bytes certificate(JsonNode node) throws RejectedException {
        try {
            // spec| RFC 7515 §4.1.6: each string in the array is a base64-encoded (not base64url-encoded) value
            return Bytes.ofBase64(node.stringValue(""));
        } catch (IllegalArgumentException e) {
            throw new RejectedException(IssueReason.BAD_CERTIFICATE, "a certificate in x5c is not base64");
        }
    }

    private static int slot(String kid) throws RejectedException {
        if (kid.length() <= 2 && !kid.isEmpty() && kid.chars().allMatch(c -> c >= '0' && c <= '9')) {
            int slot = Integer.parseInt(kid);
            if (slot < MAX_KEYS) {
                return slot;
            }
        }
        throw malformed("the kid of a key is not a slot from 0 to 15");
    }

    private static String serial(String uniqueId) throws RejectedException {
        return SerialNumbers.of(Chip.MICROCHIP, uniqueId);
    }

    private static Instant instant(String text) throws RejectedException {
        try {
            return Instant.parse(text);
        } catch (DateTimeException e) {
            throw malformed("provisioningTimestamp is not an RFC 3339 time");
        }
    }

    private static byte[] decode(String base64Url, String name) throws RejectedException {
        try {
            return Base64.getUrlDecoder().decode(base64Url);
        } catch (IllegalArgumentException e) {
            throw malformed(name + " is not base64url");
        }
    }

    private static JsonNode object(byte[] json, String what) throws RejectedException {
        JsonNode node;
        try {
            node = JSON.readTree(json);
        } catch (JacksonException e) {
            throw malformed(what + " is not well-formed JSON: " + Texts.quoted(String.valueOf(e.getOriginalMessage())));
        }
        if (!node.isObject()) {
            throw malformed(what + " is not a JSON object");
        }
        return node;
    }

    private static JsonNode member(JsonNode object, String name) throws RejectedException {
        JsonNode member = object.get(name);
        if (member == null) {
            throw malformed(name + " is missing");
        }
        return member;
    }

    private static String text(JsonNode object, String name) throws RejectedException {
        JsonNode member = member(object, name);
        if (!member.isString()) {
            throw malformed(name + " is not a text");
        }
        return member.stringValue();
    }

    private static RejectedException malformed(String detail) {
        return new RejectedException(IssueReason.MALFORMED, detail);
    }
}
