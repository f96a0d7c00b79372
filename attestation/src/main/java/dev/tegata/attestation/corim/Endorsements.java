// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Everything that trusted authors say, ready for matching: one engine for all evidence formats.
///
/// Immutable, and worth keeping between appraisals. Statements are found by the class they are about and by
/// the first digest they demand, so that a product's thousand releases cost no more than one.
public final class Endorsements {
    private static final int MAX_NEAREST = 3;
    private static final int MAX_ROUNDS = 32;

    /// A manifest that the caller trusts: its signature verified, or it came through an authenticated
    /// channel. `signer` is for people; `signerKey` is the SHA-256 of the signer's SubjectPublicKeyInfo,
    /// where there is one; `signatureValidity` is that of the signature, which ends what is said even where
    /// the manifest has no end.
    public record Source(
            Corim corim,
            String signer,
            @Nullable Bytes signerKey,
            @Nullable Validity signatureValidity) {
        /// A manifest that came without a signature.
        public Source(Corim corim, String signer) {
            this(corim, signer, null, null);
        }
    }

    /// Where a statement stands.
    public record Origin(String corim, String tag, long tagVersion, String signer) {}

    /// A claim of evidence. `authorities` are the SHA-256 fingerprints of the keys that said so.
    public record Claim(Environment environment, Measurement measurement, List<Bytes> authorities) {}

    /// A value that an author demands or adds, and where.
    public record Statement(Environment environment, Measurement measurement, Origin origin) {}

    /// What became of one claim of evidence.
    public sealed interface Judged {
        Claim claim();
    }

    /// A reference value says the same.
    public record Corroborated(Claim claim, Statement reference) implements Judged {}

    /// There are reference values for this element, and none says the same. `nearest` are some of them.
    public record Contradicted(Claim claim, List<Statement> nearest) implements Judged {}

    /// No reference value speaks of this element.
    public record Unknown(Claim claim) implements Judged {}

    /// The outcome of matching: each claim judged, and what was added to them. `aboutClass` is one of those
    /// who speak of this class, where any does.
    public record Match(List<Judged> judged, List<Statement> endorsed, Optional<Origin> aboutClass) {}

    /// A key of which an author says that an environment signs its evidence with it.
    public record EndorsedKey(Environment environment, CoseKey key, Origin origin) {}

    /// What an author says of an environment's identity: `listed` tells whether a key of the evidence is
    /// among its keys.
    public record Identity(Environment environment, Origin origin, boolean listed) {}

    private record Located<T extends Triple>(
            T triple, Origin origin, @Nullable Bytes signerKey) {}

    /// The statements about one class.
    private static final class Shelf {
        private final Origin first;
        private final Map<Bytes, List<Statement>> referencesByDigest = new HashMap<>();
        private final List<Statement> otherReferences = new ArrayList<>();
        private final List<Located<Triple.Endorsed>> endorsed = new ArrayList<>();
        private final Map<Bytes, List<Located<Triple.Conditional>>> conditionalsByDigest = new HashMap<>();
        private final List<Located<Triple.Conditional>> otherConditionals = new ArrayList<>();
        private final List<Located<Triple.Series>> series = new ArrayList<>();

        Shelf(Origin first) {
            this.first = first;
        }
    }

    private final Map<Cbor, Shelf> byClass = new HashMap<>();
    private final Shelf anyClass = new Shelf(new Origin("", "", 0, ""));
    private final Map<Cbor, List<EndorsedKey>> keysByInstance = new HashMap<>();
    private final Map<Cbor, List<Located<Triple.Keys>>> identitiesByInstance = new HashMap<>();
    private final Map<Bytes, List<Located<Triple.Keys>>> identitiesByKey = new HashMap<>();
    private final Map<Bytes, EndorsedKey> attestationKeys = new HashMap<>();
    private final Set<Bytes> sharedKeys = new HashSet<>();
    private final List<String> problems = new ArrayList<>();

    private Endorsements() {}

