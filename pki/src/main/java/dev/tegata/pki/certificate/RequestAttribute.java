// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.CanonicalDer;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.List;

/// An attribute of a certificate request (RFC 2985 §5.4) with its one value in DER.
public record RequestAttribute(Oid type, Bytes value) {
    public static final Oid CHALLENGE_PASSWORD = Oid.of("1.2.840.113549.1.9.7");
    public static final Oid EXTENSION_REQUEST = Oid.of("1.2.840.113549.1.9.14");

    public static RequestAttribute challengePassword(String password) {
        DerWriter writer = new DerWriter();
        writer.text(CanonicalDer.isPrintable(password) ? Tag.PRINTABLE_STRING : Tag.UTF8_STRING, password);
        return new RequestAttribute(CHALLENGE_PASSWORD, writer.toBytes());
    }

    public static RequestAttribute extensionRequest(List<Extension> extensions) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> extensions.forEach(extension -> extension.write(writer)));
        return new RequestAttribute(EXTENSION_REQUEST, writer.toBytes());
    }

    /// The type only: a value may be a password.
    @Override
    public String toString() {
        return "attribute " + type;
    }
}
