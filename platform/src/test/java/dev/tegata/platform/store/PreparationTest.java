// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.testing.TestDatabase;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A database is made ready, or refused with a sentence that says what to change")
class PreparationTest {
    private static final String SECRET = "s3cr3t-0f-th3-t3st";

    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase(TestServers::external);

    private DatabaseConfig superuser;

    @BeforeEach
    void makeRoles() throws SQLException {
        superuser = testDatabase.config();
        execute("CREATE ROLE plain LOGIN PASSWORD '%s'".formatted(SECRET));
        execute("CREATE ROLE exempt LOGIN BYPASSRLS PASSWORD '%s'".formatted(SECRET));
    }

    @AfterEach
    void dropRoles() throws SQLException {
        execute("DROP OWNED BY plain, exempt; DROP ROLE plain, exempt");
    }

    @Test
    void aSuperuserBecomesARoleThatIsBound() {
        try (Database database = Database.open(superuser)) {
            String role = database.installation(handle -> handle.createQuery(
                            "SELECT rolname FROM pg_roles WHERE rolname = current_user AND NOT rolsuper AND NOT rolbypassrls")
                    .mapTo(String.class)
                    .one());
            assertThat(role).isEqualTo("tegata_bound");
        }
    }

    @Test
    void aRoleThatIsExemptAndMayNotMakeAnotherIsToldTheSql() {
        assertRefused(as("exempt", SECRET))
                .hasMessageContaining("exempt from row-level security")
                .hasMessageContaining("NOSUPERUSER NOBYPASSRLS");
    }

    @Test
    void aRoleThatMayNotCreateTablesIsToldTheSql() {
        assertRefused(as("plain", SECRET)).hasMessageContaining("GRANT CREATE ON SCHEMA public TO \"plain\"");
    }

    @Test
    void aWrongPasswordIsCalledThat() {
        assertRefused(as("plain", "guess-" + SECRET))
                .hasMessageContaining("does not let user 'plain' in")
                .hasMessageNotContaining("guess");
    }

    @Test
    void aHostThatDoesNotExistIsCalledThat() {
        assertRefused(DatabaseConfig.parse("postgresql://u:p@no-such-host.invalid/d"))
                .hasMessageContaining("there is no such host");
    }

    @Test
    void aPortWhereNothingListensIsCalledThat() {
        assertRefused(DatabaseConfig.parse("postgresql://u:p@127.0.0.1:1/d"))
                .hasMessageContaining("nothing listens there");
    }

    @Test
    void aDatabaseThatDoesNotExistIsCalledThat() {
        String url = superuser.jdbcUrl().replaceFirst("(?<=[^/]/)[^/?]+", "absent");
        assertRefused(new DatabaseConfig(url, superuser.user(), superuser.password(), 1))
                .hasMessageContaining("CREATE DATABASE");
    }

    @Test
    void anOldServerIsToldTheVersionThatIsNeeded() {
        assertThatThrownBy(() -> Preparation.requireVersion(14, superuser))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("is PostgreSQL 14; Tegata needs version 15 or newer");
        Preparation.requireVersion(15, superuser);
    }

    @Test
    void severalNodesMayFindAnEmptyDatabaseAtOnce() throws Exception {
        execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        try (ExecutorService nodes = Executors.newFixedThreadPool(4)) {
            List<Future<Boolean>> ready = nodes.invokeAll(Collections.nCopies(4, () -> {
                try (Database node = Database.open(superuser.withPoolSize(1))) {
                    return node.isReady();
                }
            }));
            for (Future<Boolean> node : ready) {
                assertThat(node.get()).isTrue();
            }
        }
    }

    @Test
    void theSchemaOfANewerTegataIsCalledThat() throws SQLException {
        Database.open(superuser).close();
        execute("""
                INSERT INTO flyway_schema_history
                SELECT installed_rank + 1, '9999', 'of tomorrow', type, 'V9999__of_tomorrow.sql', checksum, installed_by,
                    installed_on, execution_time, success
                FROM flyway_schema_history ORDER BY installed_rank DESC LIMIT 1""");
        try {
            assertRefused(superuser).hasMessageContaining("has the schema of a newer Tegata");
        } finally {
            execute("DELETE FROM flyway_schema_history WHERE version = '9999'");
        }
    }

    private static AbstractThrowableAssert<?, ?> assertRefused(DatabaseConfig config) {
        return assertThatThrownBy(() -> Database.open(config).close())
                .isInstanceOf(UnavailableException.class)
                .hasMessageNotContaining(SECRET);
    }

    private DatabaseConfig as(String user, String password) {
        return new DatabaseConfig(superuser.jdbcUrl(), user, password, 1);
    }

    private void execute(String sql) throws SQLException {
        try (Connection connection =
                        DriverManager.getConnection(superuser.jdbcUrl(), superuser.user(), superuser.password());
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
