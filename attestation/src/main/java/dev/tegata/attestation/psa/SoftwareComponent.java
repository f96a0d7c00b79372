// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.psa;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.pki.Bytes;
import org.jspecify.annotations.Nullable;

/// One piece of software that was measured before it ran (RFC 9783 §4.4.1).
public record SoftwareComponent(
        @Nullable String type,
        Bytes measurement,
        @Nullable String version,
        @Nullable Bytes signerId,
        @Nullable String description) {
    /// The key of component measurements in the PSA endorsements profile.
    public static final Cbor MEASUREMENT_KEY = Cbor.of("psa.software-component");

    static SoftwareComponent of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("a software component");
        Cbor signerId = map.get(5);
        return new SoftwareComponent(
                text(map.get(1), "a component's type"),
                hash(map.require(2, "a component's measurement"), "a component's measurement"),
                text(map.get(4), "a component's version"),
                signerId == null ? null : hash(signerId, "a component's signer id"),
                text(map.get(6), "a component's description"));
    }

    private static @Nullable String text(@Nullable Cbor item, String what) throws MalformedException {
        return item == null ? null : item.text(what);
    }

    /// spec| RFC 9783 §3: a hash has 32, 48 or 64 bytes.
    static Bytes hash(Cbor item, String what) throws MalformedException {
        Bytes hash = item.bytes(what);
        if (hash.size() != 32 && hash.size() != 48 && hash.size() != 64) {
            throw new MalformedException(what + " must have 32, 48 or 64 bytes, not " + hash.size());
        }
        return hash;
    }

    Cbor toCbor() {
        return Cbor.map()
                .put(1, type == null ? null : Cbor.of(type))
                .put(2, Cbor.of(measurement))
                .put(4, version == null ? null : Cbor.of(version))
                .put(5, signerId == null ? null : Cbor.of(signerId))
                .put(6, description == null ? null : Cbor.of(description))
                .build();
    }

    /// The component in the form in which PSA endorsements speak of it.
    public Measurement toMeasurement() {
        return toMeasurement(MEASUREMENT_KEY);
    }

    /// The component as the element of this key, for evidence of other formats.
    public Measurement toMeasurement(Cbor key) {
        // spec| draft-fdb-rats-psa-endorsements §3.3: digests, name (type), version, cryptokeys (signer id).
        int algorithm = switch (measurement.size()) {
            case 48 -> 7;
            case 64 -> 8;
            default -> 1;
        };
        return new Measurement(
                key,
                Cbor.map()
                        .put(Measurement.VERSION, Measurement.versionOf(version))
                        .put(Measurement.DIGESTS, Cbor.array(Cbor.array(Cbor.of(algorithm), Cbor.of(measurement))))
                        .put(Measurement.NAME, type == null ? null : Cbor.of(type))
                        .put(
                                Measurement.CRYPTO_KEYS,
                                signerId == null
                                        ? null
                                        : Cbor.array(new Cbor.Tagged(Environment.BYTES_TAG, Cbor.of(signerId))))
                        .build());
    }
}
