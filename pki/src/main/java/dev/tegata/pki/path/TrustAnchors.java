// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// The authorities that are trusted by decision, found by their names. Keep it as long as the decision stands.
public final class TrustAnchors {
    private final Map<Name, List<Certificate>> bySubject;

    private TrustAnchors(Map<Name, List<Certificate>> bySubject) {
        this.bySubject = bySubject;
    }

    public static TrustAnchors of(Collection<Certificate> certificates) {
        return new TrustAnchors(certificates.stream()
                .distinct()
                .collect(Collectors.groupingBy(Certificate::subject, Collectors.toUnmodifiableList())));
    }

    public static TrustAnchors of(Certificate... certificates) {
        return of(List.of(certificates));
    }

    /// The anchors with this subject, none where there is none.
    public List<Certificate> named(Name subject) {
        return bySubject.getOrDefault(subject, List.of());
    }

    public boolean isEmpty() {
        return bySubject.isEmpty();
    }
}
