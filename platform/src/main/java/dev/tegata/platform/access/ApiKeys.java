// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.Page;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.PublicIds;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.audit.RefusalLog.Refusal;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Remembered;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;

/// The API keys of tenants: making, listing and revoking them, and letting callers in.
///
/// Implementation notes:
/// - A key is remembered until it changes: a revocation holds for each request that comes after it, on every node
///   (see [dev.tegata.platform.store.Changes]).
/// - The limit per key id counts wrong secrets only and never stops the right one: whoever knows an id must not be able
///   to lock its holder out. The limit per source stops the look-up, so that guessing cannot load the database; from
///   there, keys that this node remembers are still let in.
public final class ApiKeys implements AutoCloseable {
    private static final int MAX_REMEMBERED = 10_000;
    private static final Duration LAST_USE_PRECISION = Duration.ofMinutes(1);
    private static final Duration LAST_USE_PAUSE = Duration.ofSeconds(5);

    private static final String COLUMNS =
            "tenant_id, key_id, name, role, created_at, expires_at, last_used_at, revoked_at, secret_hash";

    private final Database database;
    private final AuditLog audit;
    private final RefusalLog refusals;
    private final LoginThrottle throttle;
    private final InstantSource clock;
    private final RandomGenerator random;
    private final Remembered<Id, Optional<Stored>> remembered;
    private final Map<Id, Instant> lastUses = new ConcurrentHashMap<>();
    private final PeriodicWork lastUseWriter;

    /// @param random a generator of cryptographic quality
    public ApiKeys(
            Database database,
            AuditLog audit,
            RefusalLog refusals,
            LoginThrottle throttle,
            InstantSource clock,
            RandomGenerator random) {
        this.database = database;
        this.audit = audit;
        this.refusals = refusals;
        this.throttle = throttle;
        this.clock = clock;
        this.random = random;
        this.remembered = new Remembered<>(database.changes(), MAX_REMEMBERED, this::load);
        this.lastUseWriter = PeriodicWork.start("api-key-last-use", LAST_USE_PAUSE, this::writeLastUses);
    }

    private record Id(TenantId tenant, String keyId) {}

    private record Stored(ApiKey key, Bytes secretHash) {}

    /// Lets a caller in. A failure is audited and counted.
    ///
    /// @param text the whole key, as the request carries it
    /// @param source the address that the request came from
    /// @throws RefusedException [ErrorCode#UNAUTHENTICATED] or [ErrorCode#TOO_MANY_ATTEMPTS]
    public Caller authenticate(String text, String source) {
        return authenticate(text, source, System.nanoTime());
    }

    /// As [#authenticate], for a request that came at a `moment` ([System#nanoTime]): keys that were
    /// revoked before that are let in no more.
    public Caller authenticate(String text, String source, long moment) {
        boolean blocked = throttle.blocksSource(source);
        ApiKeyText given = ApiKeyText.parse(text).orElseThrow(() -> {
            throttle.sourceFailed(source);
            return blocked ? tooMany() : unauthenticated();
        });
        Id id = new Id(given.tenant(), given.keyId());
        Optional<Stored> stored = blocked ? remembered.peek(id, moment) : remembered.get(id, moment);
        if (stored == null) {
            throw refused(given, source, "the source has failed too often", tooMany());
        }
        if (stored.isEmpty()) {
            throttle.sourceFailed(source);
            throw refused(given, source, "there is no such API key", unauthenticated());
        }
        return letIn(stored.get(), given, source);
    }

    private Caller letIn(Stored stored, ApiKeyText given, String source) {
        ApiKey key = stored.key();
        if (!Secret.matches(stored.secretHash(), given.secretHash())) {
            throttle.sourceFailed(source);
            throttle.keyFailed(key.keyId());
            RefusedException answer = throttle.blocksKey(key.keyId()) ? tooMany() : unauthenticated();
            throw refused(given, source, "the secret is wrong", answer);
        }
        Instant now = clock.instant();
        if (!key.isValidAt(now)) {
            throttle.sourceFailed(source);
            String why = key.revokedAt() != null ? "the API key has been revoked" : "the API key has expired";
            throw refused(given, source, why, unauthenticated());
        }
        noteUse(key, now);
        return new Caller(key.tenant(), key.keyId(), key.role());
    }

