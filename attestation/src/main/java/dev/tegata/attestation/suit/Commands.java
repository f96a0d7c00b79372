// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.suit;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Follows the commands of a manifest (draft-ietf-suit-manifest §8.4) as far as they say which digest each
/// component's image must have. Where a manifest has alternatives, such as one for each slot, each is a way
/// of its own; a way that would need a component in two slots at once is none.
final class Commands {
    private static final int IMAGE_MATCH = 3;
    private static final int COMPONENT_SLOT = 5;
    private static final int SET_COMPONENT_INDEX = 12;
    private static final int TRY_EACH = 15;
    private static final int SET_PARAMETERS = 19;
    private static final int OVERRIDE_PARAMETERS = 20;
    private static final int RUN_SEQUENCE = 32;
    private static final int OVERRIDE_MULTIPLE = 34;
    private static final int IMAGE_DIGEST = 3;
    private static final int SLOT = 5;
    private static final int MAX_COMMANDS = 2_000;
    private static final int MAX_DEPTH = 4;
    static final int MAX_WAYS = 64;
    /// What is chosen before any command.
    static final Set<Integer> FIRST = Set.of(0);

    private final int components;
    private Set<Integer> current = FIRST;
    private int commands;

    /// What is known of a component at the end of a way.
    ///
    /// @param digest that its image was set to have
    /// @param matched the digest that its image was compared with last
    /// @param slot the parameter
    /// @param inSlot where it is, on this way
    record Known(
            @Nullable ImageDigest digest,
            @Nullable ImageDigest matched,
            @Nullable Long slot,
            @Nullable Long inSlot) {
        boolean excludes(Known other) {
            return inSlot != null && other.inSlot != null && !inSlot.equals(other.inSlot);
        }
    }

    /// One way through a manifest: what is known of each component.
    record Way(List<Known> components) {
        private Way with(int index, Known known) {
            List<Known> changed = new ArrayList<>(components);
            changed.set(index, known);
            return new Way(changed);
        }

        boolean excludes(Way other) {
            return IntStream.range(0, components.size())
                    .anyMatch(index -> components.get(index).excludes(other.components.get(index)));
        }
    }

    Commands(int components) {
        this.components = components;
    }

    /// The one way before any command.
    Collection<Way> start() {
        return Set.of(new Way(Collections.nCopies(components, new Known(null, null, null, null))));
    }

    /// The components that the last sequence has left chosen.
    Set<Integer> chosen() {
        return current;
    }

    /// Follows a sequence of commands from the end of each of these ways.
    ///
    /// @param chosen the components that are chosen when it begins
    Collection<Way> run(Collection<Way> ways, Set<Integer> chosen, Cbor sequence) throws MalformedException {
        current = chosen;
        return run(ways, sequence, 0);
    }

    private Collection<Way> run(Collection<Way> from, Cbor sequence, int depth) throws MalformedException {
        List<Cbor> items = sequence.array("a sequence of commands");
        commands += items.size() / 2;
        if (depth > MAX_DEPTH || commands > MAX_COMMANDS || items.size() % 2 != 0) {
            throw new MalformedException("a sequence of commands is odd, nested more than " + MAX_DEPTH
                    + " deep, or one of more than " + MAX_COMMANDS + " commands");
        }
        Collection<Way> ways = from;
        for (int at = 0; at < items.size(); at += 2) {
            Cbor argument = items.get(at + 1);
            switch ((int) items.get(at).integer("a command")) {
                case SET_COMPONENT_INDEX -> current = indices(argument);
                case OVERRIDE_PARAMETERS -> ways = set(ways, current, argument, true);
                case SET_PARAMETERS -> ways = set(ways, current, argument, false);
                case OVERRIDE_MULTIPLE -> {
                    for (Map.Entry<Cbor, Cbor> entry : argument.mapping("parameters of components")
                            .entries()
                            .entrySet()) {
                        ways = set(ways, indices(entry.getKey()), entry.getValue(), true);
                    }
                }
                case IMAGE_MATCH ->
                    ways = each(
                            ways,
                            known -> known.digest == null
                                    ? known
                                    : new Known(known.digest, known.digest, known.slot, known.inSlot));
                case COMPONENT_SLOT -> ways = inSlots(ways);
                case TRY_EACH -> ways = tryEach(ways, argument.array("alternatives", 1, 64), depth);
                case RUN_SEQUENCE -> ways = run(ways, nested(argument), depth + 1);
                default -> {
                    // Fetches, copies, other conditions and the like say nothing about digests.
                }
            }
        }
        return ways;
    }

