// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A part of a CoRIM.
public sealed interface Tag {
    int COSWID = 505;
    int COMID = 506;
    int COTL = 508;

    /// Statements about modules of devices.
    record Comid(
            @Nullable String language,
            TagIdentity identity,
            List<Entity> entities,
            List<LinkedTag> linkedTags,
            List<Triple> triples)
            implements Tag {
        /// Reads a CoMID that stands alone, with or without its tag.
        public static Comid parse(Bytes encoded) throws MalformedException {
            Cbor item = Cbor.read(encoded, CborLimits.DOCUMENT);
            return of(item instanceof Cbor.Tagged(long tag, Cbor content) && tag == COMID ? content : item);
        }

        public static Comid of(Cbor item) throws MalformedException {
            Cbor.MapItem map = item.mapping("a CoMID");
            Cbor language = map.get(0);
            List<LinkedTag> linkedTags = new ArrayList<>();
            Cbor links = map.get(3);
            if (links != null) {
                for (Cbor link : links.array("linked tags", 1, 64)) {
                    linkedTags.add(LinkedTag.of(link));
                }
            }
            List<Triple> triples = new ArrayList<>();
            Cbor.MapItem kinds = map.require(4, "the CoMID's triples").mapping("the CoMID's triples");
            if (kinds.entries().isEmpty()) {
                throw new MalformedException("a CoMID has no triples");
            }
            for (Map.Entry<Cbor, Cbor> kind : kinds.entries().entrySet()) {
                triples.addAll(Triple.of(kind.getKey(), kind.getValue()));
            }
            return new Comid(
                    language == null ? null : language.text("the CoMID's language"),
                    TagIdentity.of(map.require(1, "the CoMID's identity")),
                    Entity.list(map.get(2)),
                    linkedTags,
                    triples);
        }

        @Override
        public Cbor toCbor() {
            Map<Cbor, List<Cbor>> kinds = new LinkedHashMap<>();
            for (Triple triple : triples) {
                kinds.computeIfAbsent(triple.kind(), _ -> new ArrayList<>()).add(triple.toCbor());
            }
            Cbor.Builder byKind = Cbor.map();
            kinds.forEach((kind, list) -> byKind.put(kind, new Cbor.ArrayItem(list)));
            return Cbor.map()
                    .put(0, language == null ? null : Cbor.of(language))
                    .put(1, identity.toCbor())
                    .put(2, Entity.toCbor(entities))
                    .put(
                            3,
                            linkedTags.isEmpty()
                                    ? null
                                    : new Cbor.ArrayItem(linkedTags.stream()
                                            .map(LinkedTag::toCbor)
                                            .toList()))
                    .put(4, byKind.build())
                    .build();
        }
    }

    /// How a CoMID relates to another: it adds to it, or takes its place.
    record LinkedTag(Cbor id, boolean replaces) {
        static LinkedTag of(Cbor item) throws MalformedException {
            Cbor.MapItem map = item.mapping("a linked tag");
            long relation = map.require(1, "a linked tag's relation").integer("a linked tag's relation", 0, 1);
            return new LinkedTag(TagIdentity.id(map.require(0, "a linked tag's id")), relation == 1);
        }

        Cbor toCbor() {
            return Cbor.map().put(0, id).put(1, Cbor.of(replaces ? 1 : 0)).build();
        }
    }

    /// Switches tags on, for as long as it is valid.
    record Cotl(TagIdentity identity, List<TagIdentity> activated, Validity validity) implements Tag {
        public static Cotl of(Cbor item) throws MalformedException {
            Cbor.MapItem map = item.mapping("a CoTL");
            List<TagIdentity> activated = new ArrayList<>();
            for (Cbor tag : map.require(1, "the CoTL's tags").array("the CoTL's tags", 1, Corim.MAX_ENTRIES)) {
                activated.add(TagIdentity.of(tag));
            }
            return new Cotl(
                    TagIdentity.of(map.require(0, "the CoTL's identity")),
                    activated,
                    Validity.of(map.require(2, "the CoTL's validity")));
        }

        @Override
        public Cbor toCbor() {
            return Cbor.map()
                    .put(0, identity.toCbor())
                    .put(
                            1,
                            new Cbor.ArrayItem(
                                    activated.stream().map(TagIdentity::toCbor).toList()))
                    .put(2, validity.toCbor())
                    .build();
        }
    }

    /// A tag that appraisal does not use, such as CoSWID: kept as it came.
    record Opaque(long number, Bytes content) implements Tag {
        @Override
        public Cbor toCbor() {
            throw new IllegalStateException("an opaque tag is its bytes");
        }
    }

    /// The content, without tag and byte string around it.
    Cbor toCbor();
}
