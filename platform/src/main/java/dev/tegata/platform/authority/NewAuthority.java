// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.Fields;
import org.jspecify.annotations.Nullable;

/// What an authority is to be.
///
/// @param name what people call it
/// @param subject the subject of its certificate
/// @param lifetime of its certificate, as in a [CertificateProfile]; null for the usual one of its kind
public record NewAuthority(
        String name,
        Name subject,
        KeyAlgorithm algorithm,
        @Nullable String lifetime) {
    public NewAuthority {
        name = Fields.name("name", name);
        if (subject.commonName().isEmpty()) {
            throw Fields.invalid("subject", "must have a common name (CN)");
        }
        checkLifetime("lifetime", lifetime);
    }

    /// With the usual lifetime.
    public NewAuthority(String name, Name subject, KeyAlgorithm algorithm) {
        this(name, subject, algorithm, null);
    }

    /// @throws dev.tegata.platform.RefusedException where no authority's certificate can live so long
    public static void checkLifetime(String field, @Nullable String lifetime) {
        if (lifetime == null) {
            return;
        }
        try {
            CertificateProfile.root().withLifetime(lifetime);
        } catch (IllegalArgumentException e) {
            throw Fields.invalid(field, String.valueOf(e.getMessage()).replaceFirst("^lifetime ", ""));
        }
    }
}
