// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.key.InvalidKeyInfoException;
import java.util.ArrayList;
import java.util.List;

/// The form that all signed messages of this protocol share: COSE_Sign1 with its tag, and in the protected
/// header the algorithm, the kind of message as content type, and the signer's certificates as `x5chain`,
/// its own first.
///
/// The content type keeps a message of one kind from being taken for another.
final class SignedMessages {
    /// The extended key usage of certificates whose key signs orders and answers, and nothing else.
    static final Oid ORDER_SIGNING = Oid.of("2.25.258042179266520071294709362153031507122.1");

    private SignedMessages() {}

    static Bytes sign(String contentType, Bytes payload, Signer signer, List<Bytes> chain) {
        Cbor certificates = chain.size() == 1
                ? Cbor.of(chain.getFirst())
                : new Cbor.ArrayItem(chain.stream().map(Cbor::of).toList());
        Cbor.MapItem header = Cbor.map()
                .put(CoseMessage.CONTENT_TYPE, Cbor.of(contentType))
                .put(CoseMessage.X5CHAIN, certificates)
                .build();
        return CoseMessage.sign1(header, Cbor.map().build(), payload, signer).encode();
    }

    /// A message whose signature is right under the key of the certificate that it brings. Who that is, is
    /// for the caller to find out.
    record Opened(Bytes payload, List<Certificate> chain) {
        Certificate signer() {
            return chain.getFirst();
        }
    }

    /// Reads a message and checks its signature.
    static Opened open(String contentType, Bytes encoded, CborLimits limits) throws MalformedException {
        CoseMessage message = CoseMessage.parse(encoded, limits);
        if (message.kind() != CoseMessage.Kind.SIGN1) {
            throw new MalformedException("the message must be a COSE_Sign1");
        }
        if (!message.unprotected().entries().isEmpty()) {
            throw new MalformedException("all headers must be protected");
        }
        if (!Cbor.of(contentType).equals(message.protectedMap().get(CoseMessage.CONTENT_TYPE))) {
            throw new MalformedException("the content type must be " + contentType);
        }
        List<Certificate> chain = new ArrayList<>();
        for (Bytes certificate : message.x5chain()) {
            try {
                chain.add(Certificate.parse(certificate));
            } catch (InvalidCertificateException e) {
                throw new MalformedException("a certificate of x5chain cannot be read: " + e.getMessage());
            }
        }
        if (chain.isEmpty()) {
            throw new MalformedException("the message brings no certificate");
        }
        try {
            if (!message.verifies(new CoseKey.Public(chain.getFirst().publicKey()))) {
                throw new MalformedException("the signature is wrong");
            }
        } catch (InvalidKeyInfoException e) {
            throw new MalformedException("the signer's key cannot be used: " + e.getMessage());
        }
        return new Opened(message.content(), chain);
    }
}
