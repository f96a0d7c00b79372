// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import java.util.Locale;
import java.util.Optional;

/// The two encodings of a check-in and its answer. The members have the same names in both.
public enum CheckInForm {
    /// Bytes are base64url without padding.
    JSON("application/json"),
    /// Bytes are byte strings, names are text.
    CBOR("application/cbor");

    private final String mediaType;

    CheckInForm(String mediaType) {
        this.mediaType = mediaType;
    }

    public String mediaType() {
        return mediaType;
    }

    /// The form that a Content-Type names, whatever its parameters.
    public static Optional<CheckInForm> of(String contentType) {
        String type = contentType.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        for (CheckInForm form : values()) {
            if (form.mediaType.equals(type)) {
                return Optional.of(form);
            }
        }
        return Optional.empty();
    }
}
