// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.certificate.Certificate;
import java.time.Instant;
import java.util.Optional;

/// How an authority's status stands.
///
/// @param fullCrl empty where none is published yet
/// @param partitions how many lists there are besides the full one
/// @param partitionEntries how many entries they have together
/// @param oldestPartition the partitioned list that ends first; empty where there is none
/// @param pendingChanges whether revocations wait to be listed
/// @param responder the certificate of the OCSP responder; empty where none was made yet
/// @param revokedAt when the authority's own certificate was revoked; empty where it was not
public record AuthorityStatus(
        StatusSettings settings,
        Optional<PublishedCrl> fullCrl,
        int partitions,
        long partitionEntries,
        Optional<PublishedCrl> oldestPartition,
        boolean pendingChanges,
        Optional<Certificate> responder,
        Optional<Instant> revokedAt) {}
