// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.device;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.appraisal.DeviceIntroductions;
import dev.tegata.platform.checkin.CheckInOutcome;
import dev.tegata.platform.checkin.CheckIns;
import dev.tegata.platform.checkin.RelayedEnrolments;
import dev.tegata.platform.checkin.SignedAnswer;
import dev.tegata.platform.endorsement.AttestationKeys;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.KeyActivation;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.protocol.RelayedEnrolment;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Translates check-ins to [CheckIns], and signed requests for certificates to [RelayedEnrolments], and
/// back. Errors are problem documents, or signed where the question was, with no more of the detail than is
/// about the request itself.
public final class DeviceEndpoint {
    public static final String CHECK_IN = "/device/v1/check-in";
    public static final String ENROLMENT = "/device/v1/enrolment";
    public static final String NONCE = "/device/v1/nonce";

    private static final Duration LONGEST = Duration.ofSeconds(15);

    private final CheckIns checkIns;
    private final RelayedEnrolments enrolments;
    private final DeviceIntroductions introductions;

    public DeviceEndpoint(CheckIns checkIns, RelayedEnrolments enrolments, DeviceIntroductions introductions) {
        this.checkIns = checkIns;
        this.enrolments = enrolments;
        this.introductions = introductions;
    }

    public List<Route> routes() {
        return List.of(
                Route.post(CHECK_IN, request -> told(() -> checkIn(request)))
                        .withBodyLimit(RelayedCheckIn.MAX_SIZE)
                        .withTimeout(LONGEST),
                Route.post(ENROLMENT, request -> told(() -> enrolment(request)))
                        .withBodyLimit(RelayedEnrolment.MAX_SIZE)
                        .withTimeout(LONGEST),
                Route.post(KeyActivation.PATH, request -> told(() -> begin(request)))
                        .withBodyLimit(KeyActivation.MAX_SIZE)
                        .withTimeout(LONGEST),
                Route.post(KeyActivation.ANSWER_PATH, request -> told(() -> end(request)))
                        .withBodyLimit(KeyActivation.MAX_SIZE)
                        .withTimeout(LONGEST),
                Route.get(NONCE, this::nonce).withTimeout(LONGEST));
    }

    private Response checkIn(Request request) throws MalformedException {
        Bytes body = Bytes.of(request.body());
        String contentType = request.contentType();
        if (contentType.equals(RelayedCheckIn.CONTENT_TYPE)) {
            return response(checkIns.answerRelayed(body, request.remoteAddress()));
        }
        CheckInForm form = CheckInForm.of(contentType)
                .orElseThrow(() -> new RefusedException(
                        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                        "send application/json, application/cbor or " + RelayedCheckIn.CONTENT_TYPE));
        CheckIn said = CheckInCodec.parseCheckIn(body, form);
        return switch (checkIns.answer(said, request.peerChain(), request.remoteAddress())) {
            case CheckInOutcome.Answered(var answer) ->
                Response.of(
                        200, form.mediaType(), CheckInCodec.encode(answer, form).toArray());
            case CheckInOutcome.Refused(ErrorCode code, String detail) -> throw new RefusedException(code, detail);
        };
    }

    private static Response response(SignedAnswer answer) {
        Response response = Response.of(
                answer.status(), answer.contentType(), answer.message().toArray());
        return answer.retryAfter().isZero()
                ? response
                : response.with("Retry-After", Long.toString(answer.retryAfter().toSeconds()));
    }

    private Response enrolment(Request request) throws MalformedException {
        if (!request.contentType().equals(RelayedEnrolment.CONTENT_TYPE)) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                    "send " + RelayedEnrolment.CONTENT_TYPE + "; what comes over TLS of its own uses EST");
        }
        return response(enrolments.answer(Bytes.of(request.body()), request.remoteAddress()));
    }

    private interface Exchange {
        Response run() throws MalformedException;
    }

    private static Response told(Exchange exchange) {
        try {
            return exchange.run();
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, String.valueOf(e.getMessage()));
        } catch (RefusedException e) {
            throw new RefusedException(e.code(), new CheckInOutcome.Refused(e.code(), e.detail()).told());
        }
    }

    private Response begin(Request request) throws MalformedException {
        KeyActivation.Wish wish = KeyActivation.Wish.parse(Bytes.of(request.body()));
        List<Certificate> endorsement = new ArrayList<>();
        for (Bytes encoded : wish.endorsement()) {
            try {
                endorsement.add(Certificate.parse(encoded));
            } catch (InvalidCertificateException e) {
                throw new MalformedException("a certificate cannot be read: " + e.getMessage());
            }
        }
        AttestationKeys.Challenge challenge =
                introductions.begin(new FleetId(wish.fleet()), request.peerChain(), wish.attestationKey(), endorsement);
        return Response.of(
                201,
                KeyActivation.MEDIA_TYPE,
                new KeyActivation.Challenge(
                                challenge.id().toString(),
                                challenge.credential().idObject(),
                                challenge.credential().encryptedSecret())
                        .encode()
                        .toArray());
    }

    private Response end(Request request) throws MalformedException {
        KeyActivation.Solved solved = KeyActivation.Solved.parse(Bytes.of(request.body()));
        introductions.answer(
                new FleetId(solved.fleet()),
                request.peerChain(),
                TimeOrderedIds.parse("activation id", solved.id()),
                solved.secret());
        return Response.nothing();
    }

    private Response nonce(Request request) {
        String fleet = request.query("fleet")
                .orElseThrow(() -> new RefusedException(ErrorCode.INVALID_FIELD, "name the fleet: ?fleet=…"));
        return Response.of(
                        200,
                        "application/octet-stream",
                        checkIns.nonce(new FleetId(fleet)).toArray())
                .with("Cache-Control", "no-store");
    }
}
