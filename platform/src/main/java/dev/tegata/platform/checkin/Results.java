// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.enrol.Batches;
import dev.tegata.platform.order.OrderResults;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderKind;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Stores what devices say of their orders. Concurrent check-ins of a tenant share one transaction
/// ([Batches]); where it fails, each has its own, so that no device suffers for another's.
///
/// A device that refurbishes has its own from the start: what follows from its result changes more than
/// orders, and takes the audit chain's lock before it is done.
final class Results {
    private final Database database;
    private final Orders orders;
    private final Map<OrderKind, OrderResults> listeners;
    private final Batches<Told, Optional<RuntimeException>> batches;

    Results(Database database, Orders orders, Map<OrderKind, OrderResults> listeners) {
        this.database = database;
        this.orders = orders;
        this.listeners = listeners;
        this.batches = new Batches<>("order-results", Told::device, this::carry);
    }

    private record Told(DeviceId device, List<CheckIn.Result> results) {}

    /// Returns when the results are durable.
    void take(TenantId tenant, DeviceId device, DeviceState state, List<CheckIn.Result> results) {
        Told told = new Told(device, results);
        if (state != DeviceState.ACTIVE) {
            store(tenant, List.of(told));
            return;
        }
        Optional<RuntimeException> failure = batches.ask(tenant, told);
        if (failure.isPresent()) {
            throw failure.get();
        }
    }

    private List<Optional<RuntimeException>> carry(TenantId tenant, List<Told> all) {
        return attempt(tenant, all).isEmpty()
                ? all.stream().map(_ -> Optional.<RuntimeException>empty()).toList()
                : all.stream().map(told -> attempt(tenant, List.of(told))).toList();
    }

    private Optional<RuntimeException> attempt(TenantId tenant, List<Told> all) {
        try {
            store(tenant, all);
            return Optional.empty();
        } catch (RuntimeException e) {
            return Optional.of(e);
        }
    }

    private void store(TenantId tenant, List<Told> all) {
        Map<DeviceId, List<CheckIn.Result>> told = new LinkedHashMap<>();
        all.forEach(one -> told.put(one.device(), one.results()));
        database.inTenant(tenant, tx -> orders.take(tx, tenant, told, listeners));
    }
}
