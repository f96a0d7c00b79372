// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.AuthorityId;
import java.util.ArrayList;
import java.util.List;

/// An authority that has its key and, unless it is made elsewhere, its certificate, but is not stored yet.
public record PreparedAuthority(Authority authority, Origin origin, List<Certificate> chain) {
    /// Where an authority's certificate comes from.
    public enum Origin {
        /// Made here.
        ISSUED("authority.created"),
        /// To be made elsewhere for a key that was made here.
        REQUESTED("authority.requested"),
        /// Made elsewhere, and so was the key.
        IMPORTED("authority.imported");

        private final String action;

        Origin(String action) {
            this.action = action;
        }

        String action() {
            return action;
        }
    }

    public PreparedAuthority {
        chain = List.copyOf(chain);
    }

    public AuthorityId id() {
        return authority.id();
    }

    /// What signs those below it.
    public IssuingAuthority issuing() {
        return new IssuingAuthority(
                authority.id(), authority.tenant().keySpace(), authority.key(), authority.algorithm(), chain);
    }

    static List<Certificate> chain(Certificate certificate, List<Certificate> above) {
        List<Certificate> chain = new ArrayList<>();
        chain.add(certificate);
        chain.addAll(above);
        return chain;
    }
}
