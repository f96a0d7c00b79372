// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.Fields;

/// What an authority is to be.
///
/// @param name what people call it
/// @param subject the subject of its certificate
public record NewAuthority(String name, Name subject, KeyAlgorithm algorithm) {
    public NewAuthority {
        name = Fields.name("name", name);
        if (subject.commonName().isEmpty()) {
            throw Fields.invalid("subject", "must have a common name (CN)");
        }
    }
}
