// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.CanonicalDer;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// A distinguished name: who a certificate is for, or who issued it. Equal by its encoding, as chains
/// compare names.
///
/// `toString` is the RFC 4514 form, which lists the attributes from the last encoded to the first.
public final class Name {
    public static final Name EMPTY = of();

    private static final int MAX_ATTRIBUTES = 32;
    private static final int MAX_SIZE = 4096;

    private final Bytes encoded;
    private final List<Attribute> attributes;

    private Name(Bytes encoded, List<Attribute> attributes) {
        this.encoded = encoded;
        this.attributes = attributes;
    }

    /// One attribute. `value` is the text, or `#` and the hex of its DER where it is no text.
    public record Attribute(Oid type, String value) {
        public static Attribute of(NameAttribute type, String value) {
            return new Attribute(type.oid(), value);
        }
    }

    /// Builds a name of the attributes that [NameAttribute] lists, in the order in which they are encoded.
    ///
    /// @throws IllegalArgumentException where a value is empty, too long or has characters that it may not
    /// have
    public static Name of(List<Attribute> attributes) {
        if (attributes.size() > MAX_ATTRIBUTES) {
            throw new IllegalArgumentException("a name has at most " + MAX_ATTRIBUTES + " attributes");
        }
        DerWriter writer = new DerWriter();
        writer.sequence(() -> attributes.forEach(attribute -> write(attribute, writer)));
        return new Name(writer.toBytes(), List.copyOf(attributes));
    }

    public static Name of(Attribute... attributes) {
        return of(Arrays.asList(attributes));
    }

    /// Reads a name such as `CN=Root 1,O=Example,C=IT` in the form of RFC 4514, attributes of
    /// [NameAttribute] only.
    ///
    /// @throws IllegalArgumentException where the text is not such a name
    public static Name parse(String text) {
        List<Attribute> attributes = new ArrayList<>();
        for (NameText.Part part : NameText.parse(text)) {
            attributes.add(Attribute.of(part.type(), NameText.unescape(part.value())));
        }
        return of(attributes.reversed());
    }

    public static Name decode(Bytes encoded) throws EncodingException {
        DerReader reader = DerReader.of(encoded);
        Name name = read(reader);
        reader.end();
        return name;
    }

    /// Reads the next element as a name, which may have attributes of any type.
    public static Name read(DerReader reader) throws EncodingException {
        Bytes encoded = reader.element();
        if (encoded.size() > MAX_SIZE) {
            throw new EncodingException("a name is longer than " + MAX_SIZE + " bytes");
        }
        List<Attribute> attributes = new ArrayList<>();
        DerReader outer = DerReader.of(encoded);
        DerReader sequence = outer.sequence();
        while (sequence.hasMore()) {
            DerReader set = sequence.set();
            do {
                DerReader attribute = set.sequence();
                attributes.add(new Attribute(attribute.oid(), value(attribute)));
                attribute.end();
            } while (set.hasMore());
            if (attributes.size() > MAX_ATTRIBUTES) {
                throw new EncodingException("a name has more than " + MAX_ATTRIBUTES + " attributes");
            }
        }
        return new Name(encoded, List.copyOf(attributes));
    }

    private static String value(DerReader attribute) throws EncodingException {
        return isText(attribute.nextTag())
                ? attribute.text()
                : "#" + attribute.element().hex();
    }

    static boolean isText(int tag) {
        return switch (tag) {
            case Tag.UTF8_STRING, Tag.PRINTABLE_STRING, Tag.IA5_STRING, Tag.NUMERIC_STRING -> true;
            case Tag.TELETEX_STRING, Tag.BMP_STRING, Tag.UNIVERSAL_STRING -> true;
            default -> false;
        };
    }

    private static void write(Attribute attribute, DerWriter writer) {
        NameAttribute type = NameAttribute.of(attribute.type())
                .orElseThrow(
                        () -> new IllegalArgumentException("names here have no attribute of type " + attribute.type()));
        checkValue(type, attribute.value()).ifPresent(problem -> {
            throw new IllegalArgumentException(problem);
        });
        int tag = type.printable() ? Tag.PRINTABLE_STRING : Tag.UTF8_STRING;
        writer.set(() -> writer.sequence(() -> {
            writer.oid(type.oid());
            writer.text(tag, attribute.value());
        }));
    }

    /// What is wrong with a value of this type, as a sentence; nothing where it is fine.
    static Optional<String> checkValue(NameAttribute type, String value) {
        if (value.isBlank()) {
            return Optional.of(type.keyword() + " is empty");
        }
        if (value.codePointCount(0, value.length()) > type.maxLength()) {
            return Optional.of("%s has %d characters, at most %d are allowed"
                    .formatted(type.keyword(), value.codePointCount(0, value.length()), type.maxLength()));
        }
        if (type == NameAttribute.COUNTRY && !value.matches("[A-Z]{2}")) {
            return Optional.of("C is a country code of two capital letters, such as IT");
        }
        if (type.printable() && !CanonicalDer.isPrintable(value)) {
            return Optional.of(type.keyword() + " may have only letters, digits, spaces and '()+,-./:=? characters");
        }
        if (value.codePoints().anyMatch(Name::isForbidden)) {
            return Optional.of(type.keyword() + " has a control character, or one that cannot be encoded");
        }
        return Optional.empty();
    }

    /// Whether a character may not stand in our names, and is not shown as it is in those of others.
    static boolean isForbidden(int codePoint) {
        if (codePoint >= ' ' && codePoint <= '~') {
            return false;
        }
        int kind = Character.getType(codePoint);
        return Character.isISOControl(codePoint)
                || kind == Character.SURROGATE
                || kind == Character.LINE_SEPARATOR
                || kind == Character.PARAGRAPH_SEPARATOR
                // Direction overrides and invisible characters make one name look like another
                || kind == Character.FORMAT;
    }

    public Bytes encoded() {
        return encoded;
    }

    /// All attributes in the order in which they are encoded.
    public List<Attribute> attributes() {
        return attributes;
    }

    public boolean isEmpty() {
        return attributes.isEmpty();
    }

    /// The value of the last attribute of this type, the most specific one.
    public Optional<String> value(Oid type) {
        for (Attribute attribute : attributes.reversed()) {
            if (attribute.type().equals(type)) {
                return Optional.of(attribute.value());
            }
        }
        return Optional.empty();
    }

    public Optional<String> value(NameAttribute type) {
        return value(type.oid());
    }

    public Optional<String> commonName() {
        return value(NameAttribute.COMMON_NAME);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Name name && encoded.equals(name.encoded);
    }

    @Override
    public int hashCode() {
        return encoded.hashCode();
    }

    /// The RFC 4514 form.
    @Override
    public String toString() {
        return NameText.format(encoded);
    }
}
