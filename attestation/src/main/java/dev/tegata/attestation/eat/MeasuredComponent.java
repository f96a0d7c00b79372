// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.eat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// One component that was measured at boot or run time (draft-ietf-rats-eat-measured-component §4).
///
/// Either `algorithm` (a name or number of the Named Information registry) and `digest` are present, or
/// `raw` is.
public record MeasuredComponent(
        String name,
        @Nullable String version,
        @Nullable Long versionScheme,
        @Nullable Cbor algorithm,
        @Nullable Bytes digest,
        @Nullable Bytes raw,
        List<Bytes> authorities,
        @Nullable Bytes flags) {
    /// The key under which endorsements speak of measured components.
    public static final Cbor MEASUREMENT_KEY = Cbor.of("measured-component");

    private static final int ID = 1;
    private static final int DIGESTED = 2;
    private static final int AUTHORITIES = 3;
    private static final int FLAGS = 4;
    private static final int RAW = 5;

    public static MeasuredComponent of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("a measured component");
        List<Cbor> id = map.require(ID, "the component's id").array("the component's id", 1, 2);
        String version = null;
        Long scheme = null;
        if (id.size() == 2) {
            List<Cbor> versions = id.get(1).array("the component's version", 1, 2);
            version = versions.get(0).text("the component's version");
            scheme = versions.size() == 2 ? versions.get(1).integer("the version scheme") : null;
        }
        Cbor digested = map.get(DIGESTED);
        Cbor raw = map.get(RAW);
        if ((digested == null) == (raw == null)) {
            throw new MalformedException("a measured component has either a digest or a raw measurement");
        }
        List<Cbor> digest = digested == null ? List.of() : digested.array("the component's digest", 2, 2);
        List<Bytes> authorities = new ArrayList<>();
        Cbor authority = map.get(AUTHORITIES);
        if (authority != null) {
            for (Cbor entry : authority.array("the component's authorities", 1, 16)) {
                authorities.add(entry.bytes("an authority"));
            }
        }
        Cbor flags = map.get(FLAGS);
        return new MeasuredComponent(
                id.get(0).text("the component's name"),
                version,
                scheme,
                digest.isEmpty() ? null : digest.get(0),
                digest.isEmpty() ? null : digest.get(1).bytes("the component's digest"),
                raw == null ? null : raw.bytes("the raw measurement"),
                authorities,
                flags == null ? null : flags.bytes("the component's flags", 8));
    }

    public static MeasuredComponent ofJson(ObjectNode object) throws MalformedException {
        Cbor.Builder map = Cbor.map();
        map.put(ID, object.has("id") ? Json.toCbor(object.get("id")) : null);
        JsonNode digest = object.get("digested-measurement");
        if (digest != null) {
            if (!digest.isArray() || digest.size() != 2) {
                throw new MalformedException("a digest must be a pair of algorithm and value");
            }
            map.put(
                    DIGESTED,
                    Cbor.array(Json.toCbor(digest.get(0)), Cbor.of(Json.base64Url(digest.get(1), "the digest"))));
        }
        JsonNode raw = object.get("raw-measurement");
        map.put(RAW, raw == null ? null : Cbor.of(Json.base64Url(raw, "the raw measurement")));
        JsonNode authorities = object.get("authorities");
        if (authorities != null) {
            List<Cbor> entries = new ArrayList<>();
            for (JsonNode authority : authorities) {
                entries.add(Cbor.of(Json.base64Url(authority, "an authority")));
            }
            map.put(AUTHORITIES, new Cbor.ArrayItem(entries));
        }
        JsonNode flags = object.get("flags");
        map.put(FLAGS, flags == null ? null : Cbor.of(Json.base64Url(flags, "the flags")));
        return of(map.build());
    }

    /// The component in the form in which endorsements speak of it.
    public Measurement toMeasurement() {
        return new Measurement(
                MEASUREMENT_KEY,
                Cbor.map()
                        .put(Measurement.VERSION, Measurement.versionOf(version))
                        .put(
                                Measurement.DIGESTS,
                                algorithm == null || digest == null
                                        ? null
                                        : Cbor.array(Cbor.array(algorithm, Cbor.of(digest))))
                        .put(
                                Measurement.RAW_VALUE,
                                raw == null ? null : new Cbor.Tagged(Environment.BYTES_TAG, Cbor.of(raw)))
                        .put(Measurement.NAME, Cbor.of(name))
                        .build());
    }

    public Cbor toCbor() {
        Cbor id = version == null
                ? Cbor.array(Cbor.of(name))
                : Cbor.array(
                        Cbor.of(name),
                        versionScheme == null
                                ? Cbor.array(Cbor.of(version))
                                : Cbor.array(Cbor.of(version), Cbor.of(versionScheme)));
        return Cbor.map()
                .put(ID, id)
                .put(DIGESTED, algorithm == null || digest == null ? null : Cbor.array(algorithm, Cbor.of(digest)))
                .put(
                        AUTHORITIES,
                        authorities.isEmpty()
                                ? null
                                : new Cbor.ArrayItem(
                                        authorities.stream().map(Cbor::of).toList()))
                .put(FLAGS, flags == null ? null : Cbor.of(flags))
                .put(RAW, raw == null ? null : Cbor.of(raw))
                .build();
    }
}
