// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import java.net.URI;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// An address that a tenant's events are posted to.
///
/// @param types types of events, or their beginnings up to a dot; none for all
/// @param reason why it is paused
/// @param failingSince the first failure since the last success
public record Webhook(
        WebhookId id,
        String name,
        URI url,
        List<String> types,
        State state,
        @Nullable String reason,
        @Nullable Instant failingSince,
        Instant createdAt) {
    public Webhook {
        types = List.copyOf(types);
    }

    /// Whether events go out.
    public enum State {
        ACTIVE,
        PAUSED
    }

    /// A webhook that was just made, with the secret that is shown this once.
    public record Created(Webhook webhook, String secret) {
        @Override
        public String toString() {
            return "Created[" + webhook.id() + "]";
        }
    }
}
