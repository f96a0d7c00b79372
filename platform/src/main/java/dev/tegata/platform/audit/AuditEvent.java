// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.platform.access.Actor;
import java.util.Map;

/// Something that changed trust, before it has a place in the chain.
///
/// @param action what happened, as `noun.verb`: `device.activated`
/// @param subject what it happened to, as `kind:id`: `device:…`. Made of identifiers only
/// @param detail what else a reader needs. Values are text, integers, booleans, lists and maps of them; anything else
///     is written as its `toString`. Never a secret
public record AuditEvent(Actor actor, String action, String subject, Map<String, ?> detail) {
    public AuditEvent {
        detail = Map.copyOf(detail);
    }
}
