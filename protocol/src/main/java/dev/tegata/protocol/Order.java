// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.UUID;

/// What the server tells one device to do. It travels signed ([SignedOrders]) and is believed only after
/// [OrderVerifier] took it.
///
/// The encoding is a CBOR map with the integer keys 1 to 8 in this order, deterministic (RFC 8949 §4.2.1),
/// so that there is one encoding of one order.
///
/// @param device the id that the server gave the device for life
/// @param chipSerial the serial number of its chip, as the server knows it
/// @param id names the order
/// @param sequence larger than that of each earlier order for the device
/// @param expiresAt when it is no longer to be obeyed; whole seconds, as `issuedAt`
public record Order(
        UUID device,
        String chipSerial,
        UUID id,
        long sequence,
        Instant issuedAt,
        Instant expiresAt,
        OrderContent content) {
    /// The largest signed order. The largest content is a set of trust anchors.
    public static final int MAX_SIZE = 96 * 1024;

    static final CborLimits LIMITS = new CborLimits(MAX_SIZE, 8, 128, false);

    public Order {
        if (sequence < 1 || chipSerial.isEmpty() || chipSerial.length() > 128) {
            throw new IllegalArgumentException("an order has a chip's serial number, and a sequence number from 1 on");
        }
        if (issuedAt.getEpochSecond() < 0 || !issuedAt.isBefore(expiresAt)) {
            throw new IllegalArgumentException("an order expires after it was issued");
        }
        issuedAt = Instant.ofEpochSecond(issuedAt.getEpochSecond());
        expiresAt = Instant.ofEpochSecond(expiresAt.getEpochSecond());
    }

    public OrderKind kind() {
        return content.kind();
    }

    Bytes encode() {
        return Cbor.map()
                .put(1, Cbor.of(bytes(device)))
                .put(2, Cbor.of(chipSerial))
                .put(3, Cbor.of(bytes(id)))
                .put(4, Cbor.of(sequence))
                .put(5, Cbor.of(issuedAt.getEpochSecond()))
                .put(6, Cbor.of(expiresAt.getEpochSecond()))
                .put(7, Cbor.of(kind().name()))
                .put(8, content.toCbor())
                .build()
                .encode();
    }

    static Order parse(Bytes encoded) throws MalformedException {
        Cbor.MapItem map = Cbor.read(encoded, LIMITS).mapping("the order");
        Order order;
        try {
            order = new Order(
                    uuid(map.require(1, "the device").bytes("the device", 16)),
                    map.require(2, "the chip's serial number").text("the chip's serial number"),
                    uuid(map.require(3, "the order's id").bytes("the order's id", 16)),
                    map.require(4, "the sequence number").integer("the sequence number"),
                    time(map.require(5, "the time of issue").integer("the time of issue")),
                    time(map.require(6, "the expiry").integer("the expiry")),
                    OrderContent.parse(
                            kind(map.require(7, "the kind").text("the kind")), map.require(8, "the content")));
        } catch (IllegalArgumentException e) {
            throw new MalformedException(String.valueOf(e.getMessage()));
        }
        if (!order.encode().equals(encoded)) {
            throw new MalformedException("the order is not in the one encoding that orders have");
        }
        return order;
    }

    private static OrderKind kind(String name) throws MalformedException {
        for (OrderKind kind : OrderKind.values()) {
            if (kind.name().equals(name)) {
                return kind;
            }
        }
        throw new MalformedException("the kind of the order is unknown");
    }

    static Instant time(long seconds) throws MalformedException {
        if (seconds < 0 || seconds > 253_402_300_799L) {
            throw new MalformedException("a time must lie in the years 1970 to 9999");
        }
        return Instant.ofEpochSecond(seconds);
    }

    static Bytes bytes(UUID id) {
        return Bytes.of(ByteBuffer.allocate(16)
                .putLong(id.getMostSignificantBits())
                .putLong(id.getLeastSignificantBits())
                .array());
    }

    static UUID uuid(Bytes bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes.toArray());
        return new UUID(buffer.getLong(), buffer.getLong());
    }
}
