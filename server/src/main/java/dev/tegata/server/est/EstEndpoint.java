// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.CsrAttributes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.appraisal.Nonces;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.platform.enrol.EvidenceGate;
import dev.tegata.platform.fleet.EvidencePolicy;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.store.Json;
import dev.tegata.server.http.Handler;
import dev.tegata.server.http.Problem;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;

/// Translates EST to [Enrolments] and back. Reads leniently, as real clients need; writes strictly.
///
/// The path's label is the fleet's public id: `/.well-known/est/{fleet}/simpleenroll`. Clients that know no
/// labels and put the well-known path behind whatever address they are given reach the same at
/// `/{fleet}/.well-known/est`.
public final class EstEndpoint {
    private static final Logger LOG = LoggerFactory.getLogger(EstEndpoint.class);
    private static final List<String> BASES = List.of("/.well-known/est/{fleet}", "/{fleet}/.well-known/est");
    private static final int BODY_LIMIT = 96 * 1024;
    private static final String NONCE_TYPE = "application/est-attestation-freshness+json";

    /// A device gives up by itself before long; it had better be told to come later.
    private static final Duration LONGEST = Duration.ofSeconds(15);

    private static final String BOUNDARY = "tegata-est-part";

    private static final String NONCE_COOKIE = "est-nonce";
    private static final Duration NONCE_LIFE = Duration.ofMinutes(10);

    private final Enrolments enrolments;
    private final Nonces nonces;

    /// @param nonces for evidence in requests
    public EstEndpoint(Enrolments enrolments, Nonces nonces) {
        this.enrolments = enrolments;
        this.nonces = nonces;
    }

    public List<Route> routes() {
        return BASES.stream().flatMap(this::routes).toList();
    }

    private Stream<Route> routes(String base) {
        return Stream.of(
                Route.get(base + "/cacerts", plainErrors(this::caCertificates)),
                Route.get(base + "/csrattrs", plainErrors(this::requestAttributes)),
                Route.get(base + "/nonce", plainErrors(request -> nonce(request, Nonces.USUAL_SIZE))),
                post(base + "/nonce", request -> nonce(request, wantedSize(request))),
                post(base + "/simpleenroll", request -> enrol(request, Purpose.ENROL)),
                post(base + "/simplereenroll", request -> enrol(request, Purpose.RE_ENROL)),
                post(base + "/serverkeygen", this::generateKey));
    }

    private static Route post(String path, Handler handler) {
        return Route.post(path, plainErrors(handler)).withBodyLimit(BODY_LIMIT).withTimeout(LONGEST);
    }

    /// Errors as one line of text: what is in reach of a small device's log (RFC 7030 §4.2.3 leaves the
    /// form open).
    private static Handler plainErrors(Handler handler) {
        return request -> {
            try {
                return handler.handle(request);
            } catch (RuntimeException e) {
                Problem problem = Problem.logged(e, LOG, request.id());
                return refusal(problem, problem.detail());
            }
        };
    }

    private Response caCertificates(Request request) {
        // spec| RFC 7030 §4.1.3: the CA's certificate and the chain up to the root; at the change of a root's key the
        // other root, OldWithNew and NewWithOld too.
        return message("application/pkcs7-mime", enrolments.published(fleetId(request)));
    }

    private Response requestAttributes(Request request) {
        CsrAttributes attributes = CsrAttributes.of(fleet(request).issuance().profile());
        return base64("application/csrattrs", attributes.encode());
    }

    private record NonceRequest(
            @Nullable Integer len, @Nullable Object reqTypeInfo) {}

    /// @param expiry in seconds
    private record NonceResponse(String nonce, long expiry) {}

