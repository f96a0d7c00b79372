// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

/// Where a manifest stands in its life. Only active ones count, while they are valid.
public enum EndorsementState {
    ACTIVE,
    /// A later manifest of the same signer took the place of each of its tags.
    SUPERSEDED,
    WITHDRAWN,
    /// Its validity is over.
    EXPIRED
}
