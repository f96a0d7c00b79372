// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.eat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/// A claims set of an entity attestation token (RFC 9711 §4), checked: each claim that the RFC defines has the
/// type it demands. Unknown claims are kept.
///
/// There is one form for both encodings: claims stand under their CBOR keys; claims of a JSON token that have
/// none stand under their names.
public record Eat(Cbor.MapItem claims) {
    public static final int ISSUER = 1;
    public static final int SUBJECT = 2;
    public static final int AUDIENCE = 3;
    public static final int EXPIRES = 4;
    public static final int NOT_BEFORE = 5;
    public static final int ISSUED_AT = 6;
    public static final int TOKEN_ID = 7;
    public static final int CONFIRMATION = 8;
    public static final int NONCE = 10;
    public static final int UEID = 256;
    public static final int SUEIDS = 257;
    public static final int OEM_ID = 258;
    public static final int HARDWARE_MODEL = 259;
    public static final int HARDWARE_VERSION = 260;
    public static final int UPTIME = 261;
    public static final int OEM_BOOT = 262;
    public static final int DEBUG_STATUS = 263;
    public static final int LOCATION = 264;
    public static final int PROFILE = 265;
    public static final int SUBMODULES = 266;
    public static final int BOOT_COUNT = 267;
    public static final int BOOT_SEED = 268;
    public static final int DLOAS = 269;
    public static final int SOFTWARE_NAME = 270;
    public static final int SOFTWARE_VERSION = 271;
    public static final int MANIFESTS = 272;
    public static final int MEASUREMENTS = 273;
    public static final int MEASUREMENT_RESULTS = 274;
    public static final int INTENDED_USE = 275;

    private static final int MAX_SUBMODULE_DEPTH = 4;

    /// A measurement or manifest in a format that its CoAP content format number names.
    public record Typed(int contentFormat, Cbor content) {}

    public static Eat parse(Bytes cbor) throws MalformedException {
        return of(Cbor.read(cbor, CborLimits.TOKEN));
    }

    public static Eat parseJson(Bytes json) throws MalformedException {
        return ofJson(Json.parseObject(json));
    }

    public static Eat of(Cbor claims) throws MalformedException {
        return check(claims, 0);
    }

    public static Eat ofJson(ObjectNode claims) throws MalformedException {
        return check(EatJson.toCbor(claims), 0);
    }

    public ObjectNode toJson() {
        return EatJson.of(claims);
    }

    static Eat check(Cbor item, int depth) throws MalformedException {
        if (depth > MAX_SUBMODULE_DEPTH) {
            throw new MalformedException("submodules are nested more than " + MAX_SUBMODULE_DEPTH + " deep");
        }
        Eat eat = new Eat(item.mapping("a claims set"));
        for (Map.Entry<Cbor, Cbor> claim : eat.claims.entries().entrySet()) {
            if (claim.getKey() instanceof Cbor.Int(long key) && key > 0 && key <= INTENDED_USE) {
                check((int) key, claim.getValue());
            }
        }
        // Reading the submodules checks them.
        eat.submodules(depth);
        return eat;
    }

    private static void check(int key, Cbor value) throws MalformedException {
        switch (key) {
            case ISSUER -> value.text("iss");
            case SUBJECT -> value.text("sub");
            // spec| RFC 8392 §2: NumericDate; RFC 9711 §4.3.1: the claims must not be floating point.
            case EXPIRES, NOT_BEFORE, ISSUED_AT -> value.integer("a date (claim " + key + ")");
            case TOKEN_ID -> value.bytes("cti");
            case NONCE -> nonces(value);
            case UEID -> sized(value, "ueid", 7, 33);
            case SUEIDS -> {
                for (Cbor sueid : value.mapping("sueids").entries().values()) {
                    sized(sueid, "a sueid", 7, 33);
                }
            }
            case OEM_ID -> oemId(value);
            case HARDWARE_MODEL -> sized(value, "hwmodel", 1, 32);
            case HARDWARE_VERSION -> version(value, "hwversion");
            case SOFTWARE_VERSION -> {
                if (!(value instanceof Cbor.TextString)) {
                    version(value, "swversion");
                }
            }
            case UPTIME, BOOT_COUNT -> value.integer("claim " + key, 0, Integer.MAX_VALUE);
            case OEM_BOOT -> value.bool("oemboot");
            case DEBUG_STATUS -> value.integer("dbgstat", 0, 4);
            case LOCATION -> value.mapping("location");
            case PROFILE -> profile(value);
            case BOOT_SEED -> sized(value, "bootseed", 1, 64);
            case SOFTWARE_NAME -> value.text("swname");
            case MANIFESTS, MEASUREMENTS -> typed(value);
            case MEASUREMENT_RESULTS -> value.array("measres", 1, Integer.MAX_VALUE);
            case INTENDED_USE -> value.integer("intuse", 1, 5);
            default -> {
                // Submodules are read as such; the rest is not defined here.
            }
        }
    }

