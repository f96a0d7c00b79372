// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import org.jspecify.annotations.Nullable;

/// What a claim is about: a class of devices or components, one instance, or a group. Absent parts stand
/// for any.
///
/// `classId`, `instance` and `group` keep their CBOR tags, because those are part of the name.
public record Environment(
        @Nullable Cbor classId,
        @Nullable String vendor,
        @Nullable String model,
        @Nullable Long layer,
        @Nullable Long index,
        @Nullable Cbor instance,
        @Nullable Cbor group) {
    public static final int BYTES_TAG = 560;
    public static final int UEID_TAG = 550;
    public static final int OID_TAG = 111;
    public static final int UUID_TAG = 37;

    /// An environment named by opaque bytes, such as a PSA implementation id, and where known an instance
    /// by its UEID.
    public static Environment ofBytes(Bytes classId, @Nullable Bytes ueid) {
        return new Environment(
                new Cbor.Tagged(BYTES_TAG, Cbor.of(classId)),
                null,
                null,
                null,
                null,
                ueid == null ? null : new Cbor.Tagged(UEID_TAG, Cbor.of(ueid)),
                null);
    }

    /// A class named by vendor and model.
    public static Environment ofModel(String vendor, String model) {
        return new Environment(null, vendor, model, null, null, null, null);
    }

    public static Environment of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("an environment");
        Cbor classItem = map.get(0);
        Cbor.MapItem classMap = classItem == null ? Cbor.map().build() : classItem.mapping("an environment's class");
        Environment environment = new Environment(
                classMap.get(0),
                text(classMap.get(1), "the vendor"),
                text(classMap.get(2), "the model"),
                number(classMap.get(3), "the layer"),
                number(classMap.get(4), "the index"),
                map.get(1),
                map.get(2));
        if (map.entries().isEmpty() || (classItem != null && classMap.entries().isEmpty())) {
            throw new MalformedException("an environment must say what it is about");
        }
        return environment;
    }

    private static @Nullable String text(@Nullable Cbor value, String what) throws MalformedException {
        return value == null ? null : value.text(what);
    }

    private static @Nullable Long number(@Nullable Cbor value, String what) throws MalformedException {
        return value == null ? null : value.integer(what);
    }

    public Cbor toCbor() {
        Cbor.MapItem classMap = Cbor.map()
                .put(0, classId)
                .put(1, vendor == null ? null : Cbor.of(vendor))
                .put(2, model == null ? null : Cbor.of(model))
                .put(3, layer == null ? null : Cbor.of(layer))
                .put(4, index == null ? null : Cbor.of(index))
                .build();
        return Cbor.map()
                .put(0, classMap.entries().isEmpty() ? null : classMap)
                .put(1, instance)
                .put(2, group)
                .build();
    }

    /// The class that an instance is of.
    public Environment ofAnyInstance() {
        return new Environment(classId, vendor, model, layer, index, null, null);
    }

    /// Whether everything that this condition names is the same in `actual`. Beside a class id, vendor and
    /// model are descriptions: evidence that does not repeat them is still of the class.
    public boolean covers(Environment actual) {
        return part(classId, actual.classId)
                && description(vendor, actual.vendor)
                && description(model, actual.model)
                && part(layer, actual.layer)
                && part(index, actual.index)
                && part(instance, actual.instance)
                && part(group, actual.group);
    }

    private boolean description(@Nullable String condition, @Nullable String actual) {
        return (classId != null && actual == null) || part(condition, actual);
    }

    private static boolean part(@Nullable Object condition, @Nullable Object actual) {
        return condition == null || condition.equals(actual);
    }
}
