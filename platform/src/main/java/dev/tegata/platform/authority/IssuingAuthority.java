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
import java.util.stream.Stream;

/// All that is needed to issue under an authority, and to hand out its chain.
///
/// @param chain its own certificate, and those above it up to the root
/// @param beside while it is being replaced, or replaces another: the other root, the certificates that join
///     both, and the other authority with those above it
public record IssuingAuthority(
        AuthorityId id,
        KeySpace space,
        KeyHandle key,
        KeyAlgorithm algorithm,
        List<Certificate> chain,
        List<Certificate> beside) {
    public IssuingAuthority {
        chain = List.copyOf(chain);
        beside = List.copyOf(beside);
    }

    /// One that is not being replaced.
    public IssuingAuthority(
            AuthorityId id, KeySpace space, KeyHandle key, KeyAlgorithm algorithm, List<Certificate> chain) {
        this(id, space, key, algorithm, chain, List.of());
    }

    /// All that those below it are handed out: the chain, and what is beside it.
    public List<Certificate> published() {
        return Stream.concat(chain.stream(), beside.stream()).toList();
    }

    /// The certificates that lead from those below it to whichever root is trusted, without the roots.
    public List<Certificate> path() {
        return Stream.concat(
                        chain.stream().filter(certificate -> !certificate.isSelfIssued() || isCross(certificate)),
                        beside.stream().filter(this::leadsOn))
                .toList();
    }

    /// The chain with whatever leads from its root to the other one; the root comes last.
    public List<Certificate> shown() {
        return beside.isEmpty()
                ? chain
                : Stream.concat(path().stream(), Stream.of(chain.getLast())).toList();
    }

    private boolean leadsOn(Certificate certificate) {
        return isCross(certificate)
                && certificate.publicKeyEncoded().equals(chain.getLast().publicKeyEncoded());
    }

    /// Whether a self-issued certificate joins two roots, and is none itself. Ours name the key that signed
    /// them; this is asked at each check-in, and a signature would take its time.
    public static boolean isCross(Certificate certificate) {
        return certificate.isSelfIssued()
                && certificate.authorityKeyIdentifier().isPresent()
                && !certificate.authorityKeyIdentifier().equals(certificate.subjectKeyIdentifier());
    }

    public Certificate certificate() {
        return chain.getFirst();
    }

    /// Signs with this authority's key. Not to be called inside a transaction: the vault may need one of
    /// its own.
    public Signer signer(Vault vault) {
        return data -> vault.sign(space, key, algorithm.signatureAlgorithm(), data);
    }
}
