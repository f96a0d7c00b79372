// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.appraisal.Nonces;
import dev.tegata.platform.appraisal.VerificationSessions;
import dev.tegata.platform.appraisal.VerificationSessions.Session;
import dev.tegata.server.http.Json;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// The challenge-response exchange with the paths, bodies and statuses that clients of the known open
/// verifier expect.
///
/// Who asks has been found out before: the holder of an API key, or a device.
public final class ChallengeResponse {
    public static final String SESSION_TYPE = "application/vnd.veraison.challenge-response-session+json";

    private final VerificationSessions sessions;

    public ChallengeResponse(VerificationSessions sessions) {
        this.sessions = sessions;
    }

    /// @param device null where an API key asks
    public record Asker(TenantId tenant, @Nullable DeviceId device) {}

    record EvidenceView(String type, String value) {}

    record View(
            String nonce,
            Instant expiry,
            List<String> accept,
            String status,
            @Nullable EvidenceView evidence,
            @Nullable String result) {
        static View of(Session session) {
            Evidence evidence = session.evidence();
            return new View(
                    session.nonce().base64Url(),
                    session.expiresAt(),
                    EvidenceTypes.ALL,
                    evidence == null ? "waiting" : "complete",
                    evidence == null
                            ? null
                            : new EvidenceView(
                                    evidence.mediaType(), evidence.content().base64()),
                    session.result());
        }
    }

    /// Opens a session: `?nonceSize=` bytes of ours, or the caller's `?nonce=`.
    public Response open(Asker asker, Request request) {
        requireAccepted(request);
        Optional<String> size = request.query("nonceSize");
        Optional<String> given = request.query("nonce");
        if (size.isPresent() && given.isPresent()) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, "nonce and nonceSize exclude each other");
        }
        Session session = given.isPresent()
                ? sessions.open(asker.tenant(), nonce(given.get()), asker.device())
                : sessions.open(
                        asker.tenant(), size.map(ChallengeResponse::size).orElse(Nonces.USUAL_SIZE), asker.device());
        return answer(201, session).with("Location", "session/" + session.id());
    }

    private static int size(String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw Fields.invalid("nonceSize", "must be a number from 8 to 64");
        }
    }

    /// A nonce as clients write it: base64url, with padding or without.
    public static Bytes nonce(String text) {
        try {
            return Bytes.ofBase64Url(text.replaceFirst("=+$", ""));
        } catch (IllegalArgumentException e) {
            throw Fields.invalid("nonce", "must be base64url");
        }
    }

    /// Takes the evidence.
    public Response evidence(Asker asker, Request request) {
        UUID id = id(request);
        sessions.get(asker.tenant(), id, asker.device());
        requireAccepted(request);
        Session session = sessions.answer(
                asker.tenant(),
                id,
                asker.device(),
                EvidenceTypes.of(request),
                appraised -> appraised.jwt(ResultForm.sessionProfile(request)));
        return answer(200, session);
    }

    public Response show(Asker asker, Request request) {
        Session session = sessions.get(asker.tenant(), id(request), asker.device());
        requireAccepted(request);
        return answer(200, session);
    }

    public Response delete(Asker asker, Request request) {
        sessions.delete(asker.tenant(), id(request), asker.device());
        return Response.nothing();
    }

    private static UUID id(Request request) {
        return TimeOrderedIds.parse("session id", request.pathParameter("session"));
    }

    private static void requireAccepted(Request request) {
        String accept = request.header("Accept").orElse("*/*");
        if (!accept.contains("*/*") && !accept.contains("application/*") && !accept.contains(SESSION_TYPE)) {
            throw new RefusedException(ErrorCode.NOT_ACCEPTABLE, "the answer is of the type " + SESSION_TYPE);
        }
    }

    private static Response answer(int status, Session session) {
        return Response.of(status, SESSION_TYPE, Json.write(View.of(session)));
    }
}
