// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.testing.TestDatabase;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MappingsTest {
    private static final TenantId TENANT = new TenantId("t012345678");

    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    public record Case(Object value, String sqlType) {}

    public record Row(TenantId tenantId, Instant createdAt, Bytes hash) {}

    static Stream<Case> values() {
        return Stream.of(
                new Case(Instant.parse("2026-02-03T04:05:06.123456Z"), "timestamptz"),
                new Case(Instant.parse("9999-12-31T23:59:59Z"), "timestamptz"),
                new Case(Bytes.ofHex("00ff80"), "bytea"),
                new Case(Bytes.EMPTY, "bytea"),
                new Case(TENANT, "text"),
                new Case(new FleetId("t012345678-abcdef"), "text"),
                new Case(new DeviceId(new UUID(1, 2)), "uuid"),
                new Case(new AuthorityId(new UUID(3, 4)), "uuid"),
                new Case(new ManifestId(new UUID(5, 6)), "uuid"));
    }

    @ParameterizedTest
    @MethodSource("values")
    void comesBackAsItWentIn(Case one) {
        Object back = testDatabase
                .database()
                .inTenant(
                        TENANT,
                        handle -> handle.createQuery(
                                        "SELECT v FROM (SELECT CAST(:value AS %s) AS v) AS t WHERE v = :value"
                                                .formatted(one.sqlType()))
                                .bind("value", one.value())
                                .mapTo(one.value().getClass())
                                .one());
        assertThat(back).isEqualTo(one.value());
    }

    @ParameterizedTest
    @MethodSource("values")
    void absentValuesAreNull(Case one) {
        Object back = testDatabase
                .database()
                .inTenant(
                        TENANT,
                        handle -> handle.createQuery("SELECT CAST(:value AS %s)".formatted(one.sqlType()))
                                .bindByType("value", null, one.value().getClass())
                                .mapTo(one.value().getClass())
                                .findOne());
        assertThat(back).isEqualTo(Optional.empty());
    }

    @ParameterizedTest
    @MethodSource("values")
    void standsInArrays(Case one) {
        Object back = testDatabase
                .database()
                .inTenant(
                        TENANT,
                        handle -> handle.createQuery("SELECT v FROM unnest(:values) AS u(v)")
                                .bindArray("values", one.value().getClass(), List.of(one.value(), one.value()))
                                .mapTo(one.value().getClass())
                                .list());
        assertThat(back).isEqualTo(List.of(one.value(), one.value()));
    }

    @Test
    void anArrayColumnIsAList() {
        List<Bytes> chain = List.of(Bytes.ofHex("01"), Bytes.ofHex("0203"));
        List<Bytes> back = testDatabase
                .database()
                .inTenant(
                        TENANT,
                        handle -> handle.createQuery("SELECT :chain")
                                .bindArray("chain", Bytes.class, chain)
                                .mapTo(new GenericType<List<Bytes>>() {})
                                .one());
        assertThat(back).isEqualTo(chain);
    }

    @Test
    void anInstantIsCutToMicroseconds() {
        Instant back = testDatabase
                .database()
                .inTenant(
                        TENANT,
                        handle -> handle.createQuery("SELECT CAST(:at AS timestamptz)")
                                .bind("at", Instant.parse("2026-02-03T04:05:06.123456999Z"))
                                .mapTo(Instant.class)
                                .one());
        assertThat(back).isEqualTo(Instant.parse("2026-02-03T04:05:06.123456Z"));
    }

    @Test
    void aRecordIsBoundAndMappedAsOneRow() {
        Row row = new Row(TENANT, Instant.parse("2026-02-03T04:05:06Z"), Bytes.ofHex("ab"));
        Row back = testDatabase
                .database()
                .inTenant(
                        TENANT,
                        handle -> handle.createQuery(
                                        "SELECT :tenantId AS tenant_id, :createdAt AS created_at, :hash AS hash")
                                .bindMethods(row)
                                .map(ConstructorMapper.of(Row.class))
                                .one());
        assertThat(back).isEqualTo(row);
    }
}
