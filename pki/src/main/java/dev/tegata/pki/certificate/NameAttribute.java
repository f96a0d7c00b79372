// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.der.Oid;
import java.util.Optional;

/// An attribute that the names we make can have, with its bounds (RFC 5280 appendix A).
public enum NameAttribute {
    COUNTRY("C", "2.5.4.6", 2, true),
    STATE("ST", "2.5.4.8", 128, false),
    LOCALITY("L", "2.5.4.7", 128, false),
    ORGANIZATION("O", "2.5.4.10", 64, false),
    ORGANIZATIONAL_UNIT("OU", "2.5.4.11", 64, false),
    COMMON_NAME("CN", "2.5.4.3", 64, false),
    SERIAL_NUMBER("serialNumber", "2.5.4.5", 64, true),
    DN_QUALIFIER("dnQualifier", "2.5.4.46", 64, true);

    private final String keyword;
    private final Oid oid;
    private final int maxLength;
    private final boolean printable;

    NameAttribute(String keyword, String oid, int maxLength, boolean printable) {
        this.keyword = keyword;
        this.oid = Oid.of(oid);
        this.maxLength = maxLength;
        this.printable = printable;
    }

    /// The short name in text, such as `CN`.
    public String keyword() {
        return keyword;
    }

    public Oid oid() {
        return oid;
    }

    /// The most characters that a value may have.
    public int maxLength() {
        return maxLength;
    }

    /// Whether values are PrintableString; the others are UTF8String.
    public boolean printable() {
        return printable;
    }

    static Optional<NameAttribute> of(Oid oid) {
        for (NameAttribute attribute : values()) {
            if (attribute.oid.equals(oid)) {
                return Optional.of(attribute);
            }
        }
        return Optional.empty();
    }

    static Optional<NameAttribute> ofKeyword(String keyword) {
        for (NameAttribute attribute : values()) {
            if (attribute.keyword.equalsIgnoreCase(keyword)) {
                return Optional.of(attribute);
            }
        }
        // What Microsoft and AWS call it
        return keyword.equalsIgnoreCase("DNQ") ? Optional.of(DN_QUALIFIER) : Optional.empty();
    }
}
