// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.platform.TenantId;
import java.time.Instant;

/// One organisation, and the wall around all that is its.
public record Tenant(TenantId id, String name, TenantSubject subject, Instant createdAt) {}
