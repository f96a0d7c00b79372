// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.custody.LabelCode;
import dev.tegata.platform.custody.NewOffer;
import dev.tegata.platform.custody.Proof;
import dev.tegata.platform.custody.Transfer;
import dev.tegata.platform.custody.TransferId;
import dev.tegata.platform.custody.Transfers;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Transfers of ownership: what a tenant gives, what it is offered, and what it claims because it has it in
/// hand.
final class TransferResource {
    static final String PATH = "/api/v1/transfers";
    private static final String INCOMING = "/api/v1/incoming-transfers";
    private static final int MAX_JOB_LIST = 100_000;
    private static final long MAX_OFFER = 8 << 20;

    private final Transfers transfers;

    TransferResource(Transfers transfers) {
        this.transfers = transfers;
    }

    record FilterBody(@Nullable String fleet, @Nullable String state) {
        Transfers.Filter parsed() {
            return new Transfers.Filter(
                    fleet == null ? null : new FleetId(fleet),
                    state == null ? null : Names.constant(DeviceState.class, "filter.state", state));
        }
    }

    /// Either `devices` or `filter`. Up to a thousand device ids are offered at once; anything more by a
    /// job.
    record NewBody(
            @Nullable String to,
            @Nullable Duration validity,
            @Nullable Boolean history,
            @Nullable String message,
            @Nullable List<String> devices,
            @Nullable FilterBody filter) {
        NewOffer offer() {
            return new NewOffer(
                    to == null ? null : new TenantId(to),
                    validity == null ? Duration.ofDays(14) : validity,
                    history != null && history,
                    message == null ? "" : message);
        }
    }

    record View(
            String id,
            String basis,
            String state,
            @Nullable String to,
            @Nullable String fleet,
            boolean history,
            String message,
            Instant createdAt,
            Instant expiresAt,
            @Nullable Instant endedAt,
            @Nullable CountsView devices,
            @Nullable String code,
            @Nullable String job) {
        static View of(Transfer transfer) {
            return of(transfer, null, null, null);
        }

        static View of(Transfer transfer, @Nullable CountsView devices, @Nullable String code, @Nullable String job) {
            return new View(
                    transfer.id().toString(),
                    Names.of(transfer.basis()),
                    Names.of(transfer.state()),
                    transfer.buyer() == null ? null : transfer.buyer().value(),
                    transfer.buyerFleet() == null ? null : transfer.buyerFleet().value(),
                    transfer.history(),
                    transfer.message(),
                    transfer.createdAt(),
                    transfer.expiresAt(),
                    transfer.endedAt(),
                    devices,
                    code,
                    job);
        }

        /// Without the code.
        @Override
        public String toString() {
            return "View[" + id + "]";
        }
    }

    record CountsView(long offered, long released, long arrived, long refused) {
        static CountsView of(Transfer.Counts counts) {
            return new CountsView(counts.offered(), counts.released(), counts.arrived(), counts.refused());
        }
    }

    record UnitView(String device, String state, @Nullable String reason) {
        static UnitView of(Transfer.Unit unit) {
            return new UnitView(
                    unit.device().toString(), unit.state().toLowerCase(java.util.Locale.ROOT), unit.reason());
        }
    }

    record IncomingView(
            String id,
            String from,
            String fromName,
            String basis,
            String state,
            long devices,
            @Nullable String fleet,
            String message,
            Instant expiresAt,
            Instant createdAt) {
        static IncomingView of(Transfer.Incoming incoming) {
            return new IncomingView(
                    incoming.id().toString(),
                    incoming.seller().value(),
                    incoming.sellerName(),
                    Names.of(incoming.basis()),
                    Names.of(incoming.state()),
                    incoming.devices(),
                    incoming.fleet() == null ? null : incoming.fleet().value(),
                    incoming.message(),
                    incoming.expiresAt(),
                    incoming.createdAt());
        }
    }

    /// Either `code`, or `challenge` and `signature`.
    record ProofBody(
            @Nullable String chip,
            String serial,
            @Nullable String code,
            @Nullable String challenge,
            @Nullable Bytes signature) {
        Proof parsed() {
            String maker = chip == null ? "microchip" : chip;
            if (code != null && challenge == null && signature == null) {
                return new Proof.Label(maker, serial, code);
            }
            if (code == null && challenge != null && signature != null) {
                return new Proof.Chip(maker, serial, hex(challenge), signature);
            }
            throw Fields.invalid("proof", "must have either a code, or a challenge and a signature");
        }

        private static Bytes hex(String text) {
            try {
                return Bytes.ofHex(text);
            } catch (IllegalArgumentException e) {
                throw Fields.invalid("challenge", "must be the hexadecimal digits that a challenge had");
            }
        }

        /// Without the code.
        @Override
        public String toString() {
            return "ProofBody[" + serial + "]";
        }
    }

    record AcceptBody(String fleet, @Nullable List<ProofBody> proofs) {}

    record ClaimBody(String fleet, ProofBody proof) {}

    record CodeBody(String code) {
        /// Without the code.
        @Override
        public String toString() {
            return "CodeBody[…]";
        }
    }

    record NewLabelBody(@Nullable String code) {
        /// Without the code.
        @Override
        public String toString() {
            return "NewLabelBody[…]";
        }
    }

    record ChallengeView(String challenge) {}

    record LabelBody(String device, @Nullable String code) {}

    record NewLabelsBody(List<LabelBody> devices) {}

    record LabelView(String device, String serial, String code) {}