    /// Prepares the statements of `sources` that hold at `at`.
    public static Endorsements of(Collection<Source> sources, Instant at) {
        Endorsements endorsements = new Endorsements();
        for (ActiveTags.Active active : ActiveTags.of(sources, at, endorsements.problems)) {
            endorsements.add(active);
        }
        return endorsements;
    }

    private void add(ActiveTags.Active active) {
        Origin origin = new Origin(
                active.source().corim().name(),
                active.comid().identity().name(),
                active.comid().identity().version(),
                active.source().signer());
        boolean legacy = LegacyPsaProfile.NAME.equals(active.source().corim().profile());
        for (Triple triple : active.comid().triples()) {
            try {
                add(
                        legacy ? LegacyPsaProfile.translate(triple) : triple,
                        origin,
                        active.source().signerKey());
            } catch (MalformedException e) {
                problems.add("a statement of " + origin.tag + " is left out: " + e.getMessage());
            }
        }
    }

    private void add(Triple triple, Origin origin, @Nullable Bytes signerKey) {
        switch (triple) {
            case Triple.Reference(Environment environment, List<Measurement> measurements) -> {
                Shelf shelf = shelf(environment, origin);
                for (Measurement measurement : measurements) {
                    Statement reference = new Statement(environment, measurement, origin);
                    Optional<Bytes> digest = firstDigest(measurement);
                    if (digest.isPresent()) {
                        shelf.referencesByDigest
                                .computeIfAbsent(digest.get(), _ -> new ArrayList<>())
                                .add(reference);
                    } else {
                        shelf.otherReferences.add(reference);
                    }
                }
            }
            case Triple.Endorsed endorsed ->
                shelf(endorsed.environment(), origin).endorsed.add(new Located<>(endorsed, origin, signerKey));
            case Triple.Conditional conditional -> {
                Triple.State first = conditional.conditions().getFirst();
                Shelf shelf = shelf(first.environment(), origin);
                Located<Triple.Conditional> located = new Located<>(conditional, origin, signerKey);
                Optional<Bytes> digest = firstDigest(first.measurements().getFirst());
                if (digest.isPresent()) {
                    shelf.conditionalsByDigest
                            .computeIfAbsent(digest.get(), _ -> new ArrayList<>())
                            .add(located);
                } else {
                    shelf.otherConditionals.add(located);
                }
            }
            case Triple.Series series ->
                shelf(series.condition().environment(), origin).series.add(new Located<>(series, origin, signerKey));
            case Triple.Keys keys when !keys.attestation() -> addIdentity(new Located<>(keys, origin, signerKey));
            case Triple.Keys keys -> {
                for (Cbor statement : keys.keys()) {
                    Optional<CoseKey> key = CryptoKeys.publicKey(statement);
                    key.ifPresent(value -> add(new EndorsedKey(keys.environment(), value, origin)));
                }
            }
            case Triple.Other _ -> {
                // Appraisal does not use these.
            }
        }
    }

    private void addIdentity(Located<Triple.Keys> located) {
        Cbor instance = located.triple.environment().instance();
        if (instance != null) {
            identitiesByInstance
                    .computeIfAbsent(instance, _ -> new ArrayList<>())
                    .add(located);
        }
        for (Cbor statement : located.triple.keys()) {
            CryptoKeys.fingerprint(statement)
                    .ifPresent(key -> identitiesByKey
                            .computeIfAbsent(key, _ -> new ArrayList<>())
                            .add(located));
        }
    }

    private void add(EndorsedKey key) {
        Cbor instance = key.environment.instance();
        if (instance != null) {
            keysByInstance.computeIfAbsent(instance, _ -> new ArrayList<>()).add(key);
        }
        if (key.key instanceof CoseKey.Public(PublicKeyInfo info)) {
            EndorsedKey earlier = attestationKeys.putIfAbsent(info.fingerprint(), key);
            if (earlier != null && !earlier.environment.equals(key.environment)) {
                sharedKeys.add(info.fingerprint());
                problems.add("one key is endorsed for two devices, and speaks for neither: " + info);
            }
        }
    }

    private Shelf shelf(Environment environment, Origin origin) {
        Cbor classId = environment.classId();
        return classId == null ? anyClass : byClass.computeIfAbsent(classId, _ -> new Shelf(origin));
    }

