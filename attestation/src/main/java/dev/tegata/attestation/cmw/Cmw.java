// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cmw;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// A conceptual message with its type (RFC 9999 §3): one message, or a collection of labelled ones.
public sealed interface Cmw {
    /// The bits of [Single#indicator]: what the message is (RFC 9999 §3.1).
    int REFERENCE_VALUES = 1;

    int ENDORSEMENTS = 2;
    int EVIDENCE = 4;
    int ATTESTATION_RESULTS = 8;
    int APPRAISAL_POLICY = 16;

    int MAX_DEPTH = 4;

    /// One message. `indicator` is 0 where the sender did not say what it is.
    record Single(Type type, Bytes value, int indicator) implements Cmw {
        public Single {
            if (indicator < 0) {
                throw new IllegalArgumentException("an indicator is not negative");
            }
        }
    }

    /// Labelled messages. Labels are texts, or integers in the CBOR form. `type` is a URI or OID that says what
    /// the collection is, where the sender told.
    record Collection(@Nullable String type, Map<Cbor, Cmw> members) implements Cmw {}

    /// How a message's type is given.
    sealed interface Type {}

    record MediaType(String name) implements Type {}

    /// A CoAP content format number (RFC 7252 §12.3).
    record ContentFormat(int number) implements Type {}

    /// Reads either form: the first byte tells which (RFC 9999 §3.4).
    static Cmw parse(Bytes encoded) throws MalformedException {
        if (encoded.isEmpty()) {
            throw new MalformedException("the wrapper is empty");
        }
        int first = encoded.at(0) & 0xff;
        boolean json = first == '[' || first == '{' || first == ' ' || first == '\n' || first == '\r' || first == '\t';
        return json ? parseJson(Json.parse(encoded), 0) : parseCbor(Cbor.read(encoded, CborLimits.TOKEN), 0);
    }

    static Cmw of(Cbor item) throws MalformedException {
        return parseCbor(item, 0);
    }

    static Cmw of(JsonNode node) throws MalformedException {
        return parseJson(node, 0);
    }

    private static Cmw parseCbor(Cbor item, int depth) throws MalformedException {
        refuseDepth(depth);
        return switch (item) {
            case Cbor.ArrayItem(List<Cbor> record) -> {
                item.array("a wrapper's record", 2, 3);
                Type type = switch (record.get(0)) {
                    case Cbor.TextString(String name) -> mediaType(name);
                    case Cbor.Int(long number) -> contentFormat(number);
                    default ->
                        throw new MalformedException(
                                "a wrapper's type must be a media type or a content format number");
                };
                yield new Single(
                        type,
                        record.get(1).bytes("the wrapped value"),
                        indicator(record.size() == 3 ? record.get(2) : null));
            }
            case Cbor.Tagged(long tag, Cbor content) ->
                new Single(new ContentFormat(contentFormatOf(tag)), content.bytes("the wrapped value"), 0);
            case Cbor.MapItem map -> {
                String type = null;
                Map<Cbor, Cmw> members = new LinkedHashMap<>();
                for (Map.Entry<Cbor, Cbor> entry : map.entries().entrySet()) {
                    if (entry.getKey().equals(Cbor.of("__cmwc_t"))) {
                        // An OID may stand in binary form.
                        type = entry.getValue() instanceof Cbor.Tagged(long tag, Cbor oid) && tag == 111
                                ? "oid:" + oid.bytes("the collection's type").hex()
                                : entry.getValue().text("the collection's type");
                    } else {
                        members.put(entry.getKey(), parseCbor(entry.getValue(), depth + 1));
                    }
                }
                yield collection(type, members);
            }
            default -> throw new MalformedException("a wrapper must be an array, a tag or a map, not " + item.kind());
        };
    }

    private static Cmw parseJson(JsonNode node, int depth) throws MalformedException {
        refuseDepth(depth);
        if (node instanceof ArrayNode record) {
            if (record.size() < 2 || record.size() > 3) {
                throw new MalformedException("a wrapper's record has 2 or 3 elements, not " + record.size());
            }
            Type type = record.get(0).isString()
                    ? mediaType(record.get(0).stringValue())
                    : contentFormat(Json.integer(record.get(0), "a wrapper's type"));
            Cbor indicator = record.size() == 3 ? Cbor.of(Json.integer(record.get(2), "the indicator")) : null;
            return new Single(type, Json.base64Url(record.get(1), "the wrapped value"), indicator(indicator));
        }
        ObjectNode object = Json.object(node, "a wrapper");
        String type = null;
        Map<Cbor, Cmw> members = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : object.properties()) {
            if (entry.getKey().equals("__cmwc_t")) {
                type = Json.text(entry.getValue(), "the collection's type");
            } else {
                members.put(Cbor.of(entry.getKey()), parseJson(entry.getValue(), depth + 1));
            }
        }
        return collection(type, members);
    }

    private static void refuseDepth(int depth) throws MalformedException {
        if (depth > MAX_DEPTH) {
            throw new MalformedException("collections are nested more than " + MAX_DEPTH + " deep");
        }
    }

    private static Cmw collection(@Nullable String type, Map<Cbor, Cmw> members) throws MalformedException {
        if (members.isEmpty()) {
            throw new MalformedException("a collection must have a member");
        }
        return new Collection(type, members);
    }

    private static Type mediaType(String name) throws MalformedException {
        if (!name.matches("[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}( *;.{1,200})?")) {
            throw new MalformedException("a wrapper's type is not a media type");
        }
        return new MediaType(name);
    }

    private static Type contentFormat(long number) throws MalformedException {
        if (number < 0 || number > 65535) {
            throw new MalformedException("a content format is between 0 and 65535, not " + number);
        }
        return new ContentFormat((int) number);
    }

    private static int indicator(@Nullable Cbor value) throws MalformedException {
        return value == null ? 0 : value.integer("the indicator", 1, 31);
    }

    /// spec| RFC 9277 §4.3: TN(ct) = 1668546817 + (ct / 255) * 256 + (ct % 255).
    private static int contentFormatOf(long tag) throws MalformedException {
        long offset = tag - 1668546817L;
        if (offset < 0 || offset / 256 * 255 + offset % 256 > 65535 || offset % 256 > 254) {
            throw new MalformedException("tag " + tag + " does not stand for a content format");
        }
        return (int) (offset / 256 * 255 + offset % 256);
    }

    /// The record and map forms in CBOR.
    default Cbor toCbor() {
        return switch (this) {
            case Single(MediaType(String name), Bytes value, int indicator) ->
                record(Cbor.of(name), Cbor.of(value), indicator);
            case Single(ContentFormat(int number), Bytes value, int indicator) ->
                record(Cbor.of(number), Cbor.of(value), indicator);
            case Collection(String type, Map<Cbor, Cmw> members) -> {
                Cbor.Builder map = Cbor.map().put("__cmwc_t", type == null ? null : Cbor.of(type));
                members.forEach((label, member) -> map.put(label, member.toCbor()));
                yield map.build();
            }
        };
    }

    private static Cbor record(Cbor type, Cbor value, int indicator) {
        return indicator == 0 ? Cbor.array(type, value) : Cbor.array(type, value, Cbor.of(indicator));
    }

    /// The JSON form.
    default JsonNode toJson() {
        return Json.of(toCbor());
    }
}
