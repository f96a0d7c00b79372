// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.eat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.json.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// The relation of the JSON claims to the CBOR ones: names to keys, base64url to byte strings, words to numbers
/// (RFC 9711 §7.2 and appendix).
final class EatJson {
    private static final Map<String, Integer> KEYS = new LinkedHashMap<>();
    private static final Map<Integer, String> NAMES = new LinkedHashMap<>();
    private static final List<String> DEBUG_STATUS = List.of(
            "enabled", "disabled", "disabled-since-boot", "disabled-permanently", "disabled-fully-and-permanently");
    private static final List<String> INTENDED_USE =
            List.of("", "generic", "registration", "provisioning", "csr", "pop");
    private static final List<String> RESULT = List.of("", "success", "fail", "not-run", "absent");
    private static final List<String> LOCATION = List.of(
            "",
            "latitude",
            "longitude",
            "altitude",
            "accuracy",
            "altitude-accuracy",
            "heading",
            "speed",
            "timestamp",
            "age");

    static {
        name(Eat.ISSUER, "iss");
        name(Eat.SUBJECT, "sub");
        name(Eat.AUDIENCE, "aud");
        name(Eat.EXPIRES, "exp");
        name(Eat.NOT_BEFORE, "nbf");
        name(Eat.ISSUED_AT, "iat");
        name(Eat.NONCE, "eat_nonce");
        name(Eat.UEID, "ueid");
        name(Eat.SUEIDS, "sueids");
        name(Eat.OEM_ID, "oemid");
        name(Eat.HARDWARE_MODEL, "hwmodel");
        name(Eat.HARDWARE_VERSION, "hwversion");
        name(Eat.UPTIME, "uptime");
        name(Eat.OEM_BOOT, "oemboot");
        name(Eat.DEBUG_STATUS, "dbgstat");
        name(Eat.LOCATION, "location");
        name(Eat.PROFILE, "eat_profile");
        name(Eat.SUBMODULES, "submods");
        name(Eat.BOOT_COUNT, "bootcount");
        name(Eat.BOOT_SEED, "bootseed");
        name(Eat.DLOAS, "dloas");
        name(Eat.SOFTWARE_NAME, "swname");
        name(Eat.SOFTWARE_VERSION, "swversion");
        name(Eat.MANIFESTS, "manifests");
        name(Eat.MEASUREMENTS, "measurements");
        name(Eat.MEASUREMENT_RESULTS, "measres");
        name(Eat.INTENDED_USE, "intuse");
    }

    private EatJson() {}

    private static void name(int key, String name) {
        KEYS.put(name, key);
        NAMES.put(key, name);
    }

    static Cbor.MapItem toCbor(ObjectNode claims) throws MalformedException {
        Cbor.Builder map = Cbor.map();
        for (Map.Entry<String, JsonNode> claim : claims.properties()) {
            Integer key = KEYS.get(claim.getKey());
            if (key == null) {
                map.put(claim.getKey(), Json.toCbor(claim.getValue()));
            } else {
                map.put(key, toCbor(key, claim.getValue()));
            }
        }
        return map.build();
    }

    private static Cbor toCbor(int key, JsonNode value) throws MalformedException {
        return switch (key) {
            case Eat.UEID, Eat.HARDWARE_MODEL, Eat.BOOT_SEED -> Cbor.of(Json.base64Url(value, name(key)));
            case Eat.NONCE -> nonces(value);
            case Eat.OEM_ID -> value.isString() ? Cbor.of(Json.base64Url(value, "oemid")) : Json.toCbor(value);
            case Eat.SUEIDS -> {
                Cbor.Builder sueids = Cbor.map();
                for (Map.Entry<String, JsonNode> entry :
                        Json.object(value, "sueids").properties()) {
                    sueids.put(entry.getKey(), Cbor.of(Json.base64Url(entry.getValue(), "a sueid")));
                }
                yield sueids.build();
            }
            case Eat.DEBUG_STATUS -> word(DEBUG_STATUS, value, "dbgstat");
            case Eat.INTENDED_USE -> word(INTENDED_USE, value, "intuse");
            case Eat.LOCATION -> {
                Cbor.Builder location = Cbor.map();
                for (Map.Entry<String, JsonNode> entry :
                        Json.object(value, "location").properties()) {
                    int index = LOCATION.indexOf(entry.getKey());
                    location.put(index > 0 ? Cbor.of(index) : Cbor.of(entry.getKey()), Json.toCbor(entry.getValue()));
                }
                yield location.build();
            }
            case Eat.MANIFESTS, Eat.MEASUREMENTS -> {
                List<Cbor> entries = new ArrayList<>();
                for (JsonNode entry : array(value, name(key))) {
                    ArrayNode pair = array(entry, name(key));
                    if (pair.size() != 2) {
                        throw new MalformedException(name(key) + " must hold pairs of a format and its content");
                    }
                    Cbor content = pair.get(1).isString()
                            ? Cbor.of(Json.base64Url(pair.get(1), name(key)))
                            : Json.toCbor(pair.get(1));
                    entries.add(Cbor.array(Json.toCbor(pair.get(0)), content));
                }
                yield new Cbor.ArrayItem(entries);
            }
            case Eat.MEASUREMENT_RESULTS -> results(Json.toCbor(value), true);
            case Eat.SUBMODULES -> {
                Cbor.Builder submodules = Cbor.map();
                for (Map.Entry<String, JsonNode> entry :
                        Json.object(value, "submods").properties()) {
                    submodules.put(
                            entry.getKey(),
                            entry.getValue() instanceof ObjectNode claims
                                    ? toCbor(claims)
                                    : Submodule.ofSelector(entry.getValue()).toCbor());
                }
                yield submodules.build();
            }
            default -> Json.toCbor(value);
        };
    }

