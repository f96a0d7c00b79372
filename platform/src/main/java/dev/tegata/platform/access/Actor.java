// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.platform.DeviceId;

/// Who does something, as the audit log names them. The text form is `apikey:…`, `operator:…`, `device:…`
/// or `system:…`.
public record Actor(Kind kind, String id) {
    /// The installation's operator: whoever holds the operator key.
    public static final Actor OPERATOR = new Actor(Kind.OPERATOR, "installation");

    /// A kind of actor.
    public enum Kind {
        API_KEY("apikey"),
        OPERATOR("operator"),
        DEVICE("device"),
        SYSTEM("system");

        private final String prefix;

        Kind(String prefix) {
            this.prefix = prefix;
        }
    }

    public static Actor apiKey(String keyId) {
        return new Actor(Kind.API_KEY, keyId);
    }

    public static Actor device(DeviceId device) {
        return new Actor(Kind.DEVICE, device.toString());
    }

    /// Tegata itself; `part` names which part of it.
    public static Actor system(String part) {
        return new Actor(Kind.SYSTEM, part);
    }

    /// Reads the text form, as it is stored.
    ///
    /// @throws IllegalArgumentException where it is something else
    public static Actor parse(String text) {
        int colon = text.indexOf(':');
        for (Kind kind : Kind.values()) {
            if (colon >= 0 && kind.prefix.equals(text.substring(0, colon))) {
                return new Actor(kind, text.substring(colon + 1));
            }
        }
        throw new IllegalArgumentException("no actor: " + text);
    }

    @Override
    public String toString() {
        return kind.prefix + ":" + id;
    }
}
