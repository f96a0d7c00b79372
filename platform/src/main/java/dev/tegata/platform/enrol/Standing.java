// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.Optional;

/// Tells how devices stand by their evidence, for fleets that draw consequences for certificates.
public interface Standing {
    /// A device is not good.
    ///
    /// @param word what it is instead, such as `stale`
    record NotGood(String word, Instant since) {}

    /// Empty where the device is good, or nothing is known of it.
    Optional<NotGood> of(TenantId tenant, DeviceId device);
}
