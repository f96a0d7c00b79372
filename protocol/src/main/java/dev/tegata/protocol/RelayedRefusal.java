// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.path.TrustAnchors;
import java.time.Instant;
import java.util.List;

/// The server's no to a [RelayedCheckIn] or a [RelayedEnrolment], signed as its yes is: what is not signed
/// may be the invention of whoever carries it.
///
/// @param time the server's
/// @param status of HTTP
/// @param code stable, such as `certificate-revoked`
/// @param detail for a person; may be empty
/// @param retryAfter the seconds after which to ask again; 0 where it is not said
public record RelayedRefusal(Instant time, int status, String code, String detail, int retryAfter) {
    /// The media type, and the content type in the header.
    public static final String CONTENT_TYPE = "application/vnd.tegata.refusal+cose";

    private static final int LONGEST_DETAIL = 2000;
    private static final CborLimits LIMITS = new CborLimits(48 * 1024, 8, 64, false);

    /// Signs it as the server, with the key that signs orders.
    ///
    /// @param digest the SHA-256 digest of the whole message that is refused
    public Bytes sign(Bytes digest, Signer signer, List<Bytes> chain) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(digest))
                .put(2, Cbor.of(time.getEpochSecond()))
                .put(3, Cbor.of(status))
                .put(4, Cbor.of(code))
                .put(5, Cbor.of(detail.length() > LONGEST_DETAIL ? detail.substring(0, LONGEST_DETAIL) : detail))
                .put(6, Cbor.of(retryAfter))
                .build()
                .encode();
        return SignedMessages.sign(CONTENT_TYPE, payload, signer, chain);
    }

    /// Reads the refusal of `refused`, which is the signed message that the device sent.
    ///
    /// @throws MalformedException where the server has not refused that message
    public static RelayedRefusal parse(Bytes message, Bytes refused, TrustAnchors anchors) throws MalformedException {
        SignedMessages.Opened opened = SignedMessages.open(CONTENT_TYPE, message, LIMITS);
        Cbor.MapItem map = Cbor.read(opened.payload(), LIMITS).mapping("the refusal");
        Instant time = Order.time(map.require(2, "the time").integer("the time"));
        OrderVerifier.requireTrusted(opened, anchors, time);
        if (!map.require(1, "the digest").bytes("the digest", 32).equals(refused.sha256())) {
            throw new MalformedException("another message is refused");
        }
        return new RelayedRefusal(
                time,
                number(map, 3, "the status"),
                map.require(4, "the code").text("the code"),
                map.require(5, "the detail").text("the detail"),
                number(map, 6, "the pause"));
    }

    private static int number(Cbor.MapItem map, int key, String what) throws MalformedException {
        long number = map.require(key, what).integer(what);
        if (number < 0 || number > Integer.MAX_VALUE) {
            throw new MalformedException(what + " is out of range");
        }
        return (int) number;
    }
}
