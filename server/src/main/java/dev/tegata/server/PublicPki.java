// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.WatchedVault;
import dev.tegata.pki.status.OcspFailure;
import dev.tegata.pki.status.OcspRequest;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.status.Crls;
import dev.tegata.platform.status.Ocsp;
import dev.tegata.platform.status.PublishedCrl;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/// What anybody may fetch over plain HTTP: revocation lists, OCSP answers and CA certificates, which carry
/// their own proof, and whether the server is well.
final class PublicPki {
    private static final String CERTIFICATE = ".cer";
    private static final String CRL = ".crl";
    private static final String PKIX_CRL = "application/pkix-crl";
    private static final String OCSP_REQUEST = "application/ocsp-request";
    private static final String OCSP_RESPONSE = "application/ocsp-response";

    /// How long caches keep a list before they ask whether there is a newer one.
    private static final Duration CRL_KEPT = Duration.ofMinutes(5);

    /// Lists up to this size are sent in one piece, with their length.
    private static final int SMALL = 512 * 1024;

    private static final DateTimeFormatter HTTP_DATE = DateTimeFormatter.ofPattern(
                    "EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ROOT)
            .withZone(ZoneOffset.UTC);

    private final Authorities authorities;
    private final Crls crls;
    private final Ocsp ocsp;
    private final InstantSource clock;
    private final Health health;

    /// What load balancers and people ask for.
    record Health(BooleanSupplier database, WatchedVault vault) {}

    PublicPki(Authorities authorities, Crls crls, Ocsp ocsp, InstantSource clock, Health health) {
        this.authorities = authorities;
        this.crls = crls;
        this.ocsp = ocsp;
        this.clock = clock;
        this.health = health;
    }

    List<Route> routes() {
        return List.of(
                Route.get("/ca/{tenant}/{file}", this::certificate),
                Route.get("/crl/{tenant}/{file}", request -> crl(request, without(request, CRL), 0)),
                Route.get("/crl/{tenant}/{authority}/{file}", this::partition),
                Route.post("/ocsp/{tenant}/{authority}", this::postOcsp).withBodyLimit(OcspRequest.MAX_SIZE),
                Route.get("/ocsp/{tenant}/{authority}/{request...}", this::getOcsp),
                Route.get("/livez", _ -> Response.text(200, "text/plain", "alive\n")),
                Route.get("/readyz", _ -> readiness()));
    }

    /// spec| RFC 5280 §4.2.2.1: the URI MUST point to a single DER encoded certificate,
    /// application/pkix-cert
    private Response certificate(Request request) {
        AuthorityId authority = AuthorityId.parse(without(request, CERTIFICATE));
        byte[] der = authorities
                .chain(tenant(request), authority)
                .getFirst()
                .encoded()
                .toArray();
        return Response.of(200, "application/pkix-cert", der).with("Cache-Control", "public, max-age=3600");
    }

    private Response partition(Request request) throws IOException {
        String digits = without(request, CRL);
        if (!digits.matches("[0-9]{6}") || digits.equals("000000")) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "a partition has six digits");
        }
        return crl(request, request.pathParameter("authority"), Integer.parseInt(digits));
    }

    private Response crl(Request request, String authorityId, int partition) throws IOException {
        TenantId tenant = tenant(request);
        AuthorityId authority = AuthorityId.parse(authorityId);
        PublishedCrl crl = crls.find(tenant, authority, partition)
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no such revocation list"));
        String etag = "\"" + crl.digest().hex() + "\"";
        Response answer = isKnown(request, etag, crl.thisUpdate())
                ? new Response(304, Map.of(), Response.nothing().body())
                : content(tenant, authority, crl);
        return cached(answer, etag, crl.thisUpdate(), crl.nextUpdate(), least(CRL_KEPT, left(crl.nextUpdate())));
    }

    private Response content(TenantId tenant, AuthorityId authority, PublishedCrl crl) throws IOException {
        if (crl.size() > SMALL) {
            return Response.streamed(PKIX_CRL, out -> crls.write(tenant, authority, crl, out));
        }
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        crls.write(tenant, authority, crl, whole);
        return Response.of(200, PKIX_CRL, whole.toByteArray());
    }

    /// spec| RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since
    private static boolean isKnown(Request request, String etag, Instant modified) {
        Optional<String> known = request.header("If-None-Match");
        if (known.isPresent()) {
            return List.of(known.get().split("\\s*,\\s*", -1)).contains(etag)
                    || known.get().equals("*");
        }
        try {
            return request.header("If-Modified-Since")
                    .map(text -> !modified.isAfter(HTTP_DATE.parse(text, Instant::from)))
                    .orElse(false);
        } catch (DateTimeParseException e) {
            return false;
        }
    }

    private Response postOcsp(Request request) {
        if (!request.contentType().equals(OCSP_REQUEST)) {
            throw new RefusedException(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the request as " + OCSP_REQUEST);
        }
        // spec| RFC 9110 §9.3.4: caches keep answers to POST only where these say so; ours do not
        return Response.of(200, OCSP_RESPONSE, answer(request, request.body()).encoded())
                .with("Cache-Control", "no-store");
    }

    /// spec| RFC 6960 A.1: GET {url}/{url-encoding of base-64 encoding of the DER encoding of the OCSPRequest}
    ///
    /// Some clients leave the slashes of base64 as they are, so the request is whatever follows.
    ///
    /// spec| RFC 5019 §5: answers to GET carry Last-Modified, Expires, ETag and max-age
    private Response getOcsp(Request request) {
        byte[] decoded;
        try {
            decoded = Base64.getDecoder().decode(request.pathParameter("request"));
        } catch (IllegalArgumentException e) {
            return Response.of(
                            200,
                            OCSP_RESPONSE,
                            OcspFailure.MALFORMED_REQUEST.encoded().toArray())
                    .with("Cache-Control", "no-store");
        }
        Ocsp.Answer answer = answer(request, decoded);
        Response response = Response.of(200, OCSP_RESPONSE, answer.encoded());
        Ocsp.Interval validity = answer.validity();
        if (validity == null) {
            return response.with("Cache-Control", "no-store");
        }
        String etag = "\"" + Bytes.sha256(answer.encoded()).hex() + "\"";
        Response known = isKnown(request, etag, validity.thisUpdate())
                ? new Response(304, Map.of(), Response.nothing().body())
                : response;
        return cached(known, etag, validity.thisUpdate(), validity.nextUpdate(), left(validity.nextUpdate()));
    }

    private Ocsp.Answer answer(Request request, byte[] body) {
        try {
            return ocsp.answer(tenant(request), AuthorityId.parse(request.pathParameter("authority")), body);
        } catch (RefusedException e) {
            // An address of the wrong form is answered as one that nobody has.
            return new Ocsp.Answer(OcspFailure.UNAUTHORIZED.encoded().toArray(), null);
        }
    }

    private static Response cached(Response answer, String etag, Instant from, Instant until, Duration longest) {
        return answer.with("ETag", etag)
                .with("Last-Modified", HTTP_DATE.format(from))
                .with("Expires", HTTP_DATE.format(until))
                .with("Cache-Control", "max-age=" + longest.toSeconds() + ", public, no-transform, must-revalidate");
    }

    private Duration left(Instant until) {
        Duration left = Duration.between(clock.instant(), until).minusSeconds(1);
        return left.isNegative() ? Duration.ZERO : left;
    }

    private static Duration least(Duration one, Duration other) {
        return one.compareTo(other) < 0 ? one : other;
    }

    private static TenantId tenant(Request request) {
        return new TenantId(request.pathParameter("tenant"));
    }

    private static String without(Request request, String suffix) {
        String file = request.pathParameter("file");
        if (!file.endsWith(suffix)) {
            throw new RefusedException(
                    ErrorCode.NOT_FOUND, "what is at this address has a name that ends in " + suffix);
        }
        return file.substring(0, file.length() - suffix.length());
    }

    private Response readiness() {
        if (!health.database().getAsBoolean()) {
            throw new RefusedException(ErrorCode.UNAVAILABLE, "the database does not answer");
        }
        // Not a reason to take the node away: check-ins, verdicts and most statuses need no signature.
        return Response.text(200, "text/plain", "ready\n" + vaultTrouble());
    }

    private String vaultTrouble() {
        if (!health.vault().condition().answers()) {
            return "but calls hang in the vault: nothing is issued\n";
        }
        int failing = health.vault().failing().size();
        return failing == 0
                ? ""
                : "but the vault makes no signatures for %d tenant%s: nothing is issued there\n"
                        .formatted(failing, failing == 1 ? "" : "s");
    }
}
