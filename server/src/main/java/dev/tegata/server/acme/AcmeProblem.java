// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.attestation.json.Json;
import dev.tegata.platform.ErrorCode;
import dev.tegata.server.http.Problem;
import dev.tegata.server.http.Response;
import tools.jackson.databind.node.ObjectNode;

/// Ends a request with a problem document of ACME (RFC 8555 §6.7). An answer, not a fault.
final class AcmeProblem extends Exception {
    private static final long serialVersionUID = 1L;
    private static final String PREFIX = "urn:ietf:params:acme:error:";

    private final String type;
    private final int status;

    /// @param type without its prefix
    AcmeProblem(String type, int status, String detail) {
        super(detail, null, false, false);
        this.type = type;
        this.status = status;
    }

    static AcmeProblem malformed(String detail) {
        return new AcmeProblem("malformed", 400, detail);
    }

    static AcmeProblem unauthorized(String detail) {
        return new AcmeProblem("unauthorized", 403, detail);
    }

    static AcmeProblem notFound(String detail) {
        return new AcmeProblem("malformed", 404, detail);
    }

    static AcmeProblem of(Problem problem) {
        ErrorCode code = problem.code();
        String type = switch (code) {
            case TOO_MANY_ATTEMPTS -> "rateLimited";
            case INTERNAL, UNAVAILABLE, AUTHORITY_NOT_READY, STATUS_UNKNOWN -> "serverInternal";
            case UNAUTHENTICATED, FORBIDDEN, NOT_ENABLED, DEVICE_UNKNOWN, DEVICE_NOT_ACTIVE -> "unauthorized";
            default -> "malformed";
        };
        return new AcmeProblem(type, code.httpStatus(), problem.detail());
    }

    static ObjectNode document(String type, String detail) {
        return Json.object().put("type", PREFIX + type).put("detail", detail);
    }

    Response response() {
        ObjectNode document = document(type, String.valueOf(getMessage())).put("status", status);
        return Response.of(status, Problem.MEDIA_TYPE, Json.write(document).toArray());
    }
}
