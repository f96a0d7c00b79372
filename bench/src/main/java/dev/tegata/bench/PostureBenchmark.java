// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus.Status;
import dev.tegata.attestation.corim.Subjects;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.decision.Decisions;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.decision.RelyingParty;
import dev.tegata.platform.decision.Subject;
import dev.tegata.platform.endorsement.ReappraisalRequests;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.posture.Postures;
import dev.tegata.platform.posture.ReappraisalJob;
import dev.tegata.platform.release.Release;
import dev.tegata.platform.release.ReleaseContent;
import dev.tegata.platform.release.Releases;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.jdbi.v3.core.generic.GenericType;

/// Stored evidence judged again, what it takes up, and the matrix of a large fleet.
final class PostureBenchmark implements Benchmark {
    private static final int JUDGED = Integer.getInteger("tegata.bench.judged", 100_000);
    private static final int COUNTED = Integer.getInteger("tegata.bench.counted", 1_000_000);
    private static final int AT_ONCE = 1_000;
    private static final Environment CLASS = Environment.ofBytes(Bytes.ofHex("aa".repeat(32)), null);
    private static final Measurement FIRMWARE = new SoftwareComponent(
                    "PRoT", Bytes.ofHex("11".repeat(32)), "1.3.5", Bytes.ofHex("cc".repeat(32)), null)
            .toMeasurement();
    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    @Override
    public String name() {
        return "posture";
    }

    @Override
    public String about() {
        return "%,d devices judged again, and %,d counted".formatted(JUDGED, COUNTED);
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(data -> {
            try (Node node = new Node(data)) {
                FleetId fleet = node.newFleet();
                long before = heap();
                seed(run, node, fleet);
                long seeded = heap();
                judgeAgain(run, node, fleet);
                run.report(run.number("heap that a stored posture keeps", 1.0 * (seeded - before) / JUDGED, "bytes"));
                sizes(run, node, fleet.tenant());
                remember(run, node, fleet.tenant());
                count(run, node, node.newFleet());
            }
        });
    }

    private static void seed(Run run, Node node, FleetId fleet) {
        run.say("making %,d devices with stored evidence …".formatted(JUDGED));
        for (int from = 0; from < JUDGED; from += AT_ONCE) {
            List<UUID> devices = new ArrayList<>();
            List<UUID> appraisals = new ArrayList<>();
            List<Bytes> claims = new ArrayList<>();
            List<Bytes> instances = new ArrayList<>();
            for (int i = from; i < Math.min(JUDGED, from + AT_ONCE); i++) {
                devices.add(new UUID(1, i));
                appraisals.add(new UUID(2, i));
                Environment device = Environment.ofBytes(
                        Bytes.ofHex("aa".repeat(32)),
                        Bytes.of(ByteBuffer.allocate(33)
                                .put((byte) 1)
                                .putInt(29, i)
                                .array()));
                claims.add(evidence(device));
                instances.add(Subjects.ofInstance(Objects.requireNonNull(device.instance())));
            }
            insert(node, fleet, devices, appraisals, claims, instances);
        }
    }

    private static Bytes evidence(Environment device) {
        return new Verified(
                        "PSA_IOT",
                        "psa",
                        List.of(new Endorsements.Claim(device, FIRMWARE, List.of())),
                        device,
                        Cbor.map()
                                .put("lifecycle", Cbor.of("secured"))
                                .put("client_id", Cbor.of(1))
                                .build(),
                        "a key that is known",
                        null,
                        null,
                        List.of())
                .encode();
    }

