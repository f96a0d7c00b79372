// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import java.time.Instant;
import java.util.List;

/// An account: a key that speaks for one device.
///
/// @param scope what it may order
/// @param jwk its public key
public record AcmeAccount(
        String id,
        FleetId fleet,
        DeviceId device,
        AcmeKey.Scope scope,
        String jwk,
        List<String> contacts,
        boolean active,
        Instant createdAt) {}
