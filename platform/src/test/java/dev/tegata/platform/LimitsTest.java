// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.acme.AcmeAccount;
import dev.tegata.platform.acme.AcmeKey;
import dev.tegata.platform.acme.AcmeOrder;
import dev.tegata.platform.acme.AcmeOrders;
import dev.tegata.platform.appraisal.Policies;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.decision.PartyPolicy;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.decision.RelyingParty;
import dev.tegata.platform.endorsement.EndorsementSigners;
import dev.tegata.platform.enrol.BirthCa;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import dev.tegata.platform.webhook.Messenger;
import dev.tegata.platform.webhook.Webhooks;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Where one more is allowed and six ask at the same moment, one gets it")
class LimitsTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final Actor ACTOR = Actor.apiKey("test");
    private static final int TOGETHER = 6;

    private final TestClock clock = TestClock.create();
    private TestPlatform platform;
    private TenantId tenant;

    @BeforeEach
    void setUp() {
        platform = TestPlatform.software(testDatabase.database(), clock);
        tenant = platform.tenant().tenant().id();
    }

    @AfterEach
    void tearDown() {
        platform.close();
    }

    private interface Attempt {
        void make(int number) throws Exception;
    }

    private void fill(String insert) {
        platform.database.inTenant(
                tenant, tx -> tx.createUpdate(insert).bind("tenant", tenant).execute());
    }

    private static void assertOneSucceeds(ErrorCode refusal, Attempt attempt) throws Exception {
        CyclicBarrier barrier = new CyclicBarrier(TOGETHER);
        List<Future<Void>> attempts = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < TOGETHER; i++) {
                int number = i;
                Callable<Void> task = () -> {
                    barrier.await();
                    attempt.make(number);
                    return null;
                };
                attempts.add(threads.submit(task));
            }
        }
        int succeeded = 0;
        for (Future<Void> one : attempts) {
            try {
                one.get();
                succeeded++;
            } catch (ExecutionException e) {
                assertThat(e.getCause())
                        .isInstanceOfSatisfying(
                                RefusedException.class,
                                refused -> assertThat(refused.code()).isEqualTo(refusal));
            }
        }
        assertThat(succeeded).isEqualTo(1);
    }

    @Test
    @DisplayName("of webhooks")
    void webhooks() throws Exception {
        SecureRandom random = new SecureRandom();
        TenantSeals seals = new TenantSeals(platform.database, platform.vault, clock, random);
        Messenger silent = new Messenger() {
            @Override
            public void requireAcceptable(URI target) {}

            @Override
            public Answer post(URI target, Map<String, String> headers, byte[] body) {
                return Answer.none("nothing is sent here");
            }
        };
        Webhooks webhooks = new Webhooks(
                new Webhooks.Ground(platform.database, platform.audit, platform.outbox, seals), silent, clock, random);
        fill("""
                INSERT INTO webhook (tenant_id, webhook_id, name, url, types, sealed, state, created_at)
                SELECT :tenant, gen_random_uuid(), 'x', 'https://x.example/', '{}', '', 'PAUSED', now()
                FROM generate_series(1, 19)""");

        assertOneSucceeds(
                ErrorCode.CONFLICT, i -> webhooks.create(tenant, ACTOR, "w" + i, "https://x.example/" + i, List.of()));
    }

    @Test
    @DisplayName("of open jobs")
    void jobs() throws Exception {
        fill("""
                INSERT INTO open_job (tenant_id, job_id, kind, due_at)
                SELECT :tenant, gen_random_uuid(), 'x', 'infinity' FROM generate_series(1, 999)""");
        record Nothing() {}

        assertOneSucceeds(
                ErrorCode.CONFLICT,
                i -> platform.database.inTenant(
                        tenant, tx -> platform.jobs.start(tx, tenant, "x", new Nothing(), ACTOR)));
    }

    @Test
    @DisplayName("of trusted certificates")
    void trustedCertificates() throws Exception {
        TrustedCertificates trusted = new TrustedCertificates(platform.database, platform.audit, clock);
        BirthCa known = BirthCa.create(clock.instant());
        platform.database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO trusted_certificate
                                    (tenant_id, purpose, fingerprint, name, certificate, status_required, created_at)
                                SELECT :tenant, 'BIRTH_CA', sha256(number::text::bytea), 'x', :certificate, false, now()
                                FROM generate_series(1, 999) AS number""")
                        .bind("tenant", tenant)
                        .bind("certificate", known.certificate().encoded())
                        .execute());
        List<BirthCa> authorities = new ArrayList<>();
        for (int i = 0; i < TOGETHER; i++) {
            authorities.add(BirthCa.create(clock.instant()));
        }

        assertOneSucceeds(
                ErrorCode.CONFLICT,
                i -> trusted.add(
                        tenant,
                        ACTOR,
                        TrustPurpose.BIRTH_CA,
                        "ca " + i,
                        authorities.get(i).certificate()));
    }

    @Test
    @DisplayName("of endorsement signers")
    void endorsementSigners() throws Exception {
        EndorsementSigners signers =
                new EndorsementSigners(platform.database, platform.audit, (_, _, _, _) -> {}, clock);
        platform.database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO endorsement_signer (tenant_id, fingerprint, name, public_key, created_at)
                                SELECT :tenant, sha256(number::text::bytea), 'x' || number, :key, now()
                                FROM generate_series(1, 99) AS number""")
                        .bind("tenant", tenant)
                        .bind("key", newKey().publicKey().encoded())
                        .execute());
        List<SoftwareKey> keys = new ArrayList<>();
        for (int i = 0; i < TOGETHER; i++) {
            keys.add(newKey());
        }

        assertOneSucceeds(
                ErrorCode.CONFLICT,
                i -> signers.add(tenant, ACTOR, "signer " + i, keys.get(i).publicKey()));
    }

    private static SoftwareKey newKey() {
        return SoftwareKey.generate(KeyAlgorithm.EC_P256);
    }

    @Test
    @DisplayName("of appraisal policies")
    void policies() throws Exception {
        Policies policies = new Policies(platform.database, platform.audit, (_, _, _, _) -> {}, clock);
        fill("""
                INSERT INTO appraisal_policy (tenant_id, policy_id, version, document, created_at, created_by)
                SELECT :tenant, 'x', number, '{}', now(), 'x' FROM generate_series(1, 999) AS number""");
        String document = """
                {"policy":{"id":"mine","version":%d,"rules":[{"name":"none","when":"false","set":{"executables":96},
                "reason":"never","remedy":"none"}]},"tests":[{"name":"as it is","scheme":"psa",
                "vector":{"executables":2},"expect":{"status":"affirming"}}]}""";

        assertOneSucceeds(
                ErrorCode.CONFLICT,
                i -> policies.add(
                        tenant, ACTOR, Bytes.of(document.formatted(i + 1).getBytes(StandardCharsets.UTF_8))));
    }

    @Test
    @DisplayName("of relying parties, and those that are there can still be changed")
    void relyingParties() throws Exception {
        RelyingParties parties = new RelyingParties(platform.database, platform.audit, clock);
        parties.put(tenant, ACTOR, party("first"));
        fill("""
                INSERT INTO relying_party (tenant_id, name, policy, created_at)
                SELECT :tenant, 'x' || number, '{}', now() FROM generate_series(1, 998) AS number""");

        assertOneSucceeds(ErrorCode.CONFLICT, i -> parties.put(tenant, ACTOR, party("party-" + i)));
        parties.put(tenant, ACTOR, party("first"));
    }

    private static RelyingParty party(String name) {
        return new RelyingParty(name, null, PartyPolicy.standard());
    }

    @Test
    @DisplayName("of ACME orders in an hour")
    void acmeOrders() throws Exception {
        try (EnrolmentWorld world = new EnrolmentWorld(testDatabase.database())) {
            FleetId fleet = world.fleet(FleetPolicy.standard());
            DeviceId device = world.claim(fleet, "0123aa").id();
            world.database.inTenant(
                    world.tenant,
                    tx -> tx.createUpdate("""
                                    INSERT INTO acme_account (tenant_id, account_id, fleet_id, device_id, key_id,
                                        thumbprint, jwk, contacts, active, created_at)
                                    VALUES (:tenant, 'a', :fleet, :device, 'k', '', '{}', '{}', true, now())""")
                            .bind("tenant", world.tenant)
                            .bind("fleet", fleet)
                            .bind("device", device)
                            .execute());
            AcmeAccount account = new AcmeAccount(
                    "a",
                    fleet,
                    device,
                    new AcmeKey.Scope(List.of(), null),
                    "{}",
                    List.of(),
                    true,
                    world.clock.instant());
            AcmeOrders orders = new AcmeOrders(world.database, world.clock, new SecureRandom());
            List<AcmeOrder.Identifier> identifiers =
                    List.of(new AcmeOrder.Identifier(AcmeOrder.Identifier.DNS, "gateway.example"));
            for (int i = 0; i < 49; i++) {
                orders.create(account, identifiers);
            }

            assertOneSucceeds(ErrorCode.TOO_MANY_ATTEMPTS, i -> orders.create(account, identifiers));
        }
    }
}
