// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench.claim;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.claim.ImportOptions;
import dev.tegata.platform.claim.ManifestReport;
import dev.tegata.platform.claim.ManifestUpload;
import dev.tegata.platform.claim.Manifests;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.EmbeddedPostgres;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.tenant.Tenants;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Iterator;
import java.util.stream.IntStream;

/// Claims a manifest of the vendor's real format into a real database, and prints the rate beside what the machine can
/// verify. Run it with `-Xmx512m`:
///
/// ```text
/// ClaimBench [elements] [folder that keeps the manifests for the next run]
/// ```
public final class ClaimBench {
    private static final PrintStream OUT = System.out;
    private static final SecureRandom RANDOM = new SecureRandom();

    private ClaimBench() {}

    /// A kind of manifest.
    ///
    /// @param verifications of signatures that each element needs
    private record Kind(String name, Preset preset, ManifestVersion version, int verifications) {}

    public static void main(String[] arguments) throws Exception {
        int elements = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 100_000;
        Path files = arguments.length > 1 ? Path.of(arguments[1]) : Files.createTempDirectory("tegata-bench");
        Files.createDirectories(files);
        VerificationRate raw = VerificationRate.measure(5);
        OUT.printf(
                "This machine: %d cores, %,.0f P-256 verifications/s on all of them, %,.0f per CPU second, heap limit %d MiB%n",
                Runtime.getRuntime().availableProcessors(),
                raw.perSecond(),
                raw.perCpuSecond(),
                Runtime.getRuntime().maxMemory() >> 20);
        try (Platform platform = new Platform(Files.createTempDirectory("tegata-bench-data"))) {
            warmUp(platform, files);
            measure(
                    platform,
                    files,
                    elements,
                    new Kind("serials", Preset.TRUST_MANAGER, ManifestVersion.SHORT, 1),
                    raw);
            measure(platform, files, elements, new Kind("full", Preset.TRUST_GO, ManifestVersion.FULL, 2), raw);
        }
    }

    /// Lets the compiler see the whole path, as a node that has run for a minute has: the same chips, claimed by one
    /// tenant and refused to the others.
    private static void warmUp(Platform platform, Path files) throws Exception {
        Path file = files.resolve("warm-up.json");
        Path signer = files.resolve("warm-up.der");
        if (!Files.exists(signer)) {
            make(2_000, new Kind("warm-up", Preset.TRUST_GO, ManifestVersion.FULL, 2), file, signer);
        }
        for (int i = 0; i < 20; i++) {
            platform.claim(platform.newFleet(Certificate.parse(Bytes.of(Files.readAllBytes(signer)))), file);
        }
    }

    private static void measure(Platform platform, Path files, int elements, Kind kind, VerificationRate raw)
            throws Exception {
        Path file = files.resolve(kind.name() + "-" + elements + ".json");
        Path signer = files.resolve(kind.name() + "-" + elements + ".der");
        if (!Files.exists(signer)) {
            OUT.printf("making %,d chips and their manifest %s …%n", elements, file);
            make(elements, kind, file, signer);
        }
        FleetId fleet = platform.newFleet(Certificate.parse(Bytes.of(Files.readAllBytes(signer))));
        resetPeaks();
        Duration here = Cpu.here();
        Duration database = platform.databaseCpu();
        long begun = System.nanoTime();
        ManifestReport report = platform.claim(fleet, file);
        double seconds = (System.nanoTime() - begun) / 1e9;
        double cpuHere = Cpu.here().minus(here).toNanos() / 1e9;
        double cpuDatabase = platform.databaseCpu().minus(database).toNanos() / 1e9;
        if (report.claimed() != elements) {
            throw new IllegalStateException("not everything was claimed: " + report);
        }
        long verifications = (long) elements * kind.verifications();
        OUT.printf(
                """
                %s: %,d elements, %,d MiB, %d verifications each, heap peak %d MiB
                  by the clock: %.1f s, %,.0f elements/s, %,.0f verifications/s = %.0f %% of the machine's
                  by CPU time: %.1f s here, %.1f s in the database; verifying alone takes %.0f %% of it
                """,
                kind.name(),
                elements,
                Files.size(file) >> 20,
                kind.verifications(),
                peakHeap() >> 20,
                seconds,
                elements / seconds,
                verifications / seconds,
                100 * verifications / seconds / raw.perSecond(),
                cpuHere,
                cpuDatabase,
                100 * verifications / raw.perCpuSecond() / (cpuHere + cpuDatabase));
    }

