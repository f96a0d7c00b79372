// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyOut;

/// All rows that a tenant has, table by table as the catalogue lists them, in the text form of
/// PostgreSQL's COPY: a row is a line without its end.
public final class TableRows {
    private static final int BATCH = 4 << 20;
    private static final String UNIQUE_VIOLATION = "23505";

    private TableRows() {}

    /// A table of the tenants.
    ///
    /// @param columns those that are stored
    /// @param key     the columns of its primary key
    public record Table(String name, List<String> columns, List<String> key) {
        public Table {
            columns = List.copyOf(columns);
            key = List.copyOf(key);
        }
    }

    /// Takes rows one after the other.
    @FunctionalInterface
    public interface Sink {
        void row(byte[] line) throws IOException;
    }

    /// What is in the way of a row that was to be stored: a key of it is taken.
    public static final class TakenException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final String table;

        TakenException(String table, SQLException cause) {
            super("a key of " + table + " is taken", cause);
            this.table = table;
        }

        public String table() {
            return table;
        }
    }

    /// The version of the schema.
    public static String schemaVersion(Handle tx) {
        return tx.createQuery("""
                        SELECT version FROM flyway_schema_history WHERE success AND version IS NOT NULL
                        ORDER BY installed_rank DESC LIMIT 1""").mapTo(String.class).one();
    }

    /// Every table with a tenant's rows, each behind those that its rows refer to, and behind those whose
    /// triggers write into it.
    public static List<Table> tables(Handle tx) {
        Map<String, Table> left = new LinkedHashMap<>();
        tx.createQuery("""
                        SELECT c.relname,
                               array_agg(a.attname::text ORDER BY a.attnum) AS columns,
                               (SELECT array_agg(k.attname::text ORDER BY p.position)
                                  FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS p (number, position),
                                       pg_attribute k
                                 WHERE i.indrelid = c.oid AND i.indisprimary
                                   AND k.attrelid = c.oid AND k.attnum = p.number) AS key
                          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                           AND NOT c.relispartition
                           AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                           AND EXISTS (SELECT FROM pg_attribute t
                                        WHERE t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped)
                         GROUP BY c.oid, c.relname ORDER BY c.relname""")
                .map((row, context) -> new Table(
                        row.getString(1), List.of((String[]) row.getArray(2).getArray()), List.of((String[])
                                row.getArray(3).getArray())))
                .forEach(table -> left.put(table.name(), table));
        Map<String, Set<String>> references = references(tx);
        Set<String> first = new HashSet<>();
        withTriggers(tx).forEach(name -> addWithReferences(name, references, first));
        List<Table> ordered = new ArrayList<>();
        take(left, references, first::contains, ordered);
        take(left, references, _ -> true, ordered);
        return ordered;
    }

    /// Tables of which new rows make rows in others.
    private static List<String> withTriggers(Handle tx) {
        return tx.createQuery("""
                        SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                         WHERE NOT t.tgisinternal AND t.tgtype & 4 <> 0""").mapTo(String.class).list();
    }

    private static void addWithReferences(String name, Map<String, Set<String>> references, Set<String> to) {
        if (to.add(name)) {
            references.getOrDefault(name, Set.of()).forEach(other -> addWithReferences(other, references, to));
        }
    }

    private static void take(
            Map<String, Table> left, Map<String, Set<String>> references, Predicate<String> of, List<Table> ordered) {
        while (left.keySet().stream().anyMatch(of)) {
            Table next = left.values().stream()
                    .filter(table -> of.test(table.name()))
                    .filter(table -> references.getOrDefault(table.name(), Set.of()).stream()
                            .noneMatch(left::containsKey))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("tables refer to each other: " + left.keySet()));
            ordered.add(next);
            left.remove(next.name());
        }
    }

    private static Map<String, Set<String>> references(Handle tx) {
        Map<String, Set<String>> references = new LinkedHashMap<>();
        tx.createQuery("""
                        SELECT f.relname, t.relname FROM pg_constraint k
                          JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
                         WHERE k.contype = 'f' AND f.oid <> t.oid""")
                .map((row, context) -> List.of(row.getString(1), row.getString(2)))
                .forEach(pair -> references
                        .computeIfAbsent(pair.getFirst(), _ -> new HashSet<>())
                        .add(pair.getLast()));
        // Triggers guard this one, once for a statement: see V55__claiming.sql.
        references.computeIfAbsent("device", _ -> new HashSet<>()).add("fleet");
        return references;
    }

    /// Hands the tenant's rows of a table to `sink`, by their key. Memory does not grow with them.
    ///
    /// @return how many there are
    public static long read(Handle tx, Table table, Sink sink) throws IOException {
        String query = "COPY (SELECT %s FROM %s WHERE tenant_id = current_tenant() ORDER BY %s) TO STDOUT"
                .formatted(names(table.columns()), Preparation.quoted(table.name()), names(table.key()));
        long rows = 0;
        try {
            CopyOut copy = connection(tx).getCopyAPI().copyOut(query);
            try {
                for (byte[] line = copy.readFromCopy(); line != null; line = copy.readFromCopy()) {
                    sink.row(Arrays.copyOf(line, line.length - 1));
                    rows++;
                }
            } finally {
                if (copy.isActive()) {
                    copy.cancelCopy();
                }
            }
        } catch (SQLException e) {
            throw new ConnectionException(e);
        }
        return rows;
    }

    /// Stores rows of a table, some at a time. COPY itself passes row-level security by, so it goes into
    /// a table of the transaction's own, and from there through the wall. The tenant has nothing else in
    /// the table afterwards.
    public static final class Writer implements AutoCloseable {
        private final Handle tx;
        private final Table table;
        private final ByteArrayOutputStream lines = new ByteArrayOutputStream();

        public Writer(Handle tx, Table table) {
            this.tx = tx;
            this.table = table;
            // What triggers of tables before it have written is in the rows that come.
            tx.execute("DELETE FROM %s WHERE tenant_id = current_tenant()".formatted(Preparation.quoted(table.name())));
            tx.execute("DROP TABLE IF EXISTS pg_temp.arriving");
            tx.execute("CREATE TEMP TABLE arriving ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA"
                    .formatted(names(table.columns()), Preparation.quoted(table.name())));
        }

        public void row(byte[] line) {
            lines.writeBytes(line);
            lines.write('\n');
            if (lines.size() >= BATCH) {
                store();
            }
        }

        /// Stores the rest.
        ///
        /// @throws TakenException where a key of a row is taken
        @Override
        public void close() {
            store();
        }

        private void store() {
            if (lines.size() == 0) {
                return;
            }
            try {
                CopyIn copy = connection(tx).getCopyAPI().copyIn("COPY pg_temp.arriving FROM STDIN");
                try {
                    byte[] batch = lines.toByteArray();
                    copy.writeToCopy(batch, 0, batch.length);
                    copy.endCopy();
                } finally {
                    if (copy.isActive()) {
                        copy.cancelCopy();
                    }
                }
                lines.reset();
                try (var statement = tx.getConnection().createStatement()) {
                    statement.execute("INSERT INTO %s (%s) SELECT * FROM pg_temp.arriving"
                            .formatted(Preparation.quoted(table.name()), names(table.columns())));
                    statement.execute("TRUNCATE pg_temp.arriving");
                }
            } catch (SQLException e) {
                if (UNIQUE_VIOLATION.equals(e.getSQLState())) {
                    throw new TakenException(table.name(), e);
                }
                throw new ConnectionException(e);
            }
        }
    }

    /// The columns of a line; null for NULL.
    public static List<@Nullable String> fields(byte[] line) {
        List<@Nullable String> fields = new ArrayList<>();
        for (String raw : new String(line, StandardCharsets.UTF_8).split("\t", -1)) {
            fields.add(raw.equals("\\N") ? null : unescaped(raw));
        }
        return fields;
    }

    private static String unescaped(String raw) {
        if (raw.indexOf('\\') < 0) {
            return raw;
        }
        StringBuilder text = new StringBuilder(raw.length());
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == '\\' && i + 1 < raw.length()) {
                c = switch (raw.charAt(++i)) {
                    case 'b' -> '\b';
                    case 'f' -> '\f';
                    case 'n' -> '\n';
                    case 'r' -> '\r';
                    case 't' -> '\t';
                    case 'v' -> '\u000b';
                    default -> raw.charAt(i);
                };
            }
            text.append(c);
        }
        return text.toString();
    }

    /// The line of which [#fields] are `fields`.
    public static byte[] line(List<@Nullable String> fields) {
        return fields.stream()
                .map(field -> field == null
                        ? "\\N"
                        : field.replace("\\", "\\\\")
                                .replace("\t", "\\t")
                                .replace("\n", "\\n")
                                .replace("\r", "\\r"))
                .collect(Collectors.joining("\t"))
                .getBytes(StandardCharsets.UTF_8);
    }

    private static String names(List<String> columns) {
        return columns.stream().map(Preparation::quoted).collect(Collectors.joining(", "));
    }

    private static PGConnection connection(Handle tx) throws SQLException {
        return tx.getConnection().unwrap(PGConnection.class);
    }
}
