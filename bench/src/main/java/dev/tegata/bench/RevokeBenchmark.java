// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.status.CertificateStatus;
import dev.tegata.pki.status.OcspReply;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.device.RevocationReason;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.status.CrlPublisher;
import dev.tegata.platform.status.Crls;
import dev.tegata.platform.status.Ocsp;
import dev.tegata.platform.status.PublishedCrl;
import dev.tegata.platform.status.Responders;
import dev.tegata.platform.status.StatusKeeper;
import java.time.Duration;
import java.time.InstantSource;

/// Revokes the devices of a fleet in bulk, each with two certificates: rows, audit chain, events and
/// counts, beside a node that answers for their status.
final class RevokeBenchmark implements Benchmark {
    private static final int DEVICES = 100_000;
    private static final int INSERTED_AT_ONCE = 10_000;
    private static final long POLL_MILLIS = 50;

    /// The status of so many is asked for before and after.
    private static final int ASKED = 2_000;

    private static final Duration LONGEST_WAIT = Duration.ofMinutes(5);

    @Override
    public String name() {
        return "revoke";
    }

    @Override
    public String about() {
        return "100,000 active devices revoked in bulk, and what their status says when that ends";
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(data -> {
            try (Node node = new Node(data)) {
                FleetId fleet = node.newFleet();
                run.say("making %,d devices …".formatted(DEVICES));
                for (int from = 0; from < DEVICES; from += INSERTED_AT_ONCE) {
                    insert(node, fleet, from);
                }
                measure(run, node, fleet);
            }
        });
    }

    private static void measure(Run run, Node node, FleetId fleet) throws Exception {
        TenantId tenant = fleet.tenant();
        AuthorityId authority = node.issuingFleets().get(fleet).authority().id();
        InstantSource clock = InstantSource.system();
        Crls crls = new Crls(node.database(), clock);
        CrlPublisher publisher = new CrlPublisher(node.database(), node.authorities(), node.vault(), crls, clock);
        Responders responders = node.newResponders();
        Ocsp ocsp = new Ocsp(node.database(), responders, clock, Ocsp.CAPACITY);
        try (StatusKeeper keeper = node.newKeeper(publisher, responders, ocsp)) {
            Certificate issuer = node.authorities().chain(tenant, authority).getFirst();
            run.say("asking for the status of %,d of them …".formatted(ASKED));
            if (revoked(ocsp, issuer, tenant, authority) != 0) {
                throw new IllegalStateException("devices are revoked before anybody did so, says " + keeper);
            }
            revoke(run, node, fleet);
            run.report(run.number(
                            "OCSP answers that say so when it ends",
                            100.0 * revoked(ocsp, issuer, tenant, authority) / ASKED,
                            "%")
                    .atLeast(100));
            awaitList(run, crls, tenant, authority);
        }
    }

    /// How many of those that are asked about are revoked. The answers before are kept ready, or their
    /// status is remembered.
    private static int revoked(Ocsp ocsp, Certificate issuer, TenantId tenant, AuthorityId authority) throws Exception {
        int revoked = 0;
        for (int i = 0; i < ASKED; i++) {
            Bytes serial = Bytes.of(StatusBenchmark.serial(i * (DEVICES / ASKED)));
            byte[] question = OcspReply.question(issuer, serial).toArray();
            Bytes answer = Bytes.of(ocsp.answer(tenant, authority, question).encoded());
            OcspReply reply = OcspReply.read(
                    answer, issuer, serial, InstantSource.system().instant());
            if (reply.status() instanceof CertificateStatus.Revoked) {
                revoked++;
            }
        }
        return revoked;
    }

    /// The published list follows by itself.
    private static void awaitList(Run run, Crls crls, TenantId tenant, AuthorityId authority)
            throws InterruptedException {
        long begun = System.nanoTime();
        while (crls.find(tenant, authority, 0).map(PublishedCrl::entries).orElse(0L) < 2 * DEVICES) {
            if (System.nanoTime() - begun > LONGEST_WAIT.toNanos()) {
                throw new IllegalStateException("no list has all of them");
            }
            Thread.sleep(POLL_MILLIS);
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        run.report(run.number("from then until the published list has all 200,000 certificates", seconds, "s"));
    }

    private static void revoke(Run run, Node node, FleetId fleet) throws InterruptedException {
        TenantId tenant = fleet.tenant();
        long begun = System.nanoTime();
        JobId id = node.bulk()
                .start(
                        tenant,
                        DeviceChange.revoke(RevocationReason.KEY_COMPROMISE, "a benchmark"),
                        DeviceQuery.of(fleet),
                        false,
                        Actor.OPERATOR);
        Job job = node.jobs().get(tenant, id);
        while (job.state() == Job.State.RUNNING) {
            Thread.sleep(POLL_MILLIS);
            job = node.jobs().get(tenant, id);
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        if (job.state() != Job.State.COMPLETED || job.done() != DEVICES) {
            throw new IllegalStateException("the job has not done its work: " + job);
        }
        run.report(run.number("time for 100,000 devices", seconds, "s").below(60));
        run.report(run.number("devices", DEVICES / seconds, "/s"));
    }

    private static void insert(Node node, FleetId fleet, int from) {
        node.database()
                .inTenant(
                        fleet.tenant(),
                        tx -> tx.createUpdate("""
                        WITH made AS (
                            INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at,
                                activated_at, last_seen_at, certificate, expires_at)
                            SELECT :tenant, gen_random_uuid(), :fleet, 'other', 'bench' || i, 'ACTIVE', 'STATEMENT', now(),
                                now(), now(), '\\x01'::bytea || decode(md5(i::text), 'hex'), now() + interval '1 year'
                            FROM generate_series(:from, :from + :count - 1) AS i
                            RETURNING device_id, serial)
                        INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id,
                            public_key_fingerprint, not_before, not_after, issued_at, encoded)
                        SELECT :tenant, which || decode(md5(substr(made.serial, 6)), 'hex'),
                            (SELECT authority_id FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet),
                            made.device_id, sha256(made.serial::bytea), now(), now() + interval '1 year', now(),
                            decode(repeat(md5(made.serial), 35), 'hex')
                        FROM made, (VALUES ('\\x01'::bytea), ('\\x02'::bytea)) AS v (which)""")
                                .bind("tenant", fleet.tenant())
                                .bind("fleet", fleet)
                                .bind("from", from)
                                .bind("count", INSERTED_AT_ONCE)
                                .execute());
    }
}
