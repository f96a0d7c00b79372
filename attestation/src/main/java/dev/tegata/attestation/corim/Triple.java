// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One statement of a CoMID.
public sealed interface Triple {
    int REFERENCE = 0;
    int ENDORSED = 1;
    int IDENTITY = 2;
    int ATTEST_KEY = 3;
    int CONDITIONAL_SERIES = 8;
    int CONDITIONAL = 10;

    /// Where evidence of the environment says these values, they are what was made.
    record Reference(Environment environment, List<Measurement> measurements) implements Triple {}

    /// Every such environment has these values too.
    record Endorsed(Environment environment, List<Measurement> measurements) implements Triple {}

    /// The environment's keys. `attestation` tells the keys that sign evidence from those that identify it
    /// otherwise. `key` and `authorizedBy` limit the statement to one element and to what certain keys said.
    record Keys(
            boolean attestation,
            Environment environment,
            List<Cbor> keys,
            @Nullable Cbor key,
            List<Cbor> authorizedBy) implements Triple {}

    /// An environment in a certain state.
    record State(Environment environment, List<Measurement> measurements) {}

    /// Where all `conditions` hold, the `endorsements` do.
    record Conditional(List<State> conditions, List<Endorsed> endorsements) implements Triple {}

    /// Where `condition` holds, the first of the cases whose selection holds adds its values.
    record Series(State condition, List<Case> cases) implements Triple {}

    /// One case of a series.
    record Case(List<Measurement> selection, List<Measurement> addition) {}

    /// A kind of statement that appraisal does not use: dependency, membership, CoSWID, or one that we do not
    /// know.
    record Other(Cbor kind, Cbor content) implements Triple {}

    static List<Triple> of(Cbor kind, Cbor list) throws MalformedException {
        long number = kind.integer("a kind of triples");
        List<Triple> triples = new ArrayList<>();
        for (Cbor item : list.array("triples", 1, Corim.MAX_ENTRIES)) {
            triples.add(
                    switch ((int) number) {
                        case REFERENCE -> {
                            State state = state(item, "a reference triple");
                            yield new Reference(state.environment, state.measurements);
                        }
                        case ENDORSED -> endorsed(item);
                        case IDENTITY, ATTEST_KEY -> keys(number == ATTEST_KEY, item);
                        case CONDITIONAL_SERIES -> series(item);
                        case CONDITIONAL -> conditional(item);
                        default -> new Other(kind, item);
                    });
        }
        return triples;
    }

    private static State state(Cbor item, String what) throws MalformedException {
        List<Cbor> pair = item.array(what, 2, 2);
        return new State(Environment.of(pair.get(0)), Measurement.list(pair.get(1), "measurements"));
    }

    private static Endorsed endorsed(Cbor item) throws MalformedException {
        State state = state(item, "an endorsed triple");
        return new Endorsed(state.environment, state.measurements);
    }

    private static Keys keys(boolean attestation, Cbor item) throws MalformedException {
        List<Cbor> parts = item.array("a key triple", 2, 3);
        Cbor.MapItem conditions = parts.size() == 3
                ? parts.get(2).mapping("a key triple's conditions")
                : Cbor.map().build();
        Cbor authorizedBy = conditions.get(1);
        return new Keys(
                attestation,
                Environment.of(parts.get(0)),
                parts.get(1).array("the keys of a triple", 1, 64),
                conditions.get(0),
                authorizedBy == null ? List.of() : authorizedBy.array("authorized-by", 1, 64));
    }

    private static Conditional conditional(Cbor item) throws MalformedException {
        List<Cbor> pair = item.array("a conditional endorsement", 2, 2);
        List<State> conditions = new ArrayList<>();
        for (Cbor condition : pair.get(0).array("conditions", 1, 64)) {
            conditions.add(state(condition, "a condition"));
        }
        List<Endorsed> endorsements = new ArrayList<>();
        for (Cbor endorsement : pair.get(1).array("endorsements", 1, 64)) {
            endorsements.add(endorsed(endorsement));
        }
        return new Conditional(conditions, endorsements);
    }

    private static Series series(Cbor item) throws MalformedException {
        List<Cbor> pair = item.array("a conditional endorsement series", 2, 2);
        List<Cbor> condition = pair.get(0).array("a series' condition", 2, 3);
        List<Measurement> measurements =
                condition.get(1).array("a condition's measurements").isEmpty()
                        ? List.of()
                        : Measurement.list(condition.get(1), "a condition's measurements");
        List<Case> cases = new ArrayList<>();
        for (Cbor record : pair.get(1).array("a series", 1, 1024)) {
            List<Cbor> parts = record.array("a case of a series", 2, 2);
            cases.add(new Case(
                    Measurement.list(parts.get(0), "a selection"), Measurement.list(parts.get(1), "an addition")));
        }
        return new Series(new State(Environment.of(condition.get(0)), measurements), cases);
    }

    /// The key under which triples of this kind stand.
    default Cbor kind() {
        return switch (this) {
            case Reference _ -> Cbor.of(REFERENCE);
            case Endorsed _ -> Cbor.of(ENDORSED);
            case Keys keys -> Cbor.of(keys.attestation ? ATTEST_KEY : IDENTITY);
            case Series _ -> Cbor.of(CONDITIONAL_SERIES);
            case Conditional _ -> Cbor.of(CONDITIONAL);
            case Other(Cbor kind, Cbor _) -> kind;
        };
    }

    default Cbor toCbor() {
        return switch (this) {
            case Reference(Environment environment, List<Measurement> measurements) ->
                Cbor.array(environment.toCbor(), Measurement.toCbor(measurements));
            case Endorsed(Environment environment, List<Measurement> measurements) ->
                Cbor.array(environment.toCbor(), Measurement.toCbor(measurements));
            case Keys keys -> {
                Cbor.MapItem conditions = Cbor.map()
                        .put(0, keys.key)
                        .put(1, keys.authorizedBy.isEmpty() ? null : new Cbor.ArrayItem(keys.authorizedBy))
                        .build();
                Cbor list = new Cbor.ArrayItem(keys.keys);
                yield conditions.entries().isEmpty()
                        ? Cbor.array(keys.environment.toCbor(), list)
                        : Cbor.array(keys.environment.toCbor(), list, conditions);
            }
            case Series(State condition, List<Case> cases) ->
                Cbor.array(
                        toCbor(condition),
                        new Cbor.ArrayItem(cases.stream()
                                .map(record -> Cbor.array(
                                        Measurement.toCbor(record.selection), Measurement.toCbor(record.addition)))
                                .toList()));
            case Conditional(List<State> conditions, List<Endorsed> endorsements) ->
                Cbor.array(
                        new Cbor.ArrayItem(
                                conditions.stream().map(Triple::toCbor).toList()),
                        new Cbor.ArrayItem(
                                endorsements.stream().map(Triple::toCbor).toList()));
            case Other(Cbor _, Cbor content) -> content;
        };
    }

    private static Cbor toCbor(State state) {
        return Cbor.array(state.environment.toCbor(), Measurement.toCbor(state.measurements));
    }
}
