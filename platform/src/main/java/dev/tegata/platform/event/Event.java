// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.event;

import java.util.Map;

/// Something that happened, before it has a place in the tenant's stream.
///
/// @param type `dev.tegata.` and what happened, as `thing.what`: `dev.tegata.device.revoked`
/// @param subject what it happened to, as `kind:id`: `device:…`. Events of one subject are delivered in
/// their order
/// @param data what else a reader needs. Values are text, numbers, booleans, lists and maps of them. Never
/// a secret
public record Event(String type, String subject, Map<String, ?> data) {
    private static final String PREFIX = "dev.tegata.";

    public Event {
        if (!type.startsWith(PREFIX)) {
            throw new IllegalArgumentException("no type of ours: " + type);
        }
        data = Map.copyOf(data);
    }
}
