// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;

/// Whoever has shown a valid API key: which tenant it is of, and what its role allows.
public record Caller(TenantId tenant, String keyId, Role role) {
    public Actor actor() {
        return Actor.apiKey(keyId);
    }

    /// @throws RefusedException where the role does not allow it
    public void require(Permission permission) {
        if (!role.allows(permission)) {
            throw new RefusedException(
                    ErrorCode.FORBIDDEN, "the role " + role.id() + " does not include " + permission.id());
        }
    }
}
