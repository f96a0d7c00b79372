// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.access.Permission;
import dev.tegata.platform.audit.AuditExport;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.AuditRecord;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/// The audit chain of a tenant.
final class AuditResource {
    private static final Duration LONGEST_EXPORT = Duration.ofHours(1);

    private final AuditLog log;
    private final AuditExport export;

    AuditResource(AuditLog log, AuditExport export) {
        this.log = log;
        this.export = export;
    }

    record View(
            long sequence,
            Instant time,
            String actor,
            String action,
            String subject,
            Map<String, Object> detail,
            String hash) {
        static View of(AuditRecord record) {
            return new View(
                    record.sequence(),
                    record.time(),
                    record.actor(),
                    record.action(),
                    record.subject(),
                    record.detail(),
                    record.hash().hex());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", "/api/v1/audit/records", Permission.READ_AUDIT, this::records),
                gate.route("GET", "/api/v1/audit/export", Permission.READ_AUDIT, this::export)
                        .withTimeout(LONGEST_EXPORT));
    }

    private Response records(Call call) {
        var page = Queries.page(call.request(), "subject");
        return Response.json(Queries.Listing.of(
                call.request()
                        .query("subject")
                        .map(subject -> log.recordsAbout(call.tenant(), subject, page))
                        .orElseGet(() -> log.records(call.tenant(), page)),
                View::of));
    }

    private Response export(Call call) {
        return Response.streamed("application/x-ndjson", out -> export.write(call.tenant(), out))
                .with("Content-Disposition", "attachment; filename=\"audit-" + call.tenant() + ".jsonl\"");
    }
}
