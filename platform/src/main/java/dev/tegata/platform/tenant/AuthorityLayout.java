// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.platform.Texts;

/// Which authorities a new tenant gets.
public enum AuthorityLayout {
    /// One root that signs devices itself. Less to keep; a leak of its key ends everything.
    ONE_TIER,
    /// A root, and below it an authority that signs devices and can be replaced.
    TWO_TIER,
    /// An authority that signs devices, and a request for its certificate, to be signed by the tenant's own root
    /// elsewhere.
    OWN_ROOT,
    /// None yet: an existing authority will be imported.
    IMPORTED;

    /// The name in the API: `two-tier`.
    public String id() {
        return Texts.word(this);
    }
}