    private static void make(int elements, Kind kind, Path file, Path signer) throws IOException {
        ChipFactory factory = new ChipFactory(RANDOM);
        Instant now = Instant.parse("2026-01-02T03:04:05Z");
        Iterable<VirtualChip> chips = () -> batches(factory, kind, elements, now);
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
            factory.manifestSigner().write(chips, kind.version(), now, out);
        }
        Files.write(signer, factory.manifestSigner().certificate());
    }

    private static Iterator<VirtualChip> batches(ChipFactory factory, Kind kind, int elements, Instant now) {
        return IntStream.range(0, elements)
                .mapToObj(i -> factory.make(kind.preset(), now))
                .iterator();
    }

    private static void resetPeaks() {
        System.gc();
        ManagementFactory.getMemoryPoolMXBeans().forEach(MemoryPoolMXBean::resetPeakUsage);
    }

    private static long peakHeap() {
        return ManagementFactory.getMemoryPoolMXBeans().stream()
                .filter(pool -> pool.getType() == MemoryType.HEAP)
                .mapToLong(pool -> pool.getPeakUsage().getUsed())
                .sum();
    }

    /// As much of a node as a claim needs, on a database of its own.
    private static final class Platform implements AutoCloseable {
        private final EmbeddedPostgres server;
        private final Database database;
        private final AuditLog audit;
        private final RefusalLog refusals;
        private final ApiKeys apiKeys;
        private final Tenants tenants;
        private final Fleets fleets;
        private final TrustedCertificates trusted;
        private final Manifests manifests;

        Platform(Path data) {
            InstantSource clock = InstantSource.system();
            server = EmbeddedPostgres.start(data);
            database = Database.open(server.config());
            Vault vault = new SoftwareVault(
                    new PostgresSealedKeyStore(database),
                    KeyEncryptionKey.ofFile(data.resolve("bench.kek"), RANDOM),
                    RANDOM,
                    100);
            audit = new AuditLog(database, vault, clock);
            refusals = new RefusalLog(audit, database, clock);
            apiKeys = new ApiKeys(database, audit, refusals, new LoginThrottle(clock), clock, RANDOM);
            AuthorityMaker maker = new AuthorityMaker(vault, clock, RANDOM);
            Authorities authorities = new Authorities(database, audit, maker, clock);
            tenants = new Tenants(database, vault, audit, apiKeys, maker, authorities, clock, RANDOM);
            fleets = new Fleets(
                    database, audit, authorities, new IssuingFleets(database, authorities, clock), clock, RANDOM);
            trusted = new TrustedCertificates(database, audit, clock);
            manifests = new Manifests(database, audit, trusted, clock, RANDOM);
        }

        FleetId newFleet(Certificate signer) {
            CreatedTenant created = tenants.create(
                    Actor.OPERATOR, NewTenant.of("Bench", new TenantSubject("Bench", "IT", null, null, null)));
            trusted.add(created.tenant().id(), Actor.OPERATOR, TrustPurpose.MANIFEST_SIGNER, "", signer);
            FleetSettings settings = new FleetSettings(
                    "Bench", created.authorities().getLast().id(), CertificateProfile.device(), FleetPolicy.standard());
            return fleets.create(created.tenant().id(), Actor.OPERATOR, settings)
                    .id();
        }

        ManifestReport claim(FleetId fleet, Path file) throws IOException {
            try (InputStream content = Files.newInputStream(file)) {
                ManifestUpload upload =
                        new ManifestUpload(fleet, file.getFileName().toString(), content, ImportOptions.STRICT);
                return manifests.importManifest(fleet.tenant(), Actor.OPERATOR, upload, report -> {});
            }
        }

        Duration databaseCpu() {
            return Cpu.ofTree(server.pid());
        }

        @Override
        public void close() {
            manifests.close();
            apiKeys.close();
            refusals.close();
            audit.close();
            database.close();
            server.close();
        }
    }
}
