// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/// First certificates over EST with mutual TLS, from a server in a process of its own, by devices that each have a
/// client certificate of their own.
final class EstBenchmark implements Benchmark {
    private static final int WARM_UP = 12_000;
    private static final Duration LONGEST_WARM_UP = Duration.ofMinutes(1);
    private static final int CLIENTS = 32;

    /// More than any machine of this size does in a second.
    private static final int UNITS_PER_SECOND = 2_000;

    @Override
    public String name() {
        return "est";
    }

    @Override
    public String about() {
        return "EST enrolments over fresh mutual-TLS connections, and over kept ones";
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            int count =
                    Math.toIntExact(WARM_UP + UNITS_PER_SECOND * run.duration().toSeconds());
            run.say("making and claiming %,d devices, each with its own keys …".formatted(count));
            List<Unit> units = Unit.make(count);
            Path manifest = folder.resolve("devices.csv");
            Unit.writeManifest(units, manifest);
            try (ServerProcess server = ServerProcess.start(folder.resolve("data"))) {
                String fleet = server.newFleet(manifest);
                try (TlsClients clients = new TlsClients(server.devicesUrl(), TlsClients.identities(units))) {
                    measure(run, server, fleet, clients, units);
                }
            }
        });
    }

    private static void measure(Run run, ServerProcess server, String fleet, TlsClients clients, List<Unit> units)
            throws Exception {
        Load.Operation enrol = i -> TlsClients.expectOk(
                clients.ask(i, request(fleet, "simpleenroll", units.get(i).request())));
        run.say("warming up …");
        Load.closed(CLIENTS, LONGEST_WARM_UP, new Load.Work(0, WARM_UP), enrol);
        run.say("measuring over kept connections …");
        Load.Outcome kept = kept(run, fleet, clients, units);

        run.say("measuring handshakes …");
        // TLS 1.3 lets a client think that it is done before the server has checked it; an answer proves that it has.
        byte[] nothing = TlsClients.get("/nothing");
        Cpu before = Cpu.of(server.handle());
        Load.Outcome handshakes = Load.closed(
                CLIENTS,
                run.duration(),
                new Load.Work(0, Integer.MAX_VALUE),
                i -> clients.ask(i % units.size(), nothing));
        Cpu ofHandshakes = Cpu.of(server.handle()).since(before);

        // Last, because it wears the devices out: what came before has warmed the server up.
        run.say("measuring over fresh connections …");
        before = Cpu.of(server.handle());
        Cpu databaseBefore = Cpu.below(server.handle());
        Load.Outcome fresh = Load.closed(CLIENTS, run.duration(), new Load.Work(WARM_UP, units.size()), enrol);
        Cpu used = Cpu.of(server.handle()).since(before);
        Cpu database = Cpu.below(server.handle()).since(databaseBefore);

        run.report(run.number("enrolments, a fresh connection each", fresh.perSecond(), "/s")
                .of("/s: mutual-TLS handshakes with the same server, answered by 404", handshakes.perSecond()));
        run.report(run.number("p50", fresh.percentile(50), "ms"));
        run.report(run.number("p99", fresh.percentile(99), "ms"));
        run.report(run.number("CPU time of an enrolment, server", used.microsPer(fresh.count()), "µs")
                .of("µs: of a handshake, answered by 404", ofHandshakes.microsPer(handshakes.count())));
        run.report(run.number("CPU time of an enrolment, database", database.microsPer(fresh.count()), "µs"));
        run.report(run.number("enrolments over kept connections", kept.perSecond(), "/s")
                .of(
                        "/s: one P-256 signature and one verification each, all cores",
                        run.limits().signedAndVerified()));
        run.report(run.number("p99 over kept connections", kept.percentile(99), "ms"));
        run.report(run.number("resident set after all that, without the database", server.resident(), "MiB")
                .below(400));
    }

    /// Each connection asks for one certificate after the other, every one for a new key.
    private static Load.Outcome kept(Run run, String fleet, TlsClients clients, List<Unit> units) throws Exception {
        List<byte[]> requests = new ArrayList<>();
        for (int i = 0; i < units.size(); i++) {
            requests.add(request(fleet, "simplereenroll", Unit.newRequest()));
        }
        ConcurrentLinkedQueue<TlsClients.Device> idle = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < CLIENTS; i++) {
            idle.add(clients.connect(i));
        }
        Load.Operation enrol = i -> {
            TlsClients.Device device = idle.remove();
            TlsClients.expectOk(device.ask(requests.get(i)));
            idle.add(device);
        };
        Load.closed(CLIENTS, LONGEST_WARM_UP, new Load.Work(0, WARM_UP), enrol);
        return Load.closed(CLIENTS, run.duration(), new Load.Work(WARM_UP, requests.size()), enrol);
    }

    private static byte[] request(String fleet, String operation, Bytes request) {
        return TlsClients.post("/.well-known/est/" + fleet + "/" + operation, "application/pkcs10", request.base64());
    }
}
