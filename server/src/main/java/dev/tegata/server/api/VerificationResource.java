// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.appraisal.AppraisalId;
import dev.tegata.platform.appraisal.Appraisals;
import dev.tegata.platform.appraisal.Appraised;
import dev.tegata.platform.appraisal.Nonces;
import dev.tegata.platform.appraisal.ResultKeys;
import dev.tegata.platform.appraisal.StoredAppraisal;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import dev.tegata.server.verify.ChallengeResponse;
import dev.tegata.server.verify.ChallengeResponse.Asker;
import dev.tegata.server.verify.Discovery;
import dev.tegata.server.verify.EvidenceTypes;
import dev.tegata.server.verify.ResultForm;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Nonces, sessions, appraisals and the keys of their results.
final class VerificationResource {
    private static final String SESSIONS = "/challenge-response/v1";
    private static final String APPRAISALS = "/api/v1/appraisals";
    private static final String RESULT_KEYS = "/api/v1/result-keys";
    private static final Duration NONCE_LIFE = Duration.ofMinutes(5);

    private final Verification verification;
    private final ChallengeResponse sessions;
    private final Discovery discovery;

    VerificationResource(Verification verification, Discovery discovery) {
        this.verification = verification;
        this.sessions = new ChallengeResponse(verification.sessions());
        this.discovery = discovery;
    }

    record NonceView(String nonce, Instant expiresAt) {}

    /// One attester in the evidence: what was accepted of it, or why nothing was.
    record AttesterView(
            String label,
            @Nullable String scheme,
            @Nullable String trustedBy,
            @Nullable String problem,
            @Nullable String reason,
            @Nullable String remedy) {
        static AttesterView of(EvidenceOutcome outcome) {
            return switch (outcome) {
                case Verified verified ->
                    new AttesterView(verified.label(), verified.scheme(), verified.trustedBy(), null, null, null);
                case Rejected rejected ->
                    new AttesterView(
                            rejected.label(),
                            null,
                            null,
                            rejected.reason().code(),
                            rejected.sentence(),
                            rejected.reason().remedy());
            };
        }
    }

    /// `claims` and `result` are left out in listings.
    record View(
            String id,
            @Nullable String device,
            String attester,
            Instant appraisedAt,
            String origin,
            String scheme,
            String status,
            Map<String, Integer> vector,
            List<AttesterView> attesters,
            String evidenceType,
            String evidenceDigest,
            String policy,
            long endorsementVersion,
            Instant expiresAt,
            @Nullable JsonNode claims,
            @Nullable String result) {
        static View listed(StoredAppraisal stored) {
            return of(stored, null, null);
        }

        static View of(Appraised appraised) {
            return of(
                    appraised.stored(),
                    JsonMapper.shared().readTree(appraised.stored().claims().toArray()),
                    appraised.jwt(EarProfile.DRAFT_04));
        }

        private static View of(StoredAppraisal stored, @Nullable JsonNode claims, @Nullable String result) {
            DeviceId device = stored.device();
            return new View(
                    stored.id().toString(),
                    device == null ? null : device.toString(),
                    stored.attester().toString(),
                    stored.at(),
                    Names.of(stored.origin()),
                    stored.scheme(),
                    stored.status().word(),
                    stored.vector(),
                    stored.outcomes().stream().map(AttesterView::of).toList(),
                    stored.evidenceType(),
                    stored.evidenceDigest().hex(),
                    stored.policy(),
                    stored.endorsementVersion(),
                    stored.expiresAt(),
                    claims,
                    result);
        }
    }

    record KeyView(String id, Instant createdAt, @Nullable Instant retiredAt, Map<String, String> jwk) {
        static KeyView of(ResultKeys.ResultKey key) {
            return new KeyView(key.id(), key.createdAt(), key.retiredAt(), key.jwk());
        }
    }

