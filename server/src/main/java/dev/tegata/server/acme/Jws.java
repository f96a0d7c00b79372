// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// A JWS in flattened serialization (RFC 7515 §7.2.2), as ACME wants it. Not to be believed before it
/// is verified.
///
/// @param header the protected one
/// @param payload empty for POST-as-GET
record Jws(ObjectNode header, Bytes payload, byte[] signed, Bytes signature) {
    static Jws parse(Bytes json) throws AcmeProblem {
        try {
            return of(Json.parseObject(json));
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
    }

    static Jws of(@Nullable JsonNode node) throws AcmeProblem {
        try {
            ObjectNode jws = Json.object(node, "the JWS");
            // spec| RFC 8555 §6.2: the flattened serialization, no unprotected header
            if (jws.has("header") || jws.has("signatures")) {
                throw AcmeProblem.malformed("a JWS here has one signature and no unprotected header");
            }
            String first = Json.text(jws.get("protected"), "protected");
            String second = Json.text(jws.get("payload"), "payload");
            ObjectNode header = Json.parseObject(Json.base64Url(jws.get("protected"), "protected"));
            if (header.has("crit") || header.has("b64")) {
                throw AcmeProblem.malformed("no critical extensions are known here");
            }
            return new Jws(
                    header,
                    Json.base64Url(jws.get("payload"), "payload"),
                    (first + "." + second).getBytes(StandardCharsets.UTF_8),
                    Json.base64Url(jws.get("signature"), "signature"));
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
    }

    String text(String member) throws AcmeProblem {
        try {
            return Json.text(header.get(member), member);
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
    }

    /// The payload as an object.
    ObjectNode object() throws AcmeProblem {
        try {
            return Json.parseObject(payload);
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
    }

    void requireSignedBy(AccountKey key) throws AcmeProblem {
        if (!key.verifies(text("alg"), signed, signature)) {
            throw AcmeProblem.unauthorized("the signature of the JWS is wrong");
        }
    }

    boolean hasMacOf(Bytes secret) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.toArray(), "HmacSHA256"));
            return MessageDigest.isEqual(mac.doFinal(signed), signature.toArray());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
        }
    }

    @Override
    public String toString() {
        return "Jws[…]";
    }
}
