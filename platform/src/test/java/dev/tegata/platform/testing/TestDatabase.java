// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/// A database of its own for a test class: empty, with the whole schema. After each test the [Invariant]s are checked.
///
/// ```java
/// @RegisterExtension
/// static final TestDatabase testDatabase = new TestDatabase();
/// ```
///
/// The server is an embedded one, started once; the property `tegata.test.database` or the environment variable
/// `TEGATA_TEST_DATABASE` names another one, by the URL of a role that may create databases.
public final class TestDatabase implements BeforeAllCallback, AfterEachCallback, AfterAllCallback {
    private final Supplier<TestServer> server;

    private @Nullable DatabaseConfig config;
    private @Nullable Database database;

    public TestDatabase() {
        this(TestServer::shared);
    }

    /// On a server of the caller's choice.
    public TestDatabase(Supplier<TestServer> server) {
        this.server = server;
    }

    public Database database() {
        return Objects.requireNonNull(database, "only from the first test on");
    }

    /// To open the same database once more.
    public DatabaseConfig config() {
        return Objects.requireNonNull(config, "only from the first test on");
    }

    @Override
    public void beforeAll(ExtensionContext context) {
        if (isNested(context)) {
            return;
        }
        config = server.get()
                .createDatabase(context.getRequiredTestClass().getSimpleName())
                .withPoolSize(8);
        database = Database.open(config);
    }

    @Override
    public void afterEach(ExtensionContext context) {
        checkInvariants();
    }

    @Override
    public void afterAll(ExtensionContext context) {
        if (isNested(context)) {
            return;
        }
        database().close();
        server.get().dropDatabase(config());
    }

    /// Nested classes share the database of the class around them.
    private static boolean isNested(ExtensionContext context) {
        return context.getRequiredTestClass().isAnnotationPresent(Nested.class);
    }

    /// Checks at once what is also checked after each test.
    public void checkInvariants() {
        List<TenantId> tenants = database()
                .acrossTenants(handle -> handle.createQuery("SELECT tenant_id FROM tenant")
                        .mapTo(TenantId.class)
                        .list());
        for (TenantId tenant : tenants) {
            for (Invariant invariant : Invariant.ALL) {
                List<String> violations = database()
                        .inTenant(
                                tenant,
                                handle -> handle.createQuery(invariant.query())
                                        .mapTo(String.class)
                                        .list());
                assertThat(violations)
                        .as(invariant.sentence() + ", tenant " + tenant)
                        .isEmpty();
            }
        }
    }
}