    private static Optional<Bytes> firstDigest(Measurement measurement) {
        return Optional.ofNullable(Matching.digests(measurement))
                .filter(digests -> digests instanceof Cbor.ArrayItem(List<Cbor> items) && items.size() == 1)
                .flatMap(digests -> allDigests(digests).stream().findFirst());
    }

    private static List<Bytes> allDigests(Cbor digests) {
        List<Bytes> values = new ArrayList<>();
        if (digests instanceof Cbor.ArrayItem(List<Cbor> items)) {
            for (Cbor item : items) {
                if (item instanceof Cbor.ArrayItem(List<Cbor> pair)
                        && pair.size() == 2
                        && pair.get(1) instanceof Cbor.ByteString(Bytes value)) {
                    values.add(value);
                }
            }
        }
        return values;
    }

    /// What was left out of the sources and why, for people.
    public List<String> problems() {
        return List.copyOf(problems);
    }

    /// The keys that are endorsed for signing evidence of exactly this instance.
    public List<EndorsedKey> keys(Cbor instance) {
        return keysByInstance.getOrDefault(instance, List.of());
    }

    /// The endorsed attestation key with this SHA-256 of its SubjectPublicKeyInfo.
    public Optional<EndorsedKey> attestationKey(Bytes fingerprint) {
        return sharedKeys.contains(fingerprint)
                ? Optional.empty()
                : Optional.ofNullable(attestationKeys.get(fingerprint));
    }

    /// The instance whose identity key this is, the SHA-256 of a SubjectPublicKeyInfo, without any
    /// condition on the evidence. None where authors name several.
    public Optional<Environment> instanceWithKey(Bytes fingerprint) {
        Set<Environment> named = new HashSet<>();
        for (Located<Triple.Keys> located : identitiesByKey.getOrDefault(fingerprint, List.of())) {
            Triple.Keys triple = located.triple;
            if (triple.environment().instance() != null
                    && triple.key() == null
                    && triple.authorizedBy().isEmpty()) {
                named.add(triple.environment());
            }
        }
        return named.size() == 1 ? Optional.of(named.iterator().next()) : Optional.empty();
    }

    /// What is said of the identity of the attester, which has shown these keys. A statement that lists one
    /// of them goes before those that list others for this instance, or one of them for another instance.
    public Optional<Identity> identity(Environment attester, List<Claim> evidence, Collection<Bytes> keys) {
        for (Bytes key : keys) {
            for (Located<Triple.Keys> located : identitiesByKey.getOrDefault(key, List.of())) {
                if (identifies(located.triple, attester, evidence)) {
                    return Optional.of(new Identity(located.triple.environment(), located.origin, true));
                }
            }
        }
        Set<Cbor> instances = new LinkedHashSet<>();
        Stream.concat(Stream.of(attester), evidence.stream().map(Claim::environment))
                .map(Environment::instance)
                .filter(Objects::nonNull)
                .forEach(instances::add);
        for (Bytes key : keys) {
            for (Located<Triple.Keys> located : identitiesByKey.getOrDefault(key, List.of())) {
                if (isOfAnother(located.triple.environment().instance(), instances)) {
                    return Optional.of(new Identity(located.triple.environment(), located.origin, false));
                }
            }
        }
        for (Cbor instance : instances) {
            for (Located<Triple.Keys> located : identitiesByInstance.getOrDefault(instance, List.of())) {
                if (identifies(located.triple, attester, evidence)) {
                    return Optional.of(new Identity(located.triple.environment(), located.origin, false));
                }
            }
        }
        return Optional.empty();
    }

    /// Whether an instance is none of these, of which one is named in the same way.
    private static boolean isOfAnother(@Nullable Cbor instance, Set<Cbor> attester) {
        return instance instanceof Cbor.Tagged(long tag, Cbor _)
                && !attester.contains(instance)
                && attester.stream().anyMatch(own -> own instanceof Cbor.Tagged(long ownTag, Cbor _) && ownTag == tag);
    }

