// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A CoRIM in a COSE_Sign1 (draft-ietf-rats-corim §4.2). It is not to be believed before [#verifies] said
/// yes.
///
/// `signerName` is what the signer calls itself; `validity` is that of the signature.
public record SignedCorim(
        CoseMessage message,
        Corim corim,
        @Nullable String signerName,
        @Nullable Validity validity) {
    public static final String CONTENT_TYPE = "application/rim+cbor";

    private static final int CORIM_META = 8;
    /// Of the year 9999.
    private static final long LAST_SECOND = 253402300799L;

    public static SignedCorim parse(Bytes encoded) throws MalformedException {
        Cbor item = Cbor.read(encoded, CborLimits.DOCUMENT);
        // Some files wrap the message in the tag of a signed CoRIM as well.
        CoseMessage message = CoseMessage.of(
                item instanceof Cbor.Tagged(long tag, Cbor content) && (tag == 500 || tag == 502) ? content : item);
        if (message.kind() != CoseMessage.Kind.SIGN1) {
            throw new MalformedException("a signed CoRIM is a COSE_Sign1");
        }
        Cbor contentType = message.protectedMap().get(CoseMessage.CONTENT_TYPE);
        if (contentType != null
                && !contentType.equals(Cbor.of(CONTENT_TYPE))
                && !contentType.equals(Cbor.of("application/corim-unsigned+cbor"))) {
            throw new MalformedException("the signed content is not a CoRIM by its type");
        }
        String signerName = null;
        Validity validity = null;
        Cbor meta = message.protectedMap().get(CORIM_META);
        Cbor claims = message.protectedMap().get(CoseMessage.CWT_CLAIMS);
        if (meta != null) {
            Cbor.MapItem map =
                    Cbor.read(meta.bytes("corim-meta"), CborLimits.TOKEN).mapping("corim-meta");
            signerName = map.require(0, "the signer")
                    .mapping("the signer")
                    .require(0, "the signer's name")
                    .text("the signer's name");
            Cbor period = map.get(1);
            validity = period == null ? null : Validity.of(period);
        } else if (claims != null) {
            Cbor.MapItem map = claims.mapping("the CWT claims");
            signerName = map.require(1, "the issuer").text("the issuer");
            Cbor expires = map.get(4);
            Cbor notBefore = map.get(5);
            validity = expires == null && notBefore == null
                    ? null
                    : new Validity(
                            notBefore == null ? null : Instant.ofEpochSecond(seconds(notBefore)),
                            Instant.ofEpochSecond(expires == null ? LAST_SECOND : seconds(expires)));
        } else {
            throw new MalformedException("a signed CoRIM must name its signer in corim-meta or CWT claims");
        }
        return new SignedCorim(
                message, Corim.of(Cbor.read(message.content(), CborLimits.DOCUMENT)), signerName, validity);
    }

    private static long seconds(Cbor item) throws MalformedException {
        long seconds = item.integer("a date");
        if (seconds < 0 || seconds > LAST_SECOND) {
            throw new MalformedException("a date is out of range");
        }
        return seconds;
    }

    /// Signs a CoRIM. `certificates` are the signer's chain in DER, or none.
    public static SignedCorim sign(
            Corim corim, String signerName, Validity validity, List<Bytes> certificates, Signer signer) {
        Cbor meta = Cbor.map()
                .put(0, Cbor.map().put(0, Cbor.of(signerName)).build())
                .put(1, validity.toCbor())
                .build();
        Cbor chain = switch (certificates.size()) {
            case 0 -> null;
            case 1 -> Cbor.of(certificates.getFirst());
            default -> new Cbor.ArrayItem(certificates.stream().map(Cbor::of).toList());
        };
        Cbor.MapItem header = Cbor.map()
                .put(CoseMessage.CONTENT_TYPE, Cbor.of(CONTENT_TYPE))
                .put(CORIM_META, Cbor.of(meta.encode()))
                .put(CoseMessage.X5CHAIN, chain)
                .build();
        CoseMessage message = CoseMessage.sign1(header, Cbor.map().build(), corim.encode(), signer);
        return new SignedCorim(message, corim, signerName, validity);
    }

    public boolean verifies(CoseKey key) throws MalformedException {
        return message.verifies(key);
    }

    public Bytes encode() {
        return message.encode();
    }
}
