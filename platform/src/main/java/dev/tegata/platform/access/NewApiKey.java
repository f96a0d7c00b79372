// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.platform.Fields;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// What an API key is to be.
///
/// @param name what people call it: whose it is, or what it is for
/// @param expiresAt when it ends by itself; null for never
public record NewApiKey(String name, Role role, @Nullable Instant expiresAt) {
    public NewApiKey {
        name = Fields.name("name", name);
    }
}
