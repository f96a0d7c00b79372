// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import org.jspecify.annotations.Nullable;

/// An element that was not claimed.
///
/// @param position its place in the file, from 0
/// @param serial its chip's serial number, where it could be read
/// @param reason code of an [IssueReason]
/// @param detail one sentence for a person
public record ManifestIssue(
        long position, Outcome outcome, @Nullable String serial, String reason, String detail) {

    /// Whether the element itself is wrong, or what is already known stands against it.
    public enum Outcome {
        REJECTED,
        CONFLICT
    }
}
