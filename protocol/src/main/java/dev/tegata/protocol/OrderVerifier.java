// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.OrderVerdict.Accepted;
import dev.tegata.protocol.OrderVerdict.Reason;
import dev.tegata.protocol.OrderVerdict.Refused;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/// The device's judgement of an order. What it does not understand or cannot check, it refuses.
///
/// @param anchors that the device holds
/// @param chipSerial of the device's chip
/// @param device the id that the server told the device; empty before the device has heard it, when the
///     chip's serial number alone decides
public record OrderVerifier(TrustAnchors anchors, String chipSerial, Optional<UUID> device) {
    private static final Duration ALLOWANCE = Duration.ofMinutes(10);
    private static final PathCheck PATHS = new PathCheck(64);

    /// @param lastSequence the sequence number of the last order that was accepted, 0 where there was none
    /// @param now the time, best the one in the server's answer: a device's own clock may be years off
    public OrderVerdict verify(Bytes signed, long lastSequence, Instant now) {
        SignedMessages.Opened message;
        Order order;
        try {
            message = SignedMessages.open(SignedOrders.CONTENT_TYPE, signed, Order.LIMITS);
            order = Order.parse(message.payload());
        } catch (MalformedException e) {
            return new Refused(Reason.MALFORMED, String.valueOf(e.getMessage()));
        }
        return untrusted(message, anchors, now)
                .map(sentence -> (OrderVerdict) new Refused(Reason.UNTRUSTED, sentence))
                .orElseGet(() -> judge(order, lastSequence, now));
    }

    private OrderVerdict judge(Order order, long lastSequence, Instant now) {
        if (!order.chipSerial().equals(chipSerial)
                || device.isPresent() && !device.get().equals(order.device())) {
            return new Refused(Reason.OTHER_DEVICE, "the order is for another device");
        }
        if (order.sequence() <= lastSequence) {
            return new Refused(
                    Reason.REPLAYED,
                    "the order has number " + order.sequence() + ", and number " + lastSequence + " was seen before");
        }
        if (!now.isBefore(order.expiresAt())) {
            return new Refused(Reason.EXPIRED, "the order expired at " + order.expiresAt());
        }
        if (order.issuedAt().isAfter(now.plus(ALLOWANCE))) {
            return new Refused(Reason.NOT_YET_VALID, "the order is from " + order.issuedAt() + ", which is to come");
        }
        return new Accepted(order);
    }

    /// Why the signer of an order is not to be believed, whatever the order says; empty where it is.
    public static Optional<String> untrusted(Bytes signed, TrustAnchors anchors, Instant now) {
        try {
            return untrusted(SignedMessages.open(SignedOrders.CONTENT_TYPE, signed, Order.LIMITS), anchors, now);
        } catch (MalformedException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    /// Requires that the signer of a server's message is to be believed.
    static void requireTrusted(SignedMessages.Opened message, TrustAnchors anchors, Instant now)
            throws MalformedException {
        Optional<String> untrusted = untrusted(message, anchors, now);
        if (untrusted.isPresent()) {
            throw new MalformedException(untrusted.get());
        }
    }

    /// Why the signer of a server's message is not to be believed; empty where it is.
    static Optional<String> untrusted(SignedMessages.Opened message, TrustAnchors anchors, Instant now) {
        Certificate signer = message.signer();
        // The usages must be named: a certificate without them, or for any purpose, is not one for orders.
        boolean forOrders = signer.extendedKeyUsages()
                        .filter(usages -> usages.contains(SignedMessages.ORDER_SIGNING))
                        .isPresent()
                && signer.keyUsages()
                        .filter(usages -> usages.contains(KeyUsage.DIGITAL_SIGNATURE))
                        .isPresent()
                && !signer.isAuthority();
        if (!forOrders) {
            return Optional.of("'" + signer.subject() + "' may not sign orders");
        }
        return switch (PATHS.check(Presented.of(message.chain()), anchors, now, Purpose.ANY)) {
            case PathResult.Valid _ -> Optional.empty();
            case PathResult.Invalid(PathResult.Reason _, String sentence) -> Optional.of(sentence);
        };
    }
}
