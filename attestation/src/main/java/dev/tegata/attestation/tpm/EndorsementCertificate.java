// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.GeneralName;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// The certificate by which a TPM's maker vouches for its endorsement key (TCG EK Credential Profile §3).
public record EndorsementCertificate(Certificate certificate, String manufacturer, String model, String version) {
    private static final Oid EK_PURPOSE = Oid.of("2.23.133.8.1");
    private static final Oid MANUFACTURER = Oid.of("2.23.133.2.1");
    private static final Oid MODEL = Oid.of("2.23.133.2.2");
    private static final Oid VERSION = Oid.of("2.23.133.2.3");

    public static EndorsementCertificate of(Certificate certificate) throws MalformedException {
        if (certificate.isAuthority()) {
            throw new MalformedException("an endorsement certificate must not be an authority's");
        }
        if (!certificate.extendedKeyUsages().orElse(List.of(EK_PURPOSE)).contains(EK_PURPOSE)) {
            throw new MalformedException("the certificate is not for an endorsement key");
        }
        for (GeneralName name : certificate.alternativeNames()) {
            if (name instanceof GeneralName.Directory(var directory)) {
                Optional<String> manufacturer = directory.value(MANUFACTURER);
                Optional<String> model = directory.value(MODEL);
                Optional<String> version = directory.value(VERSION);
                if (manufacturer.isPresent() && model.isPresent() && version.isPresent()) {
                    return new EndorsementCertificate(certificate, manufacturer.get(), model.get(), version.get());
                }
            }
        }
        throw new MalformedException("the endorsement certificate does not say which TPM it is for");
    }

    /// Whether the maker's chain leads to one of `anchors`. The certificate's own dates do not count: it is a
    /// birth certificate.
    public PathResult check(List<Certificate> intermediates, TrustAnchors anchors, Instant at, PathCheck paths) {
        return paths.checkBirth(new Presented(certificate, intermediates), anchors, at, Purpose.ANY);
    }
}
