// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.List;

/// A certificate extension (RFC 5280 §4.2). `value` is the DER inside its octet string.
public record Extension(Oid type, boolean critical, Bytes value) {
    public static final Oid SUBJECT_KEY_IDENTIFIER = Oid.of("2.5.29.14");
    public static final Oid KEY_USAGE = Oid.of("2.5.29.15");
    public static final Oid SUBJECT_ALTERNATIVE_NAME = Oid.of("2.5.29.17");
    public static final Oid BASIC_CONSTRAINTS = Oid.of("2.5.29.19");
    public static final Oid NAME_CONSTRAINTS = Oid.of("2.5.29.30");
    public static final Oid CRL_DISTRIBUTION_POINTS = Oid.of("2.5.29.31");
    public static final Oid CERTIFICATE_POLICIES = Oid.of("2.5.29.32");
    public static final Oid AUTHORITY_KEY_IDENTIFIER = Oid.of("2.5.29.35");
    public static final Oid EXTENDED_KEY_USAGE = Oid.of("2.5.29.37");
    public static final Oid AUTHORITY_INFORMATION_ACCESS = Oid.of("1.3.6.1.5.5.7.1.1");
    public static final Oid OCSP_NO_CHECK = Oid.of("1.3.6.1.5.5.7.48.1.5");

    private static final int MAX_EXTENSIONS = 64;

    /// Reads `Extensions`: a sequence of at least one, duplicates and all.
    public static List<Extension> readAll(DerReader reader) throws EncodingException {
        DerReader sequence = reader.sequence();
        List<Extension> extensions = new ArrayList<>();
        do {
            if (extensions.size() == MAX_EXTENSIONS) {
                throw new EncodingException("there are more than " + MAX_EXTENSIONS + " extensions");
            }
            extensions.add(read(sequence));
        } while (sequence.hasMore());
        return List.copyOf(extensions);
    }

    private static Extension read(DerReader reader) throws EncodingException {
        DerReader extension = reader.sequence();
        Oid type = extension.oid();
        // A FALSE that is spelled out is not DER, but certificates in the field have it; the linter refuses it in ours.
        boolean critical = extension.nextIs(Tag.BOOLEAN) && extension.bool();
        Bytes value = extension.octetString();
        extension.end();
        return new Extension(type, critical, value);
    }

    void write(DerWriter writer) {
        writer.sequence(() -> {
            writer.oid(type);
            if (critical) {
                writer.bool(true);
            }
            writer.octetString(value.toArray());
        });
    }
}
