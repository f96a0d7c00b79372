// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// An operational certificate as it is stored. Of one that ended long ago the DER is not kept.
///
/// @param revocationReason the CRLReason number of RFC 5280 §5.3.1, where it is revoked
/// @param current whether it is the one the device was given last, in its chain
/// @param fingerprint SHA-256 of the DER
/// @param encoded the DER; null where it is archived
public record DeviceCertificate(
        Bytes serialNumber,
        AuthorityId authority,
        Instant notBefore,
        Instant notAfter,
        Instant issuedAt,
        @Nullable Instant revokedAt,
        @Nullable Integer revocationReason,
        boolean current,
        Bytes fingerprint,
        @Nullable Bytes encoded) {}
