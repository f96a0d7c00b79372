// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.eat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.jose.Jws;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// A claims set in its envelope.
public sealed interface EatToken {
    int CWT_TAG = 61;
    int UCCS_TAG = 601;
    int BUNDLE_TAG = 602;

    /// A CWT: signed or authenticated with COSE.
    record Cwt(CoseMessage message) implements EatToken {
        /// The claims, which are true only where the message [verifies][#verifies].
        public Eat claims() throws MalformedException {
            return Eat.parse(message.content());
        }

        public boolean verifies(CoseKey key) throws MalformedException {
            return message.verifies(key);
        }
    }

    /// A JWT.
    record Jwt(Jws message) implements EatToken {
        /// The claims, which are true only where the message [verifies][#verifies].
        public Eat claims() throws MalformedException {
            return Eat.parseJson(message.payload());
        }

        public boolean verifies(CoseKey key) throws MalformedException {
            return message.verifies(key);
        }
    }

    /// Claims without protection (RFC 9781): to be believed only where the channel vouches for them.
    record Unprotected(Eat claims) implements EatToken {}

    /// A token with claims sets that it holds the digests of (RFC 9711 §5).
    record Bundle(EatToken token, Map<String, Bytes> detached) implements EatToken {
        /// The detached claims set of `name`, where its digest stands in `claims`, the main token's.
        public Eat claims(Eat claims, String name) throws MalformedException {
            Bytes content = detached.get(name);
            if (content == null
                    || !(claims.submodules().get(name) instanceof Submodule.Digest(var algorithm, var digest))) {
                throw new MalformedException("there are no detached claims of the name '" + name + "'");
            }
            if (!digest(algorithm, content).equals(digest)) {
                throw new MalformedException(
                        "the detached claims '" + name + "' have another digest than the token says");
            }
            return content.at(0) == '{' ? Eat.parseJson(content) : Eat.parse(content);
        }

        private static Bytes digest(Submodule.DigestAlgorithm algorithm, Bytes content) {
            try {
                return Bytes.of(MessageDigest.getInstance(algorithm.jca()).digest(content.toArray()));
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every JDK has " + algorithm, e);
            }
        }
    }

    /// Reads any of the forms, in either encoding.
    static EatToken parse(Bytes encoded) throws MalformedException {
        if (encoded.isEmpty()) {
            throw new MalformedException("the token is empty");
        }
        int first = encoded.at(0) & 0xff;
        if (first == 'e') {
            return new Jwt(Jws.parse(new String(encoded.toArray(), StandardCharsets.ISO_8859_1)));
        }
        if (first == '[' || first == '{' || first <= ' ') {
            return ofJson(Json.parse(encoded));
        }
        return of(Cbor.read(encoded, CborLimits.TOKEN));
    }

    private static EatToken ofJson(JsonNode node) throws MalformedException {
        if (node instanceof ObjectNode claims) {
            return new Unprotected(Eat.ofJson(claims));
        }
        if (!node.isArray() || node.size() != 2) {
            throw new MalformedException("a detached bundle must be a pair of a token and claims sets");
        }
        Map<String, Bytes> detached = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry :
                Json.object(node.get(1), "the detached claims").properties()) {
            detached.put(entry.getKey(), nonEmpty(Json.base64Url(entry.getValue(), "detached claims")));
        }
        return new Bundle(nested(Submodule.ofSelector(node.get(0))), detached);
    }

    private static EatToken of(Cbor item) throws MalformedException {
        if (item instanceof Cbor.Tagged(long tag, Cbor content)) {
            if (tag == CWT_TAG) {
                return new Cwt(CoseMessage.of(content));
            }
            if (tag == UCCS_TAG) {
                return new Unprotected(Eat.of(content));
            }
            if (tag == BUNDLE_TAG) {
                return bundle(content);
            }
            return new Cwt(CoseMessage.of(item));
        }
        if (item instanceof Cbor.MapItem claims) {
            return new Unprotected(Eat.of(claims));
        }
        throw new MalformedException("a token must be a CWT, a UCCS or a detached bundle, not " + item.kind());
    }

    private static EatToken bundle(Cbor content) throws MalformedException {
        List<Cbor> parts = content.array("a detached bundle", 2, 2);
        Map<String, Bytes> detached = new LinkedHashMap<>();
        for (Map.Entry<Cbor, Cbor> entry :
                parts.get(1).mapping("the detached claims").entries().entrySet()) {
            detached.put(
                    entry.getKey().text("a name of detached claims"),
                    nonEmpty(entry.getValue().bytes("detached claims")));
        }
        return new Bundle(nested(Submodule.of(parts.get(0), 1)), detached);
    }

    private static Bytes nonEmpty(Bytes content) throws MalformedException {
        if (content.isEmpty()) {
            throw new MalformedException("detached claims are empty");
        }
        return content;
    }

    private static EatToken nested(Submodule submodule) throws MalformedException {
        EatToken token = switch (submodule) {
            case Submodule.NestedCbor(Bytes encoded) -> of(Cbor.read(encoded, CborLimits.TOKEN));
            case Submodule.NestedJwt(String compact) -> new Jwt(Jws.parse(compact));
            case Submodule.ClaimsSet _, Submodule.Digest _, Submodule.Unknown _ ->
                throw new MalformedException("a detached bundle must begin with a token");
        };
        if (token instanceof Bundle) {
            throw new MalformedException("a detached bundle must not hold another");
        }
        return token;
    }
}
