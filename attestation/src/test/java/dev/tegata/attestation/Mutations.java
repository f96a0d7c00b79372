// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

import static org.assertj.core.api.Assertions.fail;

import dev.tegata.pki.Bytes;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// Seeded mutations of good inputs, for the fuzz test of each parser.
public final class Mutations {
    /// A parser of outside data.
    @FunctionalInterface
    public interface Parser {
        Object parse(Bytes input) throws MalformedException;
    }

    private Mutations() {}

    /// Feeds `rounds` mutations of `seeds` to `parser`: nothing but [MalformedException] may come out. The settings
    /// `tegata.fuzz.seed` and `tegata.fuzz.times` are for longer runs by hand.
    public static void feed(List<Bytes> seeds, int rounds, Parser parser) {
        Random random = new Random(Long.getLong("tegata.fuzz.seed", 42));
        int total = rounds * Integer.getInteger("tegata.fuzz.times", 1);
        for (int round = 0; round < total; round++) {
            byte[] input = mutate(seeds.get(random.nextInt(seeds.size())).toArray(), random);
            try {
                parser.parse(Bytes.of(input));
            } catch (MalformedException _) {
                // The documented outcome.
            } catch (RuntimeException | StackOverflowError e) {
                fail("an unexpected exception for " + Bytes.of(input).hex(), e);
            }
        }
    }

    private static byte[] mutate(byte[] seed, Random random) {
        byte[] input = seed.clone();
        int edits = 1 + random.nextInt(4);
        for (int edit = 0; edit < edits && input.length > 0; edit++) {
            int at = random.nextInt(input.length);
            switch (random.nextInt(6)) {
                case 0 -> input[at] = (byte) random.nextInt(256);
                case 1 -> input[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> input = Arrays.copyOf(input, at);
                case 3 -> input = splice(input, at, at, random);
                case 4 -> input = splice(input, at, Math.min(input.length, at + 1 + random.nextInt(8)), random);
                default -> input[at] = (byte) (random.nextBoolean() ? 0xff : 0);
            }
        }
        return input;
    }

    /// Replaces `from` to `to` by some random bytes.
    private static byte[] splice(byte[] input, int from, int to, Random random) {
        byte[] inserted = new byte[random.nextInt(5)];
        random.nextBytes(inserted);
        return Bytes.of(input, 0, from)
                .concat(Bytes.of(inserted))
                .concat(Bytes.of(input, to, input.length - to))
                .toArray();
    }
}
