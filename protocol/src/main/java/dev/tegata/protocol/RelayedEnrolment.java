// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.path.TrustAnchors;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/// A request for a certificate by way of somebody who holds no keys, as [RelayedCheckIn] is a check-in.
///
/// The device signs with the key that it has, its birth key or its operational one, and the request inside
/// is signed with the key that the certificate is to be for. So whoever carries it has neither, and can
/// put no key of its own in their place.
///
/// @param nonce as the server gave it
/// @param fleet its public id
/// @param renewal whether the device has a certificate, which is the first of `chain`, and wants the next
/// @param request a PKCS#10 request in DER
/// @param chain the device's certificates, its own first; the message is signed with the key of that one
/// @param digest the SHA-256 digest of the whole message, which the answer names
public record RelayedEnrolment(
        Bytes nonce, String fleet, boolean renewal, Bytes request, List<Certificate> chain, Bytes digest) {
    /// The media type of a signed request, and the content type in its header.
    public static final String CONTENT_TYPE = "application/vnd.tegata.enrolment+cose";

    /// The media type of a signed answer, and the content type in its header.
    public static final String ANSWER_CONTENT_TYPE = "application/vnd.tegata.enrolment-answer+cose";

    /// The largest signed request.
    public static final int MAX_SIZE = 96 * 1024;

    private static final int MAX_AUTHORITIES = 16;
    private static final CborLimits LIMITS = new CborLimits(MAX_SIZE, 8, 64, false);
    private static final CborLimits ANSWER_LIMITS = new CborLimits(MAX_SIZE, 8, 64, false);

    public RelayedEnrolment {
        chain = List.copyOf(chain);
    }

    /// Signs a request as the device.
    ///
    /// @param chain the DER certificates of the device, its own first
    public static Bytes sign(
            Bytes nonce, String fleet, boolean renewal, Bytes request, Signer device, List<Bytes> chain) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(nonce))
                .put(2, Cbor.of(fleet))
                .put(3, Cbor.of(renewal))
                .put(4, Cbor.of(request))
                .build()
                .encode();
        return SignedMessages.sign(CONTENT_TYPE, payload, device, chain);
    }

    /// Reads a signed request and checks the outer signature. Whose certificate it brings, whether the
    /// nonce is a good one, and the request itself, are for the server to look at.
    public static RelayedEnrolment parse(Bytes message) throws MalformedException {
        SignedMessages.Opened opened = SignedMessages.open(CONTENT_TYPE, message, LIMITS);
        Cbor.MapItem map = Cbor.read(opened.payload(), LIMITS).mapping("the signed request");
        return new RelayedEnrolment(
                map.require(1, "the nonce").bytes("the nonce", RelayedCheckIn.NONCE_SIZE),
                map.require(2, "the fleet").text("the fleet"),
                map.require(3, "renewal").bool("renewal"),
                map.require(4, "the request").bytes("the request"),
                opened.chain(),
                message.sha256());
    }

    /// What the server answers.
    ///
    /// @param time the server's
    /// @param certificate for the key of the request
    /// @param authorities the fleet's CA certificates, roots among them
    public record Answer(Instant time, Certificate certificate, List<Certificate> authorities) {
        public Answer {
            authorities = List.copyOf(authorities);
        }
    }

    /// Signs the answer as the server, with the key that signs orders.
    public static Bytes signAnswer(Bytes digest, Answer answer, Signer signer, List<Bytes> chain) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(digest))
                .put(2, Cbor.of(answer.time().getEpochSecond()))
                .put(3, Cbor.of(answer.certificate().encoded()))
                .put(
                        4,
                        new Cbor.ArrayItem(answer.authorities().stream()
                                .map(Certificate::encoded)
                                .map(Cbor::of)
                                .toList()))
                .build()
                .encode();
        return SignedMessages.sign(ANSWER_CONTENT_TYPE, payload, signer, chain);
    }

    /// Reads the answer to `request`, which is the signed message that the device sent.
    ///
    /// @throws MalformedException where it is not the server's answer to that message
    public static Answer parseAnswer(Bytes message, Bytes request, TrustAnchors anchors) throws MalformedException {
        SignedMessages.Opened opened = SignedMessages.open(ANSWER_CONTENT_TYPE, message, ANSWER_LIMITS);
        Cbor.MapItem map = Cbor.read(opened.payload(), ANSWER_LIMITS).mapping("the signed answer");
        Instant time = Order.time(map.require(2, "the time").integer("the time"));
        OrderVerifier.requireTrusted(opened, anchors, time);
        if (!map.require(1, "the digest").bytes("the digest", 32).equals(request.sha256())) {
            throw new MalformedException("the answer is to another request");
        }
        List<Certificate> authorities = new ArrayList<>();
        for (Cbor authority : map.require(4, "the authorities").array("the authorities", 0, MAX_AUTHORITIES)) {
            authorities.add(certificate(authority));
        }
        return new Answer(time, certificate(map.require(3, "the certificate")), authorities);
    }

    private static Certificate certificate(Cbor item) throws MalformedException {
        try {
            return Certificate.parse(item.bytes("a certificate"));
        } catch (InvalidCertificateException e) {
            throw new MalformedException("a certificate in the answer cannot be read: " + e.getMessage());
        }
    }
}