    /// Whether a statement of keys is about this attester: one of its claims is of the environment and of
    /// the element, and is made by those who have to.
    private static boolean identifies(Triple.Keys keys, Environment attester, List<Claim> evidence) {
        boolean free = keys.key() == null && keys.authorizedBy().isEmpty();
        return (free && keys.environment().covers(attester))
                || evidence.stream()
                        .anyMatch(claim -> keys.environment().covers(claim.environment)
                                && (keys.key() == null || keys.key().equals(claim.measurement.key()))
                                && Matching.authorized(keys.authorizedBy(), claim.authorities));
    }

    /// Judges the claims of one attester, and adds what follows from them.
    public Match match(List<Claim> evidence) {
        Set<Shelf> shelves = new LinkedHashSet<>();
        Optional<Origin> aboutClass = Optional.empty();
        for (Claim claim : evidence) {
            Cbor classId = claim.environment().classId();
            Shelf shelf = classId == null ? null : byClass.get(classId);
            if (shelf != null) {
                shelves.add(shelf);
                aboutClass = aboutClass.or(() -> Optional.of(shelf.first));
            }
        }
        shelves.add(anyClass);
        List<Judged> judged = new ArrayList<>();
        for (Claim claim : evidence) {
            judged.add(judge(claim, shelves));
        }
        return new Match(
                judged,
                endorse(evidence, shelves),
                aboutClass.or(() -> judged.stream()
                        .flatMap(each -> switch (each) {
                            case Corroborated(Claim _, Statement reference) -> Stream.of(reference.origin);
                            case Contradicted(Claim _, List<Statement> nearest) -> Stream.of(nearest.getFirst().origin);
                            case Unknown _ -> Stream.empty();
                        })
                        .findFirst()));
    }

    /// One of those who speak of this class.
    public Optional<Origin> aboutClass(Cbor classId) {
        return Optional.ofNullable(byClass.get(classId)).map(shelf -> shelf.first);
    }

    private static Judged judge(Claim claim, Set<Shelf> shelves) {
        Cbor digests = Matching.digests(claim.measurement());
        List<Bytes> values = digests == null ? List.of() : allDigests(digests);
        for (Shelf shelf : shelves) {
            for (Bytes value : values) {
                for (Statement reference : shelf.referencesByDigest.getOrDefault(value, List.of())) {
                    if (corroborates(reference, claim)) {
                        return new Corroborated(claim, reference);
                    }
                }
            }
            for (Statement reference : shelf.otherReferences) {
                if (corroborates(reference, claim)) {
                    return new Corroborated(claim, reference);
                }
            }
        }
        List<Statement> nearest = nearest(claim, shelves);
        return nearest.isEmpty() ? new Unknown(claim) : new Contradicted(claim, nearest);
    }

    private static boolean corroborates(Statement reference, Claim claim) {
        return reference.environment.covers(claim.environment)
                && Matching.matches(reference.measurement, claim.measurement)
                && Matching.authorized(reference.measurement.authorizedBy(), claim.authorities);
    }

    /// Reference values for the same element: the same key and, where both have one, the same name. The
    /// newest first.
    private static List<Statement> nearest(Claim claim, Set<Shelf> shelves) {
        List<Statement> nearest = new ArrayList<>();
        for (Shelf shelf : shelves) {
            for (List<Statement> references : shelf.referencesByDigest.values()) {
                collectNearest(references, claim, nearest);
            }
            collectNearest(shelf.otherReferences, claim, nearest);
        }
        return nearest;
    }

    private static void collectNearest(List<Statement> references, Claim claim, List<Statement> nearest) {
        for (Statement reference : references) {
            String wanted = reference.measurement.name();
            String name = claim.measurement.name();
            if (reference.environment.covers(claim.environment)
                    && Objects.equals(reference.measurement.key(), claim.measurement.key())
                    && (wanted == null || name == null || wanted.equals(name))) {
                int at = 0;
                while (at < nearest.size() && !isNewer(reference, nearest.get(at))) {
                    at++;
                }
                nearest.add(at, reference);
                if (nearest.size() > MAX_NEAREST) {
                    nearest.removeLast();
                }
            }
        }
    }

