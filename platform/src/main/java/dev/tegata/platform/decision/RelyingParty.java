// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import org.jspecify.annotations.Nullable;

/// Who asks at the door.
///
/// @param keyId the API key that it asks with; null where none is bound to it
public record RelyingParty(String name, @Nullable String keyId, PartyPolicy policy) {
    /// Whoever has no policy of their own.
    public static final RelyingParty ANYBODY = new RelyingParty("default", null, PartyPolicy.standard());
}
