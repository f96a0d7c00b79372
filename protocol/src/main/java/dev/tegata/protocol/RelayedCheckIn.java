// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.path.TrustAnchors;
import java.time.Instant;
import java.util.List;

/// A check-in by way of somebody who holds no keys: a gateway, a phone. The device signs what it says over
/// a nonce that the server gave, and the server signs what it answers over the device's message, so that
/// neither can be forged, changed, replayed or swapped on the way.
///
/// @param nonce as the server gave it
/// @param checkIn what the device says
/// @param chain the device's certificates, its own first; the message is signed with the key of that one
/// @param digest the SHA-256 digest of the whole message, which the answer names
public record RelayedCheckIn(Bytes nonce, CheckIn checkIn, List<Certificate> chain, Bytes digest) {
    /// The media type of a signed check-in, and the content type in its header.
    public static final String CONTENT_TYPE = "application/vnd.tegata.check-in+cose";

    /// The media type of a signed answer, and the content type in its header.
    public static final String ANSWER_CONTENT_TYPE = "application/vnd.tegata.check-in-answer+cose";

    public static final int NONCE_SIZE = 32;

    private static final int OVERHEAD = 16 * 1024;

    /// The largest signed check-in.
    public static final int MAX_SIZE = CheckIn.MAX_SIZE + OVERHEAD;

    private static final CborLimits LIMITS = new CborLimits(MAX_SIZE, 8, 64, false);
    private static final CborLimits ANSWER_LIMITS =
            new CborLimits(CheckIn.MAX_LIST * Order.MAX_SIZE + OVERHEAD, 8, 64, false);

    public RelayedCheckIn {
        chain = List.copyOf(chain);
    }

    /// Signs a check-in as the device.
    ///
    /// @param chain the DER certificates of the device, its own first
    public static Bytes sign(Bytes nonce, CheckIn checkIn, Signer device, List<Bytes> chain) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(nonce))
                .put(2, Cbor.of(CheckInCodec.encode(checkIn, CheckInForm.CBOR)))
                .build()
                .encode();
        return SignedMessages.sign(CONTENT_TYPE, payload, device, chain);
    }

    /// Reads a signed check-in and checks its signature. Whose certificate it brings, and whether the nonce
    /// is a good one, is for the server to find out.
    public static RelayedCheckIn parse(Bytes message) throws MalformedException {
        SignedMessages.Opened opened = SignedMessages.open(CONTENT_TYPE, message, LIMITS);
        Cbor.MapItem map = Cbor.read(opened.payload(), LIMITS).mapping("the signed check-in");
        return new RelayedCheckIn(
                map.require(1, "the nonce").bytes("the nonce", NONCE_SIZE),
                CheckInCodec.parseCheckIn(map.require(2, "the check-in").bytes("the check-in"), CheckInForm.CBOR),
                opened.chain(),
                message.sha256());
    }

    /// Signs the answer as the server, with the key that signs orders.
    public static Bytes signAnswer(Bytes digest, CheckInAnswer answer, Signer signer, List<Bytes> chain) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(digest))
                .put(2, Cbor.of(CheckInCodec.encode(answer, CheckInForm.CBOR)))
                .build()
                .encode();
        return SignedMessages.sign(ANSWER_CONTENT_TYPE, payload, signer, chain);
    }

    /// Reads the answer to `checkIn`, which is the signed message that the device sent.
    ///
    /// The signer's certificate is checked at the answer's own time, as the device's clock may be years
    /// off. The answer cannot be an old one: it names the device's message, and that holds a nonce.
    ///
    /// @throws MalformedException where it is not the server's answer to that message
    public static CheckInAnswer parseAnswer(Bytes message, Bytes checkIn, TrustAnchors anchors)
            throws MalformedException {
        SignedMessages.Opened opened = SignedMessages.open(ANSWER_CONTENT_TYPE, message, ANSWER_LIMITS);
        Cbor.MapItem map = Cbor.read(opened.payload(), ANSWER_LIMITS).mapping("the signed answer");
        CheckInAnswer answer =
                CheckInCodec.parseAnswer(map.require(2, "the answer").bytes("the answer"), CheckInForm.CBOR);
        Instant time = answer.time();
        OrderVerifier.requireTrusted(opened, anchors, time);
        if (!map.require(1, "the digest").bytes("the digest", 32).equals(checkIn.sha256())) {
            throw new MalformedException("the answer is to another check-in");
        }
        return answer;
    }
}
