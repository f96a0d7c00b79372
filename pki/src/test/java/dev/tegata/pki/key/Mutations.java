// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.Bytes;
import java.util.Arrays;
import java.util.random.RandomGenerator;

/// Small random damage to good inputs: the fuel of the fuzz tests.
final class Mutations {
    private Mutations() {}

    static Bytes of(byte[] good, RandomGenerator random) {
        byte[] mutated = good.clone();
        switch (random.nextInt(4)) {
            case 0 -> mutated = Arrays.copyOf(mutated, random.nextInt(mutated.length));
            case 1 -> mutated = Arrays.copyOf(mutated, mutated.length + 1 + random.nextInt(4));
            default -> {
                for (int count = 1 + random.nextInt(3); count > 0; count--) {
                    mutated[random.nextInt(mutated.length)] = (byte) random.nextInt(256);
                }
            }
        }
        return Bytes.of(mutated);
    }
}