    private static ArrayNode array(JsonNode node, String what) throws MalformedException {
        if (node instanceof ArrayNode array) {
            return array;
        }
        throw new MalformedException(what + " must be a JSON array");
    }

    private static String name(int key) {
        return NAMES.getOrDefault(key, "claim " + key);
    }

    private static Cbor nonces(JsonNode value) throws MalformedException {
        if (value.isString()) {
            return Cbor.of(Json.base64Url(value, "eat_nonce"));
        }
        List<Cbor> nonces = new ArrayList<>();
        for (JsonNode nonce : array(value, "eat_nonce")) {
            nonces.add(Cbor.of(Json.base64Url(nonce, "eat_nonce")));
        }
        return new Cbor.ArrayItem(nonces);
    }

    private static Cbor word(List<String> words, JsonNode value, String what) throws MalformedException {
        int index = words.indexOf(Json.text(value, what));
        if (index < 0) {
            throw new MalformedException(what + " is not one of " + words);
        }
        return Cbor.of(index);
    }

    /// The words of measurement results, which stand in pairs at the innermost level, to numbers and back.
    private static Cbor results(Cbor item, boolean toNumbers) {
        if (!(item instanceof Cbor.ArrayItem(List<Cbor> items))) {
            return item;
        }
        if (items.size() == 2 && !(items.get(1) instanceof Cbor.ArrayItem)) {
            Cbor result = items.get(1);
            if (toNumbers && result instanceof Cbor.TextString(String word) && RESULT.indexOf(word) > 0) {
                return Cbor.array(items.get(0), Cbor.of(RESULT.indexOf(word)));
            }
            if (!toNumbers && result instanceof Cbor.Int(long number) && number > 0 && number < RESULT.size()) {
                return Cbor.array(items.get(0), Cbor.of(RESULT.get((int) number)));
            }
            return item;
        }
        return new Cbor.ArrayItem(
                items.stream().map(inner -> results(inner, toNumbers)).toList());
    }

    static ObjectNode of(Cbor.MapItem claims) {
        ObjectNode object = Json.object();
        claims.entries().forEach((key, value) -> {
            String name = key instanceof Cbor.Int(long number) ? NAMES.get((int) number) : null;
            if (name != null && key instanceof Cbor.Int(long number)) {
                object.set(name, of((int) number, value));
            } else {
                object.set(
                        key instanceof Cbor.TextString(String text)
                                ? text
                                : Json.of(key).asString(),
                        Json.of(value));
            }
        });
        return object;
    }

    private static JsonNode of(int key, Cbor value) {
        if (key == Eat.DEBUG_STATUS && value instanceof Cbor.Int(long number)) {
            return JsonNodeFactory.instance.stringNode(DEBUG_STATUS.get((int) number));
        }
        if (key == Eat.INTENDED_USE && value instanceof Cbor.Int(long number)) {
            return JsonNodeFactory.instance.stringNode(INTENDED_USE.get((int) number));
        }
        if (key == Eat.MEASUREMENT_RESULTS) {
            return Json.of(results(value, false));
        }
        if (key == Eat.LOCATION && value instanceof Cbor.MapItem location) {
            ObjectNode object = Json.object();
            location.entries().forEach((field, content) -> {
                boolean known = field instanceof Cbor.Int(long number) && number > 0 && number < LOCATION.size();
                String name = known && field instanceof Cbor.Int(long number)
                        ? LOCATION.get((int) number)
                        : Json.of(field).asString();
                object.set(name, Json.of(content));
            });
            return object;
        }
        if (key == Eat.SUBMODULES && value instanceof Cbor.MapItem submodules) {
            ObjectNode object = Json.object();
            submodules.entries().forEach((name, submodule) -> {
                try {
                    object.set(
                            Json.of(name).asString(), Submodule.of(submodule, 1).toJson());
                } catch (MalformedException e) {
                    throw new IllegalStateException("a checked claims set has a malformed submodule", e);
                }
            });
            return object;
        }
        return Json.of(value);
    }
}
