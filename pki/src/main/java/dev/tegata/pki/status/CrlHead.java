// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;

/// What a revocation list says besides its entries.
///
/// @param number greater than that of every list before it
public record CrlHead(Certificate issuer, CrlScope scope, long number, Instant thisUpdate, Instant nextUpdate) {
    public CrlHead {
        if (!thisUpdate.isBefore(nextUpdate)) {
            throw new IllegalArgumentException("the next update is to come after this one");
        }
        if (number < 0) {
            throw new IllegalArgumentException("the number of a list is not negative");
        }
    }

    /// The key that signs the list.
    ///
    /// @throws InvalidCertificateException where the issuer's certificate does not allow it to sign lists
    PublicKeyInfo signingKey() throws InvalidCertificateException {
        if (!issuer.isAuthority() || !issuer.allows(KeyUsage.CRL_SIGN)) {
            throw new InvalidCertificateException("the certificate of the authority does not allow it to sign CRLs");
        }
        try {
            return issuer.publicKey();
        } catch (InvalidKeyInfoException e) {
            throw new InvalidCertificateException("the authority's key cannot be used: " + e.getMessage());
        }
    }

    Bytes keyIdentifier(PublicKeyInfo key) {
        return issuer.subjectKeyIdentifier().orElseGet(key::keyIdentifier);
    }
}
