// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;

/// What checking an export has shown.
public sealed interface AuditVerification {
    /// Nothing was changed, left out, moved or cut off.
    ///
    /// @param records how many records the chain has
    /// @param checkpoints how many signed checkpoints were checked
    /// @param keyFingerprint SHA-256 of the public key that signed them; compare it with what the tenant knows, for
    ///     a chain that was made up from its first record on has another one
    /// @param head the hash after the last record
    record Intact(TenantId tenant, long records, long checkpoints, Bytes keyFingerprint, Bytes head)
            implements AuditVerification {}

    /// The file is not what was exported.
    ///
    /// @param line where it shows, from 1
    /// @param sequence the first record that cannot be trusted
    /// @param reason one sentence for a person
    record Broken(long line, long sequence, String reason) implements AuditVerification {}
}
