// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.Caller;
import dev.tegata.platform.access.OperatorKey;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.io.IOException;

/// Lets requests through to operations: who asks, may they, and has this been asked before. The only way
/// in.
final class Gate {
    private static final String SCHEME = "Bearer ";
    private static final int LONGEST_TOKEN = 256;

    private final ApiKeys apiKeys;
    private final OperatorKey operatorKey;
    private final RefusalLog refusals;
    private final Repetition repetition;
    private final SecondPerson secondPerson;

    Gate(
            ApiKeys apiKeys,
            OperatorKey operatorKey,
            RefusalLog refusals,
            Repetition repetition,
            SecondPerson secondPerson) {
        this.apiKeys = apiKeys;
        this.operatorKey = operatorKey;
        this.refusals = refusals;
        this.repetition = repetition;
        this.secondPerson = secondPerson;
    }

    /// An operation of a tenant.
    interface Operation {
        Response answer(Call call) throws IOException;
    }

    /// What an operation refuses, looked at without carrying it out.
    interface Check {
        Check NOTHING = call -> {};

        void of(Call call);
    }

    /// An operation of the installation's operator.
    interface OperatorOperation {
        Response answer(Request request, Actor operator) throws IOException;
    }

    /// An operation for keys whose role includes `permission`.
    Route route(String method, String template, Permission permission, Operation operation) {
        return route(method, template, permission, false, operation);
    }

    /// As [#route], for one that creates something: a repeated request with the same idempotency key
    /// creates nothing.
    Route creating(String template, Permission permission, Operation operation) {
        return route("POST", template, permission, true, operation);
    }

    /// As [#route], for one that changes trust: where the tenant wants it, a second person must approve.
    Route guarded(String method, String template, Permission permission, Operation operation) {
        return guarded(method, template, permission, Check.NOTHING, operation);
    }

    /// As [#guarded], for one that `check` may refuse before anybody is asked to approve it.
    Route guarded(String method, String template, Permission permission, Check check, Operation operation) {
        return route(
                method, template, permission, false, call -> secondPerson.allow(call, permission, check, operation));
    }

    /// As [#creating] and [#guarded] together.
    Route creatingGuarded(String template, Permission permission, Operation operation) {
        return route(
                "POST",
                template,
                permission,
                true,
                call -> secondPerson.allow(call, permission, Check.NOTHING, operation));
    }

    /// An operation for the operator key.
    Route operatorRoute(String method, String template, OperatorOperation operation) {
        return Route.of(method, template, request -> {
            Actor operator = operatorKey.authenticate(token(request), request.remoteAddress());
            if (!method.equals("POST")) {
                return operation.answer(request, operator);
            }
            return repetition.once(
                    request, null, "operator", token(request), () -> operation.answer(request, operator));
        });
    }

    private Route route(String method, String template, Permission permission, boolean creates, Operation operation) {
        return Route.of(method, template, request -> {
            String token = token(request);
            Caller caller = apiKeys.authenticate(token, request.remoteAddress(), request.moment());
            try {
                caller.require(permission);
                Call call = new Call(request, caller);
                return creates
                        ? repetition.once(request, caller.tenant(), caller.keyId(), token, () -> operation.answer(call))
                        : operation.answer(call);
            } catch (RefusedException e) {
                note(request, caller, e);
                throw e;
            }
        });
    }

    private static String token(Request request) {
        String header = request.header("Authorization")
                .orElseThrow(() ->
                        new RefusedException(ErrorCode.UNAUTHENTICATED, "the request has no Authorization header"));
        if (!header.regionMatches(true, 0, SCHEME, 0, SCHEME.length()) || header.length() > LONGEST_TOKEN) {
            throw new RefusedException(ErrorCode.UNAUTHENTICATED, "the Authorization header is no 'Bearer' and a key");
        }
        return header.substring(SCHEME.length()).strip();
    }

    /// Audits what is refused for what it asks; what is refused for its form alone says nothing about
    /// trust.
    private void note(Request request, Caller caller, RefusedException e) {
        boolean form = e.code().number() < ErrorCode.UNAUTHENTICATED.number();
        if (!form || e.code() == ErrorCode.NOT_FOUND || e.code() == ErrorCode.CONFLICT) {
            refusals.add(
                    caller.tenant(),
                    new RefusalLog.Refusal(
                            caller.actor(),
                            request.remoteAddress(),
                            e.code(),
                            "request:" + request.method() + " " + request.path(),
                            e.detail()));
        }
    }
}
