// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus.Status;
import dev.tegata.attestation.corim.Subjects;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.event.RecordedEvent;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.release.ReleaseContent;
import dev.tegata.platform.release.Releases;
import dev.tegata.platform.testing.TestDatabase;
import java.io.BufferedReader;
import java.lang.reflect.Type;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jdbi.v3.core.generic.GenericType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// 2,100 devices are three steps of the job.
@DisplayName("Stored evidence that is judged again")
class ReappraisalJobTest {
    private static final int DEVICES = 2_100;
    private static final Duration LONGEST = Duration.ofMinutes(2);
    private static final Environment CLASS = Environment.ofBytes(Bytes.ofHex("aa".repeat(32)), null);
    private static final Measurement FIRMWARE = new SoftwareComponent(
                    "PRoT", Bytes.ofHex("11".repeat(32)), "1.3.5", Bytes.ofHex("cc".repeat(32)), null)
            .toMeasurement();
    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final ReappraisalNode.Interruption UNDISTURBED = new ReappraisalNode.Interruption() {};

    private EnrolmentWorld world;
    private TenantId tenant;
    private FleetId fleet;

    @BeforeEach
    void open() {
        world = new EnrolmentWorld(DATABASE.database());
        tenant = world.tenant;
        fleet = world.fleet(FleetPolicy.standard());
        seed();
        addRelease();
    }

    @AfterEach
    void close() {
        world.close();
    }

    /// Devices that run something that nobody has heard of yet.
    private void seed() {
        List<UUID> devices = new ArrayList<>();
        List<Bytes> claims = new ArrayList<>();
        for (int i = 0; i < DEVICES; i++) {
            devices.add(UUID.randomUUID());
            claims.add(new Verified(
                            "PSA_IOT",
                            "psa",
                            List.of(new Endorsements.Claim(CLASS, FIRMWARE, List.of())),
                            CLASS,
                            Cbor.map().put("lifecycle", Cbor.of("secured")).build(),
                            "a key that is known",
                            null,
                            null,
                            List.of())
                    .encode());
        }
        world.database.inTenant(tenant, tx -> {
            for (String sql : List.of("""
                    INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                    SELECT :tenant, device, :fleet, 'other', device::text, 'ACTIVE', 'STATEMENT', now()
                    FROM unnest(:devices, :claims::bytea[]) AS made (device, claim)""", """
                    INSERT INTO appraisal (tenant_id, appraisal_id, attester, device_id, appraised_at, origin, scheme,
                        status, vector, claims, problems, evidence_type, evidence_digest, policy, endorsement_version,
                        expires_at, result)
                    SELECT :tenant, device, device, device, now(), 'CHECK_IN', 'psa', 'WARNING',
                        '{"executables": 33}', ARRAY[claim], '{"rejected": []}', 'application/psa-attestation-token',
                        '\\x00', 'tegata-default/1', 0, now(), device::text
                    FROM unnest(:devices, :claims::bytea[]) AS made (device, claim)""", """
                    INSERT INTO appraisal_subject (tenant_id, subject, appraisal_id)
                    SELECT :tenant, :class, device FROM unnest(:devices, :claims::bytea[]) AS made (device, claim)""", """
                    INSERT INTO device_posture (tenant_id, device_id, fleet_id, appraisal_id, status, vector, reasons,
                        release, boot_epoch, appraised_at, judged_at, changed_at)
                    SELECT :tenant, device, :fleet, device, 'WARNING', '{"executables": 33}', '{"list": []}', '1.3.5', '',
                        now(), now(), now()
                    FROM unnest(:devices, :claims::bytea[]) AS made (device, claim)""")) {
                var update = tx.createUpdate(sql)
                        .bind("tenant", tenant)
                        .bindArray("devices", UUID.class, devices)
                        .bindByType("claims", claims, LIST_OF_BYTES);
                if (sql.contains(":fleet")) {
                    update.bind("fleet", fleet);
                }
                if (sql.contains(":class")) {
                    update.bind("class", Subjects.ofClasses(CLASS).iterator().next());
                }
                update.execute();
            }
            return null;
        });
    }

