// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Database;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jdbi.v3.core.Handle;

/// Who may sign a tenant's endorsements.
public final class EndorsementSigners {
    private static final int MAX_PER_TENANT = 100;

    private final Database database;
    private final AuditLog audit;
    private final Reappraisals reappraisals;
    private final InstantSource clock;
    private final List<Removal> removals = new CopyOnWriteArrayList<>();

    /// Hears of signers that are allowed no more, in the transaction that ends it.
    @FunctionalInterface
    public interface Removal {
        /// @return manifests that rest on this signer by another way than by its signature on them
        List<EndorsementId> removed(Handle tx, TenantId tenant, Actor actor, Bytes fingerprint);
    }

    public EndorsementSigners(Database database, AuditLog audit, Reappraisals reappraisals, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.reappraisals = reappraisals;
        this.clock = clock;
    }

    /// Allows a signer. Allowing one again under the same name changes nothing.
    ///
    /// @throws RefusedException where the name or the key stands for another signer
    public EndorsementSigner add(TenantId tenant, Actor actor, String name, PublicKeyInfo key) {
        String shown = Fields.name("name", name);
        if (shown.equals(EndorsementIndex.UNSIGNED)) {
            throw Fields.invalid("name", "must not be what manifests without a signature go by");
        }
        return database.inTenant(tenant, tx -> {
            audit.takeTurn(tx, tenant);
            int added = tx.createUpdate("""
                            INSERT INTO endorsement_signer (tenant_id, fingerprint, name, public_key, created_at)
                            SELECT :tenant, :fingerprint, :name, :key, :now
                            WHERE (SELECT count(*) FROM endorsement_signer WHERE tenant_id = :tenant) < :limit
                            ON CONFLICT DO NOTHING""")
                    .bind("tenant", tenant)
                    .bind("fingerprint", key.fingerprint())
                    .bind("name", shown)
                    .bind("key", key.encoded())
                    .bind("now", clock.instant())
                    .bind("limit", MAX_PER_TENANT)
                    .execute();
            if (added == 1) {
                audit.append(tx, tenant, List.of(event(actor, "endorsement-signer.added", shown, key.fingerprint())));
            }
            return select(tx, tenant).stream()
                    .filter(signer ->
                            signer.publicKey().equals(key) && signer.name().equals(shown))
                    .findFirst()
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.CONFLICT,
                            "the name or the key stands for another signer, or there are " + MAX_PER_TENANT
                                    + " signers already"));
        });
    }

    /// All signers, by name.
    public List<EndorsementSigner> list(TenantId tenant) {
        return database.inTenant(tenant, tx -> select(tx, tenant));
    }

    /// Has `removal` hear of signers that are allowed no more.
    public void whenRemoved(Removal removal) {
        removals.add(removal);
    }

    /// Ends the trust in a signer. Its endorsements are withdrawn with it, and the releases that rest on it
    /// alone: the key may be in other hands.
    ///
    /// @throws RefusedException where there is no such signer
    public void remove(TenantId tenant, Actor actor, Bytes fingerprint) {
        database.inTenant(tenant, tx -> {
            AppraisalBasis.change(tx, tenant);
            String name = tx.createQuery("""
                            DELETE FROM endorsement_signer WHERE tenant_id = :tenant AND fingerprint = :fingerprint
                            RETURNING name""")
                    .bind("tenant", tenant)
                    .bind("fingerprint", fingerprint)
                    .mapTo(String.class)
                    .findOne()
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.NOT_FOUND, "no such signer is allowed: " + fingerprint.hex()));
            List<UUID> others = removals.stream()
                    .flatMap(removal -> removal.removed(tx, tenant, actor, fingerprint).stream())
                    .map(EndorsementId::value)
                    .toList();
            List<EndorsementId> withdrawn = tx.createQuery("""
                            UPDATE endorsement SET state = 'WITHDRAWN', ended_at = :now
                            WHERE tenant_id = :tenant AND (signer_key = :fingerprint OR endorsement_id = ANY (:others))
                                AND state = 'ACTIVE'
                            RETURNING endorsement_id""")
                    .bind("tenant", tenant)
                    .bind("fingerprint", fingerprint)
                    .bindArray("others", UUID.class, others)
                    .bind("now", clock.instant())
                    .mapTo(UUID.class)
                    .map(EndorsementId::new)
                    .list();
            if (!withdrawn.isEmpty()) {
                reappraisals.request(tx, tenant, actor, withdrawn);
            }
            audit.append(tx, tenant, List.of(event(actor, "endorsement-signer.removed", name, fingerprint)));
            return null;
        });
    }

    private static AuditEvent event(Actor actor, String action, String name, Bytes fingerprint) {
        return new AuditEvent(actor, action, "endorsement-signer:" + fingerprint.hex(), Map.of("name", name));
    }

    static List<EndorsementSigner> select(Handle tx, TenantId tenant) {
        return tx.createQuery("SELECT * FROM endorsement_signer WHERE tenant_id = :tenant ORDER BY name")
                .bind("tenant", tenant)
                .map((row, context) -> signer(row))
                .list();
    }

    private static EndorsementSigner signer(ResultSet row) throws SQLException {
        try {
            return new EndorsementSigner(
                    row.getString("name"),
                    PublicKeyInfo.parse(Bytes.of(row.getBytes("public_key"))),
                    row.getTimestamp("created_at").toInstant());
        } catch (InvalidKeyInfoException e) {
            throw new IntegrityException("a stored signer's key cannot be read", e);
        }
    }
}
