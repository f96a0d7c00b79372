// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.vertx.core.Context;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.ClientAuth;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.net.OpenSSLEngineOptions;
import io.vertx.core.net.PemKeyCertOptions;
import io.vertx.core.net.ServerSSLOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.core.net.TrustOptions;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One port: accepts connections, reads requests within bounds, has them answered on virtual threads.
///
/// HTTP/1.1 only: its clients here keep connections, and HTTP/2 would bring its floods without need. One
/// request runs on a connection at a time. Every deadline (an idle connection, a request head or body that
/// does not arrive, a handler that does not return) is enforced by one sweep per event loop and second, so
/// that no request pays for a timer.
public final class Listener {
    private static final Logger LOG = LoggerFactory.getLogger(Listener.class);
    private static final Set<String> PROTOCOLS = Set.of("TLSv1.2", "TLSv1.3");
    private static final int HEADERS = 16 * 1024;
    private static final int REQUEST_LINE = 4 * 1024;
    private static final AtomicInteger FREE_PORTS = new AtomicInteger();

    private final Vertx vertx;
    private final ListenerOptions options;
    private final @Nullable TlsIdentity identity;
    private final Router router;
    private final Semaphore ceiling;
    private final AtomicInteger connections = new AtomicInteger();
    private final Meters meters;
    private final Counter turnedAway;
    private final List<HttpServer> servers = new CopyOnWriteArrayList<>();
    private @Nullable String deployment;
    private volatile boolean stopping;

    Listener(
            Vertx vertx,
            ListenerOptions options,
            List<Route> routes,
            MeterRegistry metrics,
            @Nullable TlsIdentity identity) {
        this.vertx = vertx;
        this.options = options;
        this.identity = identity;
        List<Route> all = new ArrayList<>(routes);
        all.add(Route.get("/docs/errors", _ -> Response.text(200, "text/markdown; charset=utf-8", ErrorsPage.text())));
        this.router = new Router(all);
        this.ceiling = new Semaphore(options.ceiling());
        this.meters = new Meters(metrics, options.name());
        this.turnedAway = Counter.builder("tegata.http.connections.refused")
                .tag("listener", options.name())
                .register(metrics);
        Gauge.builder("tegata.http.connections", connections, AtomicInteger::get)
                .tag("listener", options.name())
                .register(metrics);
        Gauge.builder("tegata.http.active", this, Listener::active)
                .tag("listener", options.name())
                .register(metrics);
    }

    public int port() {
        return servers.getFirst().actualPort();
    }

    /// `https://localhost:8443`, as a client on this machine would write it.
    public String url() {
        String scheme = options.transport() == ListenerOptions.Transport.PLAIN ? "http" : "https";
        boolean local = Set.of("127.0.0.1", "::1", "0.0.0.0", "::").contains(options.host());
        String host = options.host().contains(":") ? "[" + options.host() + "]" : options.host();
        return scheme + "://" + (local ? "localhost" : host) + ":" + port();
    }

    /// One server per event loop, all on one port. Where any will do, they share the one that the first of
    /// them finds free, under a number of this listener's own.
    void open() {
        SocketAddress address = options.port() == 0
                ? SocketAddress.sharedRandomPort(FREE_PORTS.incrementAndGet(), options.host())
                : SocketAddress.inetSocketAddress(options.port(), options.host());
        int loops = Runtime.getRuntime().availableProcessors();
        deployment = Waiting.until(
                vertx.deployVerticle(() -> new Loop(address), new DeploymentOptions().setInstances(loops)));
    }

    /// Shows another certificate to the connections that come from now on.
    void show(TlsIdentity changed) {
        if (options.transport() != ListenerOptions.Transport.PLAIN) {
            servers.forEach(server -> Waiting.until(server.updateSSLOptions(sslOptions(changed))));
            LOG.info("The {} listener shows its new certificate.", options.name());
        }
    }

    void stopAccepting() {
        stopping = true;
    }

