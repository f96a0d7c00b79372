// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.der.DerWriter;
import java.util.OptionalInt;

/// Whether the subject is a certificate authority, and how many more may follow it in a path (RFC 5280 §4.2.1.9).
public record BasicConstraints(boolean authority, OptionalInt pathLength) {
    void write(DerWriter writer) {
        writer.sequence(() -> {
            if (authority) {
                writer.bool(true);
            }
            pathLength.ifPresent(writer::integer);
        });
    }
}
