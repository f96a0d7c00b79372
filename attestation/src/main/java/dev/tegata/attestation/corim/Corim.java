// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A concise reference integrity manifest (draft-ietf-rats-corim §4): tags with the statements of one author.
///
/// `profile` is a URI, or `oid:` and the object identifier's DER content in hex. Dependent manifests are named in
/// `dependentRims` and never fetched.
public record Corim(
        Cbor id,
        List<Tag> tags,
        List<String> dependentRims,
        @Nullable String profile,
        @Nullable Validity validity,
        List<Entity> entities) {
    public static final int UNSIGNED_TAG = 501;

    static final int MAX_ENTRIES = 100_000;
    private static final int MAX_TAGS = 1024;

    /// Reads an unsigned manifest.
    public static Corim parse(Bytes encoded) throws MalformedException {
        return of(Cbor.read(encoded, CborLimits.DOCUMENT));
    }

    /// The manifest in an item, with its tag or, as older files have it, without.
    public static Corim of(Cbor item) throws MalformedException {
        Cbor untagged = item instanceof Cbor.MapItem ? item : item.tagged("a CoRIM", UNSIGNED_TAG);
        Cbor.MapItem map = untagged.mapping("a CoRIM");
        List<Tag> tags = new ArrayList<>();
        for (Cbor tag : map.require(1, "the CoRIM's tags").array("the CoRIM's tags", 1, MAX_TAGS)) {
            tags.add(tag(tag));
        }
        List<String> dependentRims = new ArrayList<>();
        Cbor dependencies = map.get(2);
        if (dependencies != null) {
            for (Cbor dependency : dependencies.array("dependent RIMs", 1, 64)) {
                dependentRims.addAll(
                        locations(dependency.mapping("a dependent RIM").require(0, "its location")));
            }
        }
        Cbor profile = map.get(3);
        Cbor validity = map.get(4);
        return new Corim(
                TagIdentity.id(map.require(0, "the CoRIM's id")),
                tags,
                dependentRims,
                profile == null ? null : profile(profile),
                validity == null ? null : Validity.of(validity),
                Entity.list(map.get(5)));
    }

    private static Tag tag(Cbor item) throws MalformedException {
        if (!(item instanceof Cbor.Tagged(long number, Cbor wrapped))) {
            throw new MalformedException("a CoRIM's tags must have CBOR tags, not be " + item.kind());
        }
        Bytes content = wrapped.bytes("a tag of a CoRIM");
        return switch ((int) number) {
            case Tag.COMID -> Tag.Comid.of(Cbor.read(content, CborLimits.DOCUMENT));
            case Tag.COTL -> Tag.Cotl.of(Cbor.read(content, CborLimits.DOCUMENT));
            default -> new Tag.Opaque(number, content);
        };
    }

    private static List<String> locations(Cbor item) throws MalformedException {
        if (!(item instanceof Cbor.ArrayItem)) {
            return List.of(Entity.uri(item, "a location"));
        }
        List<String> locations = new ArrayList<>();
        for (Cbor location : item.array("locations", 1, 16)) {
            locations.add(Entity.uri(location, "a location"));
        }
        return locations;
    }

    private static String profile(Cbor item) throws MalformedException {
        return item instanceof Cbor.Tagged(long tag, Cbor oid) && tag == Environment.OID_TAG
                ? "oid:" + oid.bytes("a profile").hex()
                : Entity.uri(item, "a profile");
    }

    public Cbor toCbor() {
        return new Cbor.Tagged(
                UNSIGNED_TAG,
                Cbor.map()
                        .put(0, id)
                        .put(
                                1,
                                new Cbor.ArrayItem(
                                        tags.stream().map(Corim::toCbor).toList()))
                        .put(
                                2,
                                dependentRims.isEmpty()
                                        ? null
                                        : new Cbor.ArrayItem(dependentRims.stream()
                                                .<Cbor>map(location -> Cbor.map()
                                                        .put(0, new Cbor.Tagged(32, Cbor.of(location)))
                                                        .build())
                                                .toList()))
                        .put(3, profile == null ? null : profileToCbor(profile))
                        .put(4, validity == null ? null : validity.toCbor())
                        .put(5, Entity.toCbor(entities))
                        .build());
    }

    private static Cbor profileToCbor(String profile) {
        return profile.startsWith("oid:")
                ? new Cbor.Tagged(Environment.OID_TAG, Cbor.of(Bytes.ofHex(profile.substring(4))))
                : new Cbor.Tagged(32, Cbor.of(profile));
    }

    private static Cbor toCbor(Tag tag) {
        return switch (tag) {
            case Tag.Comid comid ->
                new Cbor.Tagged(Tag.COMID, Cbor.of(comid.toCbor().encode()));
            case Tag.Cotl cotl ->
                new Cbor.Tagged(Tag.COTL, Cbor.of(cotl.toCbor().encode()));
            case Tag.Opaque(long number, Bytes content) -> new Cbor.Tagged(number, Cbor.of(content));
        };
    }

    public Bytes encode() {
        return toCbor().encode();
    }

    /// The id as people write it.
    public String name() {
        return TagIdentity.name(id);
    }
}