    private static void insert(
            Node node,
            FleetId fleet,
            List<UUID> devices,
            List<UUID> appraisals,
            List<Bytes> claims,
            List<Bytes> instances) {
        TenantId tenant = fleet.tenant();
        node.database().inTenant(tenant, tx -> {
            for (String sql : List.of("""
                    INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                    SELECT :tenant, device, :fleet, 'other', device::text, 'ACTIVE', 'STATEMENT', now()
                    FROM unnest(:devices) AS device""", """
                    INSERT INTO appraisal (tenant_id, appraisal_id, attester, device_id, appraised_at, origin, scheme,
                        status, vector, claims, problems, evidence_type, evidence_digest, policy, endorsement_version,
                        expires_at, result)
                    SELECT :tenant, appraisal, device, device, now(), 'CHECK_IN', 'psa', 'WARNING',
                        '{"executables": 33}', ARRAY[claim], '{"rejected": []}', 'application/psa-attestation-token',
                        '\\x00', 'tegata-default/1', 0, now(), appraisal::text
                    FROM unnest(:devices, :appraisals, :claims::bytea[]) AS made (device, appraisal, claim)""", """
                    INSERT INTO appraisal_subject (tenant_id, subject, appraisal_id)
                    SELECT :tenant, subject, appraisal
                    FROM unnest(:appraisals, :instances::bytea[]) AS made (appraisal, subject)
                    UNION ALL SELECT :tenant, :class, unnest(:appraisals)""", """
                    INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector, reasons,
                        release, boot_epoch, appraised_at, judged_at, changed_at)
                    SELECT :tenant, device, :fleet, appraisal, 'WARNING', '{"executables": 33}', '{"list": []}',
                        '1.3.5', '', now(), now(), now()
                    FROM unnest(:devices, :appraisals) AS made (device, appraisal)""")) {
                var update = tx.createUpdate(sql).bind("tenant", tenant);
                if (sql.contains(":fleet")) {
                    update.bind("fleet", fleet);
                }
                if (sql.contains(":devices")) {
                    update.bindArray("devices", UUID.class, devices);
                }
                if (sql.contains(":appraisals")) {
                    update.bindArray("appraisals", UUID.class, appraisals);
                }
                if (sql.contains(":claims")) {
                    update.bindByType("claims", claims, LIST_OF_BYTES);
                }
                if (sql.contains(":instances")) {
                    update.bindByType("instances", instances, LIST_OF_BYTES);
                    update.bind("class", Subjects.ofClasses(CLASS).iterator().next());
                }
                update.execute();
            }
            return null;
        });
    }

    /// What lives: the least of three looks, each after a collection.
    private static long heap() {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            System.gc();
            least = Math.min(
                    least,
                    Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
        }
        return least;
    }

    /// With indexes, and what updates have left behind.
    private static void sizes(Run run, Node node, TenantId tenant) {
        for (String table : List.of("device_posture", "appraisal", "appraisal_subject")) {
            double[] measured = node.database()
                    .inTenant(
                            tenant,
                            tx -> tx.createQuery(
                                            "SELECT pg_total_relation_size('" + table + "'), count(*) FROM " + table)
                                    .map((row, context) -> new double[] {row.getDouble(1), row.getDouble(2)})
                                    .one());
            run.report(run.number("rows of " + table + " for each device", measured[1] / JUDGED, ""));
            run.report(run.number("a row of " + table + " on disk", measured[0] / measured[1], "bytes"));
        }
    }

    /// What decisions remember of each device that was asked about.
    private static void remember(Run run, Node node, TenantId tenant) {
        InstantSource clock = InstantSource.system();
        Decisions decisions =
                new Decisions(node.database(), new RelyingParties(node.database(), node.audit(), clock), clock);
        int asked = Math.min(JUDGED, 100_000);
        long before = heap();
        for (int i = 0; i < asked; i++) {
            decisions.decide(
                    tenant, new Subject.Id(new DeviceId(new UUID(1, i))), RelyingParty.ANYBODY, System.nanoTime());
        }
        long after = heap();
        run.report(run.number("heap for each device that was asked about", 1.0 * (after - before) / asked, "bytes"));
        decisions.decide(tenant, new Subject.Id(new DeviceId(new UUID(1, 0))), RelyingParty.ANYBODY, System.nanoTime());
    }

