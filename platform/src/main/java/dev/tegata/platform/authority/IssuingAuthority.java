// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Signer;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.KeySpace;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.AuthorityId;
import java.util.List;

/// All that is needed to issue under an authority, and to hand out its chain.
///
/// @param chain its own certificate, and those above it up to the root
public record IssuingAuthority(
        AuthorityId id, KeySpace space, KeyHandle key, KeyAlgorithm algorithm, List<Certificate> chain) {
    public IssuingAuthority {
        chain = List.copyOf(chain);
    }

    public Certificate certificate() {
        return chain.getFirst();
    }

    /// Signs with this authority's key. Not to be called inside a transaction: the vault may need one of its own.
    public Signer signer(Vault vault) {
        return data -> vault.sign(space, key, algorithm.signatureAlgorithm(), data);
    }
}
