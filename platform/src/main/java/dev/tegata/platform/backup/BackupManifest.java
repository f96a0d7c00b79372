// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.backup;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import java.time.Instant;

/// What stands first in a backup.
///
/// @param release        of Tegata, that made it
/// @param schema         version of the database's schema; it goes back into the same one only
/// @param vault          `software`: the private keys are in it, sealed anew; `pkcs11`: they stayed in
///     the HSM
/// @param auditKeyHandle of the key that signs the audit chain's checkpoints
/// @param auditKey       its DER SubjectPublicKeyInfo
/// @param auditHead      hash after the last record
public record BackupManifest(
        int version,
        String release,
        String schema,
        TenantId tenant,
        String name,
        Instant createdAt,
        String vault,
        String auditKeyHandle,
        Bytes auditKey,
        long auditRecords,
        Bytes auditHead) {
    static final int VERSION = 1;
    static final String SOFTWARE = "software";
    static final String PKCS11 = "pkcs11";

    boolean hasKeys() {
        return vault.equals(SOFTWARE);
    }
}
