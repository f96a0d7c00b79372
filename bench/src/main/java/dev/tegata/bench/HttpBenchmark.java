// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.server.http.HttpStack;
import dev.tegata.server.http.Listener;
import dev.tegata.server.http.ListenerOptions;
import dev.tegata.server.http.LocalTlsIdentity;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/// The HTTP stack with handlers that do nothing, over kept mutual-TLS connections. Clients and server share the
/// process and the cores.
final class HttpBenchmark implements Benchmark {
    private static final int CLIENTS = 32;
    private static final Duration WARM_UP = Duration.ofSeconds(5);

    @Override
    public String name() {
        return "http";
    }

    @Override
    public String about() {
        return "GET and JSON POST over kept mutual-TLS connections";
    }

    /// What the JSON request carries.
    record Message(String device, int number, List<String> words) {}

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            LocalTlsIdentity identity = new LocalTlsIdentity(folder, List.of(), InstantSource.system());
            try (HttpStack http = new HttpStack(new SimpleMeterRegistry(), identity)) {
                Listener listener = http.listen(
                        ListenerOptions.of("bench", "127.0.0.1", 0, ListenerOptions.Transport.MUTUAL_TLS),
                        List.of(
                                Route.get("/hello", _ -> Response.text(200, "text/plain", "hello\n")),
                                Route.post("/echo", request -> Response.json(request.json(Message.class)))));
                try (TlsClients clients = new TlsClients(listener.url(), TlsClients.identities(Unit.make(CLIENTS)))) {
                    rate(run, "GET", clients, TlsClients.get("/hello"));
                    rate(run, "JSON POST, read and echoed", clients, TlsClients.post("/echo", "application/json", """
                                    {"device":"0123456789","number":42,"words":["one","two","three"]}"""));
                }
            }
        });
    }

    private static void rate(Run run, String what, TlsClients clients, byte[] request) throws Exception {
        ConcurrentLinkedQueue<TlsClients.Device> idle = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < CLIENTS; i++) {
            idle.add(clients.connect(i));
        }
        Load.Operation ask = _ -> {
            TlsClients.Device device = idle.remove();
            TlsClients.expectOk(device.ask(request));
            idle.add(device);
        };
        Load.Work endless = new Load.Work(0, Integer.MAX_VALUE);
        Load.closed(CLIENTS, WARM_UP, endless, ask);
        run.say("measuring " + what + " …");
        Load.Outcome outcome = Load.closed(CLIENTS, run.duration(), endless, ask);
        run.report(run.number(what, outcome.perSecond(), "/s"));
        run.report(run.number(what + ", p99", outcome.percentile(99), "ms"));
        idle.forEach(TlsClients.Device::leave);
    }
}
