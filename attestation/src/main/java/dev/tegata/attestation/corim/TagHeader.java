// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;

/// A tag without its statements: what tells whether it speaks. For who keeps manifests statement by
/// statement.
public final class TagHeader {
    private TagHeader() {}

    /// The header's stored form.
    public static Bytes encode(Tag tag) {
        return switch (tag) {
            case Tag.Comid comid ->
                Cbor.map()
                        .put(1, comid.identity().toCbor())
                        .put(
                                3,
                                new Cbor.ArrayItem(comid.linkedTags().stream()
                                        .map(Tag.LinkedTag::toCbor)
                                        .toList()))
                        .build()
                        .encode();
            case Tag.Cotl cotl -> cotl.toCbor().encode();
            case Tag.Opaque opaque -> opaque.content();
        };
    }

    /// The CoMID with this header and some of its statements.
    public static Tag.Comid comid(Bytes header, List<Triple> statements) throws MalformedException {
        Cbor.MapItem map = Cbor.read(header, CborLimits.DOCUMENT).mapping("a tag's header");
        List<Tag.LinkedTag> links = new ArrayList<>();
        for (Cbor link : map.require(3, "linked tags").array("linked tags")) {
            links.add(Tag.LinkedTag.of(link));
        }
        return new Tag.Comid(
                null, TagIdentity.of(map.require(1, "the tag's identity")), List.of(), links, List.copyOf(statements));
    }

    /// The CoTL with this header, which is all of it.
    public static Tag.Cotl cotl(Bytes header) throws MalformedException {
        return Tag.Cotl.of(Cbor.read(header, CborLimits.DOCUMENT));
    }
}
