// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import org.jspecify.annotations.Nullable;

/// One element of a file as its framing gives it: not yet looked into.
sealed interface RawElement {
    /// Roughly what it occupies, so that batches can be bounded.
    int size();

    /// A JSON value that should be a flattened JWS.
    record Jws(byte[] json) implements RawElement {
        @Override
        public int size() {
            return json.length;
        }
    }

    /// A chip with what the list says of it.
    ///
    /// @param serial null where the certificate or key alone names the device
    /// @param commonName what the certificate's CN must be, where the list says so
    /// @param certificate PEM, or base64 of the DER
    /// @param publicKey PEM or base64 of a SubjectPublicKeyInfo, or a P-256 point in hex
    record Listed(
            Chip chip,
            @Nullable String serial,
            String model,
            @Nullable String commonName,
            @Nullable String certificate,
            @Nullable String publicKey)
            implements RawElement {
        @Override
        public int size() {
            return 64 + length(certificate) + length(publicKey);
        }

        private static int length(@Nullable String text) {
            return text == null ? 0 : text.length();
        }
    }

    /// A place where an element should be and none can be read.
    record Unreadable(IssueReason reason, String detail) implements RawElement {
        @Override
        public int size() {
            return 64;
        }
    }
}
