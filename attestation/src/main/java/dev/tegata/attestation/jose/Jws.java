// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.jose;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cose.CoseAlgorithm;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// A signed message in compact serialization (RFC 7515 §3.1). Its payload is not to be believed before
/// [#verifies] said yes.
public final class Jws {
    private static final int MAX_LENGTH = 128 * 1024;
    private static final Pattern FORM = Pattern.compile("[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*");

    private final ObjectNode header;
    private final Bytes payload;
    private final byte[] signingInput;
    private final Bytes signature;

    private Jws(ObjectNode header, Bytes payload, byte[] signingInput, Bytes signature) {
        this.header = header;
        this.payload = payload;
        this.signingInput = signingInput;
        this.signature = signature;
    }

    public static Jws parse(String compact) throws MalformedException {
        if (compact.length() > MAX_LENGTH || !FORM.matcher(compact).matches()) {
            throw new MalformedException("a token must be three base64url parts joined by dots, of at most "
                    + MAX_LENGTH + " characters together");
        }
        int first = compact.indexOf('.');
        int second = compact.lastIndexOf('.');
        ObjectNode header = Json.parseObject(part(compact.substring(0, first)));
        // spec| RFC 7515 §4.1.11: extensions that are not understood and listed as critical make the message invalid.
        if (header.has("crit") || header.has("b64")) {
            throw new MalformedException("a critical header is not understood");
        }
        return new Jws(
                header,
                part(compact.substring(first + 1, second)),
                compact.substring(0, second).getBytes(StandardCharsets.US_ASCII),
                part(compact.substring(second + 1)));
    }

    private static Bytes part(String encoded) throws MalformedException {
        try {
            return Bytes.ofBase64Url(encoded);
        } catch (IllegalArgumentException _) {
            throw new MalformedException("a part of the token is not base64url");
        }
    }

    /// Signs `payload`. `type` and `keyId` go into the header where they are not null.
    public static String sign(Bytes payload, @Nullable String type, @Nullable String keyId, Signer signer) {
        ObjectNode header = Json.object();
        header.put("alg", signer.algorithm().joseName());
        if (type != null) {
            header.put("typ", type);
        }
        if (keyId != null) {
            header.put("kid", keyId);
        }
        String input = Json.write(header).base64Url() + "." + payload.base64Url();
        byte[] signature = signer.signRaw(input.getBytes(StandardCharsets.US_ASCII));
        return input + "." + Bytes.of(signature).base64Url();
    }

    /// Whether the message was signed with the private half of `key`. The algorithms `none` and HS* are never
    /// right, nor is one that does not fit the key.
    public boolean verifies(CoseKey key) throws MalformedException {
        String name = Json.text(header.get("alg"), "the header 'alg'");
        CoseAlgorithm algorithm = switch (name) {
            case "ES256" -> CoseAlgorithm.ES256;
            case "ES384" -> CoseAlgorithm.ES384;
            case "ES512" -> CoseAlgorithm.ES512;
            case "EdDSA", "Ed25519" -> CoseAlgorithm.EDDSA;
            case "RS256" -> CoseAlgorithm.RS256;
            default -> throw new MalformedException("tokens with the algorithm '" + name + "' are not accepted");
        };
        return key.verifies(algorithm, signingInput, signature.toArray());
    }

    public @Nullable String keyId() {
        JsonNode keyId = header.get("kid");
        return keyId != null && keyId.isString() ? keyId.stringValue() : null;
    }

    public Bytes payload() {
        return payload;
    }
}