    void awaitIdle(long nanoTime) {
        try {
            long left = nanoTime - System.nanoTime();
            if (!ceiling.tryAcquire(options.ceiling(), Math.max(left, 0), TimeUnit.NANOSECONDS)) {
                LOG.warn("The {} listener closes with requests still running.", options.name());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Waiting.until(vertx.undeploy(Objects.requireNonNull(deployment)));
    }

    private int active() {
        return options.ceiling() - ceiling.availablePermits();
    }

    boolean stopping() {
        return stopping;
    }

    boolean enter() {
        return !stopping && ceiling.tryAcquire();
    }

    void leave() {
        ceiling.release();
    }

    Router router() {
        return router;
    }

    Meters meters() {
        return meters;
    }

    private HttpServerOptions serverOptions() {
        HttpServerOptions http = new HttpServerOptions()
                .setAcceptBacklog(1024)
                .setTcpNoDelay(true)
                .setMaxInitialLineLength(REQUEST_LINE)
                .setMaxHeaderSize(HEADERS)
                .setMaxChunkSize(HEADERS)
                .setHttp2ClearTextEnabled(false)
                .setUseAlpn(false);
        if (options.transport() == ListenerOptions.Transport.PLAIN) {
            return http;
        }
        ServerSSLOptions ssl = sslOptions(Objects.requireNonNull(identity, "a TLS listener without a certificate"));
        http.setSsl(true)
                .setKeyCertOptions(ssl.getKeyCertOptions())
                .setClientAuth(ssl.getClientAuth())
                .setEnabledSecureTransportProtocols(PROTOCOLS)
                .setSslHandshakeTimeout(10)
                .setSslHandshakeTimeoutUnit(TimeUnit.SECONDS);
        if (ssl.getTrustOptions() != null) {
            http.setTrustOptions(ssl.getTrustOptions());
        }
        if (OpenSSLEngineOptions.isAvailable()) {
            http.setSslEngineOptions(new OpenSSLEngineOptions());
        }
        return http;
    }

    private ServerSSLOptions sslOptions(TlsIdentity shown) {
        ServerSSLOptions ssl = new ServerSSLOptions()
                .setKeyCertOptions(new PemKeyCertOptions()
                        .addCertValue(Buffer.buffer(shown.material().chain()))
                        .addKeyValue(Buffer.buffer(shown.material().key())))
                .setClientAuth(ClientAuth.NONE)
                .setEnabledSecureTransportProtocols(PROTOCOLS);
        if (options.transport() == ListenerOptions.Transport.MUTUAL_TLS) {
            ssl.setClientAuth(ClientAuth.REQUEST).setTrustOptions(TrustOptions.wrap(new AnyClientCertificate()));
        }
        return ssl;
    }

    /// What one event loop knows; everything in it is touched on that loop only.
    private final class Loop extends VerticleBase {
        private final SocketAddress address;
        private final Map<HttpConnection, Peer> peers = new IdentityHashMap<>();
        private @Nullable Context loop;

        Loop(SocketAddress address) {
            this.address = address;
        }

        @Override
        public Future<?> start() {
            loop = vertx.getOrCreateContext();
            vertx.setPeriodic(1000, _ -> sweep());
            HttpServer server = vertx.createHttpServer(serverOptions())
                    .connectionHandler(this::connected)
                    .requestHandler(this::requested)
                    .invalidRequestHandler(this::invalid)
                    .exceptionHandler(cause -> LOG.debug("A connection failed: {}", cause.toString()));
            return server.listen(address).onSuccess(servers::add);
        }

        private void connected(HttpConnection connection) {
            if (connections.incrementAndGet() > options.connections()) {
                turnedAway.increment();
                connection.closeHandler(_ -> connections.decrementAndGet());
                connection.close();
                return;
            }
            peers.put(connection, new Peer(connection));
            connection.exceptionHandler(cause -> LOG.debug("A connection failed: {}", cause.toString()));
            connection.closeHandler(_ -> {
                connections.decrementAndGet();
                Peer peer = peers.remove(connection);
                if (peer != null) {
                    peer.gone();
                }
            });
        }

        private void requested(HttpServerRequest request) {
            Peer peer = peers.get(request.connection());
            if (peer == null) {
                request.connection().close();
                return;
            }
            new Exchange(Listener.this, Objects.requireNonNull(loop), peer, request).begin();
        }

        private void invalid(HttpServerRequest request) {
            Peer peer = peers.get(request.connection());
            if (peer == null) {
                request.connection().close();
                return;
            }
            new Exchange(Listener.this, Objects.requireNonNull(loop), peer, request)
                    .refuseUnreadable(request.decoderResult().cause());
        }

        private void sweep() {
            long now = System.nanoTime();
            for (Peer peer : List.copyOf(peers.values())) {
                peer.check(now, options.idle(), stopping);
            }
        }
    }
}