    private static Bytes sized(Cbor value, String what, int min, int max) throws MalformedException {
        Bytes bytes = value.bytes(what);
        if (bytes.size() < min || bytes.size() > max) {
            throw new MalformedException(what + " must have " + min + " to " + max + " bytes, not " + bytes.size());
        }
        return bytes;
    }

    private static void oemId(Cbor value) throws MalformedException {
        if (value instanceof Cbor.ByteString(Bytes bytes)) {
            if (bytes.size() != 3 && bytes.size() != 16) {
                throw new MalformedException("oemid must have 3 or 16 bytes, or be a number");
            }
        } else {
            value.integer("oemid");
        }
    }

    private static void version(Cbor value, String what) throws MalformedException {
        value.array(what, 1, 2).getFirst().text(what);
    }

    private static String profile(Cbor value) throws MalformedException {
        if (value instanceof Cbor.TextString(String uri)) {
            return uri;
        }
        Cbor content =
                value instanceof Cbor.Tagged(long tag, Cbor tagged) && (tag == 32 || tag == 111) ? tagged : value;
        return content instanceof Cbor.TextString(String uri)
                ? uri
                : "oid:" + content.bytes("eat_profile").hex();
    }

    private static List<Typed> typed(Cbor value) throws MalformedException {
        List<Typed> entries = new ArrayList<>();
        for (Cbor entry : value.array("claims of a content format", 1, 64)) {
            List<Cbor> pair = entry.array("a format and its content", 2, 2);
            entries.add(new Typed(pair.get(0).integer("a content format", 0, 65535), pair.get(1)));
        }
        return entries;
    }

    private static List<Bytes> nonces(Cbor value) throws MalformedException {
        if (value instanceof Cbor.ByteString) {
            return List.of(sized(value, "eat_nonce", 8, 64));
        }
        List<Bytes> nonces = new ArrayList<>();
        for (Cbor nonce : value.array("eat_nonce", 2, 16)) {
            nonces.add(sized(nonce, "eat_nonce", 8, 64));
        }
        return nonces;
    }

    /// The nonces; empty where there are none.
    public List<Bytes> nonces() throws MalformedException {
        Cbor value = claims.get(NONCE);
        return value == null ? List.of() : nonces(value);
    }

    public @Nullable Bytes ueid() {
        return claims.get(UEID) instanceof Cbor.ByteString(Bytes ueid) ? ueid : null;
    }

    /// The profile: a URI, or `oid:` with the object identifier's DER content in hex.
    public @Nullable String profile() throws MalformedException {
        Cbor value = claims.get(PROFILE);
        return value == null ? null : profile(value);
    }

    /// The measurements; empty where there are none.
    public List<Typed> measurements() throws MalformedException {
        Cbor value = claims.get(MEASUREMENTS);
        return value == null ? List.of() : typed(value);
    }

    /// The integer of claim `key`, such as a date; null where it is absent.
    public @Nullable Long number(int key) {
        return claims.get(key) instanceof Cbor.Int(long value) ? value : null;
    }

    /// The submodules by name; empty where there are none.
    public Map<String, Submodule> submodules() throws MalformedException {
        return submodules(0);
    }

    private Map<String, Submodule> submodules(int depth) throws MalformedException {
        Map<String, Submodule> submodules = new LinkedHashMap<>();
        Cbor value = claims.get(SUBMODULES);
        if (value != null) {
            for (Map.Entry<Cbor, Cbor> entry :
                    value.mapping("submods").entries().entrySet()) {
                submodules.put(entry.getKey().text("a submodule's name"), Submodule.of(entry.getValue(), depth + 1));
            }
        }
        return submodules;
    }
}
