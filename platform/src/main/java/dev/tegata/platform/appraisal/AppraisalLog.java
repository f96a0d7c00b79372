// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.store.Json;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;

/// Stores appraisals. Of each attester the newest are kept, and one that changes its status is audited.
final class AppraisalLog {
    private static final int KEPT = 10;
    /// Of all evidence that tells nothing, so that a flood of it costs no more than this.
    private static final int KEPT_UNKNOWN = 1_000;

    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();
    private static final UUID LAST = new UUID(-1, -1);

    private final AuditLog audit;

    AppraisalLog(AuditLog audit) {
        this.audit = audit;
    }

    /// What was rejected, in the column `problems`. The list is wrapped because stored JSON is read as
    /// a type.
    record Problems(List<Problem> rejected) {}

    record Problem(String label, String reason, String sentence) {}

    record Vector(Map<String, Integer> values) {}

    void insert(Handle tx, TenantId tenant, StoredAppraisal appraisal) {
        Optional<String> before = lastStatus(tx, tenant, appraisal.attester());
        List<Bytes> accepted = new ArrayList<>();
        List<Problem> rejected = new ArrayList<>();
        for (EvidenceOutcome outcome : appraisal.outcomes()) {
            switch (outcome) {
                case Verified verified -> accepted.add(verified.encode());
                case Rejected problem ->
                    rejected.add(new Problem(problem.label(), problem.reason().name(), problem.sentence()));
            }
        }
        tx.createUpdate("""
                        INSERT INTO appraisal (tenant_id, appraisal_id, attester, device_id, appraised_at, origin, scheme,
                            status, vector, claims, problems, evidence_type, evidence_digest, policy,
                            endorsement_version, expires_at, result)
                        VALUES (:tenant, :id, :attester, :device::uuid, :at, :origin, :scheme, :status, :vector::jsonb,
                            :claims::bytea[], :problems::jsonb, :type, :digest, :policy, :version, :expires, :result)""")
                .bind("tenant", tenant)
                .bind("id", appraisal.id().value())
                .bind("attester", appraisal.attester())
                .bind("device", uuid(appraisal.device()))
                .bind("at", appraisal.at())
                .bind("origin", appraisal.origin().name())
                .bind("scheme", appraisal.scheme())
                .bind("status", appraisal.status().name())
                .bind("vector", Json.write(appraisal.vector()))
                .bindByType("claims", accepted, LIST_OF_BYTES)
                .bind("problems", Json.write(new Problems(rejected)))
                .bind("type", appraisal.evidenceType())
                .bind("digest", appraisal.evidenceDigest())
                .bind("policy", appraisal.policy())
                .bind("version", appraisal.endorsementVersion())
                .bind("expires", appraisal.expiresAt())
                .bind("result", new String(appraisal.claims().toArray(), StandardCharsets.UTF_8))
                .execute();
        if (!accepted.isEmpty()) {
            tx.createUpdate("""
                            INSERT INTO appraisal_subject (tenant_id, appraisal_id, subject)
                            SELECT :tenant, :id, unnest(:subjects::bytea[])""")
                    .bind("tenant", tenant)
                    .bind("id", appraisal.id().value())
                    .bindByType("subjects", List.copyOf(Appraisals.subjects(appraisal.outcomes(), true)), LIST_OF_BYTES)
                    .execute();
        }
        forgetOldest(tx, tenant, appraisal.attester());
        if (!appraisal.attester().equals(StoredAppraisal.UNKNOWN)
                && !before.equals(Optional.of(appraisal.status().name()))) {
            audit.append(tx, tenant, List.of(changed(appraisal, before)));
        }
    }

    private static @Nullable UUID uuid(@Nullable DeviceId device) {
        return device == null ? null : device.value();
    }

    private static AuditEvent changed(StoredAppraisal appraisal, Optional<String> before) {
        DeviceId device = appraisal.device();
        return new AuditEvent(
                Actor.system("appraisals"),
                "appraisal.status-changed",
                device == null ? "attester:" + appraisal.attester() : "device:" + device,
                Map.of(
                        "appraisal", appraisal.id().toString(),
                        "from",
                                before.map(status -> status.toLowerCase(Locale.ROOT))
                                        .orElse(""),
                        "to", appraisal.status().word(),
                        "evidence", appraisal.evidenceDigest().hex(),
                        "policy", appraisal.policy()));
    }

    private static Optional<String> lastStatus(Handle tx, TenantId tenant, UUID attester) {
        return tx.createQuery("""
                        SELECT status FROM appraisal WHERE tenant_id = :tenant AND attester = :attester
                        ORDER BY appraisal_id DESC LIMIT 1""")
                .bind("tenant", tenant)
                .bind("attester", attester)
                .mapTo(String.class)
                .findOne();
    }

