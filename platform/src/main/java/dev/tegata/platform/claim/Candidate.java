// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.device.Device.Proof;
import java.util.List;

/// A chip as a manifest describes it.
///
/// @param serial lower case
/// @param knownVendor whether one of the vendors that we know, and no signer of the tenant's own, has
/// signed it
/// @param keys its birth keys by slot, each slot and each key once; may be empty
record Candidate(Chip chip, String serial, String model, Proof proof, boolean knownVendor, List<BirthKey> keys) {
    Candidate {
        keys = List.copyOf(keys);
    }
}
