// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.SealedStream;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditExport;
import dev.tegata.platform.audit.AuditVerification;
import dev.tegata.platform.audit.AuditVerifier;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.TableRows;
import dev.tegata.platform.store.TableRows.Table;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.tenant.VaultKeys;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class BackupsTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    /// Thirty-two bytes, which need no stretching.
    private static final Secret PASSPHRASE = Secret.of("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=");
    private static final KeyEncryptionKey OTHER_KEK =
            KeyEncryptionKey.of(Secret.of("YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="), Bytes.of(new byte[16]));

    /// What belongs to the installation, and so to no tenant's backup. A new table belongs here, or has a
    /// tenant_id.
    private static final List<String> OF_THE_INSTALLATION =
            List.of("flyway_schema_history", "installation", "vault_key", "vault_node");

    @RegisterExtension
    static final TestDatabase here = new TestDatabase();

    @RegisterExtension
    static final TestDatabase elsewhere = new TestDatabase();

    private static Backups backups(EnrolmentWorld world, KeyEncryptionKey kek) {
        PostgresSealedKeyStore store = new PostgresSealedKeyStore(world.database);
        return new Backups(
                new Backups.Ground(
                        world.database,
                        world.vault,
                        Optional.of(new VaultKeys(store, List.of(kek), RANDOM)),
                        world.audit,
                        "test"),
                world.clock,
                RANDOM);
    }

    private static byte[] backup(EnrolmentWorld world) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Backups backups = backups(world, EnrolmentWorld.KEK);
        backups.announce(world.tenant, Actor.OPERATOR);
        backups.write(world.tenant, PASSPHRASE, out);
        return out.toByteArray();
    }

    private static Certificate activate(EnrolmentWorld world, FleetId fleet, String serial) {
        EnrolmentWorld.Unit unit = world.claim(fleet, serial);
        return ((EnrolmentOutcome.Issued) world.enrol(fleet, unit.birth(), unit.birth())).certificate();
    }

    /// Rows with everything that the text form of COPY has to escape.
    private static void oddRows(EnrolmentWorld world) {
        world.database.inTenant(
                world.tenant,
                tx -> tx.createUpdate("""
                        INSERT INTO job_issue (tenant_id, job_id, number, subject, reason, detail)
                        VALUES (:tenant, gen_random_uuid(), 0, E'tab\\tline\\nback\\\\slash\\rbell\\b', '\\N', ''),
                               (:tenant, gen_random_uuid(), 1, 'ü€𝄞', '\\.', E'\\\\x00')""").bind("tenant", world.tenant).execute());
    }

    private static Map<String, List<String>> rows(Database database, TenantId tenant) {
        return database.snapshot(tenant, tx -> {
            Map<String, List<String>> all = new TreeMap<>();
            for (Table table : TableRows.tables(tx)) {
                List<String> rows = new ArrayList<>();
                try {
                    TableRows.read(tx, table, line -> rows.add(Bytes.of(line).hex()));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
                all.put(table.name(), rows);
            }
            return all;
        });
    }

    @Test
    void aTenantComesBackElsewhereUnderAnotherVaultKeyAndItsDevicesRenew() throws Exception {
        byte[] archive;
        FleetId fleet;
        List<Certificate> certificates = new ArrayList<>();
        TenantId tenant;
        Map<String, List<String>> before;
        try (EnrolmentWorld world = new EnrolmentWorld(here.database())) {
            tenant = world.tenant;
            fleet = world.fleet(FleetPolicy.standard());
            for (int i = 0; i < 20; i++) {
                certificates.add(activate(world, fleet, "b0%02x".formatted(i)));
            }
            oddRows(world);
            archive = backup(world);
            before = rows(here.database(), tenant);
        }

        BackupCheck.Result verified = BackupCheck.verify(new ByteArrayInputStream(archive), PASSPHRASE);
        assertThat(verified.manifest().tenant()).isEqualTo(tenant);
        assertThat(verified.rows()).containsEntry("device", 20L).containsEntry("job_issue", 2L);
        assertThat(verified.keys()).isGreaterThanOrEqualTo(3);

        try (EnrolmentWorld other = new EnrolmentWorld(elsewhere.database(), OTHER_KEK)) {
            other.clock.advance(Duration.ofDays(1));
            Backups backups = backups(other, OTHER_KEK);
            BackupCheck.Result restored =
                    backups.restore(new ByteArrayInputStream(archive), PASSPHRASE, Actor.OPERATOR);
            assertThat(restored).isEqualTo(verified);

            Map<String, List<String>> after = rows(elsewhere.database(), tenant);
            assertThat(after.get("sealed_key")).hasSameSizeAs(before.get("sealed_key"));
            assertThat(after.get("audit_record"))
                    .hasSize(Objects.requireNonNull(before.get("audit_record")).size() + 1);
            for (String changed : List.of("sealed_key", "audit_record", "audit_head", "audit_checkpoint")) {
                before.remove(changed);
                after.remove(changed);
            }
            before.forEach(
                    (table, rows) -> assertThat(after.get(table)).as(table).isEqualTo(rows));
            assertThat(after).hasSameSizeAs(before);

            SoftwareKey next = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            for (Certificate certificate : certificates) {
                assertThat(other.reEnrol(fleet, certificate, next)).isInstanceOf(EnrolmentOutcome.Issued.class);
                next = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            }
            ByteArrayOutputStream export = new ByteArrayOutputStream();
            new AuditExport(other.database, other.audit).write(tenant, export);
            assertThat(AuditVerifier.verify(new ByteArrayInputStream(export.toByteArray())))
                    .isInstanceOf(AuditVerification.Intact.class);
            assertThat(other.audit
                            .recordsAbout(tenant, "tenant:" + tenant, Page.Request.first())
                            .items())
                    .extracting("action")
                    .containsSubsequence("backup.restored", "backup.exported");

            assertThatThrownBy(() -> backups.restore(new ByteArrayInputStream(archive), PASSPHRASE, Actor.OPERATOR))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("is here already");
        }
    }

    @Test
    void aChipThatHasAnotherOwnerMeanwhileStopsTheRestoreAndLeavesNothing() throws Exception {
        byte[] archive;
        TenantId tenant;
        try (EnrolmentWorld world = new EnrolmentWorld(here.database())) {
            tenant = world.tenant;
            activate(world, world.fleet(FleetPolicy.standard()), "c001");
            archive = backup(world);
        }
        try (EnrolmentWorld other = new EnrolmentWorld(elsewhere.database(), OTHER_KEK)) {
            other.claim(other.fleet(FleetPolicy.standard()), "c001");

            assertThatThrownBy(() -> backups(other, OTHER_KEK)
                            .restore(new ByteArrayInputStream(archive), PASSPHRASE, Actor.OPERATOR))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("a chip of this tenant belongs to another tenant");

            assertThat(rows(elsewhere.database(), tenant).values()).allMatch(List::isEmpty);
        }
    }

    @Test
    void whatWasCutChangedOrMovedIsRefusedAndLeavesNothing() throws Exception {
        byte[] archive;
        TenantId tenant;
        try (EnrolmentWorld world = new EnrolmentWorld(here.database())) {
            tenant = world.tenant;
            FleetId fleet = world.fleet(FleetPolicy.standard());
            for (int i = 0; i < 120; i++) {
                activate(world, fleet, "d0%02x".formatted(i));
            }
            archive = backup(world);
        }
        int chunk = SealedStream.CHUNK + 16;
        assertThat(archive.length).as("three chunks and more").isGreaterThan(32 + 3 * chunk);
        List<byte[]> broken = new ArrayList<>();
        broken.add(new byte[0]);
        broken.add(Arrays.copyOf(archive, 20));
        broken.add(Arrays.copyOf(archive, 32));
        broken.add(Arrays.copyOf(archive, 32 + chunk));
        broken.add(Arrays.copyOf(archive, archive.length - 1));
        broken.add(Arrays.copyOf(archive, archive.length + 1));
        broken.add(swapped(archive, 32, 32 + chunk, chunk));
        byte[] without = Arrays.copyOf(archive, archive.length - chunk);
        System.arraycopy(archive, 32 + 2 * chunk, without, 32 + chunk, archive.length - 32 - 2 * chunk);
        broken.add(without);
        Random seeded = new Random(7);
        for (int i = 0; i < 40; i++) {
            byte[] flipped = archive.clone();
            flipped[i < 8 ? 4 * i : seeded.nextInt(archive.length)] ^= (byte) (1 << seeded.nextInt(8));
            broken.add(flipped);
        }
        try (EnrolmentWorld other = new EnrolmentWorld(elsewhere.database(), OTHER_KEK)) {
            Backups backups = backups(other, OTHER_KEK);
            for (byte[] bad : broken) {
                assertThatThrownBy(() -> BackupCheck.verify(new ByteArrayInputStream(bad), PASSPHRASE))
                        .isInstanceOf(IOException.class);
            }
            for (byte[] bad : broken.subList(0, 10)) {
                assertThatThrownBy(() -> backups.restore(new ByteArrayInputStream(bad), PASSPHRASE, Actor.OPERATOR))
                        .isInstanceOf(IOException.class);
            }
            assertThatThrownBy(() -> BackupCheck.verify(
                            new ByteArrayInputStream(archive), Secret.of("another passphrase that is long")))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("another passphrase");
            assertThat(rows(elsewhere.database(), tenant).values()).allMatch(List::isEmpty);
        }
    }

    private static byte[] swapped(byte[] archive, int one, int other, int size) {
        byte[] moved = archive.clone();
        System.arraycopy(archive, one, moved, other, size);
        System.arraycopy(archive, other, moved, one, size);
        return moved;
    }

    @Test
    void everyTableIsATenantsOrTheInstallations() {
        List<String> without = here.database().installation(tx -> {
            List<String> tenants =
                    TableRows.tables(tx).stream().map(Table::name).toList();
            return tx.createQuery("""
                            SELECT relname FROM pg_class
                            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                              AND NOT relispartition ORDER BY relname""")
                    .mapTo(String.class)
                    .filter(name -> !tenants.contains(name))
                    .list();
        });
        assertThat(without).isEqualTo(OF_THE_INSTALLATION);
    }

    @Test
    void anUnknownTenantHasNoBackup() {
        try (EnrolmentWorld world = new EnrolmentWorld(here.database())) {
            assertThatThrownBy(
                            () -> backups(world, EnrolmentWorld.KEK).announce(TenantId.random(RANDOM), Actor.OPERATOR))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("there is no tenant");
        }
    }
}
