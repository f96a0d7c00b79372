// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

/// How a manifest is to be imported.
///
/// @param statement whether elements that no vendor vouches for (a bare serial number, a certificate of a CA that the
///     tenant does not trust) are claimed on the tenant's own word. Such devices say so: their proof is `STATEMENT`.
///     What a vendor did sign is checked all the same, and what is signed wrongly is rejected all the same
public record ImportOptions(boolean statement) {
    /// Claims only what a vendor vouches for.
    public static final ImportOptions STRICT = new ImportOptions(false);
}
