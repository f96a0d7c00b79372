// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// A certificate authority of a tenant, whose key is in the vault.
///
/// @param parent the authority that signed it, where that is one of the tenant's
/// @param request the request for its certificate, where that is made elsewhere
/// @param certificate null until it has been uploaded
/// @param upperChain certificates above it that are not authorities of the tenant, nearest first
public record Authority(
        TenantId tenant,
        AuthorityId id,
        Kind kind,
        State state,
        String name,
        KeyAlgorithm algorithm,
        KeyHandle key,
        @Nullable AuthorityId parent,
        @Nullable CertificateRequest request,
        @Nullable Certificate certificate,
        List<Certificate> upperChain,
        Instant createdAt) {
    /// Where an authority stands in its chain.
    public enum Kind {
        /// At the top: self-signed.
        ROOT,
        ISSUING
    }

    /// What an authority can do now.
    public enum State {
        /// It has a key, and waits for the certificate that somebody else makes.
        PENDING_CERTIFICATE,
        ACTIVE,
        /// Signs nothing any more; what it signed stays valid.
        RETIRED
    }

    public Authority {
        upperChain = List.copyOf(upperChain);
    }

    /// The certificate of an authority that must have one.
    ///
    /// @throws RefusedException [ErrorCode#AUTHORITY_NOT_READY]
    public Certificate requireCertificate() {
        if (certificate == null) {
            throw new RefusedException(ErrorCode.AUTHORITY_NOT_READY, "the authority waits for its certificate");
        }
        return certificate;
    }

    /// Whether its certificate leaves room for authorities below it. A root that does is kept for them and signs no
    /// device: its key is needed a few times in its life.
    public boolean isForAuthorities() {
        if (kind != Kind.ROOT || certificate == null) {
            return false;
        }
        OptionalInt limit =
                certificate.basicConstraints().map(BasicConstraints::pathLength).orElse(OptionalInt.empty());
        return limit.isPresent() && limit.getAsInt() > 0;
    }
}
