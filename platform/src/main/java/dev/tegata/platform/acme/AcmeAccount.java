// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// An account: a key that speaks for one device.
///
/// @param address where http-01 is fetched, instead of asking the DNS
/// @param jwk its public key
public record AcmeAccount(
        String id,
        FleetId fleet,
        DeviceId device,
        @Nullable String address,
        String jwk,
        List<String> contacts,
        boolean active,
        Instant createdAt) {}
