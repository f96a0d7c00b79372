// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.tenant;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.CreatedApiKey;
import dev.tegata.platform.access.NewApiKey;
import dev.tegata.platform.access.Role;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.authority.AuthorityMaker.Below;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.authority.PreparedAuthority;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The tenants of this installation.
public final class Tenants {
    private static final String COLUMNS = "tenant_id, name, subject, created_at";

    private final Database database;
    private final Vault vault;
    private final AuditLog audit;
    private final ApiKeys apiKeys;
    private final AuthorityMaker maker;
    private final Authorities authorities;
    private final InstantSource clock;
    private final SecureRandom random;

    public Tenants(
            Database database,
            Vault vault,
            AuditLog audit,
            ApiKeys apiKeys,
            AuthorityMaker maker,
            Authorities authorities,
            InstantSource clock,
            SecureRandom random) {
        this.database = database;
        this.vault = vault;
        this.audit = audit;
        this.apiKeys = apiKeys;
        this.maker = maker;
        this.authorities = authorities;
        this.clock = clock;
        this.random = random;
    }

    private record Prepared(KeyHandle auditKey, PublicKeyInfo auditPublicKey, List<PreparedAuthority> authorities) {}

    /// Makes a tenant with its keys, its authorities and the first key of an owner: all of it, or nothing.
    ///
    /// @param actor who asked: the operator, or a part of the system
    public CreatedTenant create(Actor actor, NewTenant wanted) {
        TenantId id = TenantId.random(random);
        vault.createSpace(id.keySpace());
        Prepared prepared = prepare(id, wanted);
        try {
            return database.inTenant(id, tx -> store(tx, id, actor, wanted, prepared));
        } catch (UnavailableException e) {
            // Nobody knows whether it was stored. Keys that nothing names do no harm, missing ones would.
            throw e;
        } catch (RuntimeException e) {
            prepared.authorities().forEach(maker::discard);
            vault.destroy(id.keySpace(), prepared.auditKey());
            throw e;
        }
    }

    private Prepared prepare(TenantId id, NewTenant wanted) {
        KeyHandle auditKey = vault.generate(id.keySpace(), KeyAlgorithm.EC_P256);
        try {
            return new Prepared(auditKey, vault.publicKey(id.keySpace(), auditKey), prepareAuthorities(id, wanted));
        } catch (RuntimeException e) {
            vault.destroy(id.keySpace(), auditKey);
            throw e;
        }
    }

    private List<PreparedAuthority> prepareAuthorities(TenantId id, NewTenant wanted) {
        return switch (wanted.layout()) {
            case ONE_TIER ->
                List.of(maker.root(id, authority(wanted, "Root CA", wanted.rootLifetime()), Below.DEVICES));
            case TWO_TIER -> {
                PreparedAuthority root =
                        maker.root(id, authority(wanted, "Root CA", wanted.rootLifetime()), Below.AUTHORITIES);
                try {
                    yield List.of(
                            root,
                            maker.issuing(
                                    id, authority(wanted, "Issuing CA", wanted.issuingLifetime()), root.issuing()));
                } catch (RuntimeException e) {
                    maker.discard(root);
                    throw e;
                }
            }
            case OWN_ROOT -> List.of(maker.pending(id, authority(wanted, "Issuing CA", wanted.issuingLifetime())));
            case IMPORTED -> List.of();
        };
    }

    private static NewAuthority authority(NewTenant wanted, String role, @Nullable String lifetime) {
        return new NewAuthority(role, wanted.subject().authorityName(role), wanted.algorithm(), lifetime);
    }

    private CreatedTenant store(Handle tx, TenantId id, Actor actor, NewTenant wanted, Prepared prepared) {
        tx.createUpdate("""
                        INSERT INTO tenant (tenant_id, name, subject, created_at)
                        VALUES (:tenant, :name, :subject::jsonb, :now)""")
                .bind("tenant", id)
                .bind("name", wanted.name())
                .bind("subject", Json.write(wanted.subject()))
                .bind("now", clock.instant())
                .execute();
        audit.begin(tx, id, actor, prepared.auditKey(), prepared.auditPublicKey());
        Map<String, Object> detail = Map.of(
                "name",
                wanted.name(),
                "organization",
                wanted.subject().organization(),
                "layout",
                wanted.layout().id());
        audit.append(tx, id, List.of(new AuditEvent(actor, "tenant.created", "tenant:" + id, detail)));
        List<Authority> stored = new ArrayList<>();
        for (PreparedAuthority authority : prepared.authorities()) {
            stored.add(authorities.insert(tx, id, actor, authority));
        }
        NewApiKey adminKey = new NewApiKey("first owner", Role.OWNER, null);
        CreatedApiKey created = apiKeys.create(tx, id, actor, adminKey);
        return new CreatedTenant(require(tx, id), stored, created);
    }

    /// All tenants, for the operator of the installation.
    public Page<Tenant> list(Page.Request page) {
        List<Tenant> rows = database.acrossTenants(tx -> tx.createQuery("SELECT " + COLUMNS + """
                         FROM tenant WHERE tenant_id > :after
                        ORDER BY tenant_id LIMIT :limit""")
                .bind("after", page.after(id -> id, ""))
                .bind("limit", page.limit() + 1)
                .map((row, context) -> tenant(row))
                .list());
        return Page.of(rows, page, tenant -> tenant.id().value());
    }

    /// Hands each tenant's id to `work`, for background work in all of them.
    public void forEachId(Consumer<TenantId> work) {
        Page.Request page = new Page.Request(null, 1000);
        while (true) {
            Page<Tenant> tenants = list(page);
            tenants.items().forEach(tenant -> work.accept(tenant.id()));
            if (tenants.next() == null) {
                return;
            }
            page = Page.Request.of(tenants.next(), 1000);
        }
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Tenant get(TenantId id) {
        return database.inTenant(id, tx -> require(tx, id));
    }

    private static Tenant require(Handle tx, TenantId id) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM tenant WHERE tenant_id = :tenant")
                .bind("tenant", id)
                .map((row, context) -> tenant(row))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no tenant " + id));
    }

    private static Tenant tenant(ResultSet row) throws SQLException {
        Instant createdAt = row.getObject("created_at", OffsetDateTime.class).toInstant();
        return new Tenant(
                new TenantId(row.getString("tenant_id")),
                row.getString("name"),
                Json.read(row.getString("subject"), TenantSubject.class),
                createdAt);
    }
}