    private RefusedException refused(ApiKeyText given, String source, String why, RefusedException answer) {
        String subject = "apikey:" + given.keyId();
        refusals.add(given.tenant(), new Refusal(Actor.apiKey(given.keyId()), source, answer.code(), subject, why));
        return answer;
    }

    private static RefusedException unauthenticated() {
        return new RefusedException(ErrorCode.UNAUTHENTICATED, "the API key is unknown, expired or revoked");
    }

    private static RefusedException tooMany() {
        return new RefusedException(
                ErrorCode.TOO_MANY_ATTEMPTS, "wait " + LoginThrottle.WINDOW.toSeconds() + " seconds");
    }

    private Remembered.Found<Optional<Stored>> load(Id id) {
        Optional<Stored> stored = database.inTenant(id.tenant(), tx -> find(tx, id.tenant(), id.keyId()));
        return new Remembered.Found<>(stored, stored.isEmpty() ? null : "apikey " + id.tenant() + " " + id.keyId());
    }

    /// Makes a key.
    ///
    /// @throws RefusedException where `caller` may not hand on that role, or the expiry is over already
    public CreatedApiKey create(TenantId tenant, Caller caller, NewApiKey wanted) {
        requireManages(caller, wanted.role());
        return database.inTenant(tenant, tx -> create(tx, tenant, caller.actor(), wanted));
    }

    /// Makes a key as part of the transaction `tx`, on behalf of whoever may.
    public CreatedApiKey create(Handle tx, TenantId tenant, Actor actor, NewApiKey wanted) {
        Instant now = clock.instant();
        if (wanted.expiresAt() != null && !wanted.expiresAt().isAfter(now)) {
            throw Fields.invalid("expiresAt", "must be in the future");
        }
        String keyId = PublicIds.random(random, ApiKeyText.KEY_ID_LENGTH);
        String secret = Secret.generate(random);
        tx.createUpdate("""
                        INSERT INTO api_key (tenant_id, key_id, name, role, secret_hash, created_at, expires_at)
                        VALUES (:tenant, :key, :name, :role, :hash, :now, :expires)""")
                .bind("tenant", tenant)
                .bind("key", keyId)
                .bind("name", wanted.name())
                .bind("role", wanted.role())
                .bind("hash", Secret.hash(secret).orElseThrow())
                .bind("now", now)
                .bindByType("expires", wanted.expiresAt(), Instant.class)
                .execute();
        audit.append(tx, tenant, List.of(new AuditEvent(actor, "apikey.created", "apikey:" + keyId, detail(wanted))));
        ApiKey key = require(tx, tenant, keyId).key();
        return new CreatedApiKey(key, key.prefix() + "_" + secret);
    }

    private static Map<String, Object> detail(NewApiKey wanted) {
        Map<String, Object> detail = new HashMap<>();
        detail.put("name", wanted.name());
        detail.put("role", wanted.role().id());
        if (wanted.expiresAt() != null) {
            detail.put("expiresAt", wanted.expiresAt());
        }
        return detail;
    }

