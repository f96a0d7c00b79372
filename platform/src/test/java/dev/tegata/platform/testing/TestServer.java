// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.store.EmbeddedPostgres;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;

/// A server on which tests make databases: each is a copy of one that has the schema already.
///
/// @param admin may create databases
/// @param owner will work in them
public record TestServer(DatabaseConfig admin, DatabaseConfig owner, String template) {
    private static final AtomicInteger NUMBER = new AtomicInteger();

    /// The server of this test run, started or connected to when it is first asked for.
    static TestServer shared() {
        return Shared.SERVER;
    }

    /// A server that the tests do not run themselves.
    public static TestServer external(DatabaseConfig config) {
        return prepared(config, config);
    }

    /// A server that the tests run. Its folder may be used again: the databases of earlier runs are dropped.
    public static TestServer embedded(EmbeddedPostgres postgres) {
        dropLeftOver(postgres.superuserConfig());
        return prepared(postgres.superuserConfig(), postgres.config());
    }

    /// An empty database with the whole schema.
    DatabaseConfig createDatabase(String testClass) {
        String name = uniqueName(testClass);
        execute("CREATE DATABASE %s TEMPLATE %s OWNER %s".formatted(name, template, owner.user()));
        return named(owner, name);
    }

    void dropDatabase(DatabaseConfig config) {
        execute("DROP DATABASE %s WITH (FORCE)".formatted(config.jdbcUrl().replaceAll(".*/|\\?.*", "")));
    }

    private static TestServer prepared(DatabaseConfig admin, DatabaseConfig owner) {
        TestServer server = new TestServer(admin, owner, uniqueName("template"));
        server.execute("CREATE DATABASE %s OWNER %s".formatted(server.template(), owner.user()));
        Database.open(named(owner, server.template())).close();
        return server;
    }

    private static String uniqueName(String what) {
        return "test_%s_%d_%d"
                .formatted(
                        what.toLowerCase(Locale.ROOT), ProcessHandle.current().pid(), NUMBER.incrementAndGet());
    }

    private static DatabaseConfig named(DatabaseConfig config, String database) {
        String url = config.jdbcUrl().replaceFirst("(?<=[^/]/)[^/?]+", database);
        return new DatabaseConfig(url, config.user(), config.password(), config.poolSize());
    }

    private static void dropLeftOver(DatabaseConfig admin) {
        try (Connection connection = connect(admin);
                Statement statement = connection.createStatement()) {
            List<String> names = new ArrayList<>();
            try (ResultSet rows =
                    statement.executeQuery("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'")) {
                while (rows.next()) {
                    names.add(rows.getString(1));
                }
            }
            for (String name : names) {
                statement.execute("DROP DATABASE %s WITH (FORCE)".formatted(name));
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private void execute(String sql) {
        try (Connection connection = connect(admin);
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new IllegalStateException(sql, e);
        }
    }

    private static Connection connect(DatabaseConfig admin) throws SQLException {
        return DriverManager.getConnection(admin.jdbcUrl(), admin.user(), admin.password());
    }

    private static final class Shared {
        static final TestServer SERVER = start();

        private static TestServer start() {
            String url = Objects.requireNonNullElse(
                    System.getProperty("tegata.test.database", System.getenv("TEGATA_TEST_DATABASE")), "");
            if (!url.isEmpty()) {
                return external(DatabaseConfig.parse(url));
            }
            return embedded(startEmbedded());
        }

        /// Where the folder of the last run is in use (by another run, in an IDE), a temporary one does.
        private static EmbeddedPostgres startEmbedded() {
            try {
                return EmbeddedPostgres.start(Path.of("target", "test-postgres"));
            } catch (UnavailableException e) {
                try {
                    return EmbeddedPostgres.start(Files.createTempDirectory("tegata-test-postgres"));
                } catch (IOException second) {
                    throw new IllegalStateException(second);
                }
            }
        }
    }
}
