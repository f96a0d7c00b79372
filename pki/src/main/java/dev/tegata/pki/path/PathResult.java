// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import dev.tegata.pki.certificate.Certificate;
import java.util.List;

/// Whether a certificate leads to a trust anchor.
public sealed interface PathResult {
    /// It does.
    ///
    /// @param path from the leaf to the anchor, both included
    record Valid(List<Certificate> path) implements PathResult {
        public Valid {
            path = List.copyOf(path);
        }

        public Certificate anchor() {
            return path.getLast();
        }
    }

    /// It does not.
    ///
    /// @param sentence tells a person which certificate fails and how
    record Invalid(Reason reason, String sentence) implements PathResult {}

    /// Why a path fails; stable names. Where several paths fail, the reason is that of the one that led furthest.
    enum Reason {
        NO_ISSUER,
        EXPIRED,
        NOT_YET_VALID,
        WRONG_PURPOSE,
        NOT_AN_AUTHORITY,
        PATH_TOO_LONG,
        UNKNOWN_CRITICAL_EXTENSION,
        /// Name constraints are not supported, and never passed over.
        NAME_CONSTRAINTS,
        UNSUPPORTED_ALGORITHM,
        BAD_SIGNATURE,
        /// Finding out would take more signature checks, or more certificates, than one path is worth.
        TOO_MUCH_WORK
    }

    default boolean isValid() {
        return this instanceof Valid;
    }
}
