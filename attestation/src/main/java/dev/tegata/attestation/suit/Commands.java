// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.suit;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Follows the commands of a manifest (draft-ietf-suit-manifest §8.4) as far as they say which digest each
/// component's image must have. Where a manifest has alternatives, all of them are followed: a component
/// may have several digests.
final class Commands {
    private static final int IMAGE_MATCH = 3;
    private static final int SET_COMPONENT_INDEX = 12;
    private static final int TRY_EACH = 15;
    private static final int SET_PARAMETERS = 19;
    private static final int OVERRIDE_PARAMETERS = 20;
    private static final int RUN_SEQUENCE = 32;
    private static final int OVERRIDE_MULTIPLE = 34;
    private static final int IMAGE_DIGEST = 3;
    private static final int MAX_COMMANDS = 2_000;
    private static final int MAX_DEPTH = 4;

    private final List<Set<ImageDigest>> digests;
    private final List<Set<ImageDigest>> matched;
    private Set<Integer> current = Set.of(0);
    private int commands;

    Commands(int components) {
        this.digests = empty(components);
        this.matched = empty(components);
    }

    private static List<Set<ImageDigest>> empty(int components) {
        return new ArrayList<>(IntStream.range(0, components)
                .mapToObj(_ -> Set.<ImageDigest>of())
                .toList());
    }

    /// Another run that begins where this one ended.
    Commands copy() {
        Commands copy = new Commands(digests.size());
        copy.become(this);
        return copy;
    }

    private void become(Commands other) {
        for (int index = 0; index < digests.size(); index++) {
            digests.set(index, other.digests.get(index));
            matched.set(index, other.matched.get(index));
        }
        current = other.current;
        commands = other.commands;
    }

    /// The digests that a component's image was set to have.
    Set<ImageDigest> digests(int component) {
        return digests.get(component);
    }

    /// The digests that a component's image was compared with.
    Set<ImageDigest> matched(int component) {
        return matched.get(component);
    }

    void run(Cbor sequence) throws MalformedException {
        run(sequence, 0);
    }

    private void run(Cbor sequence, int depth) throws MalformedException {
        List<Cbor> items = sequence.array("a sequence of commands");
        commands += items.size() / 2;
        if (depth > MAX_DEPTH || commands > MAX_COMMANDS || items.size() % 2 != 0) {
            throw new MalformedException("a sequence of commands is odd, nested more than " + MAX_DEPTH
                    + " deep, or one of more than " + MAX_COMMANDS + " commands");
        }
        for (int at = 0; at < items.size(); at += 2) {
            Cbor argument = items.get(at + 1);
            switch ((int) items.get(at).integer("a command")) {
                case SET_COMPONENT_INDEX -> current = components(argument);
                case OVERRIDE_PARAMETERS -> set(current, argument, true);
                case SET_PARAMETERS -> set(current, argument, false);
                case OVERRIDE_MULTIPLE -> {
                    for (Map.Entry<Cbor, Cbor> entry : argument.mapping("parameters of components")
                            .entries()
                            .entrySet()) {
                        set(components(entry.getKey()), entry.getValue(), true);
                    }
                }
                case IMAGE_MATCH ->
                    current.forEach(index -> matched.set(index, union(matched.get(index), digests.get(index))));
                case TRY_EACH -> tryEach(argument.array("alternatives", 1, 64), depth);
                case RUN_SEQUENCE -> run(nested(argument), depth + 1);
                default -> {
                    // Fetches, copies, conditions and the like say nothing about digests.
                }
            }
        }
    }

    private static Cbor nested(Cbor wrapped) throws MalformedException {
        return Cbor.read(wrapped.bytes("a sequence of commands"), CborLimits.DOCUMENT);
    }

    /// Each alternative is followed from here; afterwards, what any of them came to may be so.
    private void tryEach(List<Cbor> alternatives, int depth) throws MalformedException {
        Commands before = copy();
        @Nullable Commands outcome = null;
        for (Cbor alternative : alternatives) {
            become(before);
            before.commands = commands;
            // The last may be null: none of them has to hold.
            if (!alternative.equals(Cbor.NULL)) {
                run(nested(alternative), depth + 1);
            }
            before.commands = commands;
            Commands came = copy();
            if (outcome == null) {
                outcome = came;
            } else {
                for (int index = 0; index < digests.size(); index++) {
                    outcome.digests.set(index, union(outcome.digests.get(index), came.digests.get(index)));
                    outcome.matched.set(index, union(outcome.matched.get(index), came.matched.get(index)));
                }
                outcome.commands = came.commands;
            }
        }
        if (outcome != null) {
            become(outcome);
        }
        current = before.current;
    }

    private static Set<ImageDigest> union(Set<ImageDigest> left, Set<ImageDigest> right) {
        Set<ImageDigest> union = new LinkedHashSet<>(left);
        union.addAll(right);
        return union;
    }

    private Set<Integer> components(Cbor argument) throws MalformedException {
        if (argument.equals(Cbor.of(true))) {
            return Set.copyOf(IntStream.range(0, digests.size()).boxed().toList());
        }
        if (argument instanceof Cbor.ArrayItem) {
            Set<Integer> components = new LinkedHashSet<>();
            for (Cbor index : argument.array("component indices", 1, digests.size())) {
                components.add(index.integer("a component's index", 0, digests.size() - 1));
            }
            return components;
        }
        return Set.of(argument.integer("a component's index", 0, digests.size() - 1));
    }

    private void set(Set<Integer> components, Cbor parameters, boolean override) throws MalformedException {
        Cbor digest = parameters.mapping("parameters").get(IMAGE_DIGEST);
        if (digest == null) {
            return;
        }
        Set<ImageDigest> value = Set.of(ImageDigest.of(nested(digest)));
        for (int index : components) {
            if (override || digests.get(index).isEmpty()) {
                digests.set(index, value);
            }
        }
    }
}
