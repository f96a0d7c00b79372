// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.certificate.CertificateProfile.RequestedExtensions;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.Fields;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The profile of a fleet's certificates as JSON. In a request, what is left out stays as it is.
record ProfileBody(
        @Nullable String name,
        @Nullable String subject,
        @Nullable String lifetime,
        @Nullable String backdate,
        @Nullable List<String> keyAlgorithms,
        @Nullable List<String> keyUsages,
        @Nullable List<String> extendedKeyUsages,
        @Nullable List<String> alternativeNames,
        @Nullable LocationsBody locations,
        @Nullable String requestedExtensions,
        @Nullable String form) {
    static final CertificateProfile STANDARD = CertificateProfile.device();

    record LocationsBody(
            @Nullable List<String> crls,
            @Nullable List<String> ocsp,
            @Nullable List<String> issuers,
            @Nullable Boolean standard) {}

    static ProfileBody of(CertificateProfile profile) {
        return new ProfileBody(
                profile.name(),
                profile.subject(),
                profile.lifetime(),
                profile.backdate(),
                profile.keyAlgorithms().stream().map(KeyAlgorithm::id).toList(),
                profile.keyUsages().stream().map(KeyUsage::text).toList(),
                profile.extendedKeyUsages(),
                profile.alternativeNames(),
                new LocationsBody(
                        profile.locations().crls(),
                        profile.locations().ocsp(),
                        profile.locations().issuers(),
                        profile.locations().standard()),
                Names.of(profile.requestedExtensions()),
                Names.of(profile.form()));
    }

    /// @throws dev.tegata.platform.RefusedException naming the field that is wrong
    CertificateProfile over(CertificateProfile base) {
        try {
            return new CertificateProfile(
                    name == null ? base.name() : name,
                    base.kind(),
                    subject == null ? base.subject() : subject,
                    lifetime == null ? base.lifetime() : lifetime,
                    backdate == null ? base.backdate() : backdate,
                    keyAlgorithms == null
                            ? base.keyAlgorithms()
                            : keyAlgorithms.stream()
                                    .map(id -> Names.algorithm("profile.keyAlgorithms", id))
                                    .toList(),
                    base.pathLength(),
                    keyUsages == null
                            ? base.keyUsages()
                            : keyUsages.stream().map(ProfileBody::keyUsage).toList(),
                    extendedKeyUsages == null ? base.extendedKeyUsages() : extendedKeyUsages,
                    alternativeNames == null ? base.alternativeNames() : alternativeNames,
                    locations == null ? base.locations() : locations(locations, base.locations()),
                    requestedExtensions == null
                            ? base.requestedExtensions()
                            : Names.constant(
                                    RequestedExtensions.class, "profile.requestedExtensions", requestedExtensions),
                    form == null ? base.form() : Names.constant(CertificateProfile.Form.class, "profile.form", form));
        } catch (IllegalArgumentException e) {
            throw Fields.invalid("profile." + e.getMessage(), "");
        }
    }

    private static KeyUsage keyUsage(String name) {
        return Names.constant(KeyUsage.class, KeyUsage::text, "profile.keyUsages", name);
    }

    private static Locations locations(LocationsBody body, Locations base) {
        return new Locations(
                orNone(body.crls()),
                orNone(body.ocsp()),
                orNone(body.issuers()),
                body.standard() == null ? base.standard() : body.standard());
    }

    private static List<String> orNone(@Nullable List<String> urls) {
        return urls == null ? List.of() : urls;
    }
}
