// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.claim.ManifestReport.State;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Imports manifests, and tells what came of them.
///
/// An import can be repeated at any time: what is claimed already stays as it is. That is also how one is
/// resumed that was cancelled or broke off.
public final class Manifests implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Manifests.class);

    /// How many files one node reads at a time.
    private static final int MAX_IMPORTS = 8;

    /// How many of them may be one tenant's: its slow uploads are not to keep the others waiting.
    private static final int MAX_IMPORTS_OF_A_TENANT = MAX_IMPORTS / 2;

    /// A running import touches its row far more often; a row that is older belongs to a node that died.
    private static final Duration STALE = Duration.ofMinutes(2);

    private final Database database;
    private final AuditLog audit;
    private final TrustedCertificates trusted;
    private final StatedChips stated;
    private final InstantSource clock;
    private final RandomGenerator random;
    private final Semaphore imports = new Semaphore(MAX_IMPORTS);
    private final Map<TenantId, Integer> importsByTenant = new ConcurrentHashMap<>();
    private final ExecutorService workers;

    public Manifests(
            Database database,
            AuditLog audit,
            TrustedCertificates trusted,
            StatedChips stated,
            InstantSource clock,
            RandomGenerator random) {
        this.database = database;
        this.audit = audit;
        this.trusted = trusted;
        this.stated = stated;
        this.clock = clock;
        this.random = random;
        this.workers = Executors.newFixedThreadPool(
                ManifestImport.WORKERS,
                Thread.ofPlatform().daemon().name("claim-", 0).factory());
    }

    /// Imports a file, to its end unless it breaks or somebody cancels it, and tells what came of it.
    ///
    /// @param progress is told now and then how far the import is, the first time before anything has been
    /// read
    /// @throws RefusedException where the file is no known manifest, the fleet does not exist, or too many
    ///     files are being imported; then nothing was changed
    public ManifestReport importManifest(
            TenantId tenant, Actor actor, ManifestUpload upload, Consumer<ManifestReport> progress) {
        try {
            if (importsByTenant.merge(tenant, 1, Integer::sum) > MAX_IMPORTS_OF_A_TENANT) {
                throw new RefusedException(
                        ErrorCode.UNAVAILABLE,
                        "this tenant has " + MAX_IMPORTS_OF_A_TENANT
                                + " manifests being imported at this server: ask again when one of them has ended");
            }
            return importWithin(tenant, actor, upload, progress);
        } finally {
            importsByTenant.computeIfPresent(tenant, (_, count) -> count == 1 ? null : count - 1);
        }
    }

    private ManifestReport importWithin(
            TenantId tenant, Actor actor, ManifestUpload upload, Consumer<ManifestReport> progress) {
        if (!imports.tryAcquire()) {
            throw new RefusedException(
                    ErrorCode.UNAVAILABLE,
                    "this server is importing " + MAX_IMPORTS + " manifests already: ask again when one has ended");
        }
        try {
            UploadStream content = new UploadStream(upload.content());
            BufferedInputStream buffered = ManifestReaders.buffered(content);
            ManifestReader reader = recognise(upload.fileName(), buffered);
            Trust trust = trusted.trust(tenant);
            ManifestReport report = begin(tenant, actor, upload);
            ClaimWriter writer = new ClaimWriter(
                    database, new ClaimWriter.Target(tenant, upload.fleet(), report.id()), stated, clock, random);
            ManifestImport running =
                    new ManifestImport(workers, writer, new ElementReader(trust, upload.options()), progress);
            try {
                progress.accept(report);
                return finish(tenant, actor, report.id(), content, running.run(reader, buffered));
            } catch (RuntimeException e) {
                giveUp(tenant, actor, report.id(), content);
                throw e;
            }
        } finally {
            imports.release();
        }
    }

    /// Ends an import that this node cannot go on with. Where even that fails, [#failStale] will do it.
    private void giveUp(TenantId tenant, Actor actor, ManifestId id, UploadStream content) {
        try {
            String failure = "the server could not go on: import the file again";
            finish(tenant, actor, id, content, new ManifestImport.End(failure, false));
        } catch (RuntimeException e) {
            LOG.warn("manifest {} stays unfinished for now", id, e);
        }
    }

    private static ManifestReader recognise(String fileName, BufferedInputStream content) {
        if (EntryNames.isSecret(fileName)) {
            throw new RefusedException(
                    ErrorCode.MANIFEST_UNREADABLE,
                    "this archive holds the chips' secrets: Tegata never reads it, keep it to yourself");
        }
        try {
            return ManifestReaders.recognise(content)
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.MANIFEST_UNREADABLE,
                            "'" + Texts.quoted(fileName)
                                    + "' is neither JSON, nor CSV with a header that names a serial"
                                    + " column, nor PEM, nor a ZIP, gzip or 7z archive of these"));
        } catch (IOException e) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, "the upload broke off");
        }
    }

    private ManifestReport begin(TenantId tenant, Actor actor, ManifestUpload upload) {
        Instant now = clock.instant();
        ManifestId given = upload.id();
        if (given != null) {
            requireNew(given, now);
        }
        ManifestId id = given == null ? new ManifestId(TimeOrderedIds.next(now, random)) : given;
        return database.inTenant(tenant, tx -> {
            Optional<ManifestReport> report = tx.createQuery("""
                            INSERT INTO manifest (tenant_id, manifest_id, fleet_id, file_name, state, started_at, updated_at)
                            SELECT tenant_id, :id, fleet_id, :name, 'RUNNING', :now, :now
                            FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet
                            ON CONFLICT DO NOTHING RETURNING *""")
                    .bind("id", id)
                    .bind("tenant", tenant)
                    .bind("fleet", upload.fleet())
                    .bind("name", Texts.quoted(upload.fileName()))
                    .bind("now", now)
                    .map((row, context) -> report(row))
                    .findOne();
            ManifestReport started = report.orElseThrow(() -> find(tx, tenant, id)
                            .isPresent()
                    ? new RefusedException(ErrorCode.CONFLICT, "there is an import " + id + " already: take a new id")
                    : new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + upload.fleet()));
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "manifest.started",
                            started.subject(),
                            Map.of(
                                    "fleet", upload.fleet(),
                                    "fileName", started.fileName(),
                                    "statement", upload.options().statement()))));
            return started;
        });
    }

    /// Listings go by the time in the id.
    private static void requireNew(ManifestId id, Instant now) {
        UUID uuid = id.value();
        Duration age = Duration.between(Instant.ofEpochMilli(uuid.getMostSignificantBits() >>> 16), now);
        if (uuid.version() != 7 || uuid.variant() != 2 || age.abs().compareTo(Duration.ofDays(1)) > 0) {
            throw Fields.invalid("id", "must be a UUID of version 7, made now");
        }
    }

    private ManifestReport finish(
            TenantId tenant, Actor actor, ManifestId id, UploadStream content, ManifestImport.End end) {
        State state = end.failure() == null ? State.COMPLETED : State.FAILED;
        return database.inTenant(tenant, tx -> {
            Optional<ManifestReport> ended =
                    close(tx, tenant, id, new Closing(state, end.failure(), end.readToEnd() ? content.digest() : null));
            ended.ifPresent(report -> audit.append(tx, tenant, List.of(event(actor, report))));
            return ended.or(() -> find(tx, tenant, id)).orElseThrow();
        });
    }

    /// How an import ends.
    private record Closing(
            State state, @Nullable String failure, @Nullable Bytes digest) {}

    /// Ends an import that is still running; nothing where it is not.
    private Optional<ManifestReport> close(Handle tx, TenantId tenant, ManifestId id, Closing closing) {
        return tx.createQuery("""
                        UPDATE manifest SET state = :state, failure = :failure, digest = :digest, updated_at = :now
                        WHERE tenant_id = :tenant AND manifest_id = :id AND state = 'RUNNING'
                        RETURNING *""")
                .bind("state", closing.state().name())
                .bind("failure", closing.failure())
                .bind(
                        "digest",
                        closing.digest() == null ? null : closing.digest().toArray())
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bind("id", id)
                .map((row, context) -> report(row))
                .findOne();
    }

    private static AuditEvent event(Actor actor, ManifestReport report) {
        Map<String, Object> detail = new TreeMap<>(Map.of(
                "fleet", report.fleet(),
                "elements", report.elements(),
                "claimed", report.claimed(),
                "alreadyClaimed", report.alreadyClaimed(),
                "rejected", report.rejected(),
                "conflicts", report.conflicts()));
        if (report.digest() != null) {
            detail.put("sha256", report.digest().hex());
        }
        if (report.failure() != null) {
            detail.put("failure", report.failure());
        }
        String action = switch (report.state()) {
            case RUNNING -> throw new IllegalStateException("the import has not ended");
            case COMPLETED -> "manifest.imported";
            case FAILED -> "manifest.failed";
            case CANCELLED -> "manifest.cancelled";
        };
        return new AuditEvent(actor, action, report.subject(), detail);
    }

    /// Stops an import, on whichever node it runs; it ends before its next batch. What was claimed stays
    /// claimed.
    ///
    /// @throws RefusedException where there is no such import, or it has ended already
    public ManifestReport cancel(TenantId tenant, Actor actor, ManifestId id) {
        return database.inTenant(tenant, tx -> {
            Optional<ManifestReport> cancelled = close(tx, tenant, id, new Closing(State.CANCELLED, null, null));
            if (cancelled.isEmpty()) {
                ManifestReport known = find(tx, tenant, id).orElseThrow(() -> notFound(id));
                throw new RefusedException(
                        ErrorCode.CONFLICT, "the import has ended already: it is " + Texts.word(known.state()));
            }
            audit.append(tx, tenant, List.of(event(actor, cancelled.get())));
            return cancelled.get();
        });
    }

    /// What is known of an import.
    ///
    /// @throws RefusedException where there is no such import
    public ManifestReport get(TenantId tenant, ManifestId id) {
        return database.inTenant(tenant, tx -> {
            failStale(tx, tenant);
            return find(tx, tenant, id).orElseThrow(() -> notFound(id));
        });
    }

    /// The tenant's imports, latest first.
    public Page<ManifestReport> list(TenantId tenant, Page.Request page) {
        return database.inTenant(tenant, tx -> {
            failStale(tx, tenant);
            List<ManifestReport> rows = tx.createQuery("""
                            SELECT * FROM manifest
                            WHERE tenant_id = :tenant AND manifest_id < :before
                            ORDER BY manifest_id DESC LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("before", page.after(id -> ManifestId.parse(id).value(), new UUID(-1, -1)))
                    .bind("limit", page.limit() + 1)
                    .map((row, context) -> report(row))
                    .list();
            return Page.of(rows, page, report -> report.id().toString());
        });
    }

    /// The elements of an import that were not claimed, in the order of the file.
    ///
    /// @throws RefusedException where there is no such import
    public Page<ManifestIssue> issues(TenantId tenant, ManifestId id, Page.Request page) {
        long after = page.after(Long::parseLong, -1L);
        return database.inTenant(tenant, tx -> {
            if (find(tx, tenant, id).isEmpty()) {
                throw notFound(id);
            }
            List<ManifestIssue> rows = tx.createQuery("""
                            SELECT * FROM manifest_issue
                            WHERE tenant_id = :tenant AND manifest_id = :id AND position > :after
                            ORDER BY position LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("after", after)
                    .bind("limit", page.limit() + 1)
                    .map((row, context) -> issue(row))
                    .list();
            return Page.of(rows, page, issue -> Long.toString(issue.position()));
        });
    }

    /// Whoever looks first at an import that a dead node has left behind, ends it.
    private void failStale(Handle tx, TenantId tenant) {
        List<ManifestReport> failed = tx.createQuery("""
                        UPDATE manifest SET state = 'FAILED', failure = :failure, updated_at = :now
                        WHERE tenant_id = :tenant AND state = 'RUNNING' AND updated_at < :stale
                        RETURNING *""")
                .bind("failure", "the server that imported it has stopped: import the file again to go on")
                .bind("now", clock.instant())
                .bind("stale", clock.instant().minus(STALE))
                .bind("tenant", tenant)
                .map((row, context) -> report(row))
                .list();
        audit.append(
                tx,
                tenant,
                failed.stream()
                        .map(report -> event(Actor.system("manifests"), report))
                        .toList());
    }

    private static Optional<ManifestReport> find(Handle tx, TenantId tenant, ManifestId id) {
        return tx.createQuery("SELECT * FROM manifest WHERE tenant_id = :tenant AND manifest_id = :id")
                .bind("tenant", tenant)
                .bind("id", id)
                .map((row, context) -> report(row))
                .findOne();
    }

    private static RefusedException notFound(ManifestId id) {
        return new RefusedException(ErrorCode.NOT_FOUND, "there is no manifest " + id);
    }

    static ManifestReport report(ResultSet row) throws SQLException {
        return new ManifestReport(
                new ManifestId(row.getObject("manifest_id", UUID.class)),
                new FleetId(row.getString("fleet_id")),
                row.getString("file_name"),
                row.getString("format"),
                Columns.bytes(row, "digest"),
                State.valueOf(row.getString("state")),
                row.getString("failure"),
                row.getLong("elements"),
                row.getLong("claimed"),
                row.getLong("already_claimed"),
                row.getLong("rejected"),
                row.getLong("conflicts"),
                row.getTimestamp("started_at").toInstant(),
                row.getTimestamp("updated_at").toInstant());
    }

    private static ManifestIssue issue(ResultSet row) throws SQLException {
        return new ManifestIssue(
                row.getLong("position"),
                ManifestIssue.Outcome.valueOf(row.getString("outcome")),
                row.getString("serial"),
                row.getString("reason"),
                row.getString("detail"));
    }

    /// Ends the threads; imports that still run fail.
    @Override
    public void close() {
        workers.shutdownNow().forEach(task -> {
            if (task instanceof Future<?> future) {
                future.cancel(true);
            }
        });
    }
}
