// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.approval.Approval;
import dev.tegata.platform.approval.ApprovalId;
import dev.tegata.platform.approval.Approvals;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Holds up what changes trust until a second person has approved it, where the tenant wants that.
final class SecondPerson {
    static final String HEADER = "Tegata-Approval";

    private final Approvals approvals;

    SecondPerson(Approvals approvals) {
        this.approvals = approvals;
    }

    Response allow(Call call, Permission permission, Gate.Check check, Gate.Operation operation) throws IOException {
        if (!approvals.required(call.tenant())) {
            return operation.answer(call);
        }
        Request request = call.request();
        Bytes digest = digest(request);
        Optional<String> given = request.header(HEADER);
        if (given.isEmpty()) {
            check.of(call);
            Approval asked = approvals.ask(
                    call.tenant(),
                    call.caller(),
                    new Approvals.Asked(permission, request.method(), request.target(), description(request), digest));
            throw new RefusedException(
                    ErrorCode.APPROVAL_REQUIRED,
                    "the request waits as approval " + asked.id() + " until " + asked.expiresAt());
        }
        ApprovalId id = ApprovalId.parse(given.get());
        approvals.use(call.tenant(), call.caller(), id, digest);
        try {
            return operation.answer(call);
        } catch (RefusedException | VaultException e) {
            approvals.giveBack(call.tenant(), id);
            throw e;
        }
    }

    private static Bytes digest(Request request) {
        String head = String.join(
                "\n",
                request.method(),
                request.target(),
                request.contentType(),
                request.header("If-Match").orElse(""),
                "");
        return Bytes.sha256(head.getBytes(StandardCharsets.UTF_8), request.body());
    }

    /// The body for who decides, without private keys.
    private static String description(Request request) {
        if (!request.contentType().equals("application/json")) {
            return request.body().length + " bytes of "
                    + (request.contentType().isEmpty() ? "no type" : request.contentType());
        }
        try {
            JsonNode body = JsonMapper.shared().readTree(request.body());
            if (body instanceof ObjectNode object) {
                object.remove("privateKey");
            }
            return body.toString();
        } catch (JacksonException e) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, "the body is no JSON");
        }
    }
}
