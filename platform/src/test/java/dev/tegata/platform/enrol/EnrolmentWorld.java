// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.platform.custody.CustodyLog;
import dev.tegata.platform.device.BulkChanges;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.rollover.CampaignIssuers;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.tenant.Tenants;
import dev.tegata.platform.testing.RecordedOrders;
import dev.tegata.platform.testing.TestClock;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jdbi.v3.core.statement.PreparedBatch;

/// One tenant with everything that enrolment needs, and devices that it has claimed.
public final class EnrolmentWorld implements AutoCloseable {
    public static final Actor OPERATOR = Actor.apiKey("test");
    public static final KeyEncryptionKey KEK =
            KeyEncryptionKey.of(Secret.of("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Bytes.of(new byte[16]));

    public final TestClock clock = TestClock.create();
    public Standing standing = (_, _) -> Optional.empty();
    public final List<Certificate> birthCas = new ArrayList<>();
    public final TenantId tenant;
    public final AuditLog audit;
    public final RefusalLog refusals;
    public final Devices devices;
    private final SecureRandom random = new SecureRandom();
    public final Database database;
    public final Vault vault;
    public final IssuingFleets issuingFleets;
    public final DeviceCounts counts;
    public final Jobs jobs;
    public final BulkChanges bulk;
    public final Renewals renewals;
    public final JobWorkers workers;
    public final Outbox outbox;
    public final RecordedOrders orders = new RecordedOrders();
    private final ApiKeys apiKeys;
    public final Fleets fleets;
    public final AuthorityMaker maker;
    public final Authorities authorities;
    public final CampaignIssuers issuers;
    private final Enrolments enrolments;
    public final Tenants tenants;
    public final CreatedTenant created;

    public EnrolmentWorld(Database database) {
        this(database, KEK);
    }

    /// @param kek that the vault seals keys under
    public EnrolmentWorld(Database database, KeyEncryptionKey kek) {
        this.database = database;
        this.vault = new SoftwareVault(new PostgresSealedKeyStore(database), kek, random, 100);
        this.audit = new AuditLog(database, vault, clock);
        this.refusals = new RefusalLog(audit, database, clock);
        this.apiKeys = new ApiKeys(database, audit, refusals, new LoginThrottle(clock), clock, random);
        this.maker = new AuthorityMaker(vault, clock, random);
        this.authorities = new Authorities(database, audit, maker, clock);
        this.issuingFleets = new IssuingFleets(database, authorities, clock);
        this.fleets = new Fleets(database, audit, authorities, issuingFleets, clock, random);
        this.outbox = new Outbox(database, clock, random);
        this.devices = new Devices(database, audit, outbox, orders, List.of(), CustodyLog::noteTurn, clock);
        this.counts = new DeviceCounts(database, clock);
        this.jobs = new Jobs(database, audit, outbox, clock, random);
        this.bulk = new BulkChanges(database, jobs, devices);
        this.renewals = new Renewals(database, audit, outbox, clock);
        this.workers = JobWorkers.start(database, jobs, bulk.handlers());
        this.issuers = new CampaignIssuers(database, issuingFleets, clock);
        this.enrolments = new Enrolments(
                database,
                vault,
                issuingFleets,
                issuers,
                id -> TrustAnchors.of(birthCas),
                audit,
                outbox,
                (_, _, _, _, _) -> {},
                EvidenceGate.shut(),
                (asker, device) -> standing.of(asker, device),
                refusals,
                clock,
                random);
        this.tenants = new Tenants(database, vault, audit, apiKeys, maker, authorities, clock, random);
        this.created = tenants.create(
                Actor.OPERATOR, NewTenant.of("Acme", new TenantSubject("Acme S.r.l.", "IT", null, null, null)));
        this.tenant = created.tenant().id();
    }

    public Tenants tenants() {
        return tenants;
    }

    public FleetId fleet(FleetPolicy policy) {
        return fleet(policy, CertificateProfile.device());
    }

    public FleetId fleet(FleetPolicy policy, CertificateProfile profile) {
        return fleets.create(
                        tenant,
                        OPERATOR,
                        new FleetSettings(
                                "Locks", created.authorities().getLast().id(), profile, policy))
                .id();
    }

    /// A claimed device and its birth key.
    public record Unit(DeviceId id, SoftwareKey birth) {}

    public Unit claim(FleetId fleet, String serial) {
        Unit unit = claimWithoutKey(fleet, serial);
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key)
                                VALUES (:tenant, :fingerprint, :device, 0, :key)""")
                        .bind("tenant", tenant.value())
                        .bind(
                                "fingerprint",
                                unit.birth().publicKey().fingerprint().toArray())
                        .bind("device", unit.id().value())
                        .bind("key", unit.birth().publicKey().encoded().toArray())
                        .execute());
        return unit;
    }

    /// Devices whose birth keys are known, claimed all at once.
    public List<Unit> claim(FleetId fleet, List<String> serials) {
        List<Unit> units = serials.stream()
                .map(_ -> new Unit(
                        new DeviceId(TimeOrderedIds.next(clock.instant(), random)),
                        SoftwareKey.generate(KeyAlgorithm.EC_P256)))
                .toList();
        database.inTenant(tenant, tx -> {
            PreparedBatch claims = tx.prepareBatch("""
                    WITH chip AS (
                        INSERT INTO chip_owner (chip, serial, tenant_id) VALUES ('microchip', :serial, :tenant)),
                    device AS (
                        INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                        VALUES (:tenant, :device, :fleet, 'microchip', :serial, 'CLAIMED', 'STATEMENT', :now))
                    INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key)
                    VALUES (:tenant, :fingerprint, :device, 0, :key)""");
            for (int i = 0; i < units.size(); i++) {
                PublicKeyInfo birth = units.get(i).birth().publicKey();
                claims.bind("tenant", tenant)
                        .bind("device", units.get(i).id())
                        .bind("fleet", fleet)
                        .bind("serial", serials.get(i))
                        .bind("now", clock.instant())
                        .bind("fingerprint", birth.fingerprint())
                        .bind("key", birth.encoded())
                        .add();
            }
            return claims.execute();
        });
        return units;
    }

    public Unit claimWithoutKey(FleetId fleet, String serial) {
        DeviceId device = new DeviceId(TimeOrderedIds.next(clock.instant(), random));
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                WITH chip AS (
                                    INSERT INTO chip_owner (chip, serial, tenant_id)
                                    VALUES ('microchip', :serial, :tenant))
                                INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, state, proof, claimed_at)
                                VALUES (:tenant, :device, :fleet, 'microchip', :serial, 'CLAIMED', 'STATEMENT', :now)""")
                        .bind("tenant", tenant.value())
                        .bind("device", device.value())
                        .bind("fleet", fleet.value())
                        .bind("serial", serial)
                        .bind("now", clock.instant())
                        .execute());
        return new Unit(device, SoftwareKey.generate(KeyAlgorithm.EC_P256));
    }

    String token(DeviceId device, Duration life) {
        String secret = "token-" + device;
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO claim_token (tenant_id, token_hash, device_id, created_at, expires_at)
                                VALUES (:tenant, :hash, :device, :now, :end)""")
                        .bind("tenant", tenant.value())
                        .bind("hash", ClaimTokens.hash(secret).toArray())
                        .bind("device", device.value())
                        .bind("now", clock.instant())
                        .bind("end", clock.instant().plus(life))
                        .execute());
        return secret;
    }

    /// The job when it is over.
    public Job ended(JobId id) {
        for (int i = 0; i < 3_000; i++) {
            Job job = jobs.get(tenant, id);
            if (job.state() != Job.State.RUNNING) {
                return job;
            }
            LockSupport.parkNanos(5_000_000);
        }
        throw new AssertionError("the job does not end: " + jobs.get(tenant, id));
    }

    public DeviceState state(DeviceId device) {
        return devices.get(tenant, device).state();
    }

    /// A self-signed certificate around a key, as a device without a vendor's certificate shows it.
    public static DeviceCredential shown(SoftwareKey key) {
        return new DeviceCredential.TlsCertificate(List.of(BirthCa.selfSigned(key)));
    }

    public Bytes request(SoftwareKey key) {
        return CertificateRequest.create(
                        Name.EMPTY,
                        key.publicKey(),
                        List.of(),
                        data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data))
                .encoded();
    }

    public EnrolmentOutcome enrol(FleetId fleet, SoftwareKey shown, SoftwareKey wanted) {
        return enrol(fleet, shown(shown), request(wanted));
    }

    public EnrolmentOutcome enrol(FleetId fleet, DeviceCredential credential, Bytes request) {
        return enrolments.enrol(new EnrolmentRequest(fleet, credential, request, Purpose.ENROL, "192.0.2.1"));
    }

    public EnrolmentOutcome reEnrol(FleetId fleet, Certificate current, SoftwareKey wanted) {
        return enrolments.enrol(new EnrolmentRequest(
                fleet,
                new DeviceCredential.TlsCertificate(List.of(current.encoded())),
                request(wanted),
                Purpose.RE_ENROL,
                "192.0.2.1"));
    }

    @Override
    public void close() {
        apiKeys.close();
        workers.close();
        renewals.close();
        refusals.close();
        counts.close();
        outbox.close();
        audit.close();
        vault.close();
    }
}
