// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.device.RevocationReason;
import dev.tegata.platform.job.Job;

/// Revokes the devices of a fleet in bulk, each with two certificates: rows, audit chain, events and
/// counts.
final class RevokeBenchmark implements Benchmark {
    private static final int DEVICES = 100_000;
    private static final int INSERTED_AT_ONCE = 10_000;
    private static final long POLL_MILLIS = 50;

    @Override
    public String name() {
        return "revoke";
    }

    @Override
    public String about() {
        return "100,000 active devices revoked in bulk";
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
                revoke(run, node, fleet);
            }
        });
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
                                now(), now(), decode(md5('current' || i), 'hex'), now() + interval '1 year'
                            FROM generate_series(:from, :from + :count - 1) AS i
                            RETURNING device_id, serial)
                        INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id,
                            public_key_fingerprint, not_before, not_after, issued_at, encoded)
                        SELECT :tenant, decode(md5(which || substr(made.serial, 6)), 'hex'),
                            (SELECT authority_id FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet),
                            made.device_id, sha256(made.serial::bytea), now(), now() + interval '1 year', now(),
                            decode(repeat(md5(made.serial), 35), 'hex')
                        FROM made, (VALUES ('current'), ('old')) AS v (which)""")
                                .bind("tenant", fleet.tenant())
                                .bind("fleet", fleet)
                                .bind("from", from)
                                .bind("count", INSERTED_AT_ONCE)
                                .execute());
    }
}
