// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.appraisal.Verdict;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.appraisal.AppraisalId;
import dev.tegata.platform.appraisal.Appraisals;
import dev.tegata.platform.appraisal.KeptEvidence;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.endorsement.AppraisalBasis;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.job.Advance;
import dev.tegata.platform.job.JobHandler;
import dev.tegata.platform.job.JobStep;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Judges stored evidence again, without the devices, where what it was judged by has changed.
///
/// Implementation notes:
/// - The requests that are there when a round begins are worked off together; later ones make another
///   round. The step
/// that finds none takes the lock on `appraisal_basis`, so that no request falls between its look and
/// its end.
/// - Evidence is found by the subjects that the changed manifests speak of, or all of it by device
///   where the policy
///   changed. A step judges at most [#AT_ONCE] devices; only what has changed is written.
/// - A device that sends evidence meanwhile is judged by what holds now: its row names another
///   appraisal then, and this
///   job leaves it alone.
public final class ReappraisalJob implements JobHandler {
    private static final int AT_ONCE = 1_000;
    private static final int SUBJECTS_AT_ONCE = 500;
    private static final UUID FIRST = new UUID(0, 0);
    private static final Actor ACTOR = Actor.system("reappraisal");

    private final Database database;
    private final Appraisals appraisals;
    private final Outbox outbox;
    private final AuditLog audit;
    private final InstantSource clock;

    public ReappraisalJob(
            Database database, Appraisals appraisals, Outbox outbox, AuditLog audit, InstantSource clock) {
        this.database = database;
        this.appraisals = appraisals;
        this.outbox = outbox;
        this.audit = audit;
        this.clock = clock;
    }

    /// Where the job is.
    ///
    /// @param last request of this round; those up to it are worked off together
    /// @param everything whether all evidence is touched
    /// @param subject that is being worked on, in hex; empty at the beginning and where everything is
    ///     touched
    /// @param after the last device, or appraisal of the subject, that was judged
    record Position(UUID last, boolean everything, String subject, UUID after) {}

    @Override
    public void step(JobStep step) {
        TenantId tenant = step.tenant();
        String stored = step.job().position();
        Position position = stored == null
                ? database.inTenant(tenant, tx -> begin(tx, tenant)).orElse(null)
                : Json.read(stored, Position.class);
        if (position == null) {
            step.commit(tx -> end(tx, tenant));
            return;
        }
        Found found = database.inTenant(
                tenant,
                tx -> position.everything ? allDevices(tx, tenant, position) : touchedDevices(tx, tenant, position));
        List<Judged> changed = judge(tenant, found.evidence());
        step.commit(tx -> {
            write(tx, tenant, changed);
            Position next = found.next();
            if (next != null) {
                return Advance.to(Json.write(next), found.evidence().size(), List.of());
            }
            tx.createUpdate("DELETE FROM reappraisal_request WHERE tenant_id = :tenant AND request_id <= :last")
                    .bind("tenant", tenant)
                    .bind("last", position.last)
                    .execute();
            return new Advance(null, false, found.evidence().size(), List.of(), null, null);
        });
    }

    private static Optional<Position> begin(Handle tx, TenantId tenant) {
        return tx.createQuery("""
                        SELECT request_id, bool_or(endorsement_id IS NULL) OVER () AS everything
                        FROM reappraisal_request WHERE tenant_id = :tenant ORDER BY request_id DESC LIMIT 1""")
                .bind("tenant", tenant)
                .map((row, context) ->
                        new Position(row.getObject("request_id", UUID.class), row.getBoolean("everything"), "", FIRST))
                .findOne();
    }

    private static Advance end(Handle tx, TenantId tenant) {
        AppraisalBasis.lock(tx, tenant);
        return begin(tx, tenant)
                .map(position -> Advance.to(Json.write(position), 0, List.of()))
                .orElseGet(() -> Advance.complete(0, List.of()));
    }

