// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.NameAttribute;
import dev.tegata.platform.Fields;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Who a tenant is, as its authorities' certificates say it.
///
/// @param organization the company's registered name
/// @param country two letters of ISO 3166-1
public record TenantSubject(
        String organization,
        String country,
        @Nullable String organizationalUnit,
        @Nullable String locality,
        @Nullable String state) {
    private static final Set<String> COUNTRIES = Set.of(Locale.getISOCountries());
    private static final int MAX_COMMON_NAME = 64;

    public TenantSubject {
        organization = Fields.name("organization", organization);
        country = country.strip().toUpperCase(Locale.ROOT);
        if (!COUNTRIES.contains(country)) {
            throw Fields.invalid("country", "must be a country code of two letters (ISO 3166), such as IT");
        }
        organizationalUnit = nameOrNull("organizationalUnit", organizationalUnit);
        locality = nameOrNull("locality", locality);
        state = nameOrNull("state", state);
    }

    private static @Nullable String nameOrNull(String field, @Nullable String value) {
        return value == null ? null : Fields.name(field, value);
    }

    /// The subject of one of its authorities, whose common name is the organization's and `role`: `Example Root CA`. A
    /// long name of an organization is cut there; `O` has it whole.
    public Name authorityName(String role) {
        List<Name.Attribute> attributes = new ArrayList<>();
        attributes.add(Name.Attribute.of(NameAttribute.COUNTRY, country));
        addIfPresent(attributes, NameAttribute.STATE, state);
        addIfPresent(attributes, NameAttribute.LOCALITY, locality);
        attributes.add(Name.Attribute.of(NameAttribute.ORGANIZATION, organization));
        addIfPresent(attributes, NameAttribute.ORGANIZATIONAL_UNIT, organizationalUnit);
        attributes.add(Name.Attribute.of(NameAttribute.COMMON_NAME, commonName(role)));
        return Name.of(attributes);
    }

    private static void addIfPresent(List<Name.Attribute> attributes, NameAttribute type, @Nullable String value) {
        if (value != null) {
            attributes.add(Name.Attribute.of(type, value));
        }
    }

    private String commonName(String role) {
        int room = MAX_COMMON_NAME - role.length() - 1;
        int length = organization.codePointCount(0, organization.length());
        String start = length <= room
                ? organization
                : organization
                        .substring(0, organization.offsetByCodePoints(0, room))
                        .strip();
        return start + " " + role;
    }
}
