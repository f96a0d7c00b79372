// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.enrol.Batches;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Places what policy finds due of devices that check in. Concurrent check-ins of a tenant share one
/// transaction ([Batches]), as when a whole fleet is to renew; where it fails, each has its own, so that no
/// device suffers for another's.
final class PolicyOrders {
    private static final Duration LIFE = Duration.ofDays(30);
    private static final Orders.Pause PAUSE = new Orders.Pause(Duration.ofDays(1), Duration.ofDays(1));
    /// What a device could not prove a moment ago it often can a little later: eight attempts in four
    /// hours, then one every six.
    private static final Orders.Pause ATTEST_PAUSE = new Orders.Pause(Duration.ofMinutes(2), Duration.ofHours(6));
    private static final Actor POLICY = Actor.system("policy");

    private final Database database;
    private final Orders orders;
    private final Batches<Request, Outcome> batches;

    PolicyOrders(Database database, Orders orders) {
        this.database = database;
        this.orders = orders;
        this.batches = new Batches<>("policy-orders", Request::device, this::carry);
    }

    /// What is due for a device.
    ///
    /// @param attestLife of an order for evidence
    record Request(DeviceId device, List<OrderContent> due, Duration attestLife) {
        private List<Orders.Due> wanted() {
            return due.stream()
                    .map(content -> attests(content)
                            ? new Orders.Due(device, content, attestLife, ATTEST_PAUSE)
                            : new Orders.Due(device, content, LIFE, PAUSE))
                    .toList();
        }
    }

    /// @param asksAgainAt when evidence is asked for again that could not be given; null where there is
    /// nothing to
    ///     ask again
    /// @param failure null where there was none
    record Outcome(@Nullable Instant asksAgainAt, @Nullable RuntimeException failure) {}

    /// Returns when the orders are durable.
    ///
    /// @return when evidence is asked for again that could not be given
    Optional<Instant> place(TenantId tenant, Request request) {
        Outcome outcome = batches.ask(tenant, request);
        if (outcome.failure != null) {
            throw outcome.failure;
        }
        return Optional.ofNullable(outcome.asksAgainAt);
    }

    /// One transaction for all, where that can be done.
    List<Outcome> carry(TenantId tenant, List<Request> requests) {
        try {
            return store(tenant, requests);
        } catch (RuntimeException e) {
            return requests.size() == 1
                    ? List.of(new Outcome(null, e))
                    : requests.stream()
                            .map(one -> carry(tenant, List.of(one)).getFirst())
                            .toList();
        }
    }

    private List<Outcome> store(TenantId tenant, List<Request> requests) {
        List<Orders.Due> wanted =
                requests.stream().flatMap(request -> request.wanted().stream()).toList();
        Iterator<Optional<Instant>> later = database.inTenant(tenant, tx -> orders.placeDue(tx, tenant, wanted, POLICY))
                .iterator();
        List<Outcome> outcomes = new ArrayList<>();
        for (Request request : requests) {
            Instant asksAgainAt = null;
            for (OrderContent content : request.due) {
                Instant from = later.next().orElse(null);
                asksAgainAt = attests(content) ? from : asksAgainAt;
            }
            outcomes.add(new Outcome(asksAgainAt, null));
        }
        return outcomes;
    }

    private static boolean attests(OrderContent content) {
        return content.kind() == OrderKind.ATTEST;
    }
}