    /// All of them run what is known to be good, from now on.
    private void addRelease() {
        SecureRandom random = new SecureRandom();
        Verification verification = Verification.of(
                new Verification.Ground(
                        world.database,
                        world.vault,
                        world.audit,
                        world.jobs,
                        new TrustedCertificates(world.database, world.audit, world.clock),
                        "test"),
                world.clock,
                random);
        new Releases(world.database, verification.endorsements(), world.audit, world.clock, random)
                .add(
                        tenant,
                        Actor.OPERATOR,
                        fleet,
                        new ReleaseContent(
                                "1.3.5",
                                CLASS,
                                List.of(FIRMWARE),
                                null,
                                Status.CERTIFIED,
                                "scheme",
                                "number",
                                null,
                                List.of()));
    }

    @Test
    @DisplayName("goes on where a server was killed in the middle of a step, with one event for each device")
    void killed() throws Exception {
        Process process = ReappraisalNode.start(DATABASE.config(), 2);
        try (BufferedReader output = process.inputReader()) {
            assertThat(output.readLine()).isEqualTo("in the middle");
        } finally {
            process.destroyForcibly();
            assertThat(process.waitFor(LONGEST.toSeconds(), TimeUnit.SECONDS)).isTrue();
        }
        assertThat(changed()).hasSize(1_000);
        endLease();
        try (ReappraisalNode _ = new ReappraisalNode(world.database, world.clock, UNDISTURBED)) {
            awaitEnd();
        }
        assertEachChangedOnce();
    }

    @Test
    @DisplayName("goes on with another node where one falls silent, which stores nothing when it comes back")
    void takenOver() throws Exception {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch back = new CountDownLatch(1);
        ReappraisalNode silent = new ReappraisalNode(world.database, world.clock, new ReappraisalNode.Interruption() {
            @Override
            public void judged(int step) {
                if (step == 2) {
                    reached.countDown();
                    await(back);
                }
            }
        });
        await(reached);
        endLease();
        try (ReappraisalNode _ = new ReappraisalNode(world.database, world.clock, UNDISTURBED)) {
            awaitEnd();
        }
        back.countDown();
        silent.close();
        assertEachChangedOnce();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(LONGEST.toSeconds(), TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void endLease() {
        world.database.inTenant(
                tenant,
                tx -> tx.execute("UPDATE open_job SET leased_until = now() - interval '1 second', due_at = now()"));
    }

    private void awaitEnd() {
        long end = System.nanoTime() + LONGEST.toNanos();
        while (!world.jobs
                .list(tenant, Job.State.RUNNING, Page.Request.first())
                .items()
                .isEmpty()) {
            assertThat(System.nanoTime()).isLessThan(end);
            LockSupport.parkNanos(20_000_000);
        }
        assertThat(world.jobs
                        .list(tenant, Job.State.FAILED, Page.Request.first())
                        .items())
                .isEmpty();
    }

    private List<String> changed() {
        return world.outbox.after(tenant, 0, 10_000).stream()
                .filter(event -> event.type().equals("dev.tegata.posture.changed"))
                .map(RecordedEvent::subject)
                .toList();
    }

    private void assertEachChangedOnce() {
        assertThat(changed()).hasSize(DEVICES).doesNotHaveDuplicates();
        assertThat(count("SELECT count(*) FROM device_posture WHERE status = 'AFFIRMING'"))
                .isEqualTo(DEVICES);
        assertThat(count("SELECT count(*) FROM audit_record WHERE record LIKE '%appraisal.status-changed%'"))
                .isEqualTo(DEVICES);
    }

    private long count(String sql) {
        return world.database.inTenant(
                tenant, tx -> tx.createQuery(sql).mapTo(Long.class).one());
    }
}
