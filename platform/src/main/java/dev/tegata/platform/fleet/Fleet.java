// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.FleetId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Devices of one product under one set of rules.
///
/// @param authority that signs its devices
/// @param profile of their operational certificates
/// @param version counts every change from 1; an update that names another one loses
public record Fleet(
        FleetId id,
        String name,
        AuthorityId authority,
        @Nullable AuthorityId parallelAuthority,
        CertificateProfile profile,
        FleetPolicy policy,
        int version,
        Instant createdAt) {}
