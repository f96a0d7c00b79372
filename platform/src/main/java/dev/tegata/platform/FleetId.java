// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.util.random.RandomGenerator;

/// Names a fleet, and is what firmware carries: the tenant's id, `-`, and six characters of [PublicIds].
///
/// The tenant stands in front so that a request from a device is routed (to a tenant, to a database) without a look-up.
public record FleetId(String value) {
    public FleetId {
        PublicIds.require("fleet id", value, isValid(value));
    }

    public static FleetId random(TenantId tenant, RandomGenerator random) {
        return new FleetId(tenant.value() + "-" + PublicIds.random(random, 6));
    }

    /// Whether `value` has the form of a fleet id.
    public static boolean isValid(String value) {
        return value.length() == 17
                && value.charAt(10) == '-'
                && TenantId.isValid(value.substring(0, 10))
                && PublicIds.isValid(value.substring(11));
    }

    public TenantId tenant() {
        return new TenantId(value.substring(0, 10));
    }

    @Override
    public String toString() {
        return value;
    }
}
