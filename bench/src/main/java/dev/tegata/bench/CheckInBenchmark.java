// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.NativeProvider;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import java.io.ByteArrayInputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/// Check-ins of active devices with their operational identities, over fresh connections and over kept
/// ones; and what a thousand times as many claimed devices in the database change.
final class CheckInBenchmark implements Benchmark {
    private static final int FEW = 1_000;
    private static final int MANY = Integer.getInteger("tegata.bench.claimed", 1_000_000);
    private static final int ROUNDS = 6;
    private static final int CLIENTS = 32;
    private static final int CALM_RATE = 300;
    private static final Duration WARM_UP = Duration.ofSeconds(20);
    private static final Duration REST = Duration.ofSeconds(70);
    private static final Duration LONGEST_CLEANING = Duration.ofMinutes(10);
    private static final Duration CLEANING_POLL = Duration.ofMillis(100);

    /// A device that says a smaller number than before is taken for a clone.
    private final AtomicInteger boots = new AtomicInteger(1);

    /// A server of its own with its own database, so that two of them can be measured in turns.
    private record Site(ServerProcess server, String fleet, TlsClients clients) {}

    @Override
    public String name() {
        return "checkin";
    }

    @Override
    public String about() {
        return "check-ins over fresh and kept mutual-TLS connections, with 1 000 and with 1 000 000 devices";
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            run.say("making, claiming and enrolling %,d devices …".formatted(FEW));
            List<Unit> units = Unit.make(FEW);
            Path manifest = folder.resolve("devices.csv");
            Unit.writeManifest(units, manifest);
            try (ServerProcess server = ServerProcess.start(folder.resolve("data"))) {
                String fleet = server.newFleet(manifest);
                try (TlsClients clients = new TlsClients(server.devicesUrl(), enrol(server, fleet, units))) {
                    Site few = new Site(server, fleet, clients);
                    throughput(run, few);
                    inTurns(run, few, units, manifest, folder);
                }
            }
        });
    }

    /// The operational identities: certificates for the birth keys themselves.
    private static List<TlsClients.Identity> enrol(ServerProcess server, String fleet, List<Unit> units)
            throws Exception {
        CertificateFactory factory =
                CertificateFactory.getInstance("X.509", NativeProvider.find().orElseThrow());
        List<TlsClients.Identity> identities = new ArrayList<>();
        try (TlsClients clients = new TlsClients(server.devicesUrl(), TlsClients.identities(units))) {
            for (int i = 0; i < units.size(); i++) {
                SoftwareKey key = units.get(i).birth();
                CertificateRequest request = CertificateRequest.create(
                        Name.EMPTY,
                        key.publicKey(),
                        List.of(),
                        data -> key.sign(SignatureAlgorithm.ECDSA_SHA256, data));
                TlsClients.Device device = clients.connect(i);
                String answer = device.askForText(TlsClients.post(
                        "/.well-known/est/" + fleet + "/simpleenroll",
                        "application/pkcs10",
                        request.encoded().base64()));
                device.leave();
                Bytes certificate =
                        CertsOnlyCms.decode(Bytes.ofBase64(answer)).getFirst().encoded();
                identities.add(new TlsClients.Identity(key.privateKey(), (X509Certificate)
                        factory.generateCertificate(new ByteArrayInputStream(certificate.toArray()))));
            }
        }
        return identities;
    }

    private void throughput(Run run, Site site) throws Exception {
        ServerProcess server = site.server();
        TlsClients clients = site.clients();
        byte[] same = request(site.fleet(), boots.get());
        Load.Operation fresh = i -> TlsClients.expectOk(clients.ask(i % FEW, same));
        run.say("warming up …");
        Load.closed(CLIENTS, WARM_UP, endless(), fresh);
        run.say("measuring over fresh connections …");
        Cpu before = Cpu.of(server.handle());
        Load.Outcome checkIns = Load.closed(CLIENTS, run.duration(), endless(), fresh);
        Cpu used = Cpu.of(server.handle()).since(before);
        run.say("measuring handshakes …");
        byte[] nothing = TlsClients.get("/nothing");
        before = Cpu.of(server.handle());
        Load.Outcome handshakes = Load.closed(CLIENTS, run.duration(), endless(), i -> clients.ask(i % FEW, nothing));
        Cpu ofHandshakes = Cpu.of(server.handle()).since(before);
        run.report(run.number("check-ins, a fresh connection each", checkIns.perSecond(), "/s")
                .of("/s: mutual-TLS handshakes with the same server, answered by 404", handshakes.perSecond()));
        run.report(run.number("p99", checkIns.percentile(99), "ms"));
        run.report(run.number("CPU time of a check-in, server", used.microsPer(checkIns.count()), "µs")
                .of("µs: of a handshake, answered by 404", ofHandshakes.microsPer(handshakes.count())));

        run.say("measuring over kept connections …");
        kept(run, server, clients, "check-ins over kept connections, nothing new", _ -> same);
        kept(
                run,
                server,
                clients,
                "check-ins over kept connections, each with a new report to store",
                _ -> request(site.fleet(), boots.incrementAndGet()));
    }

    private interface Requests {
        byte[] of(int i);
    }

    private static void kept(Run run, ServerProcess server, TlsClients clients, String what, Requests requests)
            throws Exception {
        ConcurrentLinkedQueue<TlsClients.Device> idle = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < CLIENTS; i++) {
            idle.add(clients.connect(i));
        }
        Load.Operation ask = i -> {
            TlsClients.Device device = idle.remove();
            TlsClients.expectOk(device.ask(requests.of(i)));
            idle.add(device);
        };
        Load.closed(CLIENTS, WARM_UP.dividedBy(4), endless(), ask);
        Cpu before = Cpu.of(server.handle());
        Cpu databaseBefore = Cpu.below(server.handle());
        Load.Outcome outcome = Load.closed(CLIENTS, run.duration(), endless(), ask);
        Cpu used = Cpu.of(server.handle()).since(before);
        Cpu database = Cpu.below(server.handle()).since(databaseBefore);
        idle.forEach(TlsClients.Device::leave);
        run.report(run.number(what, outcome.perSecond(), "/s"));
        run.report(run.number("p99", outcome.percentile(99), "ms"));
        run.report(run.number("CPU time of one, server", used.microsPer(outcome.count()), "µs"));
        run.report(run.number("CPU time of one, database", database.microsPer(outcome.count()), "µs"));
    }

    /// Latencies at a calm rate, which the machine is not the limit of, at a server with few devices and at
    /// one with many, by turns: what else the machine does meets both.
    private void inTurns(Run run, Site few, List<Unit> units, Path manifest, Path folder) throws Exception {
        Path list = folder.resolve("many.csv");
        writeList(list);
        try (ServerProcess server = ServerProcess.start(folder.resolve("many"))) {
            String fleet = server.newFleet(manifest);
            try (TlsClients clients = new TlsClients(server.devicesUrl(), enrol(server, fleet, units))) {
                Site many = new Site(server, fleet, clients);
                run.say("claiming %,d devices …".formatted(MANY));
                server.asOwner(owner -> owner.claim(fleet, list));
                run.say("waiting for the database to have cleaned up behind that …");
                awaitRest(server.handle());
                run.say("warming up …");
                // The one with few has answered for a minute already.
                for (Site site : List.of(many, many, many, few)) {
                    Load.closed(
                            CLIENTS,
                            WARM_UP,
                            endless(),
                            i -> site.clients().ask(i % FEW, request(site.fleet(), boots.incrementAndGet())));
                }
                run.say("measuring latencies by turns …");
                Map<Site, List<Load.Outcome>> checkIns = new HashMap<>();
                Map<Site, List<Load.Outcome>> listings = new HashMap<>();
                for (int round = 0; round < ROUNDS; round++) {
                    for (Site site : round % 2 == 0 ? List.of(few, many) : List.of(many, few)) {
                        checkIns.computeIfAbsent(site, _ -> new ArrayList<>()).add(calmCheckIns(run, site));
                        listings.computeIfAbsent(site, _ -> new ArrayList<>()).add(calmListings(run, site));
                    }
                }
                compare(run, "check-in", checkIns.getOrDefault(few, List.of()), checkIns.getOrDefault(many, List.of()));
                compare(run, "listing", listings.getOrDefault(few, List.of()), listings.getOrDefault(many, List.of()));
            }
        }
    }

    /// Waits until the database has not vacuumed or analyzed anything for longer than it ever pauses
    /// between that.
    private static void awaitRest(ProcessHandle server) throws InterruptedException {
        Instant now = Instant.now();
        Instant end = now.plus(LONGEST_CLEANING);
        for (Instant last = now; now.isBefore(last.plus(REST)) && now.isBefore(end); now = Instant.now()) {
            if (server.descendants().anyMatch(CheckInBenchmark::cleans)) {
                last = now;
            }
            Thread.sleep(CLEANING_POLL);
        }
    }

    private static boolean cleans(ProcessHandle process) {
        return process.info().commandLine().orElse("").contains("autovacuum worker");
    }

    private static void compare(Run run, String what, List<Load.Outcome> few, List<Load.Outcome> many) {
        for (int percent : new int[] {50, 99}) {
            run.report(run.number(
                            "p%d of a %s, %,d devices".formatted(percent, what, MANY),
                            Load.Outcome.together(many).percentile(percent),
                            "ms")
                    .of(
                            "ms: with %,d devices, by turns".formatted(FEW),
                            Load.Outcome.together(few).percentile(percent)));
        }
    }

    private static Duration turn(Run run) {
        return run.duration().dividedBy(2);
    }

    private Load.Outcome calmCheckIns(Run run, Site site) throws Exception {
        ConcurrentLinkedQueue<TlsClients.Device> idle = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < FEW / 4; i++) {
            idle.add(site.clients().connect(i));
        }
        Load.Outcome outcome = Load.open(CALM_RATE, turn(run), endless(), _ -> {
            TlsClients.Device device = idle.remove();
            TlsClients.expectOk(device.ask(request(site.fleet(), boots.incrementAndGet())));
            idle.add(device);
        });
        idle.forEach(TlsClients.Device::leave);
        return outcome;
    }

    private static Load.Outcome calmListings(Run run, Site site) throws Exception {
        List<Load.Outcome> outcome = new ArrayList<>();
        site.server()
                .asOwner(owner -> outcome.add(Load.closed(
                        1, turn(run), endless(), i -> owner.get(i % 2 == 0 ? "/devices" : "/devices?state=active"))));
        return outcome.getFirst();
    }

    private static void writeList(Path file) throws Exception {
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.US_ASCII))) {
            out.println("serial");
            for (int i = 0; i < MANY; i++) {
                out.println("MANY-" + i);
            }
        }
    }

    private static Load.Work endless() {
        return new Load.Work(0, Integer.MAX_VALUE);
    }

    private static byte[] request(String fleet, int bootCount) {
        CheckIn said = new CheckIn(
                fleet,
                List.of(new CheckIn.Component("application", "1.4.2", Optional.empty())),
                bootCount,
                List.of(),
                List.of(Bytes.sha256(new byte[0])),
                0,
                Optional.empty(),
                List.of(),
                Optional.empty());
        return TlsClients.post(
                "/device/v1/check-in",
                "application/json",
                new String(CheckInCodec.encode(said, CheckInForm.JSON).toArray(), StandardCharsets.US_ASCII));
    }
}
