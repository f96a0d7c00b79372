// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.json;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DatabindException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// Strict JSON: no duplicate names, nothing after the value, limits on size and depth.
public final class Json {
    private static final int MAX_SIZE = 4 * 1024 * 1024;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(24)
                            .maxDocumentLength(MAX_SIZE)
                            .maxNumberLength(40)
                            .maxStringLength(MAX_SIZE)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private Json() {}

    /// What is wrong with JSON that could not be read, to be said after its name. The library's own words name its
    /// classes.
    public static String fault(JacksonException e) {
        String problem = String.valueOf(e.getOriginalMessage());
        if (e instanceof StreamConstraintsException) {
            return problem.contains("nesting depth")
                    ? "is nested too deep"
                    : problem.startsWith("Number")
                            ? "has a number that is too long"
                            : problem.startsWith("String")
                                    ? "has a text that is too long"
                                    : problem.startsWith("Name") ? "has a name that is too long" : "is too long";
        }
        if (problem.startsWith("Duplicate")) {
            return "has a member twice";
        }
        if (e instanceof DatabindException) {
            return "goes on after its end";
        }
        TokenStreamLocation where = e.getLocation();
        return "is not well-formed" + (where == null ? "" : " at byte " + where.getByteOffset());
    }

    public static JsonNode parse(Bytes document) throws MalformedException {
        if (document.size() > MAX_SIZE) {
            throw new MalformedException(
                    "the JSON has " + document.size() + " bytes, at most " + MAX_SIZE + " are read");
        }
        try {
            return MAPPER.readTree(document.toArray());
        } catch (JacksonException e) {
            throw new MalformedException("the JSON " + fault(e));
        }
    }

    public static ObjectNode parseObject(Bytes document) throws MalformedException {
        return object(parse(document), "the document");
    }

    public static Bytes write(JsonNode node) {
        return Bytes.of(MAPPER.writeValueAsBytes(node));
    }

    public static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    public static ArrayNode array() {
        return JsonNodeFactory.instance.arrayNode();
    }

    public static ObjectNode object(@Nullable JsonNode node, String what) throws MalformedException {
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw new MalformedException(what + " must be a JSON object");
    }

    public static String text(@Nullable JsonNode node, String what) throws MalformedException {
        if (node != null && node.isString()) {
            return node.stringValue();
        }
        throw new MalformedException(what + " must be a JSON string");
    }

    public static long integer(@Nullable JsonNode node, String what) throws MalformedException {
        if (node != null && node.isIntegralNumber() && node.canConvertToLong()) {
            return node.longValue();
        }
        throw new MalformedException(what + " must be a JSON integer");
    }

    /// Base64url text, padded or not.
    public static Bytes base64Url(@Nullable JsonNode node, String what) throws MalformedException {
        try {
            return Bytes.ofBase64Url(text(node, what));
        } catch (IllegalArgumentException _) {
            throw new MalformedException(what + " must be base64url");
        }
    }

    /// The JSON form of an item: byte strings become base64url, integer keys their digits, tags their content.
    public static JsonNode of(Cbor item) {
        return switch (item) {
            case Cbor.Int(long value) -> JsonNodeFactory.instance.numberNode(value);
            case Cbor.BigInt(BigInteger value) -> JsonNodeFactory.instance.numberNode(value);
            case Cbor.ByteString(Bytes value) -> JsonNodeFactory.instance.stringNode(value.base64Url());
            case Cbor.TextString(String value) -> JsonNodeFactory.instance.stringNode(value);
            case Cbor.FloatItem(double value) -> JsonNodeFactory.instance.numberNode(value);
            case Cbor.Simple(int value) ->
                value == 20 || value == 21
                        ? JsonNodeFactory.instance.booleanNode(value == 21)
                        : JsonNodeFactory.instance.nullNode();
            case Cbor.Tagged(long _, Cbor content) -> of(content);
            case Cbor.ArrayItem(List<Cbor> items) -> {
                ArrayNode array = array();
                items.forEach(element -> array.add(of(element)));
                yield array;
            }
            case Cbor.MapItem map -> {
                ObjectNode object = object();
                map.entries().forEach((key, value) -> object.set(name(key), of(value)));
                yield object;
            }
        };
    }

    private static String name(Cbor key) {
        return key instanceof Cbor.TextString(String text) ? text : of(key).asString();
    }

    /// The CBOR form of a JSON value: texts stay texts.
    public static Cbor toCbor(JsonNode node) {
        if (node.isObject()) {
            Cbor.Builder map = Cbor.map();
            node.properties().forEach(entry -> map.put(entry.getKey(), toCbor(entry.getValue())));
            return map.build();
        }
        if (node.isArray()) {
            List<Cbor> items = new ArrayList<>();
            node.forEach(item -> items.add(toCbor(item)));
            return new Cbor.ArrayItem(items);
        }
        if (node.isString()) {
            return Cbor.of(node.stringValue());
        }
        if (node.isBoolean()) {
            return Cbor.of(node.booleanValue());
        }
        if (node.isNumber()) {
            return node.isIntegralNumber() && node.canConvertToLong()
                    ? Cbor.of(node.longValue())
                    : new Cbor.FloatItem(node.doubleValue());
        }
        return Cbor.NULL;
    }
}
