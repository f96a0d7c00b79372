// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Tag;

/// Which certificates a revocation list speaks for: its issuing distribution point (RFC 5280 §5.2.5).
public sealed interface CrlScope {
    /// Those that name this URL as their distribution point.
    record DistributionPoint(String url) implements CrlScope {}

    /// All that are not of authorities.
    record UserCertificates() implements CrlScope {}

    /// All that are of authorities.
    record AuthorityCertificates() implements CrlScope {}

    int URI = Tag.contextPrimitive(6);

    /// Writes the value of the extension.
    default void write(DerWriter writer) {
        switch (this) {
            case DistributionPoint(String url) ->
                writer.sequence(() -> writer.nested(
                        Tag.context(0), () -> writer.nested(Tag.context(0), () -> writer.text(URI, url))));
            case UserCertificates() -> writeFlag(1, writer);
            case AuthorityCertificates() -> writeFlag(2, writer);
        }
    }

    private static void writeFlag(int number, DerWriter writer) {
        writer.sequence(() -> writer.primitive(Tag.contextPrimitive(number), new byte[] {(byte) 0xff}));
    }
}