    private static int wantedSize(Request request) {
        if (!request.contentType().equals(NONCE_TYPE)) {
            throw new RefusedException(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send " + NONCE_TYPE);
        }
        try {
            NonceRequest wanted = Json.mapper().readValue(request.body(), NonceRequest.class);
            return wanted == null || wanted.len() == null ? Nonces.USUAL_SIZE : wanted.len();
        } catch (JacksonException e) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, "the body must be JSON, such as {\"len\":32}");
        }
    }

    /// A nonce for the evidence in the next request. The cookie ties the two together; a TPM's evidence
    /// also says its nonce itself, so that a client without cookies can do it too.
    private Response nonce(Request request, int size) {
        IssuingFleet fleet = fleet(request);
        // spec| draft-ietf-lamps-attestation-freshness: an empty nonce where none is needed.
        EvidencePolicy policy = fleet.fleet().policy().evidence();
        if (!policy.atEnrolment() && !policy.atRenewal()) {
            return nonceAnswer(new NonceResponse("", 0));
        }
        String nonce =
                nonces.issue(fleet.tenant(), size, NONCE_LIFE, null).value().base64Url();
        return nonceAnswer(new NonceResponse(nonce, NONCE_LIFE.toSeconds()))
                .with(
                        "Set-Cookie",
                        NONCE_COOKIE + "=" + nonce + "; Path=/; Max-Age=" + NONCE_LIFE.toSeconds()
                                + "; Secure; HttpOnly; SameSite=Strict");
    }

    private static Response nonceAnswer(NonceResponse nonce) {
        return Response.text(200, NONCE_TYPE, Json.write(nonce)).with("Cache-Control", "no-store");
    }

    private static EvidenceGate.@Nullable Nonce shownNonce(Request request) {
        for (String cookie : request.header("Cookie").orElse("").split(";", 20)) {
            if (cookie.strip().startsWith(NONCE_COOKIE + "=")) {
                try {
                    return new EvidenceGate.Nonce(
                            Bytes.ofBase64Url(cookie.strip().substring(NONCE_COOKIE.length() + 1)), false);
                } catch (IllegalArgumentException e) {
                    throw new RefusedException(ErrorCode.EVIDENCE_REFUSED, "nonce-unknown: the cookie holds no nonce");
                }
            }
        }
        return null;
    }

    private IssuingFleet fleet(Request request) {
        return enrolments.fleet(fleetId(request));
    }

    private static FleetId fleetId(Request request) {
        return new FleetId(request.pathParameter("fleet"));
    }

    private Response enrol(Request request, Purpose purpose) {
        return answer(enrolments.enrol(enrolmentRequest(request, purpose)));
    }

    private Response answer(EnrolmentOutcome outcome) {
        return switch (outcome) {
            case EnrolmentOutcome.Issued issued ->
                message("application/pkcs7-mime; smime-type=certs-only", List.of(issued.certificate()));
            case EnrolmentOutcome.Pending(Duration retryAfter) -> {
                Problem problem = new Problem(ErrorCode.APPROVAL_PENDING, "")
                        .with("Retry-After", Long.toString(retryAfter.toSeconds()));
                yield refusal(problem, "");
            }
            case EnrolmentOutcome.Refused refused ->
                switch (refused.code()) {
                    case EVIDENCE_REQUIRED, EVIDENCE_REFUSED, POSTURE_NOT_GOOD ->
                        evidenceRefused(refused.code(), refused.detail());
                    default -> refusal(unauthenticatedAsBasic(new Problem(refused.code(), "")), refused.told());
                };
        };
    }

    private record EvidenceProblem(
            String type, String code, String title, int status, String reason, String detail, String next) {}

    /// For programs: what is wrong with evidence stands in one word, before the colon.
    private static Response evidenceRefused(ErrorCode code, String detail) {
        int colon = detail.indexOf(':');
        EvidenceProblem problem = new EvidenceProblem(
                "/docs/errors#" + code.code(),
                code.code(),
                code.title(),
                code.httpStatus(),
                detail.substring(0, colon),
                detail.substring(colon + 1).strip(),
                code.next());
        return Response.text(code.httpStatus(), Problem.MEDIA_TYPE, Json.write(problem));
    }

    private static Problem unauthenticatedAsBasic(Problem problem) {
        // spec| RFC 7030 §3.2.3: a 401 names the HTTP authentication that would do.
        return problem.code() == ErrorCode.UNAUTHENTICATED || problem.code() == ErrorCode.TOKEN_INVALID
                ? problem.with("WWW-Authenticate", "Basic realm=\"claim token\"")
                : problem;
    }

    private Response generateKey(Request request) {
        Enrolments.ServerKeyOutcome made = enrolments.enrolWithServerKey(enrolmentRequest(request, Purpose.ENROL));
        if (!(made.outcome() instanceof EnrolmentOutcome.Issued issued) || made.key() == null) {
            return answer(made.outcome());
        }
        // spec| RFC 7030 §4.4.2: multipart/mixed, the private key first, then the certificate.
        byte[] pkcs8 = made.key().pkcs8();
        String body = part("application/pkcs8", Base64.getEncoder().encodeToString(pkcs8))
                + part(
                        "application/pkcs7-mime; smime-type=certs-only",
                        CertsOnlyCms.encode(List.of(issued.certificate())).base64())
                + "--" + BOUNDARY + "--\r\n";
        java.util.Arrays.fill(pkcs8, (byte) 0);
        return Response.text(200, "multipart/mixed; boundary=" + BOUNDARY, body);
    }

    private static String part(String contentType, String base64) {
        return "--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n"
                .formatted(BOUNDARY, contentType, base64);
    }

    private EnrolmentRequest enrolmentRequest(Request request, Purpose purpose) {
        return new EnrolmentRequest(
                        fleetId(request), credential(request), pkcs10(request.body()), purpose, request.remoteAddress())
                .withNonce(shownNonce(request));
    }

    /// A token that was sent on purpose goes before a certificate that TLS stacks show to anybody who asks.
    private static DeviceCredential credential(Request request) {
        Optional<String> authorization = request.header("Authorization");
        if (authorization.isPresent()) {
            return new DeviceCredential.ClaimToken(token(authorization.get()), request.peerChain());
        }
        return request.peerChain().isEmpty()
                ? new DeviceCredential.None()
                : new DeviceCredential.TlsCertificate(request.peerChain());
    }

    /// The token; an empty one, which is nobody's, where the header has another form.
    private static String token(String authorization) {
        if (authorization.regionMatches(true, 0, "Bearer ", 0, 7)) {
            return authorization.substring(7).strip();
        }
        if (authorization.regionMatches(true, 0, "Basic ", 0, 6)) {
            try {
                String pair = new String(
                        Base64.getDecoder().decode(authorization.substring(6).strip()), StandardCharsets.UTF_8);
                // The user name is whatever the client likes to call itself: the token says which device it is.
                return pair.substring(pair.indexOf(':') + 1);
            } catch (IllegalArgumentException e) {
                return "";
            }
        }
        return "";
    }

    /// A PKCS#10 request as clients send it: base64 with or without line breaks (RFC 8951 §3.1), PEM, or
    /// plain DER. What is none of them goes on as it is, to be refused, and audited, where requests are
    /// read.
    private static Bytes pkcs10(byte[] body) {
        if (body.length > 0 && body[0] == 0x30) {
            return Bytes.of(body);
        }
        String base64 = new String(body, StandardCharsets.US_ASCII)
                .replaceAll("-----(BEGIN|END) (NEW )?CERTIFICATE REQUEST-----", "")
                .replaceAll("\\s", "");
        try {
            return Bytes.ofBase64(base64);
        } catch (IllegalArgumentException e) {
            return Bytes.of(body);
        }
    }

    private static Response message(String contentType, List<Certificate> certificates) {
        return base64(contentType, CertsOnlyCms.encode(new ArrayList<>(certificates)));
    }

    /// One unwrapped line: there are clients that stop at the first line break.
    private static Response base64(String contentType, Bytes content) {
        return Response.text(200, contentType, content.base64()).with("Content-Transfer-Encoding", "base64");
    }

    private static String next(ErrorCode code) {
        return code == ErrorCode.UNAUTHENTICATED
                ? "Show a certificate around the device's key in TLS, or send a claim token."
                : code.next();
    }

    private static Response refusal(Problem problem, String detail) {
        ErrorCode code = problem.code();
        String why = detail.isEmpty() ? "" : " " + detail + (detail.endsWith(".") ? "" : ".");
        String line = code.code() + ": " + code.title() + why + " " + next(code) + "\n";
        Response response = Response.text(code.httpStatus(), "text/plain; charset=utf-8", line);
        for (var header : problem.headers().entrySet()) {
            response = response.with(header.getKey(), header.getValue());
        }
        return response;
    }
}
