// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What statements and evidence are about, as short keys of an index: who keeps many statements finds with
/// it all those that a piece of evidence can touch.
///
/// A statement stands under its class id; without one under its instance, else under vendor and model, else
/// under [#ANY]. Keys stand under the instance and the key only, so that those of other devices are never
/// read.
public final class Subjects {
    /// What statements without a class, instance, vendor or model are about.
    public static final Bytes ANY = subject("any", Cbor.of(""));

    private Subjects() {}

    /// What a statement of a manifest with this profile is about.
    public static Set<Bytes> of(Triple statement, @Nullable String profile) throws MalformedException {
        Triple triple = LegacyPsaProfile.NAME.equals(profile) ? LegacyPsaProfile.translate(statement) : statement;
        return switch (triple) {
            case Triple.Reference reference -> Set.of(ofCondition(reference.environment()));
            case Triple.Endorsed endorsed -> Set.of(ofCondition(endorsed.environment()));
            case Triple.Conditional conditional ->
                Set.of(ofCondition(conditional.conditions().getFirst().environment()));
            case Triple.Series series -> Set.of(ofCondition(series.condition().environment()));
            case Triple.Keys keys -> ofKeys(keys);
            case Triple.Other _ -> Set.of();
        };
    }

    /// Whether a statement is about one device only, and judging evidence needs it: all but keys that sign
    /// evidence. Who has none need not look for them with each device's evidence.
    public static boolean isAboutOneDevice(Triple statement) {
        return switch (statement) {
            case Triple.Reference reference -> isOneDevice(reference.environment());
            case Triple.Endorsed endorsed -> isOneDevice(endorsed.environment());
            case Triple.Conditional conditional ->
                isOneDevice(conditional.conditions().getFirst().environment());
            case Triple.Series series -> isOneDevice(series.condition().environment());
            case Triple.Keys keys -> !keys.attestation();
            case Triple.Other _ -> false;
        };
    }

    private static boolean isOneDevice(Environment environment) {
        return environment.classId() == null && environment.instance() != null;
    }

    private static Set<Bytes> ofKeys(Triple.Keys keys) {
        Set<Bytes> subjects = new LinkedHashSet<>();
        Cbor instance = keys.environment().instance();
        if (instance != null) {
            subjects.add(ofInstance(instance));
        }
        for (Cbor statement : keys.keys()) {
            if (!keys.attestation()) {
                CryptoKeys.fingerprint(statement).ifPresent(key -> subjects.add(ofKey(key)));
            } else if (CryptoKeys.publicKey(statement).orElse(null) instanceof CoseKey.Public(PublicKeyInfo key)) {
                subjects.add(ofKey(key.fingerprint()));
            }
        }
        return subjects;
    }

    /// What the values are about that a statement adds: they may make others hold.
    public static Set<Bytes> added(Triple statement) {
        Set<Bytes> subjects = new LinkedHashSet<>();
        List<Triple.Endorsed> additions = switch (statement) {
            case Triple.Endorsed endorsed -> List.of(endorsed);
            case Triple.Conditional conditional -> conditional.endorsements();
            case Triple.Reference _, Triple.Series _, Triple.Keys _, Triple.Other _ -> List.of();
        };
        additions.forEach(addition -> subjects.addAll(ofClasses(addition.environment())));
        return subjects;
    }

    private static Bytes ofCondition(Environment environment) {
        Cbor classId = environment.classId();
        Cbor instance = environment.instance();
        if (classId != null) {
            return subject("class", classId);
        }
        if (instance != null) {
            return ofInstance(instance);
        }
        return environment.vendor() == null && environment.model() == null
                ? ANY
                : ofModel(environment.vendor(), environment.model());
    }

    /// Under what the statements stand that can match these claims, but for those about their instances.
    public static Set<Bytes> ofClasses(Collection<Endorsements.Claim> claims) {
        Set<Bytes> subjects = new LinkedHashSet<>();
        subjects.add(ANY);
        claims.forEach(claim -> subjects.addAll(ofClasses(claim.environment())));
        return subjects;
    }

    /// As [#ofClasses(Collection)], of one environment.
    public static Set<Bytes> ofClasses(Environment environment) {
        Set<Bytes> subjects = new LinkedHashSet<>();
        Cbor classId = environment.classId();
        String vendor = environment.vendor();
        String model = environment.model();
        if (classId != null) {
            subjects.add(subject("class", classId));
        }
        if (vendor != null) {
            subjects.add(ofModel(vendor, null));
        }
        if (model != null) {
            subjects.add(ofModel(null, model));
        }
        if (vendor != null && model != null) {
            subjects.add(ofModel(vendor, model));
        }
        return subjects;
    }

    public static Bytes ofInstance(Cbor instance) {
        return subject("instance", instance);
    }

    /// @param fingerprint SHA-256 of an attestation key's SubjectPublicKeyInfo
    public static Bytes ofKey(Bytes fingerprint) {
        return subject("key", Cbor.of(fingerprint));
    }

    /// What the tags of a manifest belong to: those that it holds, takes the place of, and switches on.
    public static Set<Bytes> ofTags(Corim corim) {
        Set<Bytes> subjects = new LinkedHashSet<>();
        for (Tag tag : corim.tags()) {
            switch (tag) {
                case Tag.Comid comid -> {
                    subjects.add(ofTag(comid.identity().id()));
                    comid.linkedTags().forEach(link -> subjects.add(ofTag(link.id())));
                }
                case Tag.Cotl cotl -> cotl.activated().forEach(identity -> subjects.add(ofTag(identity.id())));
                case Tag.Opaque _ -> {
                    // Not used in appraisal.
                }
            }
        }
        return subjects;
    }

    public static Bytes ofTag(Cbor id) {
        return subject("tag", id);
    }

    private static Bytes ofModel(@Nullable String vendor, @Nullable String model) {
        return subject(
                "model",
                Cbor.array(vendor == null ? Cbor.of(0) : Cbor.of(vendor), model == null ? Cbor.of(0) : Cbor.of(model)));
    }

    private static Bytes subject(String kind, Cbor what) {
        return Cbor.array(Cbor.of(kind), what).encode().sha256().slice(0, 16);
    }
}
