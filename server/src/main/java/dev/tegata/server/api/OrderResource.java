// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.order.DeviceOrder;
import dev.tegata.platform.order.OrderId;
import dev.tegata.platform.order.OrderQuery;
import dev.tegata.platform.order.OrderState;
import dev.tegata.platform.order.Orders;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Orders for devices: placed, looked at, taken back.
final class OrderResource {
    static final String PATH = "/api/v1/orders";

    private static final Duration USUAL_LIFE = Duration.ofDays(30);
    private static final int NONCE = 32;

    private final Orders orders;
    private final SecureRandom random;

    OrderResource(Orders orders, SecureRandom random) {
        this.orders = orders;
        this.random = random;
    }

    /// @param anchors PEM certificates, for update-trust-anchors; those of the fleet where they are left
    ///     out
    /// @param nonce base64url, for attest; a fresh one where it is left out
    /// @param name of the object, for store
    /// @param value of the object in base64url, for store
    /// @param life how long the order stands; 30 days where it is left out
    record NewBody(
            String kind,
            @Nullable Duration life,
            @Nullable List<String> anchors,
            @Nullable String nonce,
            @Nullable String name,
            @Nullable String value) {}

    record View(
            String id,
            String device,
            String kind,
            String state,
            long sequence,
            @Nullable String name,
            @Nullable String nonce,
            Instant placedAt,
            String placedBy,
            Instant expiresAt,
            @Nullable Instant deliveredAt,
            @Nullable Instant endedAt,
            @Nullable String detail,
            @Nullable String receipt) {
        static View of(DeviceOrder order) {
            return new View(
                    order.id().toString(),
                    order.device().toString(),
                    Names.of(order.content().kind()),
                    Names.of(order.state()),
                    order.sequence(),
                    order.content() instanceof OrderContent.Store store ? store.name() : null,
                    order.content() instanceof OrderContent.Attest attest
                            ? attest.nonce().base64Url()
                            : null,
                    order.placedAt(),
                    order.placedBy(),
                    order.expiresAt(),
                    order.deliveredAt(),
                    order.endedAt(),
                    order.detail(),
                    order.receipt() == null ? null : order.receipt().base64Url());
        }
    }

    List<Route> routes(Gate gate) {
        String ofDevice = DeviceResource.PATH + "/{device}/orders";
        return List.of(
                gate.route("GET", PATH, Permission.READ_DEVICES, call -> list(call, null)),
                gate.route("GET", PATH + "/{order}", Permission.READ_DEVICES, this::get),
                gate.route("POST", PATH + "/{order}/withdraw", Permission.MANAGE_DEVICES, this::withdraw),
                gate.route("GET", ofDevice, Permission.READ_DEVICES, call -> list(call, device(call))),
                gate.creating(ofDevice, Permission.MANAGE_DEVICES, this::place));
    }

    private Response list(Call call, @Nullable DeviceId device) {
        var page = Queries.page(call.request(), "state");
        OrderState state = call.request()
                .query("state")
                .map(text -> Names.constant(OrderState.class, "state", text))
                .orElse(null);
        return Response.json(
                Queries.Listing.of(orders.list(call.tenant(), new OrderQuery(device, state), page), View::of));
    }

    private Response get(Call call) {
        return Response.json(View.of(orders.get(call.tenant(), OrderId.parse(call.path("order")))));
    }

    private Response withdraw(Call call) {
        return Response.json(View.of(orders.withdraw(call.tenant(), OrderId.parse(call.path("order")), call.actor())));
    }

    private Response place(Call call) {
        NewBody body = call.request().json(NewBody.class);
        DeviceId device = device(call);
        Duration life = body.life() == null ? USUAL_LIFE : body.life();
        OrderContent content = content(body);
        return Response.json(201, View.of(orders.place(call.tenant(), device, content, life, call.actor())));
    }

    private OrderContent content(NewBody body) {
        OrderKind kind = Names.constant(OrderKind.class, "kind", body.kind());
        requireOnly(kind == OrderKind.UPDATE_TRUST_ANCHORS, "anchors", body.anchors());
        requireOnly(kind == OrderKind.ATTEST, "nonce", body.nonce());
        requireOnly(kind == OrderKind.STORE, "name", body.name());
        requireOnly(kind == OrderKind.STORE, "value", body.value());
        try {
            return switch (kind) {
                case RENEW_CERTIFICATE -> new OrderContent.RenewCertificate();
                case RENEW_KEY -> new OrderContent.RenewKey();
                case UPDATE_TRUST_ANCHORS -> new OrderContent.UpdateTrustAnchors(anchors(body));
                case ATTEST -> new OrderContent.Attest(nonce(body));
                case STORE ->
                    new OrderContent.Store(
                            required("name", body.name()), bytes("value", required("value", body.value())));
                // These change what the device is, and are placed by what changes it.
                case REFURBISH, RELEASE ->
                    throw Fields.invalid("kind", "is not ordered by itself: refurbish or hand over the device");
            };
        } catch (IllegalArgumentException e) {
            throw new RefusedException(ErrorCode.INVALID_FIELD, String.valueOf(e.getMessage()));
        }
    }

    private static void requireOnly(boolean fits, String field, @Nullable Object value) {
        if (!fits && value != null) {
            throw Fields.invalid(field, "does not belong to an order of this kind");
        }
    }

    private static String required(String field, @Nullable String value) {
        if (value == null) {
            throw Fields.invalid(field, "is missing");
        }
        return value;
    }

    private Bytes nonce(NewBody body) {
        if (body.nonce() != null) {
            return bytes("nonce", body.nonce());
        }
        byte[] fresh = new byte[NONCE];
        random.nextBytes(fresh);
        return Bytes.of(fresh);
    }

    private static Bytes bytes(String field, String text) {
        try {
            return Bytes.ofBase64Url(text);
        } catch (IllegalArgumentException e) {
            throw Fields.invalid(field, "must be base64url");
        }
    }

    private static List<Bytes> anchors(NewBody body) {
        if (body.anchors() == null) {
            throw Fields.invalid("anchors", "is missing");
        }
        return body.anchors().stream().map(OrderResource::anchor).toList();
    }

    private static Bytes anchor(String pem) {
        try {
            return Certificate.parsePem(pem).getFirst().encoded();
        } catch (InvalidCertificateException e) {
            throw Fields.invalid("anchors", "must be PEM certificates: " + e.getMessage());
        }
    }

    private static DeviceId device(Call call) {
        return DeviceId.parse(call.path("device"));
    }
}
