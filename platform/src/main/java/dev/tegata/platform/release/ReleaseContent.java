// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.release;

import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus.Status;
import dev.tegata.platform.Fields;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// All that can be said about a release.
///
/// @param product the class of devices that it is for, as their evidence names it
/// @param components what is measured of it, in the form in which evidence is matched
/// @param variants which of the components, by their index, are measured together, where a device runs one
/// image of
///     several, such as one for each slot; empty where all are
/// @param securityCounter by which releases are ordered before their versions, where both have one
/// @param scheme of the certification
/// @param certificate its number
/// @param validUntil when the certification ends
/// @param vulnerabilities that are known, by their names
public record ReleaseContent(
        String version,
        Environment product,
        List<Measurement> components,
        List<List<Integer>> variants,
        @Nullable Integer securityCounter,
        Status status,
        @Nullable String scheme,
        @Nullable String certificate,
        @Nullable Instant validUntil,
        List<String> vulnerabilities) {
    private static final int MOST_COMPONENTS = 64;
    private static final int MOST_VULNERABILITIES = 256;
    private static final int MOST_VARIANTS = 16;
    private static final int LONGEST = 128;

    public ReleaseContent {
        if (!version.matches("[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")) {
            throw Fields.invalid("version", "must be 1 to 64 letters, digits, '.', '_', '+' and '-'");
        }
        components = List.copyOf(components);
        if (components.isEmpty() || components.size() > MOST_COMPONENTS) {
            throw Fields.invalid("components", "must be 1 to " + MOST_COMPONENTS);
        }
        variants = variants.stream().map(List::copyOf).toList();
        int known = components.size();
        if (variants.size() > MOST_VARIANTS
                || variants.stream().anyMatch(List::isEmpty)
                || variants.stream().flatMap(List::stream).anyMatch(index -> index < 0 || index >= known)) {
            throw Fields.invalid("variants", "must be at most " + MOST_VARIANTS + " lists of components");
        }
        if (securityCounter != null && securityCounter < 0) {
            throw Fields.invalid("securityCounter", "must not be negative");
        }
        vulnerabilities = List.copyOf(vulnerabilities);
        if (vulnerabilities.size() > MOST_VULNERABILITIES) {
            throw Fields.invalid("vulnerabilities", "must be at most " + MOST_VULNERABILITIES);
        }
        vulnerabilities.forEach(name -> requireShort("vulnerabilities", name));
        requireShort("certification.scheme", scheme);
        requireShort("certification.certificate", certificate);
    }

    /// With one variant.
    public ReleaseContent(
            String version,
            Environment product,
            List<Measurement> components,
            @Nullable Integer securityCounter,
            Status status,
            @Nullable String scheme,
            @Nullable String certificate,
            @Nullable Instant validUntil,
            List<String> vulnerabilities) {
        this(
                version,
                product,
                components,
                List.of(),
                securityCounter,
                status,
                scheme,
                certificate,
                validUntil,
                vulnerabilities);
    }

    /// What is measured together, of each variant.
    public List<List<Measurement>> images() {
        return variants.isEmpty()
                ? List.of(components)
                : variants.stream()
                        .map(variant -> variant.stream().map(components::get).toList())
                        .toList();
    }

    private static void requireShort(String field, @Nullable String text) {
        if (text != null && (text.isBlank() || text.length() > LONGEST)) {
            throw Fields.invalid(field, "must be 1 to " + LONGEST + " characters");
        }
    }

    /// The same with what may change of a release that is out: its certification and its vulnerabilities.
    public ReleaseContent judged(
            Status newStatus,
            @Nullable String newScheme,
            @Nullable String newCertificate,
            @Nullable Instant newValidUntil,
            List<String> newVulnerabilities) {
        return new ReleaseContent(
                version,
                product,
                components,
                variants,
                securityCounter,
                newStatus,
                newScheme,
                newCertificate,
                newValidUntil,
                newVulnerabilities);
    }
}
