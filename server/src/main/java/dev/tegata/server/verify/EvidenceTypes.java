// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.server.http.Request;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/// The media types of evidence.
public final class EvidenceTypes {
    /// All that are understood, as clients are told.
    public static final List<String> ALL = List.of(
            Evidence.PSA,
            Evidence.PSA_2023,
            Evidence.PSA_LEGACY,
            Evidence.PSA_2_0_0,
            Evidence.EAT_CWT,
            Evidence.EAT_JWT,
            Evidence.EAT_BUNDLE_CBOR,
            Evidence.EAT_BUNDLE_JSON,
            Evidence.CMW_CBOR,
            Evidence.CMW_JSON,
            Evidence.DICE_CHAIN,
            TpmEvidence.MEDIA_TYPE,
            KeyAttestation.MEDIA_TYPE);

    /// Larger evidence is not read: a TPM's with its event log is the largest.
    public static final long BODY_LIMIT = 3L << 20;

    private static final Set<String> BASE_TYPES =
            ALL.stream().map(type -> type.replaceFirst(";.*", "")).collect(Collectors.toUnmodifiableSet());
    private static final int LONGEST_TYPE = 200;

    private EvidenceTypes() {}

    /// The evidence in a request's body.
    ///
    /// @throws RefusedException where its type is none of these
    public static Evidence of(Request request) {
        String type = request.header("Content-Type").orElse("");
        String base = type.replaceFirst(";.*", "").strip().toLowerCase(Locale.ROOT);
        if (!BASE_TYPES.contains(base) || type.length() > LONGEST_TYPE) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE, "evidence is of one of the types " + String.join(", ", ALL));
        }
        return new Evidence(type, Bytes.of(request.body()));
    }
}
