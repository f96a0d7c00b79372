// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.device;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.checkin.CheckInOutcome;
import dev.tegata.platform.checkin.CheckIns;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.RelayedCheckIn;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// Translates check-ins to [CheckIns] and back. Errors are problem documents, with no more of the detail
/// than is about the request itself: what the server knows of other devices is not told.
public final class DeviceEndpoint {
    public static final String CHECK_IN = "/device/v1/check-in";
    public static final String NONCE = "/device/v1/nonce";

    private static final Duration LONGEST = Duration.ofSeconds(15);

    private final CheckIns checkIns;

    public DeviceEndpoint(CheckIns checkIns) {
        this.checkIns = checkIns;
    }

    public List<Route> routes() {
        return List.of(
                Route.post(CHECK_IN, this::checkIn)
                        .withBodyLimit(RelayedCheckIn.MAX_SIZE)
                        .withTimeout(LONGEST),
                Route.get(NONCE, this::nonce).withTimeout(LONGEST));
    }

    private Response checkIn(Request request) {
        Bytes body = Bytes.of(request.body());
        String contentType = request.contentType();
        try {
            if (contentType.equals(RelayedCheckIn.CONTENT_TYPE)) {
                return response(checkIns.answerRelayed(body, request.remoteAddress()), CheckInForm.CBOR);
            }
            Optional<CheckInForm> form = CheckInForm.of(contentType);
            if (form.isEmpty()) {
                throw new RefusedException(
                        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                        "send application/json, application/cbor or " + RelayedCheckIn.CONTENT_TYPE);
            }
            CheckIn said = CheckInCodec.parseCheckIn(body, form.get());
            return response(checkIns.answer(said, request.peerChain(), request.remoteAddress()), form.get());
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, String.valueOf(e.getMessage()));
        }
    }

    private static Response response(CheckInOutcome outcome, CheckInForm form) {
        return switch (outcome) {
            case CheckInOutcome.Answered(var answer) ->
                Response.of(
                        200, form.mediaType(), CheckInCodec.encode(answer, form).toArray());
            case CheckInOutcome.Signed(Bytes message) ->
                Response.of(200, RelayedCheckIn.ANSWER_CONTENT_TYPE, message.toArray());
            case CheckInOutcome.Refused(ErrorCode code, String detail) ->
                throw new RefusedException(code, isAboutTheRequest(code) ? detail : "");
        };
    }

    private static boolean isAboutTheRequest(ErrorCode code) {
        return switch (code) {
            case INVALID_IDENTIFIER, INVALID_FIELD, NONCE_INVALID, NOT_FOUND -> true;
            default -> false;
        };
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
