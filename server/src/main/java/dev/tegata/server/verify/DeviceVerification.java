// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.appraisal.Appraisals;
import dev.tegata.platform.appraisal.DeviceCertificates;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import dev.tegata.server.verify.ChallengeResponse.Asker;
import java.util.List;

/// Verification on the devices' port: a device shows its operational certificate in TLS, sends evidence of
/// itself, and fetches its last result to show it to others. The fleet in the path tells the tenant.
public final class DeviceVerification {
    private final DeviceCertificates certificates;
    private final ChallengeResponse sessions;
    private final Appraisals appraisals;

    public DeviceVerification(DeviceCertificates certificates, ChallengeResponse sessions, Appraisals appraisals) {
        this.certificates = certificates;
        this.sessions = sessions;
        this.appraisals = appraisals;
    }

    public List<Route> routes() {
        String session = "/{fleet}/challenge-response/v1/session/{session}";
        return List.of(
                Route.post(
                        "/{fleet}/challenge-response/v1/newSession", request -> sessions.open(asker(request), request)),
                Route.post(session, request -> sessions.evidence(asker(request), request))
                        .withBodyLimit(EvidenceTypes.BODY_LIMIT),
                Route.get(session, request -> sessions.show(asker(request), request)),
                Route.of("DELETE", session, request -> sessions.delete(asker(request), request)),
                Route.get("/{fleet}/attestation-result", this::result));
    }

    private Response result(Request request) {
        TenantId tenant = tenant(request);
        ResultForm form = ResultForm.of(request);
        return form.answer(appraisals.passport(tenant, device(tenant, request)));
    }

    private static TenantId tenant(Request request) {
        return new FleetId(request.pathParameter("fleet")).tenant();
    }

    private Asker asker(Request request) {
        TenantId tenant = tenant(request);
        return new Asker(tenant, device(tenant, request));
    }

    private DeviceId device(TenantId tenant, Request request) {
        if (request.peerChain().isEmpty()) {
            throw new RefusedException(ErrorCode.UNAUTHENTICATED, "the device showed no certificate");
        }
        return certificates.device(tenant, request.peerChain().getFirst());
    }
}