    private static boolean isNewer(Statement left, Statement right) {
        String leftVersion = left.measurement.version();
        String rightVersion = right.measurement.version();
        return leftVersion != null && (rightVersion == null || Versions.compare(leftVersion, rightVersion) > 0);
    }

    /// Adds endorsed values until nothing changes. Each statement speaks once, so this ends; the number of
    /// rounds is limited all the same, because each costs a pass over all that were not yet heard.
    private static List<Statement> endorse(List<Claim> evidence, Set<Shelf> shelves) {
        List<Claim> accepted = new ArrayList<>(evidence);
        Map<Statement, Boolean> added = new LinkedHashMap<>();
        Set<Object> spoken = new HashSet<>();
        boolean changed = true;
        for (int round = 0; changed && round < MAX_ROUNDS; round++) {
            changed = false;
            for (Statement statement : nextEndorsements(accepted, shelves, spoken)) {
                if (added.put(statement, true) == null) {
                    accepted.add(new Claim(statement.environment, statement.measurement, List.of()));
                    changed = true;
                }
            }
        }
        return List.copyOf(added.keySet());
    }

    private static List<Statement> nextEndorsements(List<Claim> accepted, Set<Shelf> shelves, Set<Object> spoken) {
        List<Statement> next = new ArrayList<>();
        for (Shelf shelf : shelves) {
            for (Located<Triple.Endorsed> endorsed : shelf.endorsed) {
                if (holds(new Triple.State(endorsed.triple.environment(), List.of()), accepted)
                        && spoken.add(endorsed)) {
                    add(endorsed.triple, endorsed.origin, next);
                }
            }
            for (Located<Triple.Conditional> conditional : candidates(shelf, accepted)) {
                if (conditional.triple.conditions().stream().allMatch(state -> holds(state, accepted))
                        && spoken.add(conditional)) {
                    conditional.triple.endorsements().forEach(endorsed -> add(endorsed, conditional.origin, next));
                }
            }
            for (Located<Triple.Series> series : shelf.series) {
                firstCase(series.triple, accepted)
                        .filter(_ -> spoken.add(series))
                        .ifPresent(found -> add(
                                new Triple.Endorsed(series.triple.condition().environment(), found.addition()),
                                series.origin,
                                next));
            }
        }
        return next;
    }

    private static List<Located<Triple.Conditional>> candidates(Shelf shelf, List<Claim> accepted) {
        List<Located<Triple.Conditional>> candidates = new ArrayList<>(shelf.otherConditionals);
        for (Claim claim : accepted) {
            Cbor digests = Matching.digests(claim.measurement());
            if (digests != null) {
                for (Bytes digest : allDigests(digests)) {
                    candidates.addAll(shelf.conditionalsByDigest.getOrDefault(digest, List.of()));
                }
            }
        }
        return candidates;
    }

    private static void add(Triple.Endorsed endorsed, Origin origin, List<Statement> next) {
        for (Measurement measurement : endorsed.measurements()) {
            next.add(new Statement(endorsed.environment(), measurement, origin));
        }
    }

    private static Optional<Triple.Case> firstCase(Triple.Series series, List<Claim> accepted) {
        Environment environment = series.condition().environment();
        if (!holds(series.condition(), accepted)) {
            return Optional.empty();
        }
        return series.cases().stream()
                .filter(each -> holds(new Triple.State(environment, each.selection()), accepted))
                .findFirst();
    }

    /// Whether the accepted claims have the environment, and in it each of the measurements.
    private static boolean holds(Triple.State state, List<Claim> accepted) {
        boolean present = false;
        for (Claim claim : accepted) {
            present |= state.environment().covers(claim.environment);
        }
        return present
                && state.measurements().stream()
                        .allMatch(condition -> accepted.stream()
                                .anyMatch(claim -> state.environment().covers(claim.environment)
                                        && Matching.matches(condition, claim.measurement)
                                        && Matching.authorized(condition.authorizedBy(), claim.authorities)));
    }
}
