// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cose;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A COSE_Sign1 or COSE_Mac0 message (RFC 9052 §4.2 and §6.2). Its content is not to be believed before
/// [#verifies(CoseKey)] said yes.
///
/// `payload` is null where the content travels apart from the message.
public record CoseMessage(
        Kind kind,
        Bytes protectedHeader,
        Cbor.MapItem protectedMap,
        Cbor.MapItem unprotected,
        @Nullable Bytes payload,
        Bytes signature) {
    public static final int ALGORITHM = 1;
    public static final int CRITICAL = 2;
    public static final int CONTENT_TYPE = 3;
    public static final int KEY_ID = 4;
    public static final int CWT_CLAIMS = 15;
    public static final int X5CHAIN = 33;

    private static final int MAX_CERTIFICATES = 8;

    /// The two kinds, with their CBOR tags and the context string that goes into what is signed.
    public enum Kind {
        SIGN1(18, "Signature1"),
        MAC0(17, "MAC0");

        private final int tag;
        private final String context;

        Kind(int tag, String context) {
            this.tag = tag;
            this.context = context;
        }
    }

    /// Reads a message with its tag.
    public static CoseMessage parse(Bytes encoded, CborLimits limits) throws MalformedException {
        return of(Cbor.read(encoded, limits));
    }

    /// The message in an item with the tag of COSE_Sign1 or COSE_Mac0.
    public static CoseMessage of(Cbor item) throws MalformedException {
        if (item instanceof Cbor.Tagged(long number, Cbor content)) {
            for (Kind kind : Kind.values()) {
                if (kind.tag == number) {
                    return of(kind, content);
                }
            }
        }
        throw new MalformedException("a COSE_Sign1 (tag 18) or COSE_Mac0 (tag 17) is expected, this is " + item.kind());
    }

    /// The message in an item without a tag, where the context says what it is.
    public static CoseMessage of(Kind kind, Cbor item) throws MalformedException {
        List<Cbor> parts = item.array("a COSE message", 4, 4);
        Bytes protectedHeader = parts.get(0).bytes("the protected header");
        // spec| RFC 9052 §3: senders SHOULD encode a zero-length map as a zero-length string; both are accepted.
        Cbor.MapItem protectedMap = protectedHeader.isEmpty()
                ? Cbor.map().build()
                : Cbor.read(protectedHeader, CborLimits.TOKEN).mapping("the protected header");
        Cbor.MapItem unprotected = parts.get(1).mapping("the unprotected header");
        for (Cbor key : unprotected.entries().keySet()) {
            if (protectedMap.entries().containsKey(key)) {
                throw new MalformedException("a COSE header stands both in the protected and the unprotected part");
            }
        }
        refuseCritical(protectedMap, unprotected);
        Bytes payload = parts.get(2).equals(Cbor.NULL) ? null : parts.get(2).bytes("the payload");
        return new CoseMessage(
                kind,
                protectedHeader,
                protectedMap,
                unprotected,
                payload,
                parts.get(3).bytes("the signature"));
    }

    /// spec| RFC 9052 §3.1: a critical header that is not understood is a fatal error.
    private static void refuseCritical(Cbor.MapItem protectedMap, Cbor.MapItem unprotected) throws MalformedException {
        if (unprotected.get(CRITICAL) != null) {
            throw new MalformedException("the list of critical headers must be protected");
        }
        Cbor critical = protectedMap.get(CRITICAL);
        if (critical == null) {
            return;
        }
        for (Cbor label : critical.array("the list of critical headers", 1, 16)) {
            boolean known = label instanceof Cbor.Int(long number)
                    && (number == ALGORITHM
                            || number == CONTENT_TYPE
                            || number == KEY_ID
                            || number == CWT_CLAIMS
                            || number == X5CHAIN);
            if (!known || !protectedMap.entries().containsKey(label)) {
                throw new MalformedException("a critical header is not understood");
            }
        }
    }

    /// Signs `payload`. The algorithm is added to the protected header.
    public static CoseMessage sign1(Cbor.MapItem protectedMap, Cbor.MapItem unprotected, Bytes payload, Signer signer) {
        Cbor.MapItem complete = withAlgorithm(protectedMap, signer.algorithm());
        Bytes header = complete.encode();
        byte[] signature = signer.signRaw(structure(Kind.SIGN1, header, Bytes.EMPTY, payload));
        return new CoseMessage(Kind.SIGN1, header, complete, unprotected, payload, Bytes.of(signature));
    }

    /// Authenticates `payload` with a shared key. The algorithm is added to the protected header.
    public static CoseMessage mac0(CoseAlgorithm algorithm, Bytes payload, CoseKey.Secret key) {
        Cbor.MapItem complete = withAlgorithm(Cbor.map().build(), algorithm);
        Bytes header = complete.encode();
        byte[] tag = key.mac(algorithm, structure(Kind.MAC0, header, Bytes.EMPTY, payload));
        return new CoseMessage(Kind.MAC0, header, complete, Cbor.map().build(), payload, Bytes.of(tag));
    }

    private static Cbor.MapItem withAlgorithm(Cbor.MapItem protectedMap, CoseAlgorithm algorithm) {
        Cbor.Builder builder = Cbor.map().put(ALGORITHM, Cbor.of(algorithm.id()));
        protectedMap.entries().forEach(builder::put);
        return builder.build();
    }

    /// The message with its tag.
    public Cbor toCbor() {
        return new Cbor.Tagged(
                kind.tag,
                Cbor.array(
                        Cbor.of(protectedHeader),
                        unprotected,
                        payload == null ? Cbor.NULL : Cbor.of(payload),
                        Cbor.of(signature)));
    }

    public Bytes encode() {
        return toCbor().encode();
    }

    /// The algorithm, which must be protected.
    public CoseAlgorithm algorithm() throws MalformedException {
        return CoseAlgorithm.parse(protectedMap.require(ALGORITHM, "the protected algorithm"));
    }

    /// A header of either part.
    public @Nullable Cbor header(int label) {
        Cbor value = protectedMap.get(label);
        return value == null ? unprotected.get(label) : value;
    }

    /// The DER certificates of `x5chain` (RFC 9360 §2), the signer's first; empty where there are none.
    public List<Bytes> x5chain() throws MalformedException {
        Cbor chain = header(X5CHAIN);
        if (chain == null) {
            return List.of();
        }
        if (chain instanceof Cbor.ByteString(Bytes single)) {
            return List.of(single);
        }
        List<Bytes> certificates = new ArrayList<>();
        for (Cbor certificate : chain.array("x5chain", 2, MAX_CERTIFICATES)) {
            certificates.add(certificate.bytes("a certificate of x5chain"));
        }
        return certificates;
    }

    /// The payload of a message that carries its content.
    public Bytes content() throws MalformedException {
        if (payload == null) {
            throw new MalformedException("the message has no payload: it is detached");
        }
        return payload;
    }

    /// Whether the message was made with `key`. False too where the kind, the algorithm and the key do not fit
    /// together.
    public boolean verifies(CoseKey key) throws MalformedException {
        return verifies(key, algorithm(), Bytes.EMPTY, content());
    }

    /// As [#verifies(CoseKey)], with data that was authenticated beside the message.
    public boolean verifies(CoseKey key, Bytes externalData) throws MalformedException {
        return verifies(key, algorithm(), externalData, content());
    }

    /// The general form: the algorithm and the payload may come from outside of the message.
    public boolean verifies(CoseKey key, CoseAlgorithm algorithm, Bytes externalData, Bytes content) {
        boolean isMac = key instanceof CoseKey.Secret;
        return isMac == (kind == Kind.MAC0)
                && key.verifies(
                        algorithm, structure(kind, protectedHeader, externalData, content), signature.toArray());
    }

    /// What is signed (RFC 9052 §4.4) or authenticated (§6.3).
    private static byte[] structure(Kind kind, Bytes protectedHeader, Bytes externalData, Bytes payload) {
        // spec| RFC 9052 §4.4: if there are no protected parameters, a zero-length byte string is used.
        boolean empty = protectedHeader.size() == 1 && protectedHeader.at(0) == (byte) 0xa0;
        return Cbor.array(
                        Cbor.of(kind.context),
                        Cbor.of(empty ? Bytes.EMPTY : protectedHeader),
                        Cbor.of(externalData),
                        Cbor.of(payload))
                .encode()
                .toArray();
    }
}
