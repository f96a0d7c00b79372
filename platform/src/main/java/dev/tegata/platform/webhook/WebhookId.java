// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import dev.tegata.platform.TimeOrderedIds;
import java.util.UUID;

/// Names a webhook.
public record WebhookId(UUID value) {
    /// Reads the usual text form of a UUID.
    ///
    /// @throws dev.tegata.platform.RefusedException where the text is something else
    public static WebhookId parse(String text) {
        return new WebhookId(TimeOrderedIds.parse("webhook id", text));
    }

    /// What `event_reader` calls it.
    String reader() {
        return "webhook:" + value;
    }

    /// What its secret is sealed as.
    String sealName() {
        return "webhook " + value;
    }

    @Override
    public String toString() {
        return value.toString();
    }
}
