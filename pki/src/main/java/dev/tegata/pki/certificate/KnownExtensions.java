// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The extensions that this library gives meaning to, decoded.
record KnownExtensions(
        @Nullable BasicConstraints basicConstraints,
        @Nullable Integer keyUsageBits,
        @Nullable List<Oid> extendedKeyUsages,
        List<GeneralName> alternativeNames,
        @Nullable Bytes subjectKeyIdentifier,
        @Nullable Bytes authorityKeyIdentifier) {
    private static final int MAX_PURPOSES = 64;
    private static final int KEY_IDENTIFIER_TAG = Tag.contextPrimitive(0);

    static KnownExtensions read(List<Extension> extensions) throws EncodingException {
        BasicConstraints basicConstraints = null;
        Integer keyUsageBits = null;
        List<Oid> extendedKeyUsages = null;
        List<GeneralName> alternativeNames = List.of();
        Bytes subjectKeyIdentifier = null;
        Bytes authorityKeyIdentifier = null;
        for (Extension extension : extensions) {
            DerReader reader = DerReader.of(extension.value());
            Oid type = extension.type();
            if (type.equals(Extension.BASIC_CONSTRAINTS)) {
                basicConstraints = basicConstraints(reader);
            } else if (type.equals(Extension.KEY_USAGE)) {
                keyUsageBits = reader.namedBits();
            } else if (type.equals(Extension.EXTENDED_KEY_USAGE)) {
                extendedKeyUsages = purposes(reader);
            } else if (type.equals(Extension.SUBJECT_ALTERNATIVE_NAME)) {
                alternativeNames = GeneralName.readAll(reader);
            } else if (type.equals(Extension.SUBJECT_KEY_IDENTIFIER)) {
                subjectKeyIdentifier = reader.octetString();
            } else if (type.equals(Extension.AUTHORITY_KEY_IDENTIFIER)) {
                authorityKeyIdentifier = authorityKeyIdentifier(reader);
            } else {
                continue;
            }
            reader.end();
        }
        return new KnownExtensions(
                basicConstraints,
                keyUsageBits,
                extendedKeyUsages,
                alternativeNames,
                subjectKeyIdentifier,
                authorityKeyIdentifier);
    }

    static Optional<Oid> firstDuplicate(List<Extension> extensions) {
        Set<Oid> seen = HashSet.newHashSet(extensions.size());
        for (Extension extension : extensions) {
            if (!seen.add(extension.type())) {
                return Optional.of(extension.type());
            }
        }
        return Optional.empty();
    }

    private static BasicConstraints basicConstraints(DerReader reader) throws EncodingException {
        DerReader sequence = reader.sequence();
        boolean authority = sequence.nextIs(Tag.BOOLEAN) && sequence.bool();
        OptionalInt pathLength = sequence.hasMore() ? OptionalInt.of(sequence.smallInteger()) : OptionalInt.empty();
        sequence.end();
        return new BasicConstraints(authority, pathLength);
    }

    private static List<Oid> purposes(DerReader reader) throws EncodingException {
        DerReader sequence = reader.sequence();
        List<Oid> purposes = new ArrayList<>();
        do {
            if (purposes.size() == MAX_PURPOSES) {
                throw new EncodingException("there are more than " + MAX_PURPOSES + " extended key usages");
            }
            purposes.add(sequence.oid());
        } while (sequence.hasMore());
        return List.copyOf(purposes);
    }

    private static @Nullable Bytes authorityKeyIdentifier(DerReader reader) throws EncodingException {
        DerReader sequence = reader.sequence();
        Bytes identifier = sequence.nextIs(KEY_IDENTIFIER_TAG) ? sequence.content(KEY_IDENTIFIER_TAG) : null;
        while (sequence.hasMore()) {
            sequence.skip();
        }
        return identifier;
    }
}
