// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.Fields;

/// What a tenant is to be.
///
/// @param name what people call it
/// @param algorithm of the keys of its authorities
public record NewTenant(String name, TenantSubject subject, AuthorityLayout layout, KeyAlgorithm algorithm) {
    public NewTenant {
        name = Fields.name("name", name);
    }

    /// Two tiers, P-256.
    public static NewTenant of(String name, TenantSubject subject) {
        return new NewTenant(name, subject, AuthorityLayout.TWO_TIER, KeyAlgorithm.EC_P256);
    }
}