    private static void judgeAgain(Run run, Node node, FleetId fleet) {
        TenantId tenant = fleet.tenant();
        InstantSource clock = InstantSource.system();
        var verification = node.verification();
        Releases releases =
                new Releases(node.database(), verification.endorsements(), node.audit(), clock, new SecureRandom());
        ReappraisalJob job =
                new ReappraisalJob(node.database(), verification.appraisals(), node.outbox(), node.audit(), clock);
        try (JobWorkers _ = JobWorkers.start(node.database(), node.jobs(), Map.of(ReappraisalRequests.JOB_KIND, job))) {
            ReleaseContent content = new ReleaseContent(
                    "1.3.5", CLASS, List.of(FIRMWARE), null, Status.UNCERTIFIED, null, null, null, List.of());
            Release release = releases.add(tenant, Actor.OPERATOR, fleet, content);
            await(node, tenant);
            long before = changes(node, tenant);
            long begun = System.nanoTime();
            releases.change(
                    tenant,
                    Actor.OPERATOR,
                    release.id(),
                    known -> known.judged(Status.REVOKED, null, null, null, List.of()));
            await(node, tenant);
            double seconds = (System.nanoTime() - begun) / 1e9;
            if (changes(node, tenant) - before != JUDGED) {
                throw new IllegalStateException("not every device has changed, once");
            }
            run.report(
                    run.number("a revoked release: %,d devices judged again in one job".formatted(JUDGED), seconds, "s")
                            .below(60.0 * JUDGED / 100_000));
            run.report(run.number("devices judged again", JUDGED / seconds, "/s"));
        }
    }

    private static long changes(Node node, TenantId tenant) {
        return node.database()
                .inTenant(
                        tenant,
                        tx -> tx.createQuery("""
                                SELECT count(*) FROM event
                                WHERE tenant_id = :tenant AND type = 'dev.tegata.posture.changed'""")
                                .bind("tenant", tenant)
                                .mapTo(Long.class)
                                .one());
    }

    private static void await(Node node, TenantId tenant) {
        while (!node.jobs()
                .list(tenant, Job.State.RUNNING, Page.Request.first())
                .items()
                .isEmpty()) {
            LockSupport.parkNanos(5_000_000);
        }
    }

    private static void count(Run run, Node node, FleetId fleet) {
        run.say("making %,d postures …".formatted(COUNTED));
        TenantId tenant = fleet.tenant();
        for (int from = 0; from < COUNTED; from += 50_000) {
            int first = from;
            int last = Math.min(COUNTED, from + 50_000) - 1;
            node.database().inTenant(tenant, tx -> {
                for (String sql : List.of("""
                        INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                        SELECT :tenant, ('3' || lpad(to_hex(n), 31, '0'))::uuid, :fleet, 'other', 'n' || n, 'ACTIVE',
                            'STATEMENT', now()
                        FROM generate_series(:first, :last) AS n""", """
                        INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector,
                            reasons, release, boot_epoch, appraised_at, judged_at, changed_at)
                        SELECT :tenant, ('3' || lpad(to_hex(n), 31, '0'))::uuid, :fleet, ('3' || lpad(to_hex(n), 31, '0'))::uuid,
                            (ARRAY['AFFIRMING', 'AFFIRMING', 'WARNING', 'CONTRAINDICATED'])[1 + n % 4],
                            '{"executables": 2}', '{"list": []}', '1.' || n % 20, '',
                            now() - n % 60 * interval '1 day', now(), now()
                        FROM generate_series(:first, :last) AS n""")) {
                    tx.createUpdate(sql)
                            .bind("tenant", tenant)
                            .bind("fleet", fleet)
                            .bind("first", first)
                            .bind("last", last)
                            .execute();
                }
                return null;
            });
        }
        Postures postures = new Postures(node.database(), node.outbox(), InstantSource.system());
        double[] took = new double[20];
        for (int i = 0; i < took.length; i++) {
            long begun = System.nanoTime();
            long sum = postures.summary(tenant, null).stream()
                    .mapToLong(Postures.Count::devices)
                    .sum();
            took[i] = (System.nanoTime() - begun) / 1e6;
            if (sum != COUNTED) {
                throw new IllegalStateException("the matrix counts " + sum + " devices");
            }
        }
        Arrays.sort(took);
        run.report(run.number("the matrix of %,d devices, median".formatted(COUNTED), took[took.length / 2], "ms")
                .below(200));
    }
}
