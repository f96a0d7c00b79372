// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.Oid;
import java.util.List;

/// Makes orders into what travels: COSE_Sign1 messages that a gateway or a phone can carry, and cannot
/// change.
public final class SignedOrders {
    /// The extended key usage that a certificate needs to sign orders, in an arc of our own (ITU-T X.667).
    public static final Oid PURPOSE = SignedMessages.ORDER_SIGNING;

    /// The content type in the protected header.
    public static final String CONTENT_TYPE = "application/vnd.tegata.order+cbor";

    private SignedOrders() {}

    /// @param chain the signer's DER certificate, then those that lead from it to a trust anchor; the
    ///     anchor may be left out
    public static Bytes sign(Order order, Signer signer, List<Bytes> chain) {
        return SignedMessages.sign(CONTENT_TYPE, order.encode(), signer, chain);
    }
}
