// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.device.BulkChanges;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceList;
import dev.tegata.platform.device.DeviceQuery;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.RevocationReason;
import dev.tegata.platform.job.Jobs;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Changes of many devices at once: a filter, a list of ids or a CSV file, and a job that goes through
/// them.
final class BulkResource {
    private static final String CSV = "text/csv";

    /// Room for the longest list that is taken.
    private static final long LARGEST_BODY = 24L << 20;

    private static final Set<String> PARAMETERS =
            Set.of("action", "reason", "revocationReason", "newKey", "erase", "dryRun");

    private final BulkChanges bulk;
    private final Jobs jobs;

    BulkResource(BulkChanges bulk, Jobs jobs) {
        this.bulk = bulk;
        this.jobs = jobs;
    }

    record FilterBody(
            @Nullable String fleet,
            @Nullable String state,
            @Nullable String serial,
            @Nullable String text,
            @Nullable Boolean waiting,
            @Nullable String manifest,
            @Nullable String authority,
            @Nullable Instant expiresBefore,
            @Nullable Instant notSeenSince,
            @Nullable String finding,
            @Nullable String keyAlgorithm,
            @Nullable Boolean all) {
        DeviceQuery query() {
            if (finding != null && authority == null) {
                throw Fields.invalid("filter.authority", "must say whose finding it is");
            }
            DeviceQuery query = new DeviceQuery(
                    fleet == null ? null : new FleetId(fleet),
                    state == null ? null : Names.constant(DeviceState.class, "filter.state", state),
                    serial,
                    text,
                    Boolean.TRUE.equals(waiting),
                    manifest == null ? null : ManifestId.parse(manifest),
                    authority == null ? null : AuthorityId.parse(authority),
                    expiresBefore,
                    notSeenSince,
                    finding == null ? null : HealthResource.code(finding).name(),
                    keyAlgorithm == null ? null : Names.algorithm("filter.keyAlgorithm", keyAlgorithm));
            if (query.narrowsNothing() != Boolean.TRUE.equals(all)) {
                throw Fields.invalid("filter", "must narrow by something, or say \"all\": true and nothing else");
            }
            return query;
        }
    }

    record BulkBody(
            String action,
            @Nullable String reason,
            @Nullable String revocationReason,
            @Nullable Boolean newKey,
            @Nullable Boolean erase,
            @Nullable Boolean dryRun,
            @Nullable FilterBody filter,
            @Nullable List<String> ids) {
        DeviceChange change() {
            return BulkResource.change(
                    Names.constant(DeviceChange.Kind.class, "action", action), reason, revocationReason, newKey, erase);
        }
    }

    static DeviceChange change(
            DeviceChange.Kind kind,
            @Nullable String reason,
            @Nullable String revocationReason,
            @Nullable Boolean newKey,
            @Nullable Boolean erase) {
        return new DeviceChange(
                kind,
                reason == null ? "" : reason,
                revocationReason == null
                        ? null
                        : Names.reason(RevocationReason.class, "revocationReason", revocationReason),
                Boolean.TRUE.equals(newKey),
                Boolean.TRUE.equals(erase));
    }

    List<Route> routes(Gate gate) {
        return List.of(gate.creating(DeviceResource.PATH + "/bulk", Permission.MANAGE_DEVICES, this::start)
                .withBodyLimit(LARGEST_BODY));
    }

    private Response start(Call call) {
        JobId job = call.request().contentType().startsWith(CSV) ? fromCsv(call) : fromJson(call);
        return JobResource.started(jobs.get(call.tenant(), job));
    }

    private JobId fromJson(Call call) {
        BulkBody body = call.request().json(BulkBody.class);
        boolean dryRun = Boolean.TRUE.equals(body.dryRun());
        if (body.filter() != null && body.ids() == null) {
            return bulk.start(call.tenant(), body.change(), body.filter().query(), dryRun, call.actor());
        }
        if (body.ids() != null && body.filter() == null) {
            return bulk.start(call.tenant(), body.change(), body.ids(), dryRun, call.actor());
        }
        throw new RefusedException(ErrorCode.INVALID_FIELD, "give either a filter or ids");
    }

    private JobId fromCsv(Call call) {
        Request request = call.request();
        Queries.requireKnown(request, PARAMETERS);
        String action = request.query("action").orElseThrow(() -> Fields.invalid("action", "is missing"));
        DeviceChange change = change(
                Names.constant(DeviceChange.Kind.class, "action", action),
                request.query("reason").orElse(null),
                request.query("revocationReason").orElse(null),
                Queries.flag(request, "newKey"),
                Queries.flag(request, "erase"));
        List<String> names = DeviceList.ofCsv(request.body());
        return bulk.start(call.tenant(), change, names, Queries.flag(request, "dryRun"), call.actor());
    }
}
