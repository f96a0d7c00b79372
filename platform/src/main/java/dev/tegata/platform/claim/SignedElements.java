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
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
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

/// Reads elements in Microchip's format: a flattened JWS (RFC 7515 §7.2.2) over the description of one
/// chip.
final class SignedElements {
    private static final int MAX_KEYS = 16;
    private static final int MAX_CHAIN = 5;
    private static final int SIGNATURE_SIZE = 64;
    private static final Pattern NAMES_SERIAL = Pattern.compile("(?i)sn([0-9a-f]{18})");
    private static final String SECONDS = "0000-00-00T00:00:00Z";
    private static final String MILLISECONDS = "0000-00-00T00:00:00.000Z";

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
        Jws jws = new Jws(json);
        String unsignedSerial = serial(present(jws.uniqueId, "uniqueId"));
        try {
            Signer signer = signer(jws);
            byte[] payload = present(jws.payload, "payload");
            verify(signer, jws, payload);
            return candidate(signer, new Payload(JsonWalk.base64Url(payload, "payload")), unsignedSerial);
        } catch (RejectedException e) {
            throw e.of(unsignedSerial);
        }
    }

    /// The members of a flattened JWS, as they stand in the file.
    private static final class Jws {
        byte @Nullable [] payload;
        byte @Nullable [] protectedHeader;
        byte @Nullable [] signature;

        @Nullable
        String uniqueId;

        final List<String> headerNames = new ArrayList<>();

        Jws(byte[] json) throws RejectedException {
            JsonWalk.object(json, "the element", this::member);
        }

        private void member(JsonWalk walk, String name) throws RejectedException {
            switch (name) {
                case "payload" -> payload = walk.bytes(name);
                case "protected" -> protectedHeader = walk.bytes(name);
                case "signature" -> signature = walk.base64Url(name);
                case "header" -> walk.members(name, this::headerMember);
                default -> {
                    // Nothing that we need.
                }
            }
        }

        private void headerMember(JsonWalk walk, String name) throws RejectedException {
            headerNames.add(name);
            if (name.equals("uniqueId")) {
                uniqueId = walk.text(name);
            }
        }
    }

    /// A protected header that was found to be in order.
    private record ProtectedHeader(byte[] encoded, Set<String> names, Signer signer) {}

    private Signer signer(Jws jws) throws RejectedException {
        byte[] encoded = present(jws.protectedHeader, "protected");
        ProtectedHeader known = latest;
        if (known == null || !Arrays.equals(known.encoded(), encoded)) {
            Map<String, String> texts = new HashMap<>();
            Set<String> names = new HashSet<>();
            JsonWalk.object(JsonWalk.base64Url(encoded, "protected"), "the protected header", (walk, name) -> {
                names.add(name);
                String text = walk.textOrNull();
                if (text != null) {
                    texts.put(name, text);
                }
            });
            known = new ProtectedHeader(encoded, names, signer(names, texts));
            latest = known;
        }
        // spec| RFC 7515 §7.2.1: the Header Parameter names in the two locations MUST be disjoint
        for (String name : jws.headerNames) {
            if (known.names().contains(name)) {
                throw JsonWalk.malformed("a header parameter is there twice, once without protection");
            }
        }
        return known.signer();
    }

    private Signer signer(Set<String> names, Map<String, String> texts) throws RejectedException {
        String algorithm = present(texts.get("alg"), "alg");
        if (!algorithm.equals("ES256")) {
            throw new RejectedException(
                    IssueReason.ALGORITHM_NOT_ALLOWED, "alg must be ES256 and is '" + Texts.quoted(algorithm) + "'");
        }
        if (!present(texts.get("typ"), "typ").equals("JWT")) {
            throw JsonWalk.malformed("typ must be JWT");
        }
        // spec| RFC 7515 §4.1.11: if any of the listed extension Header Parameters are not understood, the JWS is
        // invalid
        if (names.contains("crit")) {
            throw JsonWalk.malformed("the element has critical header parameters");
        }
        String thumbprint = present(texts.get("x5t#S256"), "x5t#S256");
        Signer signer = signers.get(Bytes.of(decode(thumbprint, "x5t#S256")));
        if (signer == null) {
            throw new RejectedException(
                    IssueReason.UNKNOWN_SIGNER,
                    "no trusted manifest signer has the certificate with x5t#S256 " + Texts.quoted(thumbprint));
        }
        Bytes keyId = Bytes.of(decode(present(texts.get("kid"), "kid"), "kid"));
        if (!signer.keyId().isEmpty() && !signer.keyId().equals(keyId)) {
            throw new RejectedException(
                    IssueReason.UNKNOWN_SIGNER, "kid is not the key identifier of the signer that x5t#S256 names");
        }
        return signer;
    }

    private static void verify(Signer signer, Jws jws, byte[] payload) throws RejectedException {
        byte[] header = present(jws.protectedHeader, "protected");
        byte[] signature = present(jws.signature, "signature");
        byte[] signed = Arrays.copyOf(header, header.length + 1 + payload.length);
        signed[header.length] = '.';
        System.arraycopy(payload, 0, signed, header.length + 1, payload.length);
        // spec| RFC 7518 §3.4: the signature value MUST be a 64-octet sequence
        if (signature.length != SIGNATURE_SIZE
                || !signer.key().verifies(SignatureAlgorithm.ECDSA_SHA256, signed, EcdsaSignature.derOf(signature))) {
            throw new RejectedException(
                    IssueReason.BAD_SIGNATURE, "the signature is not one of " + signer.name() + " over this element");
        }
    }

    /// The members of the signed description of a chip.
    private static final class Payload {
        private @Nullable Integer version;
        private @Nullable String provisioned;
        private @Nullable String uniqueId;
        private @Nullable String partNumber;
        private @Nullable String model;

        /// Null for version 2, and for a chip whose keys are made in the field.
        private @Nullable List<Jwk> keys;

        private boolean keySet;

        Payload(byte[] json) throws RejectedException {
            JsonWalk.object(json, "the payload", this::member);
            if (keySet && keys == null) {
                throw JsonWalk.malformed("keys is missing");
            }
        }

        private void member(JsonWalk walk, String name) throws RejectedException {
            switch (name) {
                case "version" -> version = walk.numberOrMinusOne();
                case "provisioningTimestamp" -> provisioned = walk.text(name);
                case "uniqueId" -> uniqueId = walk.text(name);
                case "partNumber" -> partNumber = walk.textOrNull();
                case "model" -> model = walk.textOrNull();
                case "publicKeySet" -> {
                    keySet = true;
                    walk.members(name, this::keySetMember);
                }
                default -> {
                    // Nothing that we need.
                }
            }
        }

        private void keySetMember(JsonWalk walk, String name) throws RejectedException {
            if (name.equals("keys")) {
                List<Jwk> listed = new ArrayList<>();
                walk.items("publicKeySet.keys", MAX_KEYS, key -> listed.add(new Jwk(key)));
                keys = listed;
            }
        }
    }

    /// A key as RFC 7517 writes it.
    private static final class Jwk {
        private @Nullable String kid;
        private @Nullable String type;
        private @Nullable String curve;
        private byte @Nullable [] x;
        private byte @Nullable [] y;
        private @Nullable List<Bytes> chain;

        Jwk(JsonWalk walk) throws RejectedException {
            walk.members("a key", this::member);
        }

        private void member(JsonWalk walk, String name) throws RejectedException {
            switch (name) {
                case "kid" -> kid = walk.text(name);
                case "kty" -> type = walk.text(name);
                case "crv" -> curve = walk.text(name);
                case "x" -> x = walk.base64Url(name);
                case "y" -> y = walk.base64Url(name);
                case "x5c" -> {
                    List<Bytes> certificates = new ArrayList<>();
                    walk.items(name, MAX_CHAIN, certificate -> certificates.add(certificate(certificate)));
                    chain = certificates;
                }
                default -> {
                    // Nothing that we need.
                }
            }
        }
    }

    private Candidate candidate(Signer signer, Payload payload, String unsignedSerial) throws RejectedException {
        int version = present(payload.version, "version");
        if (version < 1 || version > 3) {
            throw new RejectedException(IssueReason.UNSUPPORTED_VERSION, "the element's version is none of 1, 2 and 3");
        }
        Instant provisioned = instant(present(payload.provisioned, "provisioningTimestamp"));
        if (!signer.validity().contains(provisioned)) {
            throw new RejectedException(
                    IssueReason.SIGNER_NOT_VALID,
                    signer.name() + " was not valid when the chip was provisioned, at " + provisioned);
        }
        String uniqueId = present(payload.uniqueId, "uniqueId");
        String serial = uniqueId.equals(unsignedSerial) ? unsignedSerial : serial(uniqueId);
        if (!serial.equals(unsignedSerial)) {
            throw new RejectedException(
                    IssueReason.SERIAL_MISMATCH, "the header names another chip than the signed payload, " + serial);
        }
        String model = payload.partNumber != null ? payload.partNumber : present(payload.model, "model");
        return new Candidate(
                Chip.MICROCHIP,
                serial,
                Texts.quoted(model),
                Proof.VENDOR_SIGNATURE,
                Signer.BUILT_IN.contains(signer),
                keys(payload.keys, serial));
    }

    private List<BirthKey> keys(@Nullable List<Jwk> listed, String serial) throws RejectedException {
        if (listed == null) {
            return List.of();
        }
        List<BirthKey> keys = new ArrayList<>(listed.size());
        for (Jwk jwk : listed) {
            BirthKey key = key(jwk, serial);
            for (BirthKey other : keys) {
                if (other.slot() == key.slot()) {
                    throw JsonWalk.malformed("slot " + key.slot() + " is there twice");
                }
                if (other.publicKey().equals(key.publicKey())) {
                    throw new RejectedException(IssueReason.WEAK_KEY, "two slots have the same key");
                }
            }
            keys.add(key);
        }
        return keys;
    }

    private BirthKey key(Jwk jwk, String serial) throws RejectedException {
        int slot = slot(present(jwk.kid, "kid"));
        if (!present(jwk.type, "kty").equals("EC") || !present(jwk.curve, "crv").equals("P-256")) {
            throw JsonWalk.malformed("the key of slot " + slot + " is not one on P-256");
        }
        BirthKey key;
        try {
            key = BirthKey.of(
                    slot, PublicKeyInfo.encodeP256Point(Bytes.of(present(jwk.x, "x")), Bytes.of(present(jwk.y, "y"))));
        } catch (InvalidKeyInfoException e) {
            throw new RejectedException(IssueReason.WEAK_KEY, "slot " + slot + ": " + String.valueOf(e.getMessage()));
        }
        return jwk.chain == null ? key : certified(key, jwk.chain, serial);
    }

    private BirthKey certified(BirthKey key, List<Bytes> encoded, String serial) throws RejectedException {
        if (encoded.isEmpty()) {
            throw JsonWalk.malformed("x5c is empty");
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

    private static Bytes certificate(JsonWalk walk) throws RejectedException {
        try {
            // spec| RFC 7515 §4.1.6: each string in the array is a base64-encoded (not base64url-encoded) value
            return Bytes.of(Base64.getDecoder().decode(walk.bytes("a certificate in x5c")));
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
        throw JsonWalk.malformed("the kid of a key is not a slot from 0 to 15");
    }

    private static String serial(String uniqueId) throws RejectedException {
        return SerialNumbers.of(Chip.MICROCHIP, uniqueId);
    }

    /// Reads seconds or milliseconds in UTC, as manifests have them, by their places, and leaves the rest
    /// to the JDK, whose parser costs a twentieth of an element's time.
    private static Instant instant(String text) throws RejectedException {
        try {
            return hasForm(text, SECONDS) || hasForm(text, MILLISECONDS)
                    ? LocalDateTime.of(
                                    number(text, 0, 4),
                                    number(text, 5, 7),
                                    number(text, 8, 10),
                                    number(text, 11, 13),
                                    number(text, 14, 16),
                                    number(text, 17, 19),
                                    text.length() > 20 ? number(text, 20, 23) * 1_000_000 : 0)
                            .toInstant(ZoneOffset.UTC)
                    : Instant.parse(text);
        } catch (DateTimeException e) {
            throw JsonWalk.malformed("provisioningTimestamp is not an RFC 3339 time");
        }
    }

    /// Whether `text` has a digit wherever `form` has a zero, and is like it everywhere else.
    private static boolean hasForm(String text, String form) {
        if (text.length() != form.length()) {
            return false;
        }
        for (int i = 0; i < form.length(); i++) {
            char c = text.charAt(i);
            if (form.charAt(i) == '0' ? c < '0' || c > '9' : c != form.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private static int number(String text, int from, int to) {
        return Integer.parseInt(text, from, to, 10);
    }

    private static byte[] decode(String base64Url, String name) throws RejectedException {
        return JsonWalk.base64Url(base64Url.getBytes(StandardCharsets.UTF_8), name);
    }

    private static <T> T present(@Nullable T member, String name) throws RejectedException {
        if (member == null) {
            throw JsonWalk.malformed(name + " is missing");
        }
        return member;
    }
}
