// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import io.micrometer.core.instrument.MeterRegistry;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The event loops, and the listeners that run on them.
public final class HttpStack implements AutoCloseable {
    private static final Duration DRAIN = Duration.ofSeconds(10);
    private static final Duration RENEWAL_CHECK = Duration.ofMinutes(1);

    private final Vertx vertx;
    private final MeterRegistry metrics;
    private final @Nullable TlsIdentity identity;
    private final List<Listener> listeners = new ArrayList<>();

    /// @param identity what TLS listeners show; null where there are none
    public HttpStack(MeterRegistry metrics, @Nullable TlsIdentity identity) {
        this.vertx = Vertx.vertx(new VertxOptions()
                .setEventLoopPoolSize(Runtime.getRuntime().availableProcessors())
                .setWorkerPoolSize(1)
                .setInternalBlockingPoolSize(2)
                .setDisableTCCL(true));
        this.metrics = metrics;
        this.identity = identity;
        if (identity != null) {
            vertx.setPeriodic(
                    RENEWAL_CHECK.toMillis(),
                    _ -> vertx.executeBlocking(() -> {
                        renewIdentity(identity);
                        return true;
                    }));
        }
    }

    /// Has the listeners show the identity's new certificate, where it has one.
    synchronized void renewIdentity(TlsIdentity renewed) {
        if (renewed.refresh()) {
            listeners.forEach(listener -> listener.show(renewed));
        }
    }

    /// Opens a listener; when this returns it answers.
    ///
    /// @throws java.io.UncheckedIOException where the port cannot be had
    public synchronized Listener listen(ListenerOptions options, List<Route> routes) {
        Listener listener = new Listener(vertx, options, routes, metrics, identity);
        listener.open();
        listeners.add(listener);
        return listener;
    }

    /// Stops taking requests, lets those that run finish for ten seconds, and closes.
    @Override
    public synchronized void close() {
        listeners.forEach(Listener::stopAccepting);
        long end = System.nanoTime() + DRAIN.toNanos();
        for (Listener listener : listeners) {
            listener.awaitIdle(end);
        }
        Waiting.until(vertx.close());
    }
}