    /// The keys of a tenant, expired and revoked ones included.
    public Page<ApiKey> list(TenantId tenant, Page.Request page) {
        List<ApiKey> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT " + COLUMNS + """
                         FROM api_key
                        WHERE tenant_id = :tenant AND key_id > :after
                        ORDER BY key_id LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("after", page.after(id -> id, ""))
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> stored(row).key())
                        .list());
        return Page.of(rows, page, ApiKey::keyId);
    }

    /// Ends a key for good. Does nothing where that was done before.
    ///
    /// @throws RefusedException where there is no such key, `caller` may not manage its role, or it is the
    /// last valid key of an owner
    public void revoke(TenantId tenant, Caller caller, String keyId) {
        database.inTenant(tenant, tx -> {
            Instant now = clock.instant();
            // Locked before anything is decided: two owners must not revoke each other at one moment.
            List<String> owners = lockValidOwners(tx, tenant, now);
            ApiKey key = require(tx, tenant, keyId).key();
            requireManages(caller, key.role());
            if (key.revokedAt() != null) {
                return null;
            }
            if (owners.equals(List.of(keyId))) {
                throw new RefusedException(
                        ErrorCode.CONFLICT, "this is the last valid key of an owner; make another one first");
            }
            tx.createUpdate("UPDATE api_key SET revoked_at = :now WHERE tenant_id = :tenant AND key_id = :key")
                    .bind("now", now)
                    .bind("tenant", tenant)
                    .bind("key", keyId)
                    .execute();
            AuditEvent event = new AuditEvent(caller.actor(), "apikey.revoked", "apikey:" + keyId, Map.of());
            audit.append(tx, tenant, List.of(event));
            return null;
        });
    }

    private static void requireManages(Caller caller, Role role) {
        if (!caller.role().mayManage(role)) {
            throw new RefusedException(
                    ErrorCode.FORBIDDEN,
                    "the role " + caller.role().id() + " does not include keys of the role " + role.id());
        }
    }

    private static List<String> lockValidOwners(Handle tx, TenantId tenant, Instant now) {
        return tx.createQuery("""
                        SELECT key_id FROM api_key
                        WHERE tenant_id = :tenant AND role = 'OWNER' AND revoked_at IS NULL
                          AND (expires_at IS NULL OR expires_at > :now)
                        ORDER BY key_id FOR UPDATE""")
                .bind("tenant", tenant)
                .bind("now", now)
                .mapTo(String.class)
                .list();
    }

    private static Stored require(Handle tx, TenantId tenant, String keyId) {
        return find(tx, tenant, keyId)
                .orElseThrow(() ->
                        new RefusedException(ErrorCode.NOT_FOUND, "there is no API key '" + Texts.quoted(keyId) + "'"));
    }

    private static Optional<Stored> find(Handle tx, TenantId tenant, String keyId) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM api_key WHERE tenant_id = :tenant AND key_id = :key")
                .bind("tenant", tenant)
                .bind("key", keyId)
                .map((row, context) -> stored(row))
                .findOne();
    }

    private static Stored stored(ResultSet row) throws SQLException {
        return new Stored(
                new ApiKey(
                        new TenantId(row.getString("tenant_id")),
                        row.getString("key_id"),
                        row.getString("name"),
                        Role.valueOf(row.getString("role")),
                        row.getObject("created_at", OffsetDateTime.class).toInstant(),
                        Columns.instant(row, "expires_at"),
                        Columns.instant(row, "last_used_at"),
                        Columns.instant(row, "revoked_at")),
                Bytes.of(row.getBytes("secret_hash")));
    }

    private void noteUse(ApiKey key, Instant now) {
        Instant before = key.lastUsedAt();
        if (before == null || !now.isBefore(before.plus(LAST_USE_PRECISION))) {
            lastUses.put(new Id(key.tenant(), key.keyId()), now);
        }
    }

    /// Writes when keys were used last, off the path of requests.
    private void writeLastUses() {
        for (Id id : List.copyOf(lastUses.keySet())) {
            Instant used = lastUses.remove(id);
            if (used != null) {
                database.inTenant(
                        id.tenant(),
                        tx -> tx.createUpdate("""
                                UPDATE api_key SET last_used_at = :used
                                WHERE tenant_id = :tenant AND key_id = :key
                                  AND (last_used_at IS NULL OR last_used_at <= :before)""")
                                .bind("used", used)
                                .bind("before", used.minus(LAST_USE_PRECISION))
                                .bind("tenant", id.tenant())
                                .bind("key", id.keyId())
                                .execute());
            }
        }
    }

    /// Writes the last uses.
    @Override
    public void close() {
        lastUseWriter.close();
    }
}
