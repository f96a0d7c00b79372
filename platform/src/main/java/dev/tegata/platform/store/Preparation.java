// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.UnavailableException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.stream.Stream;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationState;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What happens before the pool opens: is this a server that we can use, as a role that row-level security binds, with
/// our schema in it?
final class Preparation {
    private static final Logger LOG = LoggerFactory.getLogger(Preparation.class);

    /// The first with `security_invoker`, `MERGE` and a public schema that is not open to everybody; Debian 12 has it.
    private static final int MINIMUM_VERSION = 15;

    /// Whom we become where the role that logs in is exempt from row-level security.
    private static final String BOUND_ROLE = "tegata_bound";

    private Preparation() {}

    /// Returns the role under which all further work is done.
    static String prepare(DatabaseConfig config) {
        String role;
        try (Connection connection = new Connections(config, "", Duration.ZERO).getConnection()) {
            requireVersion(connection.getMetaData().getDatabaseMajorVersion(), config);
            role = boundRole(connection, config);
        } catch (SQLException e) {
            throw new UnavailableException(sentence(e, config), e);
        }
        migrate(config, role);
        return role;
    }

    static String quoted(String identifier) {
        return '"' + identifier.replace("\"", "\"\"") + '"';
    }

    static void requireVersion(int version, DatabaseConfig config) {
        if (version < MINIMUM_VERSION) {
            throw new UnavailableException("%s is PostgreSQL %d; Tegata needs version %d or newer"
                    .formatted(config.place(), version, MINIMUM_VERSION));
        }
    }

    private static String boundRole(Connection connection, DatabaseConfig config) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("""
                        SELECT rolname, rolsuper OR rolbypassrls,
                               has_schema_privilege(oid, 'public', 'CREATE')
                          FROM pg_roles WHERE rolname = current_user""")) {
            row.next();
            String loginRole = row.getString(1);
            boolean exempt = row.getBoolean(2);
            boolean mayCreate = row.getBoolean(3);
            if (exempt) {
                return becomeBound(connection, loginRole, config);
            }
            if (!mayCreate) {
                throw new UnavailableException(
                        "role %s may not create tables in %s; as its owner, run: GRANT CREATE ON SCHEMA public TO %s"
                                .formatted(quoted(loginRole), config.place(), quoted(loginRole)));
            }
            return loginRole;
        }
    }

    private static String becomeBound(Connection connection, String loginRole, DatabaseConfig config) {
        try (Statement statement = connection.createStatement()) {
            // Several nodes may find the role missing at the same moment.
            statement.execute("""
                    DO $$ BEGIN
                        PERFORM pg_advisory_xact_lock(hashtext('tegata role'));
                        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%1$s') THEN
                            CREATE ROLE %1$s NOLOGIN NOSUPERUSER NOBYPASSRLS;
                        END IF;
                        IF NOT pg_has_role('%1$s', 'MEMBER') THEN
                            GRANT %1$s TO CURRENT_USER;
                        END IF;
                        IF NOT has_schema_privilege('%1$s', 'public', 'CREATE') THEN
                            GRANT CREATE, USAGE ON SCHEMA public TO %1$s;
                        END IF;
                    END $$;
                    SET ROLE %1$s""".formatted(BOUND_ROLE));
        } catch (SQLException e) {
            throw new UnavailableException("""
                    role %s is exempt from row-level security, which keeps tenants apart. Make a role that is not, and \
                    give Tegata that one: CREATE ROLE tegata LOGIN PASSWORD '…' NOSUPERUSER NOBYPASSRLS; \
                    GRANT CREATE, USAGE ON SCHEMA public TO tegata;\
                    """.formatted(quoted(loginRole)), e);
        }
        LOG.info(
                "role {} of {} is exempt from row-level security; working as role {} instead",
                quoted(loginRole),
                config.place(),
                BOUND_ROLE);
        return BOUND_ROLE;
    }

    private static void migrate(DatabaseConfig config, String role) {
        try {
            Flyway flyway = Flyway.configure(Preparation.class.getClassLoader())
                    .loggers("slf4j")
                    .dataSource(new Connections(config, "SET ROLE " + quoted(role), Duration.ZERO))
                    .locations("classpath:db/migration")
                    .load();
            // Flyway itself lets an older program work on tables that it does not know.
            if (Stream.of(flyway.info().applied())
                    .anyMatch(migration -> migration.getState() == MigrationState.FUTURE_SUCCESS)) {
                throw new UnavailableException("""
                        %s has the schema of a newer Tegata: start that one, or go back with a backup that was made \
                        before it""".formatted(config.place()));
            }
            flyway.migrate();
        } catch (FlywayException e) {
            throw new UnavailableException(
                    "the schema of %s could not be brought up to date".formatted(config.place()), e);
        }
    }

    private static String sentence(SQLException e, DatabaseConfig config) {
        String place = config.place();
        String state = String.valueOf(e.getSQLState());
        if (state.equals("28P01") || state.equals("28000")) {
            return "%s does not let user '%s' in: check user, password and pg_hba.conf".formatted(place, config.user());
        }
        if (state.equals("3D000")) {
            return "%s: there is no such database; create it with: CREATE DATABASE … OWNER %s"
                    .formatted(place, quoted(config.user()));
        }
        if (state.equals("53300")) {
            return "%s has no connection left: raise max_connections or lower the pool size".formatted(place);
        }
        return switch (rootOf(e)) {
            case UnknownHostException u -> "%s: there is no such host".formatted(place);
            case ConnectException c -> "%s: nothing listens there; is PostgreSQL running?".formatted(place);
            case SocketTimeoutException s -> "%s does not answer".formatted(place);
            case NoRouteToHostException n -> "%s cannot be reached".formatted(place);
            default -> "%s cannot be used: %s".formatted(place, e.getMessage());
        };
    }

    private static Throwable rootOf(Throwable thrown) {
        Throwable root = thrown;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root;
    }
}
