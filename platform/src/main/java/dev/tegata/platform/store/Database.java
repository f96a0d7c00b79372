// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;
import org.jspecify.annotations.Nullable;

/// The one way to PostgreSQL. Every access is one transaction that sees one tenant.
///
/// Implementation notes:
/// - Row-level security reads the setting `tegata.tenant`, which is set for the transaction only: a
///   connection that goes back to the pool sees no tenant.
/// - Transactions are READ COMMITTED. Where two writers meet, code locks the row or names the version that
///   it read.
/// - A transaction that the server ends because of others (serialization failure, deadlock) is run again
///   after a pause that doubles and is jittered, so that the same two do not meet again.
/// - A connection that breaks during the commit leaves open whether it was stored. The caller gets
///   [UnavailableException] either way, so requests that create carry idempotency keys.
public final class Database implements AutoCloseable {
    private static final int ATTEMPTS = 6;
    private static final Duration FIRST_PAUSE = Duration.ofMillis(5);
    private static final Duration CONNECTION_WAIT = Duration.ofSeconds(3);
    private static final Duration OUTAGE_PATIENCE = Duration.ofMinutes(1);
    private static final Duration READY_WAIT = Duration.ofSeconds(2);

    /// Setting that opens the few tables whose policy allows it.
    private static final String EVERY_TENANT = "*";

    private static final String NO_TENANT = "";
    private static final String SEE = "SELECT set_config('tegata.tenant', ?, true)";

    private static final String UNHURRIED =
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

    /// Bound while this thread is inside a transaction. A second one would wait for a second connection
    /// while it holds the first: under load, all connections would wait for each other.
    private static final ScopedValue<Boolean> IN_TRANSACTION = ScopedValue.newInstance();

    private final HikariDataSource pool;
    private final Jdbi jdbi;

    private final Connections connections;
    private final Changes changes;

    private Database(HikariDataSource pool, Connections connections) {
        this.pool = pool;
        this.connections = connections;
        this.changes = new Changes(connections);
        this.jdbi = Mappings.install(Jdbi.create(pool));
    }

    /// Connects, checks server and role, brings the schema up to date, and opens the pool. Several nodes
    /// may do so at once.
    ///
    /// @throws UnavailableException with a sentence that says what to change, where the database cannot
    ///     be used
    public static Database open(DatabaseConfig config) {
        String role = Preparation.prepare(config);
        Connections connections = new Connections(config, sessionSettings(role), OUTAGE_PATIENCE);
        return new Database(pool(config, connections), connections);
    }

    /// Runs `work` in one transaction that sees the rows of `tenant` and no others.
    ///
    /// @throws UnavailableException where the database cannot be used now; other exceptions of `work`
    ///     pass through.
    /// Either way nothing is kept of what `work` did
    public <T extends @Nullable Object> T inTenant(TenantId tenant, Work<T> work) {
        return run(tenant.value(), work);
    }

    /// Runs `work` once on one snapshot of the tenant's rows, for as long as it takes, and lets it change
    /// nothing.
    public <T extends @Nullable Object> T snapshot(TenantId tenant, Work<T> work) {
        return once(tenant, TransactionIsolationLevel.REPEATABLE_READ, "SET TRANSACTION READ ONLY;", work);
    }

    /// Runs `work` as [#inTenant], but once, for as long as it takes: for what cannot be read twice.
    public <T extends @Nullable Object> T load(TenantId tenant, Work<T> work) {
        return once(tenant, TransactionIsolationLevel.READ_COMMITTED, "", work);
    }

    /// Runs `work` with the rows of **all** tenants in view, in the few tables whose policy allows it; the
    /// others look empty.
    ///
    /// The poison cupboard: for background work that looks for tenants with something to do, and then does
    /// it with [#inTenant]. Never for an answer to a request of a tenant.
    public <T extends @Nullable Object> T acrossTenants(Work<T> work) {
        return run(EVERY_TENANT, work);
    }

    /// Runs `work` with no tenant in view: for the facts of this installation.
    public <T extends @Nullable Object> T installation(Work<T> work) {
        return run(NO_TENANT, work);
    }

    /// Hears what transactions tell (`pg_notify`) on `channel`, over a connection of its own.
    public Notifications listen(String channel, Notifications.Hearer hearer) {
        return Notifications.start(connections, channel, hearer);
    }

    /// What tells whether something that was read still holds.
    public Changes changes() {
        return changes;
    }

    /// Whether the database answers, found out within two seconds.
    public boolean isReady() {
        return CompletableFuture.supplyAsync(this::answers, Thread::startVirtualThread)
                .completeOnTimeout(false, READY_WAIT.toMillis(), TimeUnit.MILLISECONDS)
                .join();
    }

