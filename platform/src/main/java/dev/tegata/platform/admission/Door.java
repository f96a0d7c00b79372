// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.admission;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.custody.Loans.Loan;
import java.time.Instant;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What is asked of a device beside a good certificate and a good state.
public interface Door {
    /// The word on one device.
    ///
    /// @param reason why not, in one word with dashes; empty where it may
    /// @param until when to ask again at the latest; null for whenever
    record Word(Optional<String> reason, @Nullable Instant until) {
        public static final Word YES = new Word(Optional.empty(), null);
    }

    /// Who is at the door.
    ///
    /// @param loan by which the tenant may use it; null for a device of its own
    record Guest(DeviceId device, @Nullable Loan loan) {}

    /// The word on each of these devices; a device without one may be there.
    ///
    /// @param service what they want to use, as the tenant calls it
    Map<DeviceId, Word> judge(TenantId tenant, String service, Collection<Guest> guests);
}
