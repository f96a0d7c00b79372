// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What is known of a firmware release, as an endorsed value: its certification and its vulnerabilities.
///
/// `minimum` is the oldest acceptable version, where this release is older than that.
///
/// Certification endorsements of others have only a certificate number; the rest is ours, under a private
/// number.
public record ReleaseStatus(
        Status status,
        @Nullable String scheme,
        @Nullable String certificate,
        @Nullable Instant validUntil,
        List<String> vulnerabilities,
        @Nullable String minimum) {
    /// The key under which this stands among a measurement's values.
    public static final int VALUE_KEY = -70100;

    private static final Cbor MEASUREMENT_KEY = Cbor.of("tegata.release");

    /// The state of a release's certification.
    public enum Status {
        UNCERTIFIED("uncertified"),
        PROVISIONAL("provisional"),
        CERTIFIED("certified"),
        OUTDATED("outdated"),
        REVOKED("revoked");

        private final String word;

        Status(String word) {
            this.word = word;
        }

        /// The value in documents and policies.
        public String word() {
            return word;
        }
    }

    static ReleaseStatus of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("a release status");
        Cbor status = map.get("status");
        Cbor scheme = map.get("scheme");
        Cbor certificate = map.get("certificate");
        Cbor validUntil = map.get("valid_until");
        Cbor vulnerabilities = map.get("vulnerabilities");
        Cbor minimum = map.get("minimum");
        List<String> names = new ArrayList<>();
        if (vulnerabilities != null) {
            for (Cbor name : vulnerabilities.array("the vulnerabilities", 0, 256)) {
                names.add(name.text("a vulnerability"));
            }
        }
        return new ReleaseStatus(
                status(status),
                scheme == null ? null : scheme.text("the certification scheme"),
                certificate == null ? null : certificate.text("the certificate number"),
                validUntil == null ? null : Validity.instant(validUntil),
                names,
                minimum == null ? null : minimum.text("the minimum version"));
    }

    private static Status status(@Nullable Cbor item) throws MalformedException {
        for (Status status : Status.values()) {
            if (Cbor.of(status.word).equals(item)) {
                return status;
            }
        }
        throw new MalformedException("a release's status is not one that we know");
    }

    /// The endorsed value.
    public Measurement toMeasurement() {
        return new Measurement(
                MEASUREMENT_KEY,
                Cbor.map()
                        .put(
                                VALUE_KEY,
                                Cbor.map()
                                        .put("status", Cbor.of(status.word))
                                        .put("scheme", scheme == null ? null : Cbor.of(scheme))
                                        .put("certificate", certificate == null ? null : Cbor.of(certificate))
                                        .put(
                                                "valid_until",
                                                validUntil == null
                                                        ? null
                                                        : new Cbor.Tagged(1, Cbor.of(validUntil.getEpochSecond())))
                                        .put(
                                                "vulnerabilities",
                                                new Cbor.ArrayItem(vulnerabilities.stream()
                                                        .map(Cbor::of)
                                                        .toList()))
                                        .put("minimum", minimum == null ? null : Cbor.of(minimum))
                                        .build())
                        .build());
    }

    /// The statement that a release with this measurement has this status, for every device of the class.
    public Triple.Conditional forRelease(Environment environment, List<Measurement> components) {
        return new Triple.Conditional(
                List.of(new Triple.State(environment, components)),
                List.of(new Triple.Endorsed(environment, List.of(toMeasurement()))));
    }
}
