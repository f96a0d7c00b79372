// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import java.util.List;

/// Brings statements of the first PSA endorsement profile into the form of the present one, so that matching
/// knows only that: class ids of tag 600 become opaque bytes, and component keys of tag 601 become values.
final class LegacyPsaProfile {
    static final String NAME = "http://arm.com/psa/iot/1";

    private static final int IMPLEMENTATION_ID_TAG = 600;
    private static final int COMPONENT_TAG = 601;
    private static final Cbor COMPONENT_KEY = Cbor.of("psa.software-component");

    private LegacyPsaProfile() {}

    static Triple translate(Triple triple) throws MalformedException {
        return switch (triple) {
            case Triple.Reference(Environment environment, List<Measurement> measurements) ->
                new Triple.Reference(translate(environment), translate(measurements));
            case Triple.Endorsed(Environment environment, List<Measurement> measurements) ->
                new Triple.Endorsed(translate(environment), translate(measurements));
            case Triple.Keys keys ->
                new Triple.Keys(
                        keys.attestation(),
                        translate(keys.environment()),
                        keys.keys(),
                        keys.key(),
                        keys.authorizedBy());
            case Triple.Conditional _, Triple.Series _, Triple.Other _ -> triple;
        };
    }

    private static Environment translate(Environment environment) {
        return environment.classId() instanceof Cbor.Tagged(long tag, Cbor id) && tag == IMPLEMENTATION_ID_TAG
                ? new Environment(
                        new Cbor.Tagged(Environment.BYTES_TAG, id),
                        environment.vendor(),
                        environment.model(),
                        environment.layer(),
                        environment.index(),
                        environment.instance(),
                        environment.group())
                : environment;
    }

    private static List<Measurement> translate(List<Measurement> measurements) throws MalformedException {
        Measurement[] translated = new Measurement[measurements.size()];
        for (int i = 0; i < translated.length; i++) {
            translated[i] = translate(measurements.get(i));
        }
        return List.of(translated);
    }

    private static Measurement translate(Measurement measurement) throws MalformedException {
        if (!(measurement.key() instanceof Cbor.Tagged(long tag, Cbor content)) || tag != COMPONENT_TAG) {
            return measurement;
        }
        Cbor.MapItem component = content.mapping("a software component's key");
        Cbor version = component.get(4);
        Cbor.Builder values = Cbor.map();
        measurement.values().entries().forEach(values::put);
        values.put(Measurement.NAME, component.get(1));
        values.put(
                Measurement.VERSION,
                version == null ? null : Cbor.map().put(0, version).build());
        values.put(
                Measurement.CRYPTO_KEYS,
                Cbor.array(new Cbor.Tagged(Environment.BYTES_TAG, component.require(5, "the signer id"))));
        return new Measurement(COMPONENT_KEY, values.build(), measurement.authorizedBy());
    }
}
