// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.Fields;
import dev.tegata.platform.authority.NewAuthority;
import org.jspecify.annotations.Nullable;

/// What a tenant is to be.
///
/// @param name what people call it
/// @param algorithm of the keys of its authorities
/// @param rootLifetime of the root's certificate, as in a certificate profile; null for the usual one
/// @param issuingLifetime the same of the issuing authority's
public record NewTenant(
        String name,
        TenantSubject subject,
        AuthorityLayout layout,
        KeyAlgorithm algorithm,
        @Nullable String rootLifetime,
        @Nullable String issuingLifetime) {
    public NewTenant {
        name = Fields.name("name", name);
        boolean hasRoot = layout == AuthorityLayout.TWO_TIER || layout == AuthorityLayout.ONE_TIER;
        if (rootLifetime != null && !hasRoot) {
            throw Fields.invalid("rootLifetime", "is for layouts with a root of their own");
        }
        if (issuingLifetime != null && layout != AuthorityLayout.TWO_TIER) {
            throw Fields.invalid("issuingLifetime", "is for the layout of two tiers");
        }
        NewAuthority.checkLifetime("rootLifetime", rootLifetime);
        NewAuthority.checkLifetime("issuingLifetime", issuingLifetime);
    }

    /// With the usual lifetimes.
    public NewTenant(String name, TenantSubject subject, AuthorityLayout layout, KeyAlgorithm algorithm) {
        this(name, subject, layout, algorithm, null, null);
    }

    /// Two tiers, P-256.
    public static NewTenant of(String name, TenantSubject subject) {
        return new NewTenant(name, subject, AuthorityLayout.TWO_TIER, KeyAlgorithm.EC_P256);
    }
}
