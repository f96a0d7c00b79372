// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.TenantId;

/// For who cannot wait until the status of another CA's certificate is asked for in its turn.
@FunctionalInterface
public interface StatusLook {
    /// Has asked what is due for a tenant, and waits for the answers, but a few seconds at most. Not to be
    /// called in a transaction.
    void now(TenantId tenant);
}
