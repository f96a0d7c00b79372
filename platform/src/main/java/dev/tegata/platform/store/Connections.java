// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.postgresql.ds.PGSimpleDataSource;

/// New connections to the server, each prepared with the same statements.
///
/// The one for the pool is patient: where the server is away for a while, it asks again every moment. The pool itself
/// would pause up to five seconds between two attempts, for which work would stand still after the server is back.
final class Connections extends PGSimpleDataSource {
    private static final long serialVersionUID = 1L;

    private static final long PAUSE_MILLIS = 100;

    /// What holds for every connection, unless the URL says otherwise.
    private static final Map<String, String> PROPERTIES = Map.of(
            "ApplicationName",
            "tegata",
            "connectTimeout",
            "5",
            // A network that swallows packets must not hold a thread for ever.
            "socketTimeout",
            "60",
            "tcpKeepAlive",
            "true",
            "reWriteBatchedInserts",
            "true",
            // The server's detail repeats values of the row.
            "logServerErrorDetail",
            "false");

    private final String statements;
    private final Duration patience;

    /// @param statements run on each new connection; may be empty
    /// @param patience   for how long a server that is not there is asked again
    Connections(DatabaseConfig config, String statements, Duration patience) {
        this.statements = statements;
        this.patience = patience;
        try {
            for (Map.Entry<String, String> property : PROPERTIES.entrySet()) {
                setProperty(property.getKey(), property.getValue());
            }
        } catch (SQLException e) {
            throw new IllegalStateException("the driver does not know its own properties", e);
        }
        setURL(config.jdbcUrl());
        setUser(config.user());
        setPassword(config.password());
    }

    @Override
    public Connection getConnection(@Nullable String user, @Nullable String password) throws SQLException {
        long end = System.nanoTime() + patience.toNanos();
        while (true) {
            try {
                return prepared(super.getConnection(user, password));
            } catch (SQLException e) {
                if (Failure.of(e) != Failure.UNAVAILABLE || System.nanoTime() > end) {
                    throw e;
                }
                pause(e);
            }
        }
    }

    private Connection prepared(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(statements);
            return connection;
        } catch (SQLException e) {
            connection.close();
            throw e;
        }
    }

    private static void pause(SQLException cause) throws SQLException {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw cause;
        }
    }
}
