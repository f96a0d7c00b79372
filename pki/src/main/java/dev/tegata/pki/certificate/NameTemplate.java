// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// A name with gaps, such as `CN={device.id},O={tenant.organization}`, in the form of RFC 4514.
///
/// What is filled in becomes part of one value whatever characters it has: it cannot add attributes. Braces
/// that are meant as such are written `\{` and `\}`. The variables are those of [#VARIABLES].
public final class NameTemplate {
    /// What a template may ask for.
    public static final Set<String> VARIABLES =
            Set.of("device.id", "device.serial", "fleet.id", "fleet.name", "tenant.id", "tenant.organization");

    private final String text;
    private final List<Part> parts;

    private NameTemplate(String text, List<Part> parts) {
        this.text = text;
        this.parts = parts;
    }

    private record Part(NameAttribute type, TextTemplate value) {}

    /// Reads and checks a template.
    ///
    /// @throws IllegalArgumentException where an attribute or variable is not known, comes twice, or the
    ///     form is wrong
    public static NameTemplate parse(String text) {
        List<Part> parts = new ArrayList<>();
        Set<NameAttribute> seen = EnumSet.noneOf(NameAttribute.class);
        for (NameText.Part part : NameText.parse(text)) {
            if (!seen.add(part.type()) && part.type() != NameAttribute.ORGANIZATIONAL_UNIT) {
                throw new IllegalArgumentException(
                        "the template has " + part.type().keyword() + " twice");
            }
            TextTemplate value = TextTemplate.parse(part.value(), NameText::unescape);
            if (value.isLiteral()) {
                Name.checkValue(part.type(), value.render(Map.of())).ifPresent(problem -> {
                    throw new IllegalArgumentException(problem);
                });
            }
            parts.add(new Part(part.type(), value));
        }
        return new NameTemplate(text, List.copyOf(parts.reversed()));
    }

    /// Fills the gaps.
    ///
    /// @throws IllegalArgumentException where a variable has no value, or a value does not fit its
    /// attribute:
    ///     nothing is ever cut short
    public Name render(Map<String, String> variables) {
        List<Name.Attribute> attributes = new ArrayList<>(parts.size());
        for (Part part : parts) {
            attributes.add(Name.Attribute.of(part.type(), part.value().render(variables)));
        }
        return Name.of(attributes);
    }

    /// Whether it has no gaps.
    boolean isLiteral() {
        return parts.stream().allMatch(part -> part.value().isLiteral());
    }

    /// Whether it gives an empty name.
    public boolean isEmpty() {
        return parts.isEmpty();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof NameTemplate template && text.equals(template.text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    /// The text that was parsed.
    @Override
    public String toString() {
        return text;
    }
}
