// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;

/// A tag's name and version. The id is a text or 16 bytes.
public record TagIdentity(Cbor id, long version) {
    static TagIdentity of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("a tag identity");
        Cbor version = map.get(1);
        return new TagIdentity(
                id(map.require(0, "a tag's id")),
                version == null ? 0 : version.integer("a tag's version", 0, Integer.MAX_VALUE));
    }

    static Cbor id(Cbor item) throws MalformedException {
        Cbor untagged = item instanceof Cbor.Tagged(long tag, Cbor uuid) && tag == Environment.UUID_TAG ? uuid : item;
        if (untagged instanceof Cbor.ByteString) {
            untagged.bytes("an id", 16);
        } else {
            item.text("an id");
        }
        return item;
    }

    Cbor toCbor() {
        return Cbor.map()
                .put(0, id)
                .put(1, version == 0 ? null : Cbor.of(version))
                .build();
    }

    /// An id as people write it: the text, or a UUID's digits.
    static String name(Cbor id) {
        return switch (id) {
            case Cbor.TextString(String text) -> text;
            case Cbor.Tagged(long _, Cbor inner) -> name(inner);
            case Cbor.ByteString(Bytes uuid)
            when uuid.size() == 16 -> {
                String hex = uuid.hex();
                yield String.join(
                        "-",
                        hex.substring(0, 8),
                        hex.substring(8, 12),
                        hex.substring(12, 16),
                        hex.substring(16, 20),
                        hex.substring(20));
            }
            default -> id.toString();
        };
    }

    /// The id as people write it.
    public String name() {
        return name(id);
    }
}
