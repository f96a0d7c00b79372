// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Who made a document or a tag. What the roles mean depends on which.
public record Entity(String name, @Nullable String registrationId, List<Long> roles) {
    private static final int URI_TAG = 32;

    static List<Entity> list(@Nullable Cbor item) throws MalformedException {
        List<Entity> entities = new ArrayList<>();
        if (item != null) {
            for (Cbor entity : item.array("entities", 1, 64)) {
                entities.add(of(entity.mapping("an entity")));
            }
        }
        return entities;
    }

    private static Entity of(Cbor.MapItem map) throws MalformedException {
        List<Long> roles = new ArrayList<>();
        for (Cbor role : map.require(2, "an entity's roles").array("an entity's roles", 1, 16)) {
            roles.add(role.integer("a role"));
        }
        Cbor id = map.get(1);
        return new Entity(
                map.require(0, "an entity's name").text("an entity's name"),
                id == null ? null : uri(id, "an entity's id"),
                roles);
    }

    /// A URI, in its tag or, as older documents have it, as plain text.
    static String uri(Cbor item, String what) throws MalformedException {
        return item instanceof Cbor.TextString(String text)
                ? text
                : item.tagged(what, URI_TAG).text(what);
    }

    Cbor toCbor() {
        return Cbor.map()
                .put(0, Cbor.of(name))
                .put(1, registrationId == null ? null : new Cbor.Tagged(URI_TAG, Cbor.of(registrationId)))
                .put(2, new Cbor.ArrayItem(roles.stream().map(Cbor::of).toList()))
                .build();
    }

    static @Nullable Cbor toCbor(List<Entity> entities) {
        return entities.isEmpty()
                ? null
                : new Cbor.ArrayItem(entities.stream().map(Entity::toCbor).toList());
    }
}
