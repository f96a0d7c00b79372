// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.TenantId;
import java.sql.Types;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.StreamSupport;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.argument.Argument;
import org.jdbi.v3.core.argument.ArgumentFactory;
import org.jdbi.v3.core.generic.GenericTypes;
import org.jdbi.v3.core.statement.StatementExceptions;
import org.jdbi.v3.core.statement.StatementExceptions.MessageRendering;
import org.jspecify.annotations.Nullable;

/// How the domain's types stand in columns: as arguments, as results, and as elements of arrays.
///
/// An `Instant` is cut to microseconds on its way in, which is what a `timestamptz` holds; the driver alone
/// would round.
final class Mappings {
    private Mappings() {}

    static Jdbi install(Jdbi jdbi) {
        map(jdbi, Instant.class, "timestamptz", OffsetDateTime.class, Mappings::toColumn, OffsetDateTime::toInstant);
        map(jdbi, Bytes.class, "bytea", byte[].class, Bytes::toArray, Bytes::of);
        map(jdbi, TenantId.class, "text", String.class, TenantId::value, TenantId::new);
        map(jdbi, FleetId.class, "text", String.class, FleetId::value, FleetId::new);
        map(jdbi, DeviceId.class, "uuid", UUID.class, DeviceId::value, DeviceId::new);
        map(jdbi, AuthorityId.class, "uuid", UUID.class, AuthorityId::value, AuthorityId::new);
        map(jdbi, ManifestId.class, "uuid", UUID.class, ManifestId::value, ManifestId::new);
        map(jdbi, JobId.class, "uuid", UUID.class, JobId::value, JobId::new);
        jdbi.registerArrayType(String.class, "text");
        jdbi.registerArrayType(UUID.class, "uuid");
        jdbi.registerArrayType(Long.class, "bigint");
        jdbi.registerArrayType(Integer.class, "integer");
        jdbi.registerArrayType(Short.class, "smallint");
        jdbi.registerArrayType(Boolean.class, "boolean");
        jdbi.registerArgument(byteaArrays());
        // What is bound may be secret; a message must not repeat it.
        jdbi.getConfig(StatementExceptions.class).setMessageRendering(MessageRendering.NONE);
        return jdbi;
    }

    private static OffsetDateTime toColumn(Instant instant) {
        return instant.truncatedTo(ChronoUnit.MICROS).atOffset(ZoneOffset.UTC);
    }

    private static <T, C> void map(
            Jdbi jdbi,
            Class<T> type,
            String sqlType,
            Class<C> columnType,
            Function<T, C> toColumn,
            Function<C, T> fromColumn) {
        jdbi.registerArgument((ArgumentFactory.Preparable) (valueType, config) -> valueType.equals(type)
                ? Optional.of(value -> argument(value == null ? null : toColumn.apply(type.cast(value))))
                : Optional.empty());
        jdbi.registerColumnMapper(type, (results, column, context) -> {
            C value = results.getObject(column, columnType);
            return value == null ? null : fromColumn.apply(value);
        });
        jdbi.registerArrayType(type, sqlType, toColumn::apply);
    }

    /// The driver refuses byte arrays inside the `Object[]` that JDBI makes, and takes a `byte[][]`.
    private static ArgumentFactory.Preparable byteaArrays() {
        return (type, config) -> GenericTypes.findGenericParameter(type, Iterable.class)
                        .filter(Bytes.class::equals)
                        .isPresent()
                ? Optional.of(values -> argument(byteArrays((Iterable<?>) values)))
                : Optional.empty();
    }

    private static byte[][] byteArrays(Iterable<?> values) {
        return StreamSupport.stream(values.spliterator(), false)
                .map(value -> ((Bytes) value).toArray())
                .toArray(byte[][]::new);
    }

    private static Argument argument(@Nullable Object value) {
        return value == null
                ? (position, statement, context) -> statement.setNull(position, Types.NULL)
                : (position, statement, context) -> statement.setObject(position, value);
    }
}
