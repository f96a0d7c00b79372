// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.status.CrlPublisher.Extent;
import dev.tegata.platform.store.Database;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jdbi.v3.core.Handle;

/// What people see of an authority's status, and choose about it.
public final class AuthorityStatuses {
    private final Database database;
    private final Authorities authorities;
    private final CrlPublisher publisher;
    private final Responders responders;
    private final AuditLog auditLog;

    public AuthorityStatuses(
            Database database,
            Authorities authorities,
            CrlPublisher publisher,
            Responders responders,
            AuditLog auditLog) {
        this.database = database;
        this.authorities = authorities;
        this.publisher = publisher;
        this.responders = responders;
        this.auditLog = auditLog;
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public AuthorityStatus get(TenantId tenant, AuthorityId id) {
        Authority authority = authorities.get(tenant, id);
        Optional<Certificate> responder = responders.certificate(tenant, id);
        return database.inTenant(tenant, tx -> read(tx, tenant, authority, responder));
    }

    /// Makes all lists of an authority anew, and returns when they are published.
    ///
    /// @throws RefusedException where there is no such authority, it cannot sign, or its lists are
    ///     being made
    /// already
    public AuthorityStatus publish(TenantId tenant, AuthorityId id, Actor actor) {
        if (!publisher.publish(tenant, id, Extent.ALL)) {
            throw new RefusedException(ErrorCode.CONFLICT, "the lists are being made at this moment");
        }
        if (responders.certificate(tenant, id).isPresent()) {
            responders.ready(tenant, id);
        }
        note(tenant, actor, "crl.published", id, Map.of());
        return get(tenant, id);
    }

    private void note(TenantId tenant, Actor actor, String action, AuthorityId id, Map<String, Object> detail) {
        database.inTenant(tenant, tx -> {
            auditLog.append(tx, tenant, List.of(new AuditEvent(actor, action, "authority:" + id, detail)));
            return null;
        });
    }

    /// Chooses how the status is published. A smaller partition size holds for partitions that are
    /// opened later.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public AuthorityStatus change(TenantId tenant, AuthorityId id, Actor actor, StatusSettings settings) {
        authorities.get(tenant, id);
        database.inTenant(tenant, tx -> {
            settings.store(tx, tenant, id);
            auditLog.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "authority.status-changed",
                            "authority:" + id,
                            Map.of(
                                    "crlLifetime", settings.crlLifetime().toString(),
                                    "partitionSize", settings.partitionSize(),
                                    "publishAtOnce", settings.publishAtOnce(),
                                    "ocspLifetime", settings.ocspLifetime().toString()))));
            StatusNews.tell(tx, tenant, id);
            return null;
        });
        return get(tenant, id);
    }

    private static AuthorityStatus read(
            Handle tx, TenantId tenant, Authority authority, Optional<Certificate> responder) {
        List<PublishedCrl> lists = tx.createQuery("SELECT " + Crls.COLUMNS + """
                         FROM crl WHERE tenant_id = :tenant AND authority_id = :authority
                        ORDER BY next_update, partition""")
                .bind("tenant", tenant)
                .bind("authority", authority.id())
                .map((row, context) -> Crls.of(row))
                .list();
        List<PublishedCrl> partitions =
                lists.stream().filter(crl -> crl.partition() > 0).toList();
        boolean pending = tx.createQuery("""
                        SELECT EXISTS (SELECT FROM crl_change
                            WHERE tenant_id = :tenant AND authority_id = :authority)""")
                .bind("tenant", tenant)
                .bind("authority", authority.id())
                .mapTo(Boolean.class)
                .one();
        return new AuthorityStatus(
                StatusSettings.read(tx, tenant, authority.id()),
                lists.stream().filter(crl -> crl.partition() == 0).findFirst(),
                partitions.size(),
                partitions.stream().mapToLong(PublishedCrl::entries).sum(),
                partitions.stream().findFirst(),
                pending,
                responder,
                Authorities.revokedAt(tx, authority));
    }
}
