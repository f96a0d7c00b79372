// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.custody.CustodyLog;
import dev.tegata.platform.custody.CustodyStep;
import dev.tegata.platform.custody.Grants;
import dev.tegata.platform.custody.TransferId;
import dev.tegata.platform.custody.Transfers;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Custody chains of devices that a tenant owns or has owned, and the temporary use of devices by others.
final class CustodyResource {
    private static final String PATH = "/api/v1/custody/{device}";
    private static final String GRANTS = DeviceResource.PATH + "/{device}/grants";
    private static final String GRANTED = "/api/v1/granted-devices";

    private final CustodyLog custody;
    private final Transfers transfers;
    private final Grants grants;

    CustodyResource(CustodyLog custody, Transfers transfers, Grants grants) {
        this.custody = custody;
        this.transfers = transfers;
        this.grants = grants;
    }

    record StepView(
            int sequence,
            String kind,
            Instant at,
            String owner,
            String ownerName,
            String ownerKey,
            @Nullable String next,
            @Nullable String nextName) {
        static StepView of(CustodyStep step) {
            return new StepView(
                    step.sequence(),
                    step.kind().id(),
                    step.at(),
                    step.owner(),
                    step.ownerName(),
                    step.ownerKey().hex(),
                    step.next(),
                    step.nextName());
        }
    }

    record StepsView(List<StepView> items) {}

    record HistoryView(String transfer, String from, Instant at, List<String> records) {}

    record HistoriesView(List<HistoryView> items) {}

    record NewGrantBody(String to, Instant until) {}

    record GrantView(String id, String device, String to, Instant createdAt, Instant endsAt) {
        static GrantView of(Grants.Given given) {
            return new GrantView(
                    given.id().toString(),
                    given.device().toString(),
                    given.holder().value(),
                    given.createdAt(),
                    given.endsAt());
        }
    }

    record GrantsView(List<GrantView> items) {}

    record HeldView(String grant, String device, String from, Instant endsAt) {
        static HeldView of(Grants.Held held) {
            return new HeldView(
                    held.id().toString(), held.device().toString(), held.owner().value(), held.endsAt());
        }
    }

    /// How a device is, for whoever may use it: no identifiers of the owner's making.
    record GrantedView(
            String id,
            String serial,
            String model,
            String state,
            @Nullable Instant lastSeenAt) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::steps),
                gate.route("GET", PATH + "/export", Permission.READ_DEVICES, this::export),
                gate.route("GET", PATH + "/history", Permission.READ_DEVICES, this::history),
                gate.route("GET", GRANTS, Permission.READ_DEVICES, this::given),
                gate.creating(GRANTS, Permission.TRANSFER_DEVICES, this::grant),
                gate.route("DELETE", GRANTS + "/{grant}", Permission.TRANSFER_DEVICES, this::revoke),
                gate.route("GET", GRANTED, Permission.READ_DEVICES, this::held),
                gate.route("GET", GRANTED + "/{device}", Permission.READ_DEVICES, this::granted));
    }

    private Response steps(Call call) {
        return Response.json(new StepsView(custody.steps(call.tenant(), device(call)).stream()
                .map(StepView::of)
                .toList()));
    }

    private Response export(Call call) {
        byte[] document = custody.export(call.tenant(), device(call)).getBytes(StandardCharsets.UTF_8);
        return Response.of(200, "application/json", document);
    }

    private Response history(Call call) {
        return Response.json(new HistoriesView(transfers.shownHistory(call.tenant(), device(call)).stream()
                .map(shown -> new HistoryView(
                        shown.transfer().toString(), shown.from().value(), shown.at(), shown.records()))
                .toList()));
    }

    private Response given(Call call) {
        return Response.json(new GrantsView(grants.of(call.tenant(), device(call)).stream()
                .map(GrantView::of)
                .toList()));
    }

    private Response grant(Call call) {
        NewGrantBody body = call.request().json(NewGrantBody.class);
        return Response.json(
                201,
                GrantView.of(grants.grant(
                        call.tenant(), call.actor(), device(call), new TenantId(body.to()), body.until())));
    }

    private Response revoke(Call call) {
        grants.revoke(
                call.tenant(),
                call.actor(),
                device(call),
                TransferId.parse(call.path("grant")).value());
        return Response.nothing();
    }

    private Response held(Call call) {
        return Response.json(
                Queries.Listing.of(grants.held(call.tenant(), Queries.page(call.request())), HeldView::of));
    }

    private Response granted(Call call) {
        var device = grants.device(call.tenant(), device(call));
        return Response.json(new GrantedView(
                device.id().toString(),
                device.serial(),
                device.model(),
                Names.of(device.state()),
                device.lastSeenAt()));
    }

    private static DeviceId device(Call call) {
        return DeviceId.parse(call.path("device"));
    }
}
