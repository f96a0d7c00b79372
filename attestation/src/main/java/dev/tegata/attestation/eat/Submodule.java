// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.eat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.List;
import tools.jackson.databind.JsonNode;

/// What stands under a name in `submods` (RFC 9711 §4.2.18).
public sealed interface Submodule {
    /// Claims that the surrounding token's signature covers.
    record ClaimsSet(Eat eat) implements Submodule {}

    /// A token with its own security, in CBOR.
    record NestedCbor(Bytes token) implements Submodule {}

    /// A token with its own security, in JSON: a JWT in compact form.
    record NestedJwt(String token) implements Submodule {}

    /// A token of a type that is not known here. `selector` is the pair of its type and itself, in JSON.
    record Unknown(String type, Bytes selector) implements Submodule {}

    /// The digest of claims that travel elsewhere.
    record Digest(DigestAlgorithm algorithm, Bytes value) implements Submodule {}

    /// The algorithms of detached digests.
    enum DigestAlgorithm {
        SHA_256(-16, "SHA-256"),
        SHA_384(-43, "SHA-384"),
        SHA_512(-44, "SHA-512");

        private final int id;
        private final String jca;

        DigestAlgorithm(int id, String jca) {
            this.id = id;
            this.jca = jca;
        }

        /// The COSE number.
        public int id() {
            return id;
        }

        /// The name, as in JSON tokens.
        public String jca() {
            return jca;
        }
    }

    static Submodule of(Cbor value, int depth) throws MalformedException {
        return switch (value) {
            case Cbor.MapItem map -> new ClaimsSet(Eat.check(map, depth));
            case Cbor.ByteString(Bytes token) -> new NestedCbor(token);
            case Cbor.TextString(String selector) ->
                ofSelector(Json.parse(Bytes.of(selector.getBytes(StandardCharsets.UTF_8))));
            case Cbor.ArrayItem(List<Cbor> digest) -> {
                value.array("a detached digest", 2, 2);
                yield new Digest(algorithm(digest.get(0)), digest.get(1).bytes("a detached digest"));
            }
            default ->
                throw new MalformedException("a submodule must be claims, a token or a digest, not " + value.kind());
        };
    }

    /// spec| RFC 9711 §7.2.1: in JSON, a type's name precedes what is not a claims set.
    static Submodule ofSelector(JsonNode selector) throws MalformedException {
        if (!selector.isArray() || selector.size() != 2) {
            throw new MalformedException("a nested token in JSON must be a pair of its type and itself");
        }
        String type = Json.text(selector.get(0), "a nested token's type");
        JsonNode content = selector.get(1);
        return switch (type) {
            case "JWT" -> new NestedJwt(Json.text(content, "a nested JWT"));
            case "CBOR" -> new NestedCbor(Json.base64Url(content, "a nested CBOR token"));
            case "DIGEST" -> {
                if (!content.isArray() || content.size() != 2) {
                    throw new MalformedException("a detached digest must be a pair of algorithm and value");
                }
                yield new Digest(
                        algorithm(Json.toCbor(content.get(0))), Json.base64Url(content.get(1), "a detached digest"));
            }
            default -> new Unknown(type, Json.write(selector));
        };
    }

    private static DigestAlgorithm algorithm(Cbor value) throws MalformedException {
        for (DigestAlgorithm algorithm : DigestAlgorithm.values()) {
            if (value.equals(Cbor.of(algorithm.id)) || value.equals(Cbor.of(algorithm.jca))) {
                return algorithm;
            }
        }
        throw new MalformedException("a detached digest must be SHA-256, SHA-384 or SHA-512");
    }

    /// The form in a CBOR claims set.
    default Cbor toCbor() {
        return switch (this) {
            case ClaimsSet(Eat eat) -> eat.claims();
            case NestedCbor(Bytes token) -> Cbor.of(token);
            case NestedJwt(String token) ->
                text(Json.write(Json.array().add("JWT").add(token)));
            case Unknown(String _, Bytes selector) -> text(selector);
            case Digest(DigestAlgorithm algorithm, Bytes value) -> Cbor.array(Cbor.of(algorithm.id), Cbor.of(value));
        };
    }

    private static Cbor text(Bytes json) {
        return Cbor.of(new String(json.toArray(), StandardCharsets.UTF_8));
    }

    /// The form in a JSON claims set.
    default JsonNode toJson() {
        return switch (this) {
            case ClaimsSet(Eat eat) -> eat.toJson();
            case NestedCbor(Bytes token) -> Json.array().add("CBOR").add(token.base64Url());
            case NestedJwt(String token) -> Json.array().add("JWT").add(token);
            case Unknown(String _, Bytes selector) -> {
                try {
                    yield Json.parse(selector);
                } catch (MalformedException e) {
                    throw new IllegalStateException("a selector that was read cannot be read", e);
                }
            }
            case Digest(DigestAlgorithm algorithm, Bytes value) ->
                Json.array().add("DIGEST").add(Json.array().add(algorithm.jca).add(value.base64Url()));
        };
    }
}
