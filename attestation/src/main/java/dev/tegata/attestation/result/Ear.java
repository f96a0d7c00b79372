// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.jose.Jws;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// An EAT attestation result (draft-ietf-rats-ear): verdicts on one or more attesters, from one verifier.
///
/// `nonce` is the relying party's or the session's, as bytes. `topology` tells which attester is part of
/// which. `rawEvidence` is a record for `#04`; older profiles hold its bytes only.
public record Ear(
        EarProfile profile,
        Instant issuedAt,
        @Nullable Instant expires,
        VerifierId verifier,
        Cmw.@Nullable Single rawEvidence,
        @Nullable Bytes nonce,
        Map<String, Appraisal> submodules,
        Map<String, List<String>> topology) {
    /// Who verified, and with which software.
    public record VerifierId(String developer, String build) {}

    public Ear {
        if (submodules.isEmpty()) {
            throw new IllegalArgumentException("a result is about at least one attester");
        }
    }

    /// The worst status of the attesters.
    public Tier status() {
        Tier worst = Tier.NONE;
        for (Appraisal appraisal : submodules.values()) {
            worst = appraisal.status().compareTo(worst) > 0 ? appraisal.status() : worst;
        }
        return worst;
    }

    /// Reads a claims set in JSON.
    public static Ear parseJson(Bytes claims) throws MalformedException {
        return EarJson.read(Json.parseObject(claims));
    }

    /// Reads a claims set in CBOR.
    public static Ear parseCbor(Bytes claims) throws MalformedException {
        return EarCbor.read(Cbor.read(claims, CborLimits.TOKEN).mapping("the result"));
    }

    /// The same result in another profile.
    public Ear in(EarProfile wanted) {
        return new Ear(wanted, issuedAt, expires, verifier, rawEvidence, nonce, submodules, topology);
    }

    /// The claims set in JSON.
    public Bytes toJson() {
        return Json.write(EarJson.write(this));
    }

    /// The claims set in CBOR. Not for the 2023 profile, which has no such form.
    public Bytes toCbor() {
        return EarCbor.write(this).encode();
    }

    /// The result as a signed JWT.
    public String signJwt(String keyId, Signer signer) {
        return Jws.sign(toJson(), "JWT", keyId, signer);
    }

    /// The result as a signed CWT.
    public Bytes signCwt(String keyId, Signer signer) {
        Cbor.MapItem header = Cbor.map()
                .put(CoseMessage.KEY_ID, Cbor.of(Bytes.of(keyId.getBytes(StandardCharsets.UTF_8))))
                .build();
        CoseMessage message = CoseMessage.sign1(header, Cbor.map().build(), toCbor(), signer);
        return new Cbor.Tagged(61, message.toCbor()).encode();
    }

    /// Reads a JWT that `key` signed and that has not run out.
    public static Ear verifyJwt(String token, CoseKey key, Instant at) throws MalformedException {
        Jws message = Jws.parse(token);
        if (!message.verifies(key)) {
            throw new MalformedException("the result's signature is wrong");
        }
        return parseJson(message.payload()).requireCurrent(at);
    }

    /// Reads a CWT that `key` signed and that has not run out.
    public static Ear verifyCwt(Bytes token, CoseKey key, Instant at) throws MalformedException {
        Cbor item = Cbor.read(token, CborLimits.TOKEN);
        CoseMessage message =
                CoseMessage.of(item instanceof Cbor.Tagged(long tag, Cbor content) && tag == 61 ? content : item);
        if (message.kind() != CoseMessage.Kind.SIGN1 || !message.verifies(key)) {
            throw new MalformedException("the result's signature is wrong");
        }
        return parseCbor(message.content()).requireCurrent(at);
    }

    private Ear requireCurrent(Instant at) throws MalformedException {
        if (expires != null && !at.isBefore(expires)) {
            throw new MalformedException("the result ran out at " + expires);
        }
        return this;
    }
}
