// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.DeviceId;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// One entry of a device's custody chain: the payload of a COSE_Sign1 message.
///
/// @param sequence counts from 0
/// @param previous the SHA-256 of the message before; null in the first entry
/// @param at when it happened, whole seconds
/// @param owner who says so, and whose key signs the message
/// @param next of HANDED_OVER: who owns the device from here on
/// @param claim of CLAIMED: what the device was known by
record CustodyEntry(
        DeviceId device,
        int sequence,
        @Nullable Bytes previous,
        CustodyKind kind,
        Instant at,
        Owner owner,
        @Nullable Owner next,
        @Nullable Claim claim) {
    static final String CONTENT_TYPE = "application/vnd.tegata.custody+cbor";

    private static final int DEVICE = 1;
    private static final int SEQUENCE = 2;
    private static final int PREVIOUS = 3;
    private static final int KIND = 4;
    private static final int AT = 5;
    private static final int OWNER = 6;
    private static final int NEXT = 7;
    private static final int CLAIM = 8;
    private static final long LATEST = 253_402_300_799L;
    private static final int MAX_KEYS = 64;

    CustodyEntry {
        if ((next != null) != (kind == CustodyKind.HANDED_OVER) || (claim != null) != (kind == CustodyKind.CLAIMED)) {
            throw new IllegalArgumentException("an entry of another kind has these parts");
        }
    }

    /// An owner as the chain knows one.
    ///
    /// @param tenant the tenant's id
    /// @param key that signs its entries
    record Owner(String tenant, String name, PublicKeyInfo key) {
        private Cbor.MapItem encode() {
            return Cbor.map()
                    .put(1, Cbor.of(tenant))
                    .put(2, Cbor.of(name))
                    .put(3, Cbor.of(key.encoded()))
                    .build();
        }

        private static Owner parse(Cbor encoded) throws MalformedException {
            Cbor.MapItem map = encoded.mapping("an owner");
            try {
                return new Owner(
                        text(map, 1, "the owner's id", 64),
                        text(map, 2, "the owner's name", 256),
                        PublicKeyInfo.parse(map.require(3, "the owner's key").bytes("the owner's key")));
            } catch (InvalidKeyInfoException e) {
                throw new MalformedException("the owner's key: " + e.getMessage());
            }
        }
    }

    /// What a device was known by when it was claimed.
    ///
    /// @param chip the SHA-256 of the chip's numbering and serial number: whoever has the device can
    ///     compare it
    /// @param keys fingerprints of its birth keys
    /// @param proof what the claim rests on
    /// @param manifest the SHA-256 of the file that listed it, where one did
    record Claim(
            Bytes chip,
            List<Bytes> keys,
            String proof,
            @Nullable Bytes manifest) {
        Claim {
            keys = List.copyOf(keys);
        }

        private Cbor.MapItem encode() {
            return Cbor.map()
                    .put(1, Cbor.of(chip))
                    .put(2, new Cbor.ArrayItem(keys.stream().<Cbor>map(Cbor::of).toList()))
                    .put(3, Cbor.of(proof))
                    .put(4, manifest == null ? null : Cbor.of(manifest))
                    .build();
        }

        private static Claim parse(Cbor encoded) throws MalformedException {
            Cbor.MapItem map = encoded.mapping("the claim");
            List<Bytes> keys = new ArrayList<>();
            for (Cbor key : map.require(2, "the birth keys").array("the birth keys", 0, MAX_KEYS)) {
                keys.add(key.bytes("a birth key", 32));
            }
            Cbor manifest = map.get(4);
            return new Claim(
                    map.require(1, "the chip").bytes("the chip", 32),
                    keys,
                    text(map, 3, "the proof", 64),
                    manifest == null ? null : manifest.bytes("the manifest", 32));
        }
    }

    private static String text(Cbor.MapItem map, long key, String what, int limit) throws MalformedException {
        String text = map.require(key, what).text(what);
        if (text.isEmpty() || text.length() > limit) {
            throw new MalformedException(what + " must have 1 to " + limit + " characters");
        }
        return text;
    }

    Bytes encode() {
        return Cbor.map()
                .put(DEVICE, Cbor.of(bytes(device)))
                .put(SEQUENCE, Cbor.of(sequence))
                .put(PREVIOUS, previous == null ? null : Cbor.of(previous))
                .put(KIND, Cbor.of(kind.id()))
                .put(AT, Cbor.of(at.getEpochSecond()))
                .put(OWNER, owner.encode())
                .put(NEXT, next == null ? null : next.encode())
                .put(CLAIM, claim == null ? null : claim.encode())
                .build()
                .encode();
    }

    static CustodyEntry parse(Bytes payload) throws MalformedException {
        Cbor.MapItem map = Cbor.read(payload, CborLimits.TOKEN).mapping("the entry");
        Cbor previous = map.get(PREVIOUS);
        Cbor next = map.get(NEXT);
        Cbor claim = map.get(CLAIM);
        CustodyKind kind = kind(map.require(KIND, "the kind").text("the kind"));
        if ((next != null) != (kind == CustodyKind.HANDED_OVER) || (claim != null) != (kind == CustodyKind.CLAIMED)) {
            throw new MalformedException("an entry '" + kind.id() + "' has other parts");
        }
        long at = map.require(AT, "the time").integer("the time");
        if (at < 0 || at > LATEST) {
            throw new MalformedException("the time is out of range");
        }
        CustodyEntry entry = new CustodyEntry(
                device(map.require(DEVICE, "the device").bytes("the device", 16)),
                map.require(SEQUENCE, "the sequence").integer("the sequence", 0, CustodyChain.MAX_ENTRIES),
                previous == null ? null : previous.bytes("the previous hash", 32),
                kind,
                Instant.ofEpochSecond(at),
                Owner.parse(map.require(OWNER, "the owner")),
                next == null ? null : Owner.parse(next),
                claim == null ? null : Claim.parse(claim));
        // One form for one entry: nothing unread may stand in what was signed.
        if (!entry.encode().equals(payload)) {
            throw new MalformedException("the entry is not encoded as entries are");
        }
        return entry;
    }

    private static CustodyKind kind(String id) throws MalformedException {
        for (CustodyKind kind : CustodyKind.values()) {
            if (kind.id().equals(id)) {
                return kind;
            }
        }
        throw new MalformedException("the kind of the entry is not known");
    }

    /// The signed message around this entry.
    Bytes sign(Signer signer) {
        Cbor.MapItem header =
                Cbor.map().put(CoseMessage.CONTENT_TYPE, Cbor.of(CONTENT_TYPE)).build();
        return CoseMessage.sign1(header, Cbor.map().build(), encode(), signer).encode();
    }

    /// Reads a message and checks its signature under the key of the owner that it names.
    static CustodyEntry open(Bytes message) throws MalformedException {
        CoseMessage cose = CoseMessage.parse(message, CborLimits.TOKEN);
        if (!Cbor.of(CONTENT_TYPE).equals(cose.protectedMap().get(CoseMessage.CONTENT_TYPE))) {
            throw new MalformedException("the message is not an entry of a custody chain");
        }
        CustodyEntry entry = parse(cose.content());
        if (!cose.verifies(CoseKey.of(entry.owner().key()))) {
            throw new MalformedException(
                    "the signature is not that of the owner " + entry.owner().tenant());
        }
        return entry;
    }

    /// What a chain says of a chip instead of its serial number.
    static Bytes chipDigest(String chip, String serial) {
        return Bytes.sha256(("tegata-chip " + chip + "/" + serial).getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    static Bytes bytes(DeviceId device) {
        return Bytes.of(ByteBuffer.allocate(16)
                .putLong(device.value().getMostSignificantBits())
                .putLong(device.value().getLeastSignificantBits())
                .array());
    }

    private static DeviceId device(Bytes encoded) {
        ByteBuffer buffer = ByteBuffer.wrap(encoded.toArray());
        return new DeviceId(new UUID(buffer.getLong(), buffer.getLong()));
    }

    Owner ownerAfter() {
        return kind == CustodyKind.HANDED_OVER ? Objects.requireNonNull(next) : owner;
    }
}
