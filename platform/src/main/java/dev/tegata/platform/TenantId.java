// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import dev.tegata.pki.key.KeySpace;
import java.util.random.RandomGenerator;

/// Names a tenant: `t` and nine characters of [PublicIds]. Public and not guessable in practice, but no secret.
public record TenantId(String value) implements Comparable<TenantId> {
    public TenantId {
        PublicIds.require("tenant id", value, value.length() == 10 && value.charAt(0) == 't');
    }

    public static TenantId random(RandomGenerator random) {
        return new TenantId("t" + PublicIds.random(random, 9));
    }

    /// Whether `value` has the form of a tenant id.
    public static boolean isValid(String value) {
        return value.length() == 10 && value.charAt(0) == 't' && PublicIds.isValid(value);
    }

    /// The part of the vault that holds this tenant's keys.
    public KeySpace keySpace() {
        return new KeySpace(value);
    }

    @Override
    public int compareTo(TenantId other) {
        return value.compareTo(other.value);
    }

    @Override
    public String toString() {
        return value;
    }
}
