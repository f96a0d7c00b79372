// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.platform.access.CreatedApiKey;
import dev.tegata.platform.authority.Authority;
import java.util.List;

/// A tenant that was just made.
///
/// @param authorities from the root down
/// @param adminKey the first key of an owner, with the secret that is shown this once
public record CreatedTenant(Tenant tenant, List<Authority> authorities, CreatedApiKey adminKey) {
    public CreatedTenant {
        authorities = List.copyOf(authorities);
    }
}
