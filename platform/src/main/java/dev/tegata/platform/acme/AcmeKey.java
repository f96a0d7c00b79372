// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import java.net.InetAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A key of external account binding: who has it may make one account, for one device.
///
/// @param id public
public record AcmeKey(
        String id,
        FleetId fleet,
        DeviceId device,
        Scope scope,
        Instant createdAt,
        Instant expiresAt,
        @Nullable Instant usedAt) {
    /// What the device's account may order, of what its fleet offers.
    ///
    /// @param names patterns of host names; none for all that the fleet allows
    /// @param address where http-01 is fetched, instead of asking the DNS; it wants names,
    ///     since nothing else says then whose names they are
    public record Scope(List<String> names, @Nullable String address) {
        public Scope {
            names = AcmePolicy.patterns(names);
        }

        static Scope wanted(List<String> names, @Nullable String address) {
            if (address != null && names.isEmpty()) {
                throw Fields.invalid("names", "must be given with an address, which proves no names");
            }
            try {
                if (address != null) {
                    InetAddress.ofLiteral(address);
                }
            } catch (IllegalArgumentException e) {
                throw Fields.invalid("address", "must be an IP address");
            }
            return new Scope(names, address);
        }

        public boolean allowsName(String name) {
            return names.isEmpty() || AcmePolicy.anyMatches(names, name);
        }
    }

    /// A key to be made.
    public record Wanted(Scope scope, Duration validity) {
        private static final Duration MAX_VALIDITY = Duration.ofDays(3 * 366);

        public Wanted {
            if (!validity.isPositive() || validity.compareTo(MAX_VALIDITY) > 0) {
                throw Fields.invalid("validity", "must be positive and at most three years");
            }
        }

        public Wanted(List<String> names, @Nullable String address, Duration validity) {
            this(Scope.wanted(names, address), validity);
        }
    }

    /// A key with its secret, which is shown once.
    public record Created(AcmeKey key, String secret) {
        @Override
        public String toString() {
            return "Created[" + key.id() + "]";
        }
    }
}
