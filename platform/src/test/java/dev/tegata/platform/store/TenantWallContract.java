// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.testing.TestDatabase;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// The second wall between tenants, climbed with plain SQL in every table that the catalogue lists: a
/// new table without a policy fails here.
abstract class TenantWallContract {
    private static final TenantId OURS = new TenantId("taaaaaaaaa");
    private static final TenantId THEIRS = new TenantId("tbbbbbbbbb");

    private static final Set<String> WITHOUT_TENANT =
            Set.of("installation", "vault_key", "vault_node", "flyway_schema_history");

    /// Read by background work that looks for tenants with something to do.
    private static final Set<String> OPEN_ACROSS_TENANTS = Set.of(
            "tenant", "custody_work", "open_job", "event_reader", "audit_head", "device_count_change", "device_count");

    /// A chip has one owner in the whole installation.
    private static final Set<String> KEYED_ACROSS_TENANTS = Set.of("chip_owner_pkey");

    private Database database;

    abstract TestDatabase testDatabase();

    @BeforeEach
    void begin() {
        database = testDatabase().database();
    }

    @Test
    void everyTableHasATenantOrIsKnownToHaveNone() {
        List<String> tables = names("""
                SELECT table_name FROM information_schema.tables AS t
                 WHERE table_schema = 'public'
                   AND NOT EXISTS (SELECT FROM information_schema.columns AS c
                                    WHERE c.table_schema = 'public' AND c.table_name = t.table_name
                                      AND c.column_name = 'tenant_id')""");
        assertThat(tables).containsExactlyInAnyOrderElementsOf(WITHOUT_TENANT);
    }

    @Test
    void theTenantLeadsEveryKeyAndIndex() {
        List<String> indexes = names("""
                SELECT c.relname FROM pg_index AS i
                  JOIN pg_class AS c ON c.oid = i.indexrelid
                  JOIN pg_class AS t ON t.oid = i.indrelid AND t.relnamespace = 'public'::regnamespace
                  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE a.attname <> 'tenant_id'
                   AND EXISTS (SELECT FROM pg_attribute AS other
                                WHERE other.attrelid = i.indrelid AND other.attname = 'tenant_id')""");
        assertThat(indexes).containsExactlyInAnyOrderElementsOf(KEYED_ACROSS_TENANTS);
    }

    @TestFactory
    Stream<DynamicTest> noTableShowsOrTakesRowsOfAnotherTenant() {
        loosenConstraints();
        List<String> tables = names("""
                SELECT table_name FROM information_schema.columns
                 WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY table_name""");
        assertThat(tables).contains("device", "certificate", "sealed_key", "tenant");
        return tables.stream().map(table -> DynamicTest.dynamicTest(table, () -> climb(table)));
    }

    private void climb(String table) {
        String insertTheirs = insertInto(table, THEIRS);
        String insertOurs = insertInto(table, OURS);
        change(THEIRS, insertTheirs);
        change(OURS, insertOurs);

        assertThat(count(table, OURS)).as("rows in view of a tenant").isOne();
        int inViewOfNobody = database.installation(handle -> count(handle, table));
        assertThat(inViewOfNobody).as("rows in view of nobody").isZero();
        int inViewAcross = database.acrossTenants(handle -> count(handle, table));
        assertThat(inViewAcross)
                .as("rows in view across tenants")
                .isEqualTo(OPEN_ACROSS_TENANTS.contains(table) ? 2 : 0);

        assertRefused(() -> change(OURS, insertTheirs));
        assertRefused(() -> change(OURS, "UPDATE %s SET tenant_id = '%s'".formatted(table, THEIRS)));
        assertRefused(() -> database.acrossTenants(handle -> handle.execute(insertOurs)));
        assertThat(change(OURS, "DELETE FROM " + table)).as("own rows deleted").isOne();
        int deletedAcross = database.acrossTenants(handle -> handle.execute("DELETE FROM " + table));
        assertThat(deletedAcross).as("rows deleted across tenants").isZero();
        int updatedAcross =
                database.acrossTenants(handle -> handle.execute("UPDATE " + table + " SET tenant_id = 'x'"));
        assertThat(updatedAcross).as("rows updated across tenants").isZero();

        assertThat(change(THEIRS, "DELETE FROM " + table))
                .as("their row is still there")
                .isOne();
    }

    private static void assertRefused(ThrowingCallable attempt) {
        assertThatThrownBy(attempt).hasMessageContaining("row-level security");
    }

    private int change(TenantId tenant, String sql) {
        return database.inTenant(tenant, handle -> handle.execute(sql));
    }

    private int count(String table, TenantId tenant) {
        return database.inTenant(tenant, handle -> count(handle, table));
    }

    private static int count(Handle handle, String table) {
        return handle.createQuery("SELECT count(*) FROM " + table)
                .mapTo(Integer.class)
                .one();
    }

    private List<String> names(String query) {
        return database.installation(
                handle -> handle.createQuery(query).mapTo(String.class).list());
    }

    /// So that a row can be made up for each table from the types of its columns alone.
    private void loosenConstraints() {
        List<String> statements = names("""
                SELECT format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS %I', t.relname, c.conname)
                  FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
                 WHERE t.relnamespace = 'public'::regnamespace AND c.contype IN ('c', 'f')
                UNION ALL SELECT 'ALTER TABLE device DISABLE TRIGGER USER'
                UNION ALL SELECT 'ALTER TABLE device_posture DISABLE TRIGGER USER'
                UNION ALL SELECT 'ALTER TABLE usage_device DISABLE TRIGGER USER'""");
        for (String statement : statements) {
            database.installation(handle -> handle.execute(statement));
        }
    }

    private String insertInto(String table, TenantId tenant) {
        return names("""
                SELECT format('INSERT INTO %1$s (tenant_id%%s) VALUES (''%2$s''%%s)',
                              string_agg(', ' || column_name, '' ORDER BY ordinal_position),
                              string_agg(', ' || CASE data_type
                                      WHEN 'text' THEN 'gen_random_uuid()::text'
                                      WHEN 'bytea' THEN 'decode(md5(random()::text), ''hex'')'
                                      WHEN 'uuid' THEN 'gen_random_uuid()'
                                      WHEN 'jsonb' THEN '''{}'''
                                      WHEN 'ARRAY' THEN '''{}'''
                                      WHEN 'date' THEN '''2026-07-01'''
                                      WHEN 'interval' THEN '''PT1H'''
                                      WHEN 'boolean' THEN 'true'
                                      WHEN 'timestamp with time zone' THEN 'now()'
                                      ELSE '1' END, '' ORDER BY ordinal_position))
                  FROM information_schema.columns
                 WHERE table_schema = 'public' AND table_name = '%1$s'
                   AND is_nullable = 'NO' AND column_default IS NULL AND column_name <> 'tenant_id'""".formatted(table, tenant)).getFirst();
    }
}
