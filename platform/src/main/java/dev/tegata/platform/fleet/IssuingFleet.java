// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.certificate.Issuance;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.IssuingAuthority;

/// All that enrolment needs to know of a fleet.
///
/// @param issuance makes certificates by the fleet's profile under `authority`
/// @param organization the tenant's, for templates that name it
public record IssuingFleet(
        TenantId tenant,
        Fleet fleet,
        IssuingAuthority authority,
        Issuance issuance,
        String organization,
        boolean parallel) {}
