// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.UUID;
import java.util.function.IntFunction;

/// Decisions at the door, asked for over kept TLS connections of a server in a process of its own. Whoever asks
/// shares the cores with it.
final class DecisionBenchmark implements Benchmark {
    private static final int DEVICES = Integer.getInteger("tegata.bench.doors", 50_000);
    private static final int RATE = 5_000;
    private static final int CONNECTIONS = 64;
    private static final Duration WARM_UP = Duration.ofSeconds(10);

    @Override
    public String name() {
        return "decisions";
    }

    @Override
    public String about() {
        return "%,d decisions a second on %,d devices, over kept connections".formatted(RATE, DEVICES);
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            Path manifest = folder.resolve("devices.csv");
            Unit.writeManifest(Unit.make(1), manifest);
            try (ServerProcess server = ServerProcess.start(folder.resolve("data"))) {
                FleetId fleet = new FleetId(server.newFleet(manifest));
                run.say("making %,d devices with postures and certificates …".formatted(DEVICES));
                try (Database database = server.openDatabase()) {
                    seed(database, fleet);
                }
                try (TlsClients clients = new TlsClients(server.apiUrl(), TlsClients.identities(Unit.make(1)))) {
                    measure(run, server, clients);
                }
            }
        });
    }

    private static void seed(Database database, FleetId fleet) {
        TenantId tenant = fleet.tenant();
        for (int first = 0; first < DEVICES; first += 10_000) {
            int from = first;
            database.inTenant(tenant, tx -> {
                UUID authority = tx.createQuery("SELECT authority_id FROM authority WHERE tenant_id = :tenant LIMIT 1")
                        .bind("tenant", tenant)
                        .mapTo(UUID.class)
                        .one();
                tx.createUpdate("""
                                WITH made AS (
                                    INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof,
                                        claimed_at, certificate)
                                    SELECT :tenant, lpad(to_hex(i), 32, '0')::uuid, :fleet, 'other', 'd' || i, 'ACTIVE',
                                        'STATEMENT', now(), decode(md5(i::text), 'hex')
                                    FROM generate_series(:first, :last) i),
                                certified AS (
                                    INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id,
                                        public_key_fingerprint, not_before, not_after, issued_at, encoded)
                                    SELECT :tenant, decode(md5(i::text), 'hex'), :authority,
                                        lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), now(),
                                        now() + interval '1 year', now(), i::text::bytea
                                    FROM generate_series(:first, :last) i)
                                INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector,
                                    reasons, release, boot_epoch, appraised_at, judged_at, changed_at, stale_at)
                                SELECT :tenant, lpad(to_hex(i), 32, '0')::uuid, :fleet, lpad(to_hex(i), 32, '0')::uuid,
                                    'AFFIRMING', '{"executables": 2}', '{"list": []}', '1.3.5', '', now(), now(), now(),
                                    now() + interval '1 day'
                                FROM generate_series(:first, :last) i""")
                        .bind("tenant", tenant)
                        .bind("fleet", fleet)
                        .bind("authority", authority)
                        .bind("first", from)
                        .bind("last", Math.min(DEVICES, from + 10_000) - 1)
                        .execute();
                return null;
            });
        }
    }

    private static void measure(Run run, ServerProcess server, TlsClients clients) throws Exception {
        Connections connections = new Connections();
        for (int i = 0; i < CONNECTIONS; i++) {
            connections.idle.add(clients.connect(0));
        }
        byte[] none = ask(server, "GET", "/api/v1/nothing", "");
        Load.Beginning nothing = connections.asking(404, _ -> none);
        byte[][] gets = new byte[DEVICES][];
        byte[][] posts = new byte[DEVICES][];
        for (int i = 0; i < DEVICES; i++) {
            gets[i] = ask(server, "GET", "/api/v1/decisions/" + new UUID(0, i), "");
            String digest = Bytes.sha256(Integer.toString(i).getBytes(StandardCharsets.US_ASCII))
                    .hex();
            posts[i] = ask(server, "POST", "/api/v1/decisions", "{\"fingerprint\":\"" + digest + "\"}");
        }
        Load.Beginning lean = connections.asking(200, i -> gets[Math.floorMod(i * 7919, DEVICES)]);
        Load.Beginning whole = connections.asking(200, i -> posts[Math.floorMod(i * 7919, DEVICES)]);

        run.say("asking about every device for the first time …");
        Cpu coldService = Cpu.of(server.handle());
        Cpu coldDatabase = Cpu.below(server.handle());
        Load.Outcome cold =
                Load.closed(CONNECTIONS, Duration.ofMinutes(5), new Load.Work(0, DEVICES), lean.untilItIsOver());
        run.report(run.number("decisions on devices that were not asked about before", cold.perSecond(), "/s"));
        coldService = Cpu.of(server.handle()).since(coldService);
        coldDatabase = Cpu.below(server.handle()).since(coldDatabase);
        run.report(run.number("such a decision, CPU time of the service", coldService.microsPer(cold.count()), "µs"));
        run.report(run.number("such a decision, CPU time of the database", coldDatabase.microsPer(cold.count()), "µs"));
        Load.closed(CONNECTIONS, Duration.ofMinutes(5), new Load.Work(0, DEVICES), whole.untilItIsOver());
        Load.closed(CONNECTIONS, WARM_UP, endless(), nothing.untilItIsOver());
        double limit = Load.closed(CONNECTIONS, run.duration(), endless(), nothing.untilItIsOver())
                .perSecond();
        Load.openAsync(RATE, WARM_UP, endless(), nothing);
        Load.Outcome floor = Load.openAsync(RATE, run.duration(), endless(), nothing);
        for (Way way : new Way[] {
            new Way("GET by device", lean), new Way("POST by certificate", whole),
        }) {
            Load.closed(CONNECTIONS, WARM_UP, endless(), way.operation.untilItIsOver());
            run.say("measuring " + way.name + " …");
            Load.openAsync(RATE, WARM_UP, endless(), way.operation);
            Cpu service = Cpu.of(server.handle());
            Cpu database = Cpu.below(server.handle());
            Load.Outcome open = Load.openAsync(RATE, run.duration(), endless(), way.operation);
            service = Cpu.of(server.handle()).since(service);
            database = Cpu.below(server.handle()).since(database);
            run.report(
                    run.number(way.name + " at %,.0f/s, median".formatted(open.perSecond()), open.percentile(50), "ms")
                            .of("ms: the same server, answering 404 to anything", floor.percentile(50)));
            run.report(run.number(way.name + " at that rate, 99 % are faster", open.percentile(99), "ms")
                    .of("ms: the same server, answering 404 to anything", floor.percentile(99))
                    .below(5));
            run.report(run.number(way.name + ", CPU time of the service", service.microsPer(open.count()), "µs"));
            run.report(run.number(way.name + ", CPU time of the database", database.microsPer(open.count()), "µs"));
            run.report(run.number(
                            way.name + ", as many as it can",
                            Load.closed(CONNECTIONS, run.duration(), endless(), way.operation.untilItIsOver())
                                    .perSecond(),
                            "/s")
                    .of("/s: the same server, answering 404 to anything", limit));
        }
        run.report(run.number("resident set after all that, without the database", server.resident(), "MiB"));
    }

    private record Way(String name, Load.Beginning operation) {}

    private static Load.Work endless() {
        return new Load.Work(0, Integer.MAX_VALUE);
    }

    /// Kept connections, each of which asks one thing at a time. What finds none free waits for one.
    private static final class Connections {
        final Queue<TlsClients.Device> idle = new ArrayDeque<>();
        private final Queue<Question> waiting = new ArrayDeque<>();

        private record Question(byte[] request, int wanted, Load.End end) {}

        Load.Beginning asking(int wanted, IntFunction<byte[]> requests) {
            return (i, end) -> {
                Question question = new Question(requests.apply(i), wanted, end);
                TlsClients.Device free;
                synchronized (this) {
                    free = idle.poll();
                    if (free == null) {
                        waiting.add(question);
                        return;
                    }
                }
                ask(free, question);
            };
        }

        private void ask(TlsClients.Device connection, Question question) {
            connection.begin(question.request).whenComplete((status, problem) -> {
                if (problem != null) {
                    question.end.over(new IllegalStateException(problem));
                } else if (status != question.wanted) {
                    question.end.over(new IllegalStateException("the server answered with status " + status));
                } else {
                    question.end.over(null);
                }
                Question next;
                synchronized (this) {
                    next = waiting.poll();
                    if (next == null) {
                        idle.add(connection);
                        return;
                    }
                }
                ask(connection, next);
            });
        }
    }

    private static byte[] ask(ServerProcess server, String method, String path, String body) {
        return "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                .formatted(method, path, server.ownerKey(), body.length(), body)
                .getBytes(StandardCharsets.US_ASCII);
    }
}
