// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.webhook.Delivery;
import dev.tegata.platform.webhook.Messenger;
import dev.tegata.platform.webhook.Webhook;
import dev.tegata.platform.webhook.WebhookId;
import dev.tegata.platform.webhook.Webhooks;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Webhooks: addresses that events are posted to.
final class WebhookResource {
    private static final String PATH = "/api/v1/webhooks";
    private static final String ONE = PATH + "/{webhook}";

    private final Webhooks webhooks;

    WebhookResource(Webhooks webhooks) {
        this.webhooks = webhooks;
    }

    record NewWebhook(String name, String url, @Nullable List<String> types) {}

    /// `secret` is shown once, by the operation that makes the webhook.
    record View(
            String id,
            String name,
            String url,
            List<String> types,
            String state,
            @Nullable String reason,
            @Nullable Instant failingSince,
            Instant createdAt,
            @Nullable String secret) {
        static View of(Webhook webhook) {
            return of(webhook, null);
        }

        static View of(Webhook webhook, @Nullable String secret) {
            return new View(
                    webhook.id().toString(),
                    webhook.name(),
                    webhook.url().toString(),
                    webhook.types(),
                    Names.of(webhook.state()),
                    webhook.reason(),
                    webhook.failingSince(),
                    webhook.createdAt(),
                    secret);
        }

        /// Without the secret.
        @Override
        public String toString() {
            return "View[" + id + "]";
        }
    }

    record DeliveryView(
            String id,
            long sequence,
            String type,
            String subject,
            String state,
            int attempts,
            @Nullable Instant dueAt,
            @Nullable Instant endedAt,
            @Nullable Integer status,
            @Nullable String problem) {
        static DeliveryView of(Delivery delivery) {
            return new DeliveryView(
                    delivery.id().toString(),
                    delivery.sequence(),
                    delivery.type(),
                    delivery.subject(),
                    Names.of(delivery.state()),
                    delivery.attempts(),
                    delivery.dueAt(),
                    delivery.endedAt(),
                    delivery.status(),
                    delivery.problem());
        }
    }

    record Redelivery(@Nullable String delivery) {}

    record Redelivered(int deliveries) {}

    /// `status` is left out where there was no answer.
    record TestView(
            boolean delivered,
            @Nullable Integer status,
            @Nullable String problem) {
        static TestView of(Messenger.Answer answer) {
            return new TestView(answer.isSuccess(), answer.status() == 0 ? null : answer.status(), answer.problem());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_TENANT, this::list),
                gate.creatingGuarded(PATH, Permission.MANAGE_WEBHOOKS, this::create),
                gate.route("GET", ONE, Permission.READ_TENANT, this::get),
                gate.route("DELETE", ONE, Permission.MANAGE_WEBHOOKS, this::delete),
                gate.route("GET", ONE + "/deliveries", Permission.READ_TENANT, this::deliveries),
                gate.route("POST", ONE + "/redeliver", Permission.MANAGE_WEBHOOKS, this::redeliver),
                gate.route("POST", ONE + "/test", Permission.MANAGE_WEBHOOKS, this::test),
                gate.route("POST", ONE + "/pause", Permission.MANAGE_WEBHOOKS, this::pause),
                gate.route("POST", ONE + "/resume", Permission.MANAGE_WEBHOOKS, this::resume));
    }

    private static WebhookId id(Call call) {
        return WebhookId.parse(call.path("webhook"));
    }

    private Response list(Call call) {
        return Response.json(new Queries.Listing<>(
                webhooks.list(call.tenant()).stream().map(View::of).toList(), null));
    }

    private Response create(Call call) {
        NewWebhook body = call.request().json(NewWebhook.class);
        Webhook.Created made = webhooks.create(
                call.tenant(), call.actor(), body.name(), body.url(), body.types() == null ? List.of() : body.types());
        return Response.json(201, View.of(made.webhook(), made.secret()));
    }

    private Response get(Call call) {
        return Response.json(View.of(webhooks.get(call.tenant(), id(call))));
    }

    private Response delete(Call call) {
        webhooks.delete(call.tenant(), call.actor(), id(call));
        return Response.nothing();
    }

    private Response deliveries(Call call) {
        String state = call.request().query("state").orElse(null);
        return Response.json(Queries.Listing.of(
                webhooks.deliveries(
                        call.tenant(),
                        id(call),
                        state == null ? null : Names.constant(Delivery.State.class, "state", state),
                        Queries.page(call.request(), "state")),
                DeliveryView::of));
    }

    private Response redeliver(Call call) {
        String delivery = call.request().json(Redelivery.class).delivery();
        int again = webhooks.redeliver(
                call.tenant(),
                call.actor(),
                id(call),
                delivery == null ? null : TimeOrderedIds.parse("delivery id", delivery));
        return Response.json(new Redelivered(again));
    }

    private Response test(Call call) {
        return Response.json(TestView.of(webhooks.test(call.tenant(), id(call))));
    }

    private Response pause(Call call) {
        return Response.json(View.of(webhooks.pause(call.tenant(), call.actor(), id(call))));
    }

    private Response resume(Call call) {
        return Response.json(View.of(webhooks.resume(call.tenant(), call.actor(), id(call))));
    }
}
