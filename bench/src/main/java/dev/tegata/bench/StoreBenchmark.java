// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.claim.ImportOptions;
import dev.tegata.platform.status.Ocsp;
import dev.tegata.platform.status.Responders;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/// Issuance and OCSP answers with few and with many certificates in the store.
final class StoreBenchmark implements Benchmark {
    /// Ten million take about 12 GB; the property makes it fewer where the disk is small.
    private static final int STORED = Integer.getInteger("tegata.bench.stored", 10_000_000);

    private static final int INSERTED_AT_ONCE = 20_000;
    private static final int CLIENTS = 16;
    private static final int UNITS = 24_000;
    private static final int WARM_UP = 2_400;
    private static final int TURNS = 6;

    @Override
    public String name() {
        return "store";
    }

    @Override
    public String about() {
        return "issuance and OCSP answers beside %,d stored certificates, and beside few".formatted(STORED);
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            run.say("claiming %,d devices twice …".formatted(UNITS));
            List<Unit> units = Unit.make(UNITS);
            Path manifest = folder.resolve("devices.csv");
            Unit.writeManifest(units, manifest);
            try (Site few = new Site(folder.resolve("few"), units, manifest, INSERTED_AT_ONCE);
                    Site many = new Site(folder.resolve("many"), units, manifest, STORED)) {
                run.say("storing %,d certificates …".formatted(STORED));
                few.store();
                long begun = System.nanoTime();
                many.store();
                double seconds = (System.nanoTime() - begun) / 1e9;
                run.say("stored within %.0f s; cleaning up behind that …".formatted(seconds));
                many.node.vacuum("certificate");
                run.say("measuring by turns …");
                for (Site site : List.of(few, many)) {
                    site.warmUp(run);
                }
                for (int turn = 0; turn < TURNS; turn++) {
                    for (Site site : turn % 2 == 0 ? List.of(few, many) : List.of(many, few)) {
                        site.measure(run, turn);
                    }
                }
                compare(run, "a certificate", few.issued, many.issued);
                compare(run, "an OCSP answer that is looked up", few.answered, many.answered);
            }
        });
    }

    /// What a store made of a load.
    private record Outcome(Load.Outcome load, Cpu service, Cpu database) {}

    /// A node with a database of its own, so that two of them can be measured by turns: what else the machine
    /// does meets both.
    private static final class Site implements AutoCloseable {
        private final Node node;
        private final TenantId tenant;
        private final AuthorityId authority;
        private final int stored;
        private final Load.Operation enrol;
        private final Load.Operation ask;
        private final List<Outcome> issued = new ArrayList<>();
        private final List<Outcome> answered = new ArrayList<>();

        Site(Path folder, List<Unit> units, Path manifest, int stored) throws Exception {
            this.node = new Node(folder);
            this.stored = stored;
            FleetId fleet = node.newFleet();
            node.claim(fleet, manifest, new ImportOptions(true));
            this.tenant = fleet.tenant();
            this.authority = node.issuingFleets().get(fleet).authority().id();
            Certificate issuer = node.authorities().chain(tenant, authority).getFirst();
            InstantSource clock = InstantSource.system();
            Responders responders = node.newResponders();
            // It keeps nothing, and asks the store each time.
            Ocsp ocsp = new Ocsp(node.database(), responders, clock, 0);
            this.enrol = i -> IssuanceBenchmark.enrol(node, fleet, units.get(i));
            this.ask = i -> ocsp.answer(tenant, authority, request(issuer, i, stored));
        }

        void store() {
            Load.Work chunks = new Load.Work(0, stored / INSERTED_AT_ONCE);
            Load.closed(
                    2, Duration.ofHours(1), chunks, chunk -> insert(node, tenant, authority, chunk * INSERTED_AT_ONCE));
        }

        void warmUp(Run run) {
            Load.closed(CLIENTS, Duration.ofSeconds(30), new Load.Work(0, WARM_UP), enrol);
            load(run, new Load.Work(0, Integer.MAX_VALUE), ask);
        }

        void measure(Run run, int turn) {
            int each = (UNITS - WARM_UP) / TURNS;
            int first = WARM_UP + turn * each;
            issued.add(load(run, new Load.Work(first, first + each), enrol));
            answered.add(load(run, new Load.Work(0, Integer.MAX_VALUE), ask));
        }

        @Override
        public void close() throws Exception {
            node.close();
        }
    }

    private static Outcome load(Run run, Load.Work work, Load.Operation operation) {
        Cpu service = Cpu.ofThisProcess();
        Cpu database = Cpu.below(ProcessHandle.current());
        Load.Outcome load = Load.closed(CLIENTS, run.duration().dividedBy(TURNS), work, operation);
        return new Outcome(
                load,
                Cpu.ofThisProcess().since(service),
                Cpu.below(ProcessHandle.current()).since(database));
    }

    private static void compare(Run run, String what, List<Outcome> few, List<Outcome> many) {
        Load.Outcome beside =
                Load.Outcome.together(few.stream().map(Outcome::load).toList());
        Load.Outcome load =
                Load.Outcome.together(many.stream().map(Outcome::load).toList());
        pair(run, "p50 of " + what, beside.percentile(50), load.percentile(50), "ms");
        pair(run, "p99 of " + what, beside.percentile(99), load.percentile(99), "ms");
        pair(
                run,
                "CPU time of " + what + ", service",
                micros(few, Outcome::service),
                micros(many, Outcome::service),
                "µs");
        pair(
                run,
                "CPU time of " + what + ", database",
                micros(few, Outcome::database),
                micros(many, Outcome::database),
                "µs");
    }

    private static double micros(List<Outcome> outcomes, Function<Outcome, Cpu> of) {
        double seconds = outcomes.stream()
                .mapToDouble(outcome -> of.apply(outcome).seconds())
                .sum();
        return seconds
                * 1e6
                / outcomes.stream().mapToInt(outcome -> outcome.load().count()).sum();
    }

    private static void pair(Run run, String what, double few, double many, String unit) {
        Measure measure = run.number(what, many, unit).of(unit + " beside few", few);
        run.report(what.startsWith("p99") ? measure.below(1.2 * few) : measure);
    }

    private static byte[] request(Certificate issuer, int i, int stored) {
        int number = (int) (i * 7_919L % stored);
        return StatusBenchmark.request(
                issuer, number, Bytes.sha256(Integer.toString(i).getBytes(StandardCharsets.US_ASCII)));
    }

    /// Rows as large as those of real certificates.
    private static void insert(Node node, TenantId tenant, AuthorityId authority, int first) {
        node.database()
                .inTenant(
                        tenant,
                        tx -> tx.createUpdate("""
                        INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id,
                            public_key_fingerprint, not_before, not_after, issued_at, crl_partition, encoded)
                        SELECT :tenant, '\\x01'::bytea || decode(md5(i::text), 'hex'), :authority, gen_random_uuid(),
                            sha256(i::text::bytea), now(), now() + interval '1 year', now(), 1 + i / 10000,
                            decode(repeat(md5(i::text), 37), 'hex')
                        FROM generate_series(:first, :first + :count - 1) i""")
                                .bind("tenant", tenant)
                                .bind("authority", authority)
                                .bind("first", first)
                                .bind("count", INSERTED_AT_ONCE)
                                .execute());
    }
}
