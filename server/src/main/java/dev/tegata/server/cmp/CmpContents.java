// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import java.util.function.Function;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1Object;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;

/// Reads what stands in bodies.
final class CmpContents {
    private CmpContents() {}

    /// The content of the message's body, read to its last leaf: the library reads lazily, and would
    /// complain later, where nobody expects it.
    static <T extends ASN1Object> T read(CmpMessage message, Function<Object, T> reader) throws CmpFailure {
        try {
            byte[] content = message.bodyContent().toArray();
            ASN1Primitive.fromByteArray(content).getEncoded(ASN1Encoding.DER);
            return reader.apply(ASN1Primitive.fromByteArray(content));
        } catch (java.io.IOException | RuntimeException e) {
            throw new CmpFailure(PKIFailureInfo.badDataFormat, "The body has not the form of its kind.");
        }
    }
}
