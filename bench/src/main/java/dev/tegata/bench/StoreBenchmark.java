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
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;

/// Issuance and OCSP answers with few and with many certificates in the store.
final class StoreBenchmark implements Benchmark {
    /// Ten million take about 12 GB; the property makes it fewer where the disk is small.
    private static final int STORED = Integer.getInteger("tegata.bench.stored", 10_000_000);

    private static final int INSERTED_AT_ONCE = 20_000;
    private static final int CLIENTS = 16;
    private static final int UNITS = 12_000;
    private static final int WARM_UP = 1_500;

    @Override
    public String name() {
        return "store";
    }

    @Override
    public String about() {
        return "issuance and OCSP answers beside %,d stored certificates, and beside few".formatted(STORED);
    }

    /// What one store made of the same load.
    private record Outcome(Load.Outcome load, double service, double database) {}

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            try (Node node = new Node(folder)) {
                measure(run, folder, node);
            }
        });
    }

    private static void measure(Run run, Path folder, Node node) throws Exception {
        run.say("claiming %,d devices …".formatted(UNITS));
        List<Unit> units = Unit.make(UNITS);
        Path manifest = folder.resolve("devices.csv");
        Unit.writeManifest(units, manifest);
        FleetId fleet = node.newFleet();
        node.claim(fleet, manifest, new ImportOptions(true));
        TenantId tenant = fleet.tenant();
        AuthorityId authority = node.issuingFleets().get(fleet).authority().id();
        Certificate issuer = node.authorities().chain(tenant, authority).getFirst();
        InstantSource clock = InstantSource.system();
        // It keeps nothing, and asks the store each time.
        Ocsp ocsp = new Ocsp(
                node.database(),
                new Responders(
                        node.database(), node.authorities(), node.audit(), node.vault(), clock, new SecureRandom()),
                clock,
                0);

        store(node, tenant, authority, 0, INSERTED_AT_ONCE);
        Load.Operation enrol = i -> IssuanceBenchmark.enrol(node, fleet, units.get(i));
        Load.closed(CLIENTS, Duration.ofSeconds(30), new Load.Work(0, WARM_UP), enrol);
        Load.Operation askFew = i -> ocsp.answer(tenant, authority, request(issuer, i, INSERTED_AT_ONCE));
        load(run, new Load.Work(0, Integer.MAX_VALUE), askFew);
        run.say("measuring beside few …");
        Outcome issuedFew = load(run, new Load.Work(WARM_UP, UNITS / 2), enrol);
        Outcome answeredFew = load(run, new Load.Work(0, Integer.MAX_VALUE), askFew);

        run.say("storing %,d certificates …".formatted(STORED));
        long begun = System.nanoTime();
        store(node, tenant, authority, INSERTED_AT_ONCE, STORED);
        double seconds = (System.nanoTime() - begun) / 1e9;
        run.say("stored within %.0f s; cleaning up behind that …".formatted(seconds));
        node.vacuum("certificate");
        run.say("measuring beside them …");
        Load.Operation askMany = i -> ocsp.answer(tenant, authority, request(issuer, i, STORED));
        load(run, new Load.Work(0, Integer.MAX_VALUE), askMany);
        Outcome issuedMany = load(run, new Load.Work(UNITS / 2, UNITS), enrol);
        Outcome answeredMany = load(run, new Load.Work(0, Integer.MAX_VALUE), askMany);
        compare(run, "a certificate", issuedFew, issuedMany);
        compare(run, "an OCSP answer that is looked up", answeredFew, answeredMany);
    }

    private static Outcome load(Run run, Load.Work work, Load.Operation operation) {
        Cpu service = Cpu.ofThisProcess();
        Cpu database = Cpu.below(ProcessHandle.current());
        Load.Outcome load = Load.closed(CLIENTS, run.duration(), work, operation);
        return new Outcome(
                load,
                Cpu.ofThisProcess().since(service).microsPer(load.count()),
                Cpu.below(ProcessHandle.current()).since(database).microsPer(load.count()));
    }

    private static void compare(Run run, String what, Outcome few, Outcome many) {
        pair(run, "p50 of " + what, few.load().percentile(50), many.load().percentile(50), "ms");
        pair(run, "p99 of " + what, few.load().percentile(99), many.load().percentile(99), "ms");
        pair(run, "CPU time of " + what + ", service", few.service(), many.service(), "µs");
        pair(run, "CPU time of " + what + ", database", few.database(), many.database(), "µs");
    }

    private static void pair(Run run, String what, double few, double many, String unit) {
        Measure measure = run.number(what, many, unit).of(unit + " beside few", few);
        run.report(what.startsWith("p99") ? measure.below(1.2 * few) : measure);
    }

    /// Spread over all that are stored.
    private static byte[] request(Certificate issuer, int i, int stored) {
        int number = (int) (i * 7_919L % stored);
        return StatusBenchmark.request(
                issuer, number, Bytes.sha256(Integer.toString(i).getBytes(StandardCharsets.US_ASCII)));
    }

    private static void store(Node node, TenantId tenant, AuthorityId authority, int first, int end) {
        Load.Work chunks = new Load.Work(first / INSERTED_AT_ONCE, end / INSERTED_AT_ONCE);
        Load.closed(2, Duration.ofHours(1), chunks, chunk -> insert(node, tenant, authority, chunk * INSERTED_AT_ONCE));
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
