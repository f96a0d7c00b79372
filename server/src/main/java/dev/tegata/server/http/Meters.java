// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/// How many requests each operation of a listener answered, how, and how fast. Labels come from the routes and never
/// from requests, so their number is bounded.
final class Meters {
    private final MeterRegistry registry;
    private final String listener;
    private final Map<Key, Timer> timers = new ConcurrentHashMap<>();

    private record Key(String route, int status) {}

    Meters(MeterRegistry registry, String listener) {
        this.registry = registry;
        this.listener = listener;
    }

    void answered(String route, int status, long nanoseconds) {
        timers.computeIfAbsent(new Key(route, status), this::timer).record(nanoseconds, TimeUnit.NANOSECONDS);
    }

    private Timer timer(Key key) {
        return Timer.builder("tegata.http.requests")
                .tag("listener", listener)
                .tag("route", key.route())
                .tag("status", Integer.toString(key.status()))
                .register(registry);
    }
}