    record LabelsView(List<LabelView> items) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, this::list),
                gate.creating(PATH, Permission.TRANSFER_DEVICES, this::offer).withBodyLimit(MAX_OFFER),
                gate.route("GET", PATH + "/{transfer}", Permission.READ_DEVICES, this::get),
                gate.route("GET", PATH + "/{transfer}/devices", Permission.READ_DEVICES, this::devices),
                gate.route("POST", PATH + "/{transfer}/cancel", Permission.TRANSFER_DEVICES, this::cancel),
                gate.route("GET", INCOMING, Permission.READ_DEVICES, this::incoming),
                gate.creating(INCOMING + "/redeem", Permission.TRANSFER_DEVICES, this::redeem),
                gate.creating(INCOMING + "/claim", Permission.TRANSFER_DEVICES, this::claim),
                gate.creating(INCOMING + "/challenge", Permission.TRANSFER_DEVICES, this::challenge),
                gate.route("GET", INCOMING + "/{transfer}", Permission.READ_DEVICES, this::oneIncoming),
                gate.route("POST", INCOMING + "/{transfer}/accept", Permission.TRANSFER_DEVICES, this::accept),
                gate.creating("/api/v1/label-codes", Permission.TRANSFER_DEVICES, this::labelCodes)
                        .withBodyLimit(MAX_OFFER),
                gate.creating(
                        DeviceResource.PATH + "/{device}/label-code", Permission.TRANSFER_DEVICES, this::labelCode));
    }

    private Response offer(Call call) {
        NewBody body = call.request().json(NewBody.class);
        List<String> devices = body.devices();
        if (devices != null && devices.size() > MAX_JOB_LIST) {
            throw Fields.invalid("devices", "must name " + MAX_JOB_LIST + " devices at the most");
        }
        Transfers.Offered offered;
        if (devices != null && body.filter() == null && areFewIds(devices)) {
            List<DeviceId> ids = devices.stream().map(DeviceId::parse).toList();
            offered = transfers.offer(call.tenant(), call.actor(), body.offer(), ids);
        } else {
            Transfers.Filter filter =
                    body.filter() == null ? null : body.filter().parsed();
            offered = transfers.offerMany(call.tenant(), call.actor(), body.offer(), devices, filter);
        }
        String job = offered.job() == null ? null : offered.job().toString();
        return Response.json(201, View.of(offered.transfer(), null, offered.code(), job))
                .with("Location", PATH + "/" + offered.transfer().id());
    }

    private static boolean areFewIds(List<String> devices) {
        return devices.size() <= Transfers.MAX_LISTED && devices.stream().allMatch(device -> device.length() == 36);
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(transfers.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response get(Call call) {
        Transfer transfer = transfers.get(call.tenant(), id(call));
        CountsView counts = CountsView.of(transfers.counts(call.tenant(), transfer.id()));
        return Response.json(View.of(transfer, counts, null, null));
    }

    private Response devices(Call call) {
        return Response.json(Queries.Listing.of(
                transfers.devices(call.tenant(), id(call), Queries.page(call.request())), UnitView::of));
    }

    private Response cancel(Call call) {
        String reason = call.request().json(DeviceResource.ReasonBody.class).reason();
        return Response.json(View.of(transfers.cancel(call.tenant(), call.actor(), id(call), reason)));
    }

    private Response incoming(Call call) {
        return Response.json(
                Queries.Listing.of(transfers.incoming(call.tenant(), Queries.page(call.request())), IncomingView::of));
    }

    private Response oneIncoming(Call call) {
        return Response.json(IncomingView.of(transfers.incoming(call.tenant(), id(call))));
    }

    private Response redeem(Call call) {
        String code = call.request().json(CodeBody.class).code();
        return Response.json(201, IncomingView.of(transfers.redeem(call.tenant(), code)));
    }

    private Response accept(Call call) {
        AcceptBody body = call.request().json(AcceptBody.class);
        List<Proof> proofs = body.proofs() == null
                ? List.of()
                : body.proofs().stream().map(ProofBody::parsed).toList();
        if (proofs.size() > Transfers.MAX_LISTED) {
            throw Fields.invalid("proofs", "must be " + Transfers.MAX_LISTED + " at the most");
        }
        return Response.json(IncomingView.of(
                transfers.accept(call.tenant(), call.actor(), id(call), new FleetId(body.fleet()), proofs)));
    }

    private Response claim(Call call) {
        ClaimBody body = call.request().json(ClaimBody.class);
        return Response.json(
                201,
                IncomingView.of(transfers.claim(
                        call.tenant(),
                        call.actor(),
                        new FleetId(body.fleet()),
                        body.proof().parsed())));
    }

    private Response challenge(Call call) {
        return Response.json(
                201, new ChallengeView(transfers.challenge(call.tenant()).hex()));
    }

    private Response labelCode(Call call) {
        DeviceId device = DeviceId.parse(call.path("device"));
        String code = call.request().json(NewLabelBody.class).code();
        if (code == null) {
            return Response.json(201, new CodeBody(transfers.newLabelCode(call.tenant(), call.actor(), device)));
        }
        transfers.setLabelCode(call.tenant(), call.actor(), device, code);
        return Response.json(201, new CodeBody(code));
    }

    private Response labelCodes(Call call) {
        List<LabelCode.Wish> wishes = call.request().json(NewLabelsBody.class).devices().stream()
                .map(each -> new LabelCode.Wish(each.device(), each.code()))
                .toList();
        return Response.json(
                201,
                new LabelsView(transfers.setLabelCodes(call.tenant(), call.actor(), wishes).stream()
                        .map(set -> new LabelView(set.device().toString(), set.serial(), set.code()))
                        .toList()));
    }

    private static TransferId id(Call call) {
        return TransferId.parse(call.path("transfer"));
    }
}
