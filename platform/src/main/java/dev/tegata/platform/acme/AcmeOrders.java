// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.PublicIds;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.acme.AcmeOrder.Authorization;
import dev.tegata.platform.acme.AcmeOrder.Identifier;
import dev.tegata.platform.acme.AcmeOrder.State;
import dev.tegata.platform.acme.AcmeOrder.Validation;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.statement.Update;
import org.jspecify.annotations.Nullable;

/// Orders and their authorizations.
public final class AcmeOrders {
    private static final Duration LIFETIME = Duration.ofDays(7);
    private static final Duration KEPT = Duration.ofDays(90);
    private static final int ORDERS_PER_HOUR = 50;
    private static final int SWEPT_AT_ONCE = 20;
    private static final int ID_LENGTH = 20;
    private static final String PROCESSING = "state = 'PROCESSING'";

    /// A validation that has run for longer was lost with its process.
    private static final Duration LONGEST_VALIDATION = Duration.ofSeconds(60);

    /// Whoever has taken an order and not ended it for longer was lost with its process.
    private static final Duration LONGEST_ISSUANCE = Duration.ofSeconds(60);

    private final Database database;
    private final InstantSource clock;
    private final SecureRandom random;

    public AcmeOrders(Database database, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
    }

    /// Begins an order with one authorization for each identifier.
    ///
    /// @throws RefusedException [ErrorCode#TOO_MANY_ATTEMPTS] where the account has begun many within
    ///     the hour
    public AcmeOrder create(AcmeAccount account, List<Identifier> identifiers) {
        TenantId tenant = account.fleet().tenant();
        Instant now = clock.instant();
        String id = newId();
        return database.inTenant(tenant, tx -> {
            sweep(tx, tenant, now);
            // One after the other, as they are counted.
            tx.createQuery("""
                            SELECT 1 FROM acme_account
                            WHERE tenant_id = :tenant AND account_id = :account FOR NO KEY UPDATE""")
                    .bind("tenant", tenant)
                    .bind("account", account.id())
                    .mapTo(Integer.class)
                    .one();
            int recent = tx.createQuery("""
                            SELECT count(*) FROM acme_order
                            WHERE tenant_id = :tenant AND account_id = :account AND created_at > :since""")
                    .bind("tenant", tenant)
                    .bind("account", account.id())
                    .bind("since", now.minus(Duration.ofHours(1)))
                    .mapTo(Integer.class)
                    .one();
            if (recent >= ORDERS_PER_HOUR) {
                throw new RefusedException(
                        ErrorCode.TOO_MANY_ATTEMPTS, "an account may begin " + ORDERS_PER_HOUR + " orders an hour");
            }
            tx.createUpdate("""
                            INSERT INTO acme_order (tenant_id, order_id, account_id, state, created_at, expires_at)
                            VALUES (:tenant, :id, :account, 'PENDING', :now, :end)""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("account", account.id())
                    .bind("now", now)
                    .bind("end", now.plus(LIFETIME))
                    .execute();
            for (Identifier identifier : identifiers) {
                byte[] token = new byte[32];
                random.nextBytes(token);
                tx.createUpdate("""
                                INSERT INTO acme_authorization (tenant_id, authorization_id, order_id, kind, value,
                                    state, token)
                                VALUES (:tenant, :id, :order, :kind, :value, 'PENDING', :token)""")
                        .bind("tenant", tenant)
                        .bind("id", newId())
                        .bind("order", id)
                        .bind("kind", identifier.kind())
                        .bind("value", identifier.value())
                        .bind("token", Bytes.of(token).base64Url())
                        .execute();
            }
            return find(tx, tenant, account, id).orElseThrow();
        });
    }

    private String newId() {
        return PublicIds.random(random, ID_LENGTH);
    }

    private static void sweep(Handle tx, TenantId tenant, Instant now) {
        tx.createUpdate("""
                        DELETE FROM acme_order WHERE tenant_id = :tenant AND order_id = ANY (ARRAY(
                            SELECT order_id FROM acme_order WHERE tenant_id = :tenant AND expires_at < :end
                            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))""")
                .bind("tenant", tenant)
                .bind("end", now.minus(KEPT))
                .bind("limit", SWEPT_AT_ONCE)
                .execute();
    }

    /// An account's order. One that was not finalized in time is invalid.
    public Optional<AcmeOrder> find(AcmeAccount account, String id) {
        TenantId tenant = account.fleet().tenant();
        return database.inTenant(tenant, tx -> find(tx, tenant, account, id));
    }

    private Optional<AcmeOrder> find(Handle tx, TenantId tenant, AcmeAccount account, String id) {
        List<Authorization> authorizations = tx.createQuery(
                        AUTHORIZATION + "WHERE a.tenant_id = :tenant AND a.order_id = :id ORDER BY a.kind, a.value")
                .bind("tenant", tenant)
                .bind("id", id)
                .map((row, context) -> authorization(row))
                .list();
        return tx.createQuery("""
                        SELECT order_id, account_id, state, failure, request, chain, expires_at FROM acme_order
                        WHERE tenant_id = :tenant AND order_id = :id AND account_id = :account""")
                .bind("tenant", tenant)
                .bind("id", id)
                .bind("account", account.id())
                .map((row, context) -> order(row, authorizations))
                .findOne();
    }

    /// The newest orders of an account.
    public List<String> list(AcmeAccount account, int limit) {
        return database.inTenant(
                account.fleet().tenant(),
                tx -> tx.createQuery("""
                                SELECT order_id FROM acme_order WHERE tenant_id = :tenant AND account_id = :account
                                ORDER BY created_at DESC LIMIT :limit""")
                        .bind("tenant", account.fleet().tenant())
                        .bind("account", account.id())
                        .bind("limit", limit)
                        .mapTo(String.class)
                        .list());
    }

    private static final String AUTHORIZATION = """
            SELECT a.authorization_id, a.order_id, a.kind, a.value, a.state, a.token, a.started_at, a.decided_at,
                a.failure, a.attested_key
            FROM acme_authorization a
            """;

    /// An account's authorization.
    public Optional<Authorization> authorization(AcmeAccount account, String id) {
        TenantId tenant = account.fleet().tenant();
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(AUTHORIZATION + """
                                JOIN acme_order o ON o.tenant_id = a.tenant_id AND o.order_id = a.order_id
                                WHERE a.tenant_id = :tenant AND a.authorization_id = :id AND o.account_id = :account""")
                        .bind("tenant", tenant)
                        .bind("id", id)
                        .bind("account", account.id())
                        .map((row, context) -> authorization(row))
                        .findOne());
    }

    /// Says that a validation is carried out from now on.
    ///
    /// @return false where one is under way already, or none is needed any more
    public boolean start(TenantId tenant, Authorization authorization) {
        Instant now = clock.instant();
        return database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                        UPDATE acme_authorization SET started_at = :now
                                        WHERE tenant_id = :tenant AND authorization_id = :id AND state = 'PENDING'
                                            AND (started_at IS NULL OR started_at < :lost)""")
                                .bind("now", now)
                                .bind("tenant", tenant)
                                .bind("id", authorization.id())
                                .bind("lost", now.minus(LONGEST_VALIDATION))
                                .execute()
                        == 1);
    }

    /// Ends a validation, and says what follows for the order.
    ///
    /// @param failure why it failed, for a person; null where it did not
    public void decide(
            TenantId tenant, Authorization authorization, @Nullable String failure, @Nullable Bytes attestedKey) {
        database.inTenant(tenant, tx -> {
            int decided = tx.createUpdate("""
                            UPDATE acme_authorization SET state = :state, decided_at = :now, failure = :failure,
                                attested_key = :key
                            WHERE tenant_id = :tenant AND authorization_id = :id AND state = 'PENDING'""")
                    .bind("state", failure == null ? Validation.VALID : Validation.INVALID)
                    .bind("now", clock.instant())
                    .bindByType("failure", failure, String.class)
                    .bindByType("key", attestedKey, Bytes.class)
                    .bind("tenant", tenant)
                    .bind("id", authorization.id())
                    .execute();
            if (decided == 1) {
                follow(tx, tenant, authorization.order(), failure);
            }
            return null;
        });
    }

    /// Gives up an authorization at the wish of its account.
    public void deactivate(TenantId tenant, Authorization authorization) {
        database.inTenant(tenant, tx -> {
            int changed = tx.createUpdate("""
                            UPDATE acme_authorization SET state = 'DEACTIVATED'
                            WHERE tenant_id = :tenant AND authorization_id = :id AND state IN ('PENDING', 'VALID')""")
                    .bind("tenant", tenant)
                    .bind("id", authorization.id())
                    .execute();
            if (changed == 1) {
                follow(tx, tenant, authorization.order(), "an authorization was deactivated");
            }
            return null;
        });
    }

    /// Locks the order, so that of two authorizations that are decided at once the later one sees both.
    private static void follow(Handle tx, TenantId tenant, String order, @Nullable String failure) {
        tx.createQuery("SELECT 1 FROM acme_order WHERE tenant_id = :tenant AND order_id = :id FOR UPDATE")
                .bind("tenant", tenant)
                .bind("id", order)
                .mapTo(Integer.class)
                .findOne();
        tx.createUpdate("""
                        UPDATE acme_order SET failure = :failure,
                            state = CASE WHEN :failure::text IS NOT NULL THEN 'INVALID' ELSE 'READY' END
                        WHERE tenant_id = :tenant AND order_id = :id AND state IN ('PENDING', 'READY')
                            AND (:failure::text IS NOT NULL OR NOT EXISTS (SELECT FROM acme_authorization a
                                WHERE a.tenant_id = :tenant AND a.order_id = :id AND a.state <> 'VALID'))""")
                .bindByType("failure", failure, String.class)
                .bind("tenant", tenant)
                .bind("id", order)
                .execute();
    }

    /// Keeps the request of an order that is ready, and takes the order as [#take] does.
    ///
    /// @return false where it is not ready, or not any more
    public boolean finalizeWith(TenantId tenant, AcmeOrder order, Bytes request) {
        Instant now = clock.instant();
        return change(
                tenant,
                order,
                "state = 'PROCESSING', request = :request, taken_until = :until",
                "state = 'READY' AND expires_at > :now",
                update -> update.bind("request", request)
                        .bind("until", now.plus(LONGEST_ISSUANCE))
                        .bind("now", now));
    }

    /// Gives an order that is being processed to the caller alone, until [#issued], [#refused] or
    /// [#giveBack]: of all who ask for it at once, on whatever node, one issues.
    ///
    /// @return false where somebody else has it, or it is not being processed any more
    public boolean take(TenantId tenant, AcmeOrder order) {
        Instant now = clock.instant();
        return change(
                tenant,
                order,
                "taken_until = :until",
                PROCESSING + " AND (taken_until IS NULL OR taken_until <= :now)",
                update -> update.bind("until", now.plus(LONGEST_ISSUANCE)).bind("now", now));
    }

    /// Lets somebody else try again: nothing has been decided.
    public void giveBack(TenantId tenant, AcmeOrder order) {
        change(tenant, order, "taken_until = NULL", PROCESSING, update -> update);
    }

    public void issued(TenantId tenant, AcmeOrder order, List<Bytes> chain) {
        change(
                tenant,
                order,
                "state = 'VALID', chain = :chain, request = NULL",
                PROCESSING,
                update -> update.bindByType("chain", chain, new GenericType<List<Bytes>>() {}));
    }

    /// @param failure for a person
    public void refused(TenantId tenant, AcmeOrder order, String failure) {
        change(
                tenant,
                order,
                "state = 'INVALID', failure = :failure, request = NULL",
                PROCESSING,
                update -> update.bind("failure", failure));
    }

    /// @return false where the order does not meet the condition
    private boolean change(
            TenantId tenant, AcmeOrder order, String set, String condition, UnaryOperator<Update> values) {
        String sql = "UPDATE acme_order SET " + set + " WHERE tenant_id = :tenant AND order_id = :id AND " + condition;
        return database.inTenant(
                tenant,
                tx -> values.apply(tx.createUpdate(sql).bind("tenant", tenant).bind("id", order.id()))
                                .execute()
                        == 1);
    }

    private AcmeOrder order(ResultSet row, List<Authorization> authorizations) throws SQLException {
        State state = State.valueOf(row.getString("state"));
        Instant expiresAt = row.getTimestamp("expires_at").toInstant();
        String failure = row.getString("failure");
        boolean late = (state == State.PENDING || state == State.READY)
                && !clock.instant().isBefore(expiresAt);
        List<Bytes> chain = new ArrayList<>();
        if (row.getArray("chain") != null) {
            for (byte[] each : (byte[][]) row.getArray("chain").getArray()) {
                chain.add(Bytes.of(each));
            }
        }
        return new AcmeOrder(
                row.getString("order_id"),
                row.getString("account_id"),
                late ? State.INVALID : state,
                late ? "the order was not finalized in time" : failure,
                Columns.bytes(row, "request"),
                chain,
                expiresAt,
                authorizations);
    }

    private static Authorization authorization(ResultSet row) throws SQLException {
        return new Authorization(
                row.getString("authorization_id"),
                row.getString("order_id"),
                new Identifier(row.getString("kind"), row.getString("value")),
                Validation.valueOf(row.getString("state")),
                row.getString("token"),
                Columns.instant(row, "started_at"),
                Columns.instant(row, "decided_at"),
                row.getString("failure"),
                Columns.bytes(row, "attested_key"));
    }
}
