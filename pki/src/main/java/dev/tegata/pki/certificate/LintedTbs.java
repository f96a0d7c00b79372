// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.key.VaultException;
import java.util.concurrent.atomic.AtomicBoolean;

/// An encoded certificate that has passed all checks and waits for its signature, which it can get once. Only
/// [GrantedRequest#lint] makes one.
public final class LintedTbs {
    private final byte[] tbs;
    private final Linter.Passed passed;
    private final GrantedRequest granted;
    private final AtomicBoolean redeemed = new AtomicBoolean();

    LintedTbs(byte[] tbs, Linter.Passed passed, GrantedRequest granted) {
        this.tbs = tbs;
        this.passed = passed;
        this.granted = granted;
    }

    public GrantedRequest granted() {
        return granted;
    }

    /// What will be signed, for the record that is kept before it is.
    public Bytes encoded() {
        return Bytes.of(tbs);
    }

    /// Has `signer` sign, and gives the certificate.
    ///
    /// The signature of an authority's certificate is verified before this returns; so is the first one of each
    /// [Issuance]. After that a leaf's is not: it would cost about 70 µs and find nothing but broken hardware.
    ///
    /// @throws IllegalStateException where this was called before, even if it failed: no serial number gets two
    ///     signatures
    /// @throws VaultException where the signature is not one of the issuer's key
    public Certificate redeem(Signer signer) {
        if (redeemed.getAndSet(true)) {
            throw new IllegalStateException("a linted certificate is signed once");
        }
        byte[] signature = signer.sign(tbs.clone());
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.raw(tbs);
            writer.raw(granted.signatureAlgorithm().identifier());
            writer.bitString(signature);
        });
        Certificate certificate =
                new Certificate(writer.toBytes(), encoded(), passed.tbs(), passed.known(), Bytes.of(signature));
        if (granted.issuance().verifiesSignature()) {
            if (!certificate.isSignedBy(granted.signingKey())) {
                throw new VaultException(
                        "the signature was not made with the issuer's key; no certificate was made", false);
            }
            granted.issuance().signerIsProven();
        }
        return certificate;
    }
}
