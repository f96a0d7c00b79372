// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.attestation.csr.AttestationBundle.Statement;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.tpm.TpmAttest;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.enrol.EvidenceGate;
import dev.tegata.platform.fleet.EvidencePolicy;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.UUID;

/// Appraises the evidence in a certificate request's attestation attribute, and ties it to the request's
/// key.
///
/// How the key is tied, by the kind of evidence:
/// - TPM: beside the quote, a second statement in which the same attestation key certifies the request's key, over
///   the same nonce.
/// - Secure element: the evidence is about a key; it is the request's.
/// - PSA and other tokens: their nonce is SHA-256 of the server's nonce and the request's SubjectPublicKeyInfo.
public final class EnrolmentEvidence implements EvidenceGate {
    private final Nonces nonces;
    private final Appraisals appraisals;

    public EnrolmentEvidence(Nonces nonces, Appraisals appraisals) {
        this.nonces = nonces;
        this.appraisals = appraisals;
    }

    @Override
    public UUID pass(TenantId tenant, EvidencePolicy policy, Shown shown) {
        AttestationBundle bundle = bundle(shown.request());
        Wrapped wrapped = wrapped(bundle);
        Nonce given = shown.nonce();
        Bytes nonce = given == null ? nonce(wrapped) : given.value();
        if (given == null || !given.isUsedUp()) {
            use(tenant, nonce, shown);
        }
        PublicKeyInfo key = shown.request().publicKey();
        Bytes expected =
                wrapped.tiesKeyItself() ? nonce : nonce.concat(key.encoded()).sha256();
        StoredAppraisal stored = appraisals
                .appraiseAndKeep(
                        tenant,
                        new Appraisals.Request(
                                new Evidence(Evidence.CMW_CBOR, wrapped.encoded),
                                expected,
                                Appraisals.Origin.ENROLMENT,
                                shown.device()))
                .stored();
        Verified verified = requireVerified(stored);
        requireTied(bundle, wrapped, verified, nonce, key);
        requireGood(policy, stored);
        return stored.id().value();
    }

    private static RefusedException refused(String reason, String sentence) {
        return new RefusedException(ErrorCode.EVIDENCE_REFUSED, reason + ": " + sentence);
    }

    private static AttestationBundle bundle(CertificateRequest request) {
        List<Bytes> values = request.attributes().stream()
                .filter(attribute -> attribute.type().equals(AttestationBundle.ATTRIBUTE))
                .map(RequestAttribute::value)
                .toList();
        if (values.isEmpty()) {
            throw new RefusedException(
                    ErrorCode.EVIDENCE_REQUIRED, "evidence-missing: the request has no attestation attribute");
        }
        try {
            // spec| draft-ietf-lamps-csr-attestation: at most one attribute, with exactly one value.
            if (values.size() > 1) {
                throw new MalformedException("the attestation attribute stands twice");
            }
            return AttestationBundle.parse(values.getFirst());
        } catch (MalformedException e) {
            throw refused("malformed", String.valueOf(e.getMessage()));
        }
    }

    /// @param type the media type; empty where it is told by a number
    private record Wrapped(Bytes encoded, String type, Bytes content) {
        boolean isTpm() {
            return type.startsWith(TpmEvidence.MEDIA_TYPE);
        }

        boolean tiesKeyItself() {
            return isTpm() || type.startsWith(KeyAttestation.MEDIA_TYPE);
        }
    }

    /// The one statement that is evidence of what the device is.
    private static Wrapped wrapped(AttestationBundle bundle) {
        List<Statement> statements =
                bundle.statements().stream().filter(Statement::isWrapped).toList();
        if (statements.size() != 1) {
            throw refused("unsupported-format", "the bundle must have one statement that is a conceptual message");
        }
        try {
            Bytes encoded = statements.getFirst().wrapped();
            if (!(Cmw.parse(encoded) instanceof Cmw.Single single)) {
                throw new MalformedException("evidence of several attesters cannot be tied to a key");
            }
            String type = single.type() instanceof Cmw.MediaType(String name) ? name.toLowerCase(Locale.ROOT) : "";
            return new Wrapped(encoded, type, single.value());
        } catch (MalformedException e) {
            throw refused("malformed", String.valueOf(e.getMessage()));
        }
    }

    /// What a TPM repeats, where the channel remembers none. A nonce that is hidden in a hash cannot be
    /// found.
    private static Bytes nonce(Wrapped wrapped) {
        if (!wrapped.isTpm()) {
            throw refused("nonce-missing", "the request does not say which nonce its evidence was made for");
        }
        try {
            return TpmAttest.parse(TpmEvidence.parse(wrapped.content).quote()).extraData();
        } catch (MalformedException e) {
            throw refused("malformed", String.valueOf(e.getMessage()));
        }
    }

    private void use(TenantId tenant, Bytes nonce, Shown shown) {
        try {
            nonces.use(tenant, nonce, shown.device());
        } catch (RefusedException e) {
            throw switch (e.code()) {
                case CONFLICT -> refused("nonce-used", e.detail());
                case EXCHANGE_OVER -> refused("nonce-expired", e.detail());
                case NOT_FOUND -> refused("nonce-unknown", e.detail());
                default -> e;
            };
        }
    }

    private static Verified requireVerified(StoredAppraisal stored) {
        EvidenceOutcome outcome = stored.outcomes().getFirst();
        return switch (outcome) {
            case Verified verified -> verified;
            case Rejected(String _, EvidenceOutcome.Reason reason, String sentence) ->
                throw reason == EvidenceOutcome.Reason.UNKNOWN_REVOCATION
                        ? new RefusedException(ErrorCode.STATUS_UNKNOWN, sentence + " (appraisal " + stored.id() + ")")
                        : refused(reason.code(), sentence + " (appraisal " + stored.id() + ")");
        };
    }

    private static void requireTied(
            AttestationBundle bundle, Wrapped wrapped, Verified verified, Bytes nonce, PublicKeyInfo key) {
        if (wrapped.isTpm()) {
            requireCertified(bundle, wrapped, nonce, key);
        } else if (wrapped.tiesKeyItself() && !Objects.equals(verified.attestedKey(), key.encoded())) {
            throw refused("key-not-bound", "the evidence is about another key than the one requested for");
        }
    }

    private static void requireCertified(AttestationBundle bundle, Wrapped wrapped, Bytes nonce, PublicKeyInfo key) {
        Statement statement = bundle.statements().stream()
                .filter(one -> one.type().equals(AttestationBundle.TPM_CERTIFY))
                .findFirst()
                .orElseThrow(() -> refused("key-not-bound", "no statement of the TPM is about the requested key"));
        try {
            TpmPublic attestationKey =
                    TpmPublic.parse(TpmEvidence.parse(wrapped.content).publicArea());
            statement.tpmCertification().verify(attestationKey, nonce, key);
        } catch (MalformedException e) {
            throw refused("key-not-bound", String.valueOf(e.getMessage()));
        }
    }

    private static void requireGood(EvidencePolicy policy, StoredAppraisal stored) {
        Tier tier = stored.status();
        if (tier != Tier.AFFIRMING && !(tier == Tier.WARNING && policy.acceptWarnings())) {
            throw refused(
                    "result-" + tier.name().toLowerCase(Locale.ROOT),
                    "appraisal " + stored.id() + " says " + stored.vector());
        }
    }
}