    private interface Change {
        Known of(Known known);
    }

    private Collection<Way> each(Collection<Way> ways, Change change) {
        Set<Way> changed = new LinkedHashSet<>();
        for (Way way : ways) {
            Way next = way;
            for (int index : current) {
                next = next.with(index, change.of(next.components.get(index)));
            }
            changed.add(next);
        }
        return changed;
    }

    /// A component is in the slot that the parameter names, or the way ends here.
    private Collection<Way> inSlots(Collection<Way> ways) {
        List<Way> possible = ways.stream()
                .filter(way -> current.stream()
                        .map(way.components::get)
                        .noneMatch(known ->
                                known.slot != null && known.inSlot != null && !known.slot.equals(known.inSlot)))
                .toList();
        return each(
                possible,
                known -> new Known(
                        known.digest, known.matched, known.slot, known.slot == null ? known.inSlot : known.slot));
    }

    private static Cbor nested(Cbor wrapped) throws MalformedException {
        return Cbor.read(wrapped.bytes("a sequence of commands"), CborLimits.DOCUMENT);
    }

    /// Each alternative is followed from here. The component that was chosen before is chosen afterwards.
    private Collection<Way> tryEach(Collection<Way> ways, List<Cbor> alternatives, int depth)
            throws MalformedException {
        Set<Integer> before = current;
        Set<Way> outcome = new LinkedHashSet<>();
        for (Cbor alternative : alternatives) {
            current = before;
            // The last may be null: none of them has to hold.
            outcome.addAll(alternative.equals(Cbor.NULL) ? ways : run(ways, nested(alternative), depth + 1));
            if (outcome.size() > MAX_WAYS) {
                throw new MalformedException("a manifest has more than " + MAX_WAYS + " ways to go");
            }
        }
        current = before;
        return outcome;
    }

    private Set<Integer> indices(Cbor argument) throws MalformedException {
        if (argument.equals(Cbor.of(true))) {
            return Set.copyOf(IntStream.range(0, components).boxed().toList());
        }
        if (argument instanceof Cbor.ArrayItem) {
            Set<Integer> chosen = new LinkedHashSet<>();
            for (Cbor index : argument.array("component indices", 1, components)) {
                chosen.add(index.integer("a component's index", 0, components - 1));
            }
            return chosen;
        }
        return Set.of(argument.integer("a component's index", 0, components - 1));
    }

    private Collection<Way> set(Collection<Way> ways, Set<Integer> chosen, Cbor parameters, boolean override)
            throws MalformedException {
        Cbor.MapItem values = parameters.mapping("parameters");
        Cbor wrapped = values.get(IMAGE_DIGEST);
        Cbor number = values.get(SLOT);
        if (wrapped == null && number == null) {
            return ways;
        }
        ImageDigest digest = wrapped == null ? null : ImageDigest.of(nested(wrapped));
        Long slot = number == null ? null : number.integer("a slot");
        Set<Integer> before = current;
        current = chosen;
        Collection<Way> changed = each(
                ways,
                known -> new Known(
                        digest != null && (override || known.digest == null) ? digest : known.digest,
                        known.matched,
                        slot != null && (override || known.slot == null) ? slot : known.slot,
                        known.inSlot));
        current = before;
        return changed;
    }
}