    List<Route> routes(Gate gate) {
        String session = SESSIONS + "/session/{session}";
        return List.of(
                gate.route(
                        "POST",
                        SESSIONS + "/newSession",
                        Permission.VERIFY_EVIDENCE,
                        call -> sessions.open(asker(call), call.request())),
                gate.route(
                                "POST",
                                session,
                                Permission.VERIFY_EVIDENCE,
                                call -> sessions.evidence(asker(call), call.request()))
                        .withBodyLimit(EvidenceTypes.BODY_LIMIT),
                gate.route(
                        "GET", session, Permission.VERIFY_EVIDENCE, call -> sessions.show(asker(call), call.request())),
                gate.route(
                        "DELETE",
                        session,
                        Permission.VERIFY_EVIDENCE,
                        call -> sessions.delete(asker(call), call.request())),
                gate.route(
                        "GET",
                        "/.well-known/veraison/verification",
                        Permission.VERIFY_EVIDENCE,
                        call -> discovery.verification(call.tenant())),
                gate.route("POST", "/api/v1/nonces", Permission.VERIFY_EVIDENCE, this::issueNonce),
                gate.route("POST", APPRAISALS, Permission.VERIFY_EVIDENCE, this::appraise)
                        .withBodyLimit(EvidenceTypes.BODY_LIMIT),
                gate.route("GET", APPRAISALS, Permission.READ_APPRAISALS, this::list),
                gate.route("GET", APPRAISALS + "/{appraisal}", Permission.READ_APPRAISALS, this::show),
                gate.route("GET", RESULT_KEYS, Permission.READ_APPRAISALS, this::keys),
                gate.creating(RESULT_KEYS, Permission.MANAGE_APPRAISAL, this::rotate));
    }

    private static Asker asker(Call call) {
        return new Asker(call.tenant(), null);
    }

    private Response issueNonce(Call call) {
        Queries.requireKnown(call.request(), Set.of("size"));
        String size = call.request().query("size").orElse(Integer.toString(Nonces.USUAL_SIZE));
        if (!size.matches("[0-9]{1,4}")) {
            throw Fields.invalid("size", "must be a number from 8 to 64");
        }
        Nonces.Nonce nonce = verification.nonces().issue(call.tenant(), Integer.parseInt(size), NONCE_LIFE, null);
        return Response.json(201, new NonceView(nonce.value().base64Url(), nonce.expiresAt()));
    }

    private Response appraise(Call call) {
        Queries.requireKnown(call.request(), Set.of("nonce"));
        ResultForm form = ResultForm.of(call.request());
        Evidence evidence = EvidenceTypes.of(call.request());
        Bytes nonce =
                call.request().query("nonce").map(ChallengeResponse::nonce).orElse(null);
        if (nonce != null) {
            verification.nonces().use(call.tenant(), nonce, null);
        }
        Appraised appraised = verification
                .appraisals()
                .appraiseAndKeep(call.tenant(), new Appraisals.Request(evidence, nonce, Appraisals.Origin.API, null));
        return answer(form, appraised);
    }

    private static Response answer(ResultForm form, Appraised appraised) {
        return form == ResultForm.DESCRIBED ? Response.json(View.of(appraised)) : form.answer(appraised);
    }

    private Response list(Call call) {
        DeviceId device = call.request().query("device").map(DeviceId::parse).orElse(null);
        return Response.json(Queries.Listing.of(
                verification.appraisals().list(call.tenant(), device, Queries.page(call.request(), "device")),
                View::listed));
    }

    private Response show(Call call) {
        AppraisalId id = AppraisalId.parse(call.path("appraisal"));
        ResultForm form = ResultForm.of(call.request());
        StoredAppraisal stored = verification.appraisals().get(call.tenant(), id);
        boolean over = !verification.appraisals().holds(stored);
        if (over && form == ResultForm.DESCRIBED) {
            // The result is over; what it said is still of interest.
            return Response.json(
                    View.of(stored, JsonMapper.shared().readTree(stored.claims().toArray()), null));
        }
        return answer(form, verification.appraisals().again(call.tenant(), id));
    }

    private Response keys(Call call) {
        return Response.json(new Queries.Listing<>(
                verification.resultKeys().published(call.tenant()).stream()
                        .map(KeyView::of)
                        .toList(),
                null));
    }

    private Response rotate(Call call) {
        return Response.json(201, KeyView.of(verification.resultKeys().rotate(call.tenant(), call.actor())));
    }
}
