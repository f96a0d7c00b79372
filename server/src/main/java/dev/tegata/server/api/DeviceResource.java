// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The devices of a tenant: what is known of them, and what operators do to them.
final class DeviceResource {
    static final String PATH = "/api/v1/devices";
    private static final int LONGEST_REASON = 200;

    private final Devices devices;
    private final AuditLog audit;

    DeviceResource(Devices devices, AuditLog audit) {
        this.devices = devices;
        this.audit = audit;
    }

    /// Why something is done to a device, for the history.
    record ReasonBody(String reason) {
        ReasonBody {
            if (reason.isBlank() || reason.length() > LONGEST_REASON) {
                throw Fields.invalid("reason", "must have 1 to " + LONGEST_REASON + " characters");
            }
        }
    }

    record View(
            String id,
            String fleet,
            String chip,
            String serial,
            String model,
            String state,
            String proof,
            @Nullable String manifest,
            Instant claimedAt,
            @Nullable Instant activatedAt,
            @Nullable Instant lastSeenAt,
            @Nullable String certificate) {
        static View of(Device device) {
            return new View(
                    device.id().toString(),
                    device.fleet().value(),
                    device.chip(),
                    device.serial(),
                    device.model(),
                    Names.of(device.state()),
                    Names.of(device.proof()),
                    device.manifest() == null ? null : device.manifest().toString(),
                    device.claimedAt(),
                    device.activatedAt(),
                    device.lastSeenAt(),
                    device.certificate() == null ? null : device.certificate().hex());
        }
    }

    record IssuedView(
            CertificateView certificate,
            String authority,
            boolean current,
            Instant issuedAt,
            @Nullable Instant revokedAt,
            @Nullable Integer revocationReason) {
        static IssuedView of(DeviceCertificate issued) {
            try {
                return new IssuedView(
                        CertificateView.of(Certificate.parse(issued.encoded())),
                        issued.authority().toString(),
                        issued.current(),
                        issued.issuedAt(),
                        issued.revokedAt(),
                        issued.revocationReason());
            } catch (InvalidCertificateException e) {
                throw new IntegrityException("a certificate that we issued cannot be read", e);
            }
        }
    }

    record CertificatesView(List<IssuedView> items) {}

    /// Changes a device for a reason.
    private interface Change {
        Device apply(Call call, DeviceId device, String reason);
    }

    /// Decides about a device that waits.
    private interface Decision {
        void apply(Call call, DeviceId device);
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::search),
                gate.route("GET", PATH + "/{device}", Permission.READ_DEVICES, this::get),
                gate.route("GET", PATH + "/{device}/certificates", Permission.READ_DEVICES, this::certificates),
                gate.route("GET", PATH + "/{device}/history", Permission.READ_DEVICES, this::history),
                change(gate, "suspend", (call, id, why) -> devices.suspend(call.tenant(), id, call.actor(), why)),
                change(gate, "resume", (call, id, why) -> devices.resume(call.tenant(), id, call.actor(), why)),
                change(gate, "revoke", (call, id, why) -> devices.revoke(call.tenant(), id, call.actor(), why)),
                decision(gate, "approve", (call, id) -> devices.approve(call.tenant(), id, call.actor())),
                decision(gate, "reject", (call, id) -> devices.reject(call.tenant(), id, call.actor())));
    }

    private Route change(Gate gate, String name, Change change) {
        return gate.route("POST", PATH + "/{device}/" + name, Permission.MANAGE_DEVICES, call -> {
            String reason = call.request().json(ReasonBody.class).reason();
            return Response.json(View.of(change.apply(call, id(call), reason)));
        });
    }

    private Route decision(Gate gate, String name, Decision decision) {
        return gate.route("POST", PATH + "/{device}/" + name, Permission.MANAGE_DEVICES, call -> {
            decision.apply(call, id(call));
            return Response.nothing();
        });
    }

    private Response search(Call call) {
        Request request = call.request();
        var page = Queries.page(request, "fleet", "state", "serial", "text");
        DeviceQuery query = new DeviceQuery(
                request.query("fleet").map(FleetId::new).orElse(null),
                request.query("state")
                        .map(text -> Names.constant(DeviceState.class, "state", text))
                        .orElse(null),
                request.query("serial").orElse(null),
                request.query("text").orElse(null));
        return Response.json(Queries.Listing.of(devices.search(call.tenant(), query, page), View::of));
    }

    private Response get(Call call) {
        return Response.json(View.of(devices.get(call.tenant(), id(call))));
    }

    private Response certificates(Call call) {
        return Response.json(new CertificatesView(devices.certificates(call.tenant(), id(call)).stream()
                .map(IssuedView::of)
                .toList()));
    }

    private Response history(Call call) {
        Device device = devices.get(call.tenant(), id(call));
        return Response.json(Queries.Listing.of(
                audit.recordsAbout(call.tenant(), device.subject(), Queries.page(call.request())),
                AuditResource.View::of));
    }

    private static DeviceId id(Call call) {
        return DeviceId.parse(call.path("device"));
    }
}
