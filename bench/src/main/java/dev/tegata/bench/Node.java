// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.claim.ImportOptions;
import dev.tegata.platform.claim.ManifestReport;
import dev.tegata.platform.claim.ManifestUpload;
import dev.tegata.platform.claim.Manifests;
import dev.tegata.platform.claim.StatedChips;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.custody.CustodyLog;
import dev.tegata.platform.device.BulkChanges;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.platform.enrol.EvidenceGate;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.metering.Usage;
import dev.tegata.platform.metering.UsageRow.Operation;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.rollover.CampaignIssuers;
import dev.tegata.platform.status.CrlPublisher;
import dev.tegata.platform.status.Ocsp;
import dev.tegata.platform.status.Responders;
import dev.tegata.platform.status.Retention;
import dev.tegata.platform.status.StatusKeeper;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.store.EmbeddedPostgres;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.tenant.Tenants;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;

/// The domain without its listeners, on a database of its own: what a protocol adapter would call.
final class Node implements AutoCloseable {
    private static final int CACHED_KEYS = 100;

    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private final DatabaseConfig config;
    private final Database database;
    private final AuditLog audit;
    private final Authorities authorities;
    private final Tenants tenants;
    private final Fleets fleets;
    private final TrustedCertificates trusted;
    private final Manifests manifests;
    private final Vault vault;
    private final IssuingFleets issuingFleets;
    private final Enrolments enrolments;
    private final Outbox outbox;
    private final Verification verification;
    private final Jobs jobs;
    private final BulkChanges bulk;

    Node(Path data) {
        InstantSource clock = InstantSource.system();
        SecureRandom random = new SecureRandom();
        String url = System.getProperty("tegata.bench.database", "");
        config = url.isEmpty() ? opened(EmbeddedPostgres.start(data)).config() : DatabaseConfig.parse(url);
        database = opened(Database.open(config));
        KeyEncryptionKey sealing = KeyEncryptionKey.ofFile(data.resolve("vault.key"), random);
        vault = opened(new SoftwareVault(new PostgresSealedKeyStore(database), sealing, random, CACHED_KEYS));
        audit = opened(new AuditLog(database, vault, clock));
        outbox = opened(new Outbox(database, clock, random));
        RefusalLog refusals = opened(new RefusalLog(audit, database, clock));
        ApiKeys apiKeys = opened(new ApiKeys(database, audit, refusals, new LoginThrottle(clock), clock, random));
        AuthorityMaker maker = new AuthorityMaker(vault, clock, random);
        authorities = new Authorities(database, audit, maker, clock);
        tenants = new Tenants(database, vault, audit, apiKeys, maker, authorities, clock, random);
        issuingFleets = new IssuingFleets(database, authorities, clock);
        fleets = new Fleets(database, audit, authorities, issuingFleets, clock, random);
        trusted = new TrustedCertificates(database, audit, clock);
        Orders orders = new Orders(database, audit, outbox, clock, random);
        Devices devices = new Devices(database, audit, outbox, orders::place, List.of(), CustodyLog::noteTurn, clock);
        manifests = opened(new Manifests(
                database, audit, trusted, new StatedChips(database, devices, audit, outbox), clock, random));
        jobs = new Jobs(database, audit, outbox, clock, random);
        Usage usage = opened(new Usage(database, audit, outbox, jobs, clock));
        enrolments = new Enrolments(
                database,
                vault,
                issuingFleets,
                new CampaignIssuers(database, issuingFleets, clock),
                _ -> TrustAnchors.of(),
                audit,
                outbox,
                (tx, tenant, issued, renewed, at) ->
                        usage.count(tx, tenant, issued, renewed ? Operation.RENEW : Operation.ENROL, at),
                EvidenceGate.shut(),
                (_, _) -> Optional.empty(),
                refusals,
                clock,
                random);
        opened(new DeviceCounts(database, clock));
        verification =
                Verification.of(new Verification.Ground(database, vault, audit, jobs, trusted, "bench"), clock, random);
        bulk = new BulkChanges(database, jobs, devices);
        opened(JobWorkers.start(database, jobs, bulk.handlers()));
    }

    Database database() {
        return database;
    }

    /// Cleans up at once behind rows that were stored in bulk. In life that happens by and by.
    void vacuum(String table) throws SQLException {
        try (Connection connection = DriverManager.getConnection(config.jdbcUrl(), config.user(), config.password());
                Statement statement = connection.createStatement()) {
            statement.execute("VACUUM (ANALYZE) " + table);
        }
    }

    Responders newResponders() {
        InstantSource clock = InstantSource.system();
        return new Responders(database, authorities, audit, vault, clock, new SecureRandom());
    }

    /// Keeps published status fresh, as a server does.
    StatusKeeper newKeeper(CrlPublisher publisher, Responders responders, Ocsp ocsp) {
        InstantSource clock = InstantSource.system();
        return new StatusKeeper(
                database, authorities, publisher, responders, ocsp, new Retention(database, clock), clock);
    }

    Outbox outbox() {
        return outbox;
    }

    Verification verification() {
        return verification;
    }

    Jobs jobs() {
        return jobs;
    }

    BulkChanges bulk() {
        return bulk;
    }

    private <T extends AutoCloseable> T opened(T part) {
        open.push(part);
        return part;
    }

    /// A fleet of a new tenant.
    FleetId newFleet() {
        CreatedTenant created = tenants.create(
                Actor.OPERATOR, NewTenant.of("Bench", new TenantSubject("Bench", "IT", null, null, null)));
        FleetSettings settings = new FleetSettings(
                "Bench", created.authorities().getLast().id(), CertificateProfile.device(), FleetPolicy.standard());
        return fleets.create(created.tenant().id(), Actor.OPERATOR, settings).id();
    }

    void trustSigner(FleetId fleet, Certificate signer) {
        trusted.add(fleet.tenant(), Actor.OPERATOR, TrustPurpose.MANIFEST_SIGNER, "", signer);
    }

    /// Imports a file.
    ManifestReport claim(FleetId fleet, Path file, ImportOptions options) throws IOException {
        try (InputStream content = Files.newInputStream(file)) {
            ManifestUpload upload = new ManifestUpload(fleet, String.valueOf(file.getFileName()), content, options);
            return manifests.importManifest(fleet.tenant(), Actor.OPERATOR, upload, _ -> {});
        }
    }

    Enrolments enrolments() {
        return enrolments;
    }

    IssuingFleets issuingFleets() {
        return issuingFleets;
    }

    AuditLog audit() {
        return audit;
    }

    Authorities authorities() {
        return authorities;
    }

    Vault vault() {
        return vault;
    }

    @Override
    public void close() throws Exception {
        while (!open.isEmpty()) {
            open.pop().close();
        }
    }
}
