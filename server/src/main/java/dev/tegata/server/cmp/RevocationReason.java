// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.certificate.SerialNumber;
import java.util.Set;
import org.bouncycastle.asn1.ASN1Enumerated;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.RevDetails;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;

/// Which certificate a request for revocation names, and why.
final class RevocationReason {
    static final int CESSATION_OF_OPERATION = 5;

    private static final int UNSPECIFIED = 0;

    /// Those that a device can know of itself and that are for good: unspecified, keyCompromise,
    /// affiliationChanged, superseded, cessationOfOperation.
    private static final Set<Integer> ALLOWED = Set.of(UNSPECIFIED, 1, 3, 4, CESSATION_OF_OPERATION);

    private RevocationReason() {}

    static SerialNumber serial(RevDetails details) throws CmpFailure {
        try {
            return new SerialNumber(details.getCertDetails().getSerialNumber().getValue());
        } catch (IllegalArgumentException e) {
            throw new CmpFailure(PKIFailureInfo.badCertId, "This is no serial number of a certificate.");
        }
    }

    static int of(RevDetails details) throws CmpFailure {
        Extensions extensions = details.getCrlEntryDetails();
        Extension reason = extensions == null ? null : extensions.getExtension(Extension.reasonCode);
        if (reason == null) {
            return UNSPECIFIED;
        }
        try {
            int value = ASN1Enumerated.getInstance(reason.getParsedValue()).intValueExact();
            if (ALLOWED.contains(value)) {
                return value;
            }
        } catch (RuntimeException e) {
            throw new CmpFailure(PKIFailureInfo.badDataFormat, "The reason cannot be read.");
        }
        throw new CmpFailure(PKIFailureInfo.badRequest, "A device cannot revoke its certificate for that reason.");
    }
}
