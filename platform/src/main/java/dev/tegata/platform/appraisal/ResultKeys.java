// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The keys of the vault that sign a tenant's attestation results: one at a time, a new one every quarter
/// of a year or when asked for.
///
/// The first key is made when it is first needed. Where two nodes make one at once, the first that is
/// stored counts.
public final class ResultKeys {
    private static final Duration AGE = Duration.ofDays(90);
    /// How long a retired key stays published: longer than any result holds.
    private static final Duration PUBLISHED_AFTER = Duration.ofDays(2);
    private static final Duration REMEMBERED = Duration.ofSeconds(2);
    private static final int TENANTS = 1_000;
    /// The width of a coordinate on P-256.
    private static final int COORDINATE = 32;

    private final Database database;
    private final Vault vault;
    private final AuditLog audit;
    private final InstantSource clock;
    private final RecentValues<TenantId, ResultKey> current;

    public ResultKeys(Database database, Vault vault, AuditLog audit, InstantSource clock) {
        this.database = database;
        this.vault = vault;
        this.audit = audit;
        this.clock = clock;
        this.current = new RecentValues<>(clock, REMEMBERED, TENANTS, this::load);
    }

    /// A key.
    ///
    /// @param id its JWK thumbprint (RFC 7638)
    public record ResultKey(
            String id,
            KeyHandle handle,
            PublicKeyInfo publicKey,
            Instant createdAt,
            @Nullable Instant retiredAt) {
        /// The public key as a JSON Web Key.
        public Map<String, String> jwk() {
            Map<String, String> key = coordinates(publicKey);
            return Map.of(
                    "kty", "EC",
                    "crv", "P-256",
                    "x", key.get("x"),
                    "y", key.get("y"),
                    "kid", id,
                    "use", "sig",
                    "alg", "ES256");
        }
    }

    private static Map<String, String> coordinates(PublicKeyInfo key) {
        Bytes encoded = key.encoded();
        int y = encoded.size() - COORDINATE;
        return Map.of(
                "x", encoded.slice(y - COORDINATE, y).base64Url(),
                "y", encoded.slice(y, encoded.size()).base64Url());
    }

    /// spec| RFC 7638 §3.1: the required members only, in lexicographic order, without white space
    private static String thumbprint(PublicKeyInfo key) {
        Map<String, String> point = coordinates(key);
        String json = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}"
                .formatted(point.get("x"), point.get("y"));
        return Bytes.of(json.getBytes(StandardCharsets.UTF_8)).sha256().base64Url();
    }

    /// The key that signs now.
    public ResultKey current(TenantId tenant) {
        ResultKey key = current.get(tenant);
        if (!clock.instant().isBefore(key.createdAt().plus(AGE))) {
            replace(tenant, Actor.system("result-keys"), key);
            current.forget(tenant);
            return current.get(tenant);
        }
        return key;
    }

    /// Signs with `key`. Not for use inside a transaction.
    public Signer signer(TenantId tenant, ResultKey key) {
        return new Signer(
                key.publicKey(),
                data -> vault.sign(
                        tenant.keySpace(),
                        key.handle(),
                        key.publicKey().algorithm().signatureAlgorithm(),
                        data));
    }

    /// Retires the current key and makes another.
    public ResultKey rotate(TenantId tenant, Actor actor) {
        replace(tenant, actor, current.get(tenant));
        current.forget(tenant);
        return current.get(tenant);
    }

    /// The keys by which results can be checked now: the current one, and retired ones whose results
    /// may still hold.
    public List<ResultKey> published(TenantId tenant) {
        current.get(tenant);
        Instant oldest = clock.instant().minus(PUBLISHED_AFTER);
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT * FROM result_key
                        WHERE tenant_id = :tenant AND (retired_at IS NULL OR retired_at > :oldest)
                        ORDER BY created_at DESC, key_id""")
                        .bind("tenant", tenant)
                        .bind("oldest", oldest)
                        .map((row, context) -> key(row))
                        .list());
    }

    private ResultKey load(TenantId tenant) {
        Optional<ResultKey> present = database.inTenant(tenant, tx -> {
            requireTenant(tx, tenant);
            return select(tx, tenant);
        });
        return present.orElseGet(() -> make(tenant, Actor.system("result-keys"), null));
    }

    private static void requireTenant(Handle tx, TenantId tenant) {
        boolean present = tx.createQuery("SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = :tenant)")
                .bind("tenant", tenant)
                .mapTo(Boolean.class)
                .one();
        if (!present) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no tenant " + tenant);
        }
    }

    private void replace(TenantId tenant, Actor actor, ResultKey old) {
        make(tenant, actor, old);
    }

    /// Makes a key in place of `old`, unless somebody else was faster.
    private ResultKey make(TenantId tenant, Actor actor, @Nullable ResultKey old) {
        KeyHandle handle = vault.generate(tenant.keySpace(), KeyAlgorithm.EC_P256);
        PublicKeyInfo publicKey = vault.publicKey(tenant.keySpace(), handle);
        ResultKey made = new ResultKey(thumbprint(publicKey), handle, publicKey, clock.instant(), null);
        ResultKey counts = database.inTenant(tenant, tx -> store(tx, tenant, actor, made, old));
        if (!counts.handle().equals(handle)) {
            vault.destroy(tenant.keySpace(), handle);
        }
        return counts;
    }

    private ResultKey store(Handle tx, TenantId tenant, Actor actor, ResultKey made, @Nullable ResultKey old) {
        if (old != null) {
            tx.createUpdate("""
                            UPDATE result_key SET retired_at = :now
                            WHERE tenant_id = :tenant AND key_id = :id AND retired_at IS NULL""")
                    .bind("tenant", tenant)
                    .bind("id", old.id())
                    .bind("now", made.createdAt())
                    .execute();
        }
        int stored = tx.createUpdate("""
                        INSERT INTO result_key (tenant_id, key_id, key_handle, public_key, created_at)
                        VALUES (:tenant, :id, :handle, :key, :now) ON CONFLICT DO NOTHING""")
                .bind("tenant", tenant)
                .bind("id", made.id())
                .bind("handle", made.handle().id())
                .bind("key", made.publicKey().encoded())
                .bind("now", made.createdAt())
                .execute();
        if (stored == 1) {
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "result-key.created",
                            "result-key:" + made.id(),
                            Map.of("replaces", old == null ? "" : old.id()))));
            return made;
        }
        return select(tx, tenant).orElseThrow();
    }

    private static Optional<ResultKey> select(Handle tx, TenantId tenant) {
        return tx.createQuery("SELECT * FROM result_key WHERE tenant_id = :tenant AND retired_at IS NULL")
                .bind("tenant", tenant)
                .map((row, context) -> key(row))
                .findOne();
    }

    private static ResultKey key(ResultSet row) throws SQLException {
        try {
            return new ResultKey(
                    row.getString("key_id"),
                    new KeyHandle(row.getString("key_handle")),
                    PublicKeyInfo.parse(Bytes.of(row.getBytes("public_key"))),
                    row.getTimestamp("created_at").toInstant(),
                    Columns.instant(row, "retired_at"));
        } catch (InvalidKeyInfoException e) {
            throw new IntegrityException("a stored result key cannot be read", e);
        }
    }
}
