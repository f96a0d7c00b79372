// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.checkin.DeviceReport;
import dev.tegata.platform.checkin.DeviceReports;
import dev.tegata.platform.device.Device;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The devices of a tenant: what is known of them, and what operators do to them.
final class DeviceResource {
    static final String PATH = "/api/v1/devices";

    private final Devices devices;
    private final DeviceReports reports;
    private final Fleets fleets;
    private final AuditLog audit;

    DeviceResource(Devices devices, DeviceReports reports, Fleets fleets, AuditLog audit) {
        this.devices = devices;
        this.reports = reports;
        this.fleets = fleets;
        this.audit = audit;
    }

    /// Why something is done to a device, for the history.
    record ReasonBody(String reason) {
        private static final int LONGEST = 200;

        ReasonBody {
            if (reason.isBlank() || reason.length() > LONGEST) {
                throw Fields.invalid("reason", "must have 1 to " + LONGEST + " characters");
            }
        }
    }

    /// Why something is done to a device, and how.
    record ChangeBody(
            String reason,
            @Nullable String revocationReason,
            @Nullable Boolean newKey,
            @Nullable Boolean erase) {}

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
            @Nullable Instant expiresAt,
            @Nullable String certificate,
            @Nullable Instant nextExpectedBy,
            @Nullable DeviceReport report) {
        static View of(Device device) {
            return of(device, null, null);
        }

        static View of(Device device, @Nullable Instant nextExpectedBy, @Nullable DeviceReport report) {
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
                    device.expiresAt(),
                    device.certificate() == null
                            ? null
                            : SerialNumber.ofHex(device.certificate().hex()).hex(),
                    nextExpectedBy,
                    report);
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
            return new IssuedView(
                    certificate(issued),
                    issued.authority().toString(),
                    issued.current(),
                    issued.issuedAt(),
                    issued.revokedAt(),
                    issued.revocationReason());
        }

        private static CertificateView certificate(DeviceCertificate issued) {
            Bytes encoded = issued.encoded();
            if (encoded == null) {
                return new CertificateView(
                        issued.serialNumber().hex(),
                        null,
                        null,
                        issued.notBefore(),
                        issued.notAfter(),
                        issued.fingerprint().hex(),
                        null);
            }
            try {
                return CertificateView.of(Certificate.parse(encoded));
            } catch (InvalidCertificateException e) {
                throw new IntegrityException("a certificate that we issued cannot be read", e);
            }
        }
    }

    record CertificatesView(List<IssuedView> items) {}

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
                change(gate, DeviceChange.Kind.RENEW),
                change(gate, DeviceChange.Kind.SUSPEND),
                change(gate, DeviceChange.Kind.RESUME),
                change(gate, DeviceChange.Kind.REVOKE),
                change(gate, DeviceChange.Kind.REFURBISH),
                change(gate, DeviceChange.Kind.RETIRE),
                decision(gate, "approve", (call, id) -> devices.approve(call.tenant(), id, call.actor())),
                decision(gate, "reject", (call, id) -> devices.reject(call.tenant(), id, call.actor())));
    }

    private Route change(Gate gate, DeviceChange.Kind kind) {
        return gate.route("POST", PATH + "/{device}/" + Names.of(kind), Permission.MANAGE_DEVICES, call -> {
            ChangeBody body = call.request().json(ChangeBody.class);
            DeviceChange change =
                    BulkResource.change(kind, body.reason(), body.revocationReason(), body.newKey(), body.erase());
            return Response.json(View.of(devices.change(call.tenant(), id(call), change, call.actor())));
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
        var page = Queries.page(
                request,
                "fleet",
                "state",
                "serial",
                "text",
                "waiting",
                "manifest",
                "authority",
                "expiresBefore",
                "notSeenSince",
                "keyAlgorithm");
        DeviceQuery query = new DeviceQuery(
                request.query("fleet").map(FleetId::new).orElse(null),
                request.query("state")
                        .map(text -> Names.constant(DeviceState.class, "state", text))
                        .orElse(null),
                request.query("serial").orElse(null),
                request.query("text").orElse(null),
                Queries.flag(request, "waiting"),
                request.query("manifest").map(ManifestId::parse).orElse(null),
                request.query("authority").map(AuthorityId::parse).orElse(null),
                Queries.instant(request, "expiresBefore"),
                Queries.instant(request, "notSeenSince"),
                null,
                request.query("keyAlgorithm")
                        .map(id -> Names.algorithm("keyAlgorithm", id))
                        .orElse(null));
        return Response.json(Queries.Listing.of(devices.search(call.tenant(), query, page), View::of));
    }

    private Response get(Call call) {
        Device device = devices.get(call.tenant(), id(call));
        CheckInPolicy policy =
                fleets.get(call.tenant(), device.fleet()).policy().checkIn();
        return Response.json(View.of(
                device,
                DeviceReports.nextExpectedBy(device, policy).orElse(null),
                reports.find(call.tenant(), device.id()).orElse(null)));
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