    /// @param next where the next step goes on; null where the round is over
    private record Found(List<Stored> evidence, @Nullable Position next) {}

    /// Evidence as it was kept, and what came of it.
    private record Stored(
            DeviceId device,
            FleetId fleet,
            AppraisalId appraisal,
            Tier status,
            String vector,
            String release,
            boolean staleTold,
            @Nullable Instant badSince,
            Instant at,
            List<EvidenceOutcome> outcomes,
            Map<String, Object> facts) {}

    private Found allDevices(Handle tx, TenantId tenant, Position position) {
        List<Stored> rows = stored(
                tx,
                "p.device_id > :after ORDER BY p.device_id LIMIT :limit",
                Map.of("tenant", tenant, "after", position.after, "limit", AT_ONCE));
        return new Found(
                rows,
                rows.size() < AT_ONCE
                        ? null
                        : new Position(
                                position.last, true, "", rows.getLast().device().value()));
    }

    private Found touchedDevices(Handle tx, TenantId tenant, Position position) {
        List<Bytes> subjects = subjects(tx, tenant, position);
        Map<DeviceId, Stored> found = new HashMap<>();
        UUID after = position.after;
        for (Bytes subject : subjects) {
            int room = AT_ONCE - found.size();
            List<UUID> ids = tx.createQuery("""
                            SELECT appraisal_id FROM appraisal_subject
                            WHERE tenant_id = :tenant AND subject = :subject AND appraisal_id > :after
                            ORDER BY appraisal_id LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("subject", subject)
                    .bind("after", after)
                    .bind("limit", room)
                    .mapTo(UUID.class)
                    .list();
            if (!ids.isEmpty()) {
                stored(tx, "p.appraisal_id = ANY (:ids)", Map.of("tenant", tenant, "ids", ids.toArray(UUID[]::new)))
                        .forEach(each -> found.put(each.device, each));
            }
            if (ids.size() == room) {
                return new Found(
                        List.copyOf(found.values()), new Position(position.last, false, subject.hex(), ids.getLast()));
            }
            after = FIRST;
        }
        Position next = subjects.size() < SUBJECTS_AT_ONCE
                ? null
                : new Position(position.last, false, subjects.getLast().hex(), new UUID(-1, -1));
        return new Found(List.copyOf(found.values()), next);
    }

    /// What the changed manifests speak of, and those that are linked to them by their tags: from the
    /// subject on that is being worked on.
    private static List<Bytes> subjects(Handle tx, TenantId tenant, Position position) {
        return tx.createQuery("""
                        WITH RECURSIVE related (endorsement_id) AS (
                            SELECT endorsement_id FROM reappraisal_request
                            WHERE tenant_id = :tenant AND request_id <= :last AND endorsement_id IS NOT NULL
                            UNION
                            SELECT other.endorsement_id FROM related r
                            JOIN endorsement_link mine
                                ON mine.tenant_id = :tenant AND mine.endorsement_id = r.endorsement_id
                            JOIN endorsement_link other
                                ON other.tenant_id = :tenant AND other.subject = mine.subject)
                        SELECT DISTINCT s.subject FROM related r
                        JOIN endorsement_statement s
                            ON s.tenant_id = :tenant AND s.endorsement_id = r.endorsement_id
                        WHERE s.subject >= :subject ORDER BY s.subject LIMIT :limit""")
                .bind("tenant", tenant)
                .bind("last", position.last)
                .bind("subject", Bytes.ofHex(position.subject))
                .bind("limit", SUBJECTS_AT_ONCE)
                .mapTo(Bytes.class)
                .list();
    }

    private static List<Stored> stored(Handle tx, String filter, Map<String, ?> bindings) {
        return tx.createQuery("""
                        SELECT p.device_id, p.fleet_id, p.appraisal_id, p.status, p.vector::text AS vector, p.release,
                            p.stale_told, p.bad_since, p.appraised_at, a.claims, a.problems, d.state, d.chip, d.serial,
                            d.model
                        FROM device_posture p
                        JOIN appraisal a ON a.tenant_id = p.tenant_id AND a.appraisal_id = p.appraisal_id
                        JOIN device d ON d.tenant_id = p.tenant_id AND d.device_id = p.device_id
                        WHERE p.tenant_id = :tenant AND """ + " " + filter)
                .bindMap(bindings)
                .map((row, context) -> {
                    DeviceId device = new DeviceId(row.getObject("device_id", UUID.class));
                    return new Stored(
                            device,
                            new FleetId(row.getString("fleet_id")),
                            new AppraisalId(row.getObject("appraisal_id", UUID.class)),
                            Tier.valueOf(row.getString("status")),
                            row.getString("vector"),
                            row.getString("release"),
                            row.getBoolean("stale_told"),
                            Columns.instant(row, "bad_since"),
                            row.getTimestamp("appraised_at").toInstant(),
                            KeptEvidence.of(row.getArray("claims"), row.getString("problems")),
                            Map.of(
                                    "id", device.toString(),
                                    "fleet", row.getString("fleet_id"),
                                    "state", row.getString("state").toLowerCase(Locale.ROOT),
                                    "chip", row.getString("chip"),
                                    "serial", row.getString("serial"),
                                    "model", row.getString("model")));
                })
                .list();
    }

    private record Judged(Stored stored, Judgement judgement, String result) {}

    private List<Judged> judge(TenantId tenant, List<Stored> evidence) {
        AppraisalBasis basis = database.inTenant(tenant, tx -> AppraisalBasis.read(tx, tenant));
        return evidence.parallelStream()
                .map(each -> judge(tenant, basis, each))
                .filter(ReappraisalJob::isChanged)
                .toList();
    }

    private Judged judge(TenantId tenant, AppraisalBasis basis, Stored stored) {
        Verdict verdict = appraisals.judge(tenant, basis, stored.outcomes, stored.facts);
        Judgement judgement = Judgement.of(verdict, stored.outcomes);
        Judged judged = new Judged(stored, judgement, "");
        return isChanged(judged)
                ? new Judged(stored, judgement, appraisals.resultOf(verdict, stored.at, nonce(stored.outcomes)))
                : judged;
    }

    private static @Nullable Bytes nonce(List<EvidenceOutcome> outcomes) {
        return outcomes.stream()
                .map(outcome -> outcome instanceof Verified verified ? verified.nonce() : null)
                .filter(nonce -> nonce != null)
                .findFirst()
                .orElse(null);
    }

    private static boolean isChanged(Judged judged) {
        Map<String, Integer> before = Json.read("{\"values\":" + judged.stored.vector + "}", Postures.Vector.class)
                .values();
        return judged.judgement.status() != judged.stored.status
                || !judged.judgement.vector().equals(before)
                || !judged.judgement.release().equals(judged.stored.release);
    }

    private void write(Handle tx, TenantId tenant, List<Judged> changed) {
        if (changed.isEmpty()) {
            return;
        }
        List<Judged> sorted = new ArrayList<>(changed);
        sorted.sort(Comparator.comparing(judged -> judged.stored.device.toString()));
        Map<FleetId, AttestationPolicy> policies = new HashMap<>();
        Instant now = clock.instant();
        int size = sorted.size();
        UUID[] devices = new UUID[size];
        UUID[] judged = new UUID[size];
        String[] statuses = new String[size];
        String[] vectors = new String[size];
        String[] reasons = new String[size];
        String[] releases = new String[size];
        String[] results = new String[size];
        @Nullable Long[] dues = new @Nullable Long[size];
        for (int i = 0; i < size; i++) {
            Stored stored = sorted.get(i).stored;
            Judgement judgement = sorted.get(i).judgement;
            AttestationPolicy policy =
                    policies.computeIfAbsent(stored.fleet, fleet -> Fleets.attestation(tx, tenant, fleet));
            Instant first = Postures.firstStep(policy, now);
            devices[i] = stored.device.value();
            judged[i] = stored.appraisal.value();
            statuses[i] = judgement.status().name();
            vectors[i] = Json.write(judgement.vector());
            reasons[i] = Json.write(new Postures.Reasons(judgement.reasons()));
            releases[i] = judgement.release();
            results[i] = sorted.get(i).result;
            dues[i] = first == null ? null : first.toEpochMilli();
        }
        List<UUID> written = tx.createQuery("""
                        UPDATE device_posture p SET previous = p.status, status = n.status, vector = n.vector::jsonb,
                            reasons = n.reasons::jsonb, release = n.release, judged_at = :now,
                            changed_at = CASE WHEN p.status <> n.status THEN :now ELSE p.changed_at END,
                            bad_since = CASE WHEN n.status = 'AFFIRMING' AND NOT p.stale_told THEN NULL
                                ELSE coalesce(p.bad_since, :now) END,
                            step_due = CASE
                                WHEN n.status = 'AFFIRMING' AND NOT p.stale_told THEN CASE WHEN p.suspended THEN :now END
                                WHEN p.bad_since IS NULL THEN to_timestamp(n.due / 1000.0) ELSE p.step_due END,
                            steps_taken = CASE WHEN n.status = 'AFFIRMING' AND NOT p.stale_told THEN 0
                                ELSE p.steps_taken END
                        FROM unnest(:devices, :appraisals, :statuses, :vectors, :reasons, :releases, :dues)
                            AS n (device, appraisal, status, vector, reasons, release, due)
                        WHERE p.tenant_id = :tenant AND p.device_id = n.device AND p.appraisal_id = n.appraisal
                        RETURNING p.device_id""")
                .bind("now", now)
                .bind("tenant", tenant)
                .bindArray("devices", UUID.class, (Object[]) devices)
                .bindArray("appraisals", UUID.class, (Object[]) judged)
                .bindArray("statuses", String.class, (Object[]) statuses)
                .bindArray("vectors", String.class, (Object[]) vectors)
                .bindArray("reasons", String.class, (Object[]) reasons)
                .bindArray("releases", String.class, (Object[]) releases)
                .bindArray("dues", Long.class, (Object[]) dues)
                .mapTo(UUID.class)
                .list();
        tx.createUpdate("""
                        UPDATE appraisal a SET status = n.status, vector = n.vector::jsonb, result = n.result
                        FROM unnest(:appraisals, :statuses, :vectors, :results) AS n (appraisal, status, vector, result)
                        WHERE a.tenant_id = :tenant AND a.appraisal_id = n.appraisal""")
                .bind("tenant", tenant)
                .bindArray("appraisals", UUID.class, (Object[]) judged)
                .bindArray("statuses", String.class, (Object[]) statuses)
                .bindArray("vectors", String.class, (Object[]) vectors)
                .bindArray("results", String.class, (Object[]) results)
                .execute();
        tell(tx, tenant, sorted, Set.copyOf(written));
    }

    /// Whoever is stale was told so, and stays it whatever the stored evidence says now.
    private void tell(Handle tx, TenantId tenant, List<Judged> changed, Set<UUID> written) {
        List<AuditEvent> records = new ArrayList<>();
        List<Event> events = new ArrayList<>();
        for (Judged each : changed) {
            Stored stored = each.stored;
            if (each.judgement.status() == stored.status || !written.contains(stored.device.value())) {
                continue;
            }
            boolean wasStale = stored.staleTold && stored.status == Tier.AFFIRMING;
            String from = wasStale ? "stale" : stored.status.word();
            Event event = Postures.changed(stored.device, from, each.judgement, stored.appraisal.toString());
            events.add(event);
            records.add(new AuditEvent(ACTOR, "appraisal.status-changed", "device:" + stored.device, event.data()));
        }
        audit.append(tx, tenant, records);
        outbox.append(tx, tenant, events);
    }
}