    private static void forgetOldest(Handle tx, TenantId tenant, UUID attester) {
        tx.createUpdate("""
                        WITH old AS (
                            DELETE FROM appraisal
                            WHERE tenant_id = :tenant AND attester = :attester AND appraisal_id <= (
                                SELECT appraisal_id FROM appraisal
                                WHERE tenant_id = :tenant AND attester = :attester
                                ORDER BY appraisal_id DESC OFFSET :kept LIMIT 1)
                            RETURNING appraisal_id)
                        DELETE FROM appraisal_subject s USING old
                        WHERE s.tenant_id = :tenant AND s.appraisal_id = old.appraisal_id""")
                .bind("tenant", tenant)
                .bind("attester", attester)
                .bind("kept", attester.equals(StoredAppraisal.UNKNOWN) ? KEPT_UNKNOWN : KEPT)
                .execute();
    }

    static void forget(Handle tx, TenantId tenant, List<DeviceId> devices) {
        tx.createUpdate("""
                        WITH old AS (
                            DELETE FROM appraisal WHERE tenant_id = :tenant AND attester = ANY (:devices)
                            RETURNING appraisal_id)
                        DELETE FROM appraisal_subject s USING old
                        WHERE s.tenant_id = :tenant AND s.appraisal_id = old.appraisal_id""")
                .bind("tenant", tenant)
                .bindArray(
                        "devices",
                        UUID.class,
                        devices.stream().map(DeviceId::value).toArray())
                .execute();
    }

    static Optional<StoredAppraisal> find(Handle tx, TenantId tenant, AppraisalId id) {
        return tx.createQuery("SELECT * FROM appraisal WHERE tenant_id = :tenant AND appraisal_id = :id")
                .bind("tenant", tenant)
                .bind("id", id.value())
                .map((row, context) -> appraisal(row))
                .findOne();
    }

    static Optional<StoredAppraisal> last(Handle tx, TenantId tenant, UUID attester) {
        return tx.createQuery("""
                        SELECT * FROM appraisal WHERE tenant_id = :tenant AND attester = :attester
                        ORDER BY appraisal_id DESC LIMIT 1""")
                .bind("tenant", tenant)
                .bind("attester", attester)
                .map((row, context) -> appraisal(row))
                .findOne();
    }

    static Page<StoredAppraisal> list(Handle tx, TenantId tenant, @Nullable DeviceId device, Page.Request page) {
        List<StoredAppraisal> rows = tx.createQuery("SELECT * FROM appraisal WHERE tenant_id = :tenant"
                        + (device == null ? "" : " AND attester = :attester")
                        + " AND appraisal_id < :before ORDER BY appraisal_id DESC LIMIT :limit")
                .bind("tenant", tenant)
                .bindMap(device == null ? Map.of() : Map.of("attester", device.value()))
                .bind("before", page.after(id -> AppraisalId.parse(id).value(), LAST))
                .bind("limit", page.limit() + 1)
                .map((row, context) -> appraisal(row))
                .list();
        return Page.of(rows, page, appraisal -> appraisal.id().toString());
    }

    /// Reads a stored row, for those who page over the table.
    static StoredAppraisal appraisal(ResultSet row) throws SQLException {
        UUID device = row.getObject("device_id", UUID.class);
        return new StoredAppraisal(
                new AppraisalId(row.getObject("appraisal_id", UUID.class)),
                row.getObject("attester", UUID.class),
                device == null ? null : new DeviceId(device),
                row.getTimestamp("appraised_at").toInstant(),
                Appraisals.Origin.valueOf(row.getString("origin")),
                row.getString("scheme"),
                Tier.valueOf(row.getString("status")),
                new TreeMap<>(Json.read("{\"values\":" + row.getString("vector") + "}", Vector.class)
                        .values()),
                outcomes(row.getArray("claims"), row.getString("problems")),
                row.getString("evidence_type"),
                Bytes.of(row.getBytes("evidence_digest")),
                row.getString("policy"),
                row.getLong("endorsement_version"),
                row.getTimestamp("expires_at").toInstant(),
                Bytes.of(row.getString("result").getBytes(StandardCharsets.UTF_8)));
    }

    static List<EvidenceOutcome> outcomes(Array claims, String problems) throws SQLException {
        List<EvidenceOutcome> outcomes = new ArrayList<>();
        try {
            for (byte[] encoded : (byte[][]) claims.getArray()) {
                outcomes.add(Verified.parse(Bytes.of(encoded)));
            }
        } catch (MalformedException e) {
            throw new IntegrityException("stored evidence cannot be read", e);
        }
        for (Problem problem : Json.read(problems, Problems.class).rejected()) {
            outcomes.add(new Rejected(
                    problem.label(), EvidenceOutcome.Reason.valueOf(problem.reason()), problem.sentence()));
        }
        return outcomes;
    }

    static Ear result(StoredAppraisal stored) {
        try {
            return Ear.parseJson(stored.claims());
        } catch (MalformedException e) {
            throw new IntegrityException("a stored result cannot be read", e);
        }
    }
}
