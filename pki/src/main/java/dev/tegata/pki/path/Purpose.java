// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.KeyPurpose;
import dev.tegata.pki.certificate.KeyUsage;

/// What the certificate at the end of a path is to be used for.
public enum Purpose {
    /// To authenticate a TLS client.
    CLIENT,
    /// To authenticate a TLS server.
    SERVER,
    /// To issue certificates.
    AUTHORITY,
    /// Whatever its extensions say, such as a birth certificate's.
    ANY;

    boolean fitsLeaf(Certificate leaf) {
        return switch (this) {
            case CLIENT -> leaf.allows(KeyPurpose.CLIENT_AUTH) && leaf.allows(KeyUsage.DIGITAL_SIGNATURE);
            case SERVER ->
                leaf.allows(KeyPurpose.SERVER_AUTH)
                        && (leaf.allows(KeyUsage.DIGITAL_SIGNATURE) || leaf.allows(KeyUsage.KEY_ENCIPHERMENT));
            case AUTHORITY -> leaf.isAuthority() && leaf.allows(KeyUsage.KEY_CERT_SIGN);
            case ANY -> true;
        };
    }

    /// Extended key usages of an authority limit what is below it, as all implementations read them.
    boolean fitsAuthority(Certificate authority) {
        return switch (this) {
            case CLIENT -> authority.allows(KeyPurpose.CLIENT_AUTH);
            case SERVER -> authority.allows(KeyPurpose.SERVER_AUTH);
            case AUTHORITY, ANY -> true;
        };
    }
}
