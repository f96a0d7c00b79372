// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// An order for a certificate, with its authorizations.
///
/// @param failure why it is invalid, for a person
/// @param request the PKCS#10 request, from finalization on
/// @param chain what was issued, leaf first; empty until then
public record AcmeOrder(
        String id,
        String account,
        State state,
        @Nullable String failure,
        @Nullable Bytes request,
        List<Bytes> chain,
        Instant expiresAt,
        List<Authorization> authorizations) {
    /// RFC 8555 §7.1.6.
    public enum State {
        PENDING,
        READY,
        PROCESSING,
        VALID,
        INVALID
    }

    /// What is to be certified.
    ///
    /// @param kind `dns` or `permanent-identifier`
    public record Identifier(String kind, String value) {
        public static final String DNS = "dns";
        public static final String PERMANENT = "permanent-identifier";

        public boolean isDns() {
            return kind.equals(DNS);
        }
    }

    /// An authorization and its one challenge.
    ///
    /// @param startedAt when its validation was begun last
    /// @param attestedKey the SubjectPublicKeyInfo that device-attest-01 proved
    public record Authorization(
            String id,
            String order,
            Identifier identifier,
            Validation state,
            String token,
            @Nullable Instant startedAt,
            @Nullable Instant decidedAt,
            @Nullable String failure,
            @Nullable Bytes attestedKey) {}

    /// How far an authorization is.
    public enum Validation {
        PENDING,
        VALID,
        INVALID,
        DEACTIVATED
    }
}