    /// How the pool is used at this moment.
    public PoolUsage poolUsage() {
        HikariPoolMXBean bean = pool.getHikariPoolMXBean();
        return new PoolUsage(
                bean.getActiveConnections(),
                bean.getIdleConnections(),
                bean.getThreadsAwaitingConnection(),
                pool.getMaximumPoolSize());
    }

    @Override
    public void close() {
        changes.close();
        pool.close();
    }

    /// Connections in use and idle, threads that wait for one, and how many connections there may be.
    public record PoolUsage(int active, int idle, int waiting, int limit) {}

    private boolean answers() {
        try (Connection connection = pool.getConnection()) {
            return connection.isValid((int) READY_WAIT.toSeconds());
        } catch (SQLException e) {
            return false;
        }
    }

    private <T extends @Nullable Object> T run(String tenant, Work<T> work) {
        if (IN_TRANSACTION.isBound()) {
            throw new IllegalStateException("a transaction was begun inside another one");
        }
        return ScopedValue.where(IN_TRANSACTION, true).call(() -> runRepeatedly(tenant, work));
    }

    private <T extends @Nullable Object> T once(
            TenantId tenant, TransactionIsolationLevel isolation, String settings, Work<T> work) {
        if (IN_TRANSACTION.isBound()) {
            throw new IllegalStateException("a transaction was begun inside another one");
        }
        try {
            return ScopedValue.where(IN_TRANSACTION, true)
                    .call(() -> jdbi.inTransaction(isolation, handle -> {
                        handle.execute(settings + UNHURRIED);
                        see(handle, tenant.value());
                        return work.run(handle);
                    }));
        } catch (RuntimeException e) {
            throw switch (Failure.of(e)) {
                case OTHER -> e;
                case UNAVAILABLE, REPEATABLE -> new UnavailableException("the database cannot be used now", e);
                case DISK_FULL -> new UnavailableException("the database's disk is full", e);
            };
        }
    }

    private <T extends @Nullable Object> T runRepeatedly(String tenant, Work<T> work) {
        for (int attempt = 1; ; attempt++) {
            try {
                return jdbi.inTransaction(handle -> {
                    see(handle, tenant);
                    return work.run(handle);
                });
            } catch (RuntimeException e) {
                switch (Failure.of(e)) {
                    case OTHER -> throw e;
                    case UNAVAILABLE -> throw new UnavailableException("the database cannot be used now", e);
                    case DISK_FULL -> throw new UnavailableException("the database's disk is full", e);
                    case REPEATABLE -> pauseBeforeNext(attempt, e);
                }
            }
        }
    }

    /// Plain JDBC: it is part of every transaction, and JDBI would double its cost.
    private static void see(Handle handle, String tenant) {
        if (tenant.equals(NO_TENANT)) {
            return;
        }
        try (PreparedStatement statement = handle.getConnection().prepareStatement(SEE)) {
            statement.setString(1, tenant);
            statement.execute();
        } catch (SQLException e) {
            throw new ConnectionException(e);
        }
    }

    private static void pauseBeforeNext(int attempt, RuntimeException cause) {
        if (attempt == ATTEMPTS) {
            throw new UnavailableException("too many others change the same rows", cause);
        }
        long ceiling = FIRST_PAUSE.toNanos() << attempt;
        try {
            Thread.sleep(Duration.ofNanos(ThreadLocalRandom.current().nextLong(ceiling / 2, ceiling)));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException("interrupted while waiting to repeat a transaction", cause);
        }
    }

    private static HikariDataSource pool(DatabaseConfig config, Connections connections) {
        HikariConfig hikari = new HikariConfig();
        hikari.setPoolName("tegata");
        hikari.setDataSource(connections);
        hikari.setMaximumPoolSize(config.poolSize());
        hikari.setMinimumIdle(Math.min(2, config.poolSize()));
        hikari.setConnectionTimeout(CONNECTION_WAIT.toMillis());
        hikari.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        return new HikariDataSource(hikari);
    }

    /// A statement that hangs and a session that forgot its transaction end by themselves, well before the
    /// driver's socket timeout takes the connection for dead.
    ///
    /// Statements are planned once per connection: to plan one costs three times what it costs to run it.
    /// Such a plan must not scan a table for being empty when the plan was made: they all have their
    /// indexes.
    private static String sessionSettings(String role) {
        return """
                SET ROLE %s;
                SET tegata.tenant = '';
                SET plan_cache_mode = 'force_generic_plan';
                SET enable_seqscan = off;
                SET statement_timeout = '30s';
                SET lock_timeout = '10s';
                SET idle_in_transaction_session_timeout = '60s'""".formatted(Preparation.quoted(role));
    }
}
