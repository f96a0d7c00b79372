// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.JobId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.job.Advance;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.JobHandler;
import dev.tegata.platform.job.JobIssue;
import dev.tegata.platform.job.JobStep;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.store.Database;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Changes of many devices, as jobs: by filter, or by a list of ids and serial numbers.
///
/// Implementation notes:
/// - By filter, a job first counts, and then goes through the devices in the order of their ids, so that
///   a device that falls out of the filter by being changed is not met twice.
/// - By list, a job takes rows from `bulk_item`, and removes them in the transaction that changes the
///   devices.
public final class BulkChanges {
    public static final int LONGEST_LIST = 500_000;
    private static final int LONGEST_NAME = 128;
    private static final int INSERTED_AT_ONCE = 20_000;
    private static final int COUNTED_AT_ONCE = 20_000;

    /// So many devices are changed by one step: a few tenths of a second.
    private static final int CHANGED_AT_ONCE = 1_000;

    /// Orders are placed one by one.
    private static final int ORDERED_AT_ONCE = 200;

    private static final String COUNTING = "count";
    private static final String CHANGING = "change";

    private final Database database;
    private final Jobs jobs;
    private final DeviceChanges changes;

    public BulkChanges(Database database, Jobs jobs, Devices devices) {
        this.database = database;
        this.jobs = jobs;
        this.changes = devices.changes();
    }

    /// The handlers of these jobs, by kind: `device.revoke` and so on.
    public Map<String, JobHandler> handlers() {
        Map<String, JobHandler> handlers = new HashMap<>();
        for (DeviceChange.Kind kind : DeviceChange.Kind.values()) {
            handlers.put(jobKind(kind), this::step);
        }
        return handlers;
    }

    private static String jobKind(DeviceChange.Kind kind) {
        return "device." + kind.name().toLowerCase(Locale.ROOT);
    }

    /// What a job was asked for.
    ///
    /// @param filter null where there is a list
    /// @param dryRun whether to find out only what would be done
    record Parameters(DeviceChange change, @Nullable DeviceQuery filter, boolean dryRun) {}

    /// Starts to change the devices that a filter finds.
    public JobId start(TenantId tenant, DeviceChange change, DeviceQuery filter, boolean dryRun, Actor actor) {
        Parameters parameters = new Parameters(change, filter, dryRun);
        return database.inTenant(tenant, tx -> jobs.start(tx, tenant, jobKind(change.kind()), parameters, actor));
    }

    /// Starts to change the devices of a list.
    ///
    /// @param names ids of devices, or serial numbers of chips
    public JobId start(TenantId tenant, DeviceChange change, List<String> names, boolean dryRun, Actor actor) {
        requireSensible(names);
        Parameters parameters = new Parameters(change, null, dryRun);
        return database.inTenant(tenant, tx -> {
            JobId id = jobs.newId();
            for (int from = 0; from < names.size(); from += INSERTED_AT_ONCE) {
                insert(tx, tenant, id, from, names.subList(from, Math.min(names.size(), from + INSERTED_AT_ONCE)));
            }
            jobs.start(tx, tenant, id, jobKind(change.kind()), parameters, actor);
            return id;
        });
    }

    private static void requireSensible(List<String> names) {
        if (names.isEmpty() || names.size() > LONGEST_LIST) {
            throw Fields.invalid("the list", "must have 1 to " + LONGEST_LIST + " devices, not " + names.size());
        }
        for (String name : names) {
            if (name.isBlank() || name.length() > LONGEST_NAME) {
                throw Fields.invalid(
                        "the list",
                        "has something that is no device id or serial number: '" + Texts.quoted(name) + "'");
            }
        }
    }

    private static void insert(Handle tx, TenantId tenant, JobId job, int from, List<String> names) {
        tx.createUpdate("""
                        INSERT INTO bulk_item (tenant_id, job_id, position, name)
                        SELECT :tenant, :job, :from + i.position - 1, i.name
                        FROM unnest(:names) WITH ORDINALITY AS i (name, position)""")
                .bind("tenant", tenant)
                .bind("job", job)
                .bind("from", (long) from)
                .bindArray(
                        "names",
                        String.class,
                        names.stream()
                                .map(name -> name.strip().toLowerCase(Locale.ROOT))
                                .toArray())
                .execute();
    }

    private void step(JobStep step) {
        Parameters parameters = step.job().parameters(Parameters.class);
        Position position = Position.parse(step.job().position());
        DeviceQuery filter = parameters.filter();
        if (filter == null) {
            step.commit(tx -> changeListed(tx, step.tenant(), step.job(), parameters, position));
        } else if (position.phase().equals(COUNTING)) {
            step.commit(tx -> count(tx, step.tenant(), filter, position));
        } else {
            step.commit(tx -> changeFound(tx, step.tenant(), step.job(), parameters, filter, position));
        }
    }

    /// Where a job stands.
    ///
    /// @param after the last device that was counted or changed
    /// @param counted devices
    private record Position(String phase, @Nullable UUID after, long counted) {
        static Position parse(@Nullable String text) {
            if (text == null) {
                return new Position(COUNTING, null, 0);
            }
            String[] parts = text.split("/", 3);
            return new Position(
                    parts[0], parts[1].isEmpty() ? null : UUID.fromString(parts[1]), Long.parseLong(parts[2]));
        }

        @Override
        public String toString() {
            return phase + "/" + (after == null ? "" : after) + "/" + counted;
        }
    }

    private static Advance count(Handle tx, TenantId tenant, DeviceQuery filter, Position position) {
        List<DeviceId> found = page(tx, tenant, filter, position.after(), COUNTED_AT_ONCE);
        long counted = position.counted() + found.size();
        return found.size() < COUNTED_AT_ONCE
                ? Advance.to(new Position(CHANGING, null, counted).toString(), 0, List.of())
                        .withTotal(counted)
                : Advance.to(new Position(COUNTING, found.getLast().value(), counted).toString(), 0, List.of());
    }

    private Advance changeFound(
            Handle tx, TenantId tenant, Job job, Parameters parameters, DeviceQuery filter, Position position) {
        int atOnce = atOnce(parameters.change());
        List<DeviceId> found = page(tx, tenant, filter, position.after(), atOnce);
        if (found.isEmpty()) {
            return Advance.complete(0, List.of());
        }
        List<JobIssue> issues = apply(tx, tenant, found, parameters, job);
        Position next = new Position(CHANGING, found.getLast().value(), position.counted());
        long done = found.size() - (long) issues.size();
        return found.size() < atOnce ? Advance.complete(done, issues) : Advance.to(next.toString(), done, issues);
    }

    private static List<DeviceId> page(
            Handle tx, TenantId tenant, DeviceQuery filter, @Nullable UUID after, int limit) {
        Map<String, Object> bindings = new HashMap<>();
        String condition = Devices.condition(tenant, filter, bindings);
        bindings.put("limit", limit);
        if (after != null) {
            bindings.put("after", after);
        }
        return tx.createQuery("SELECT d.device_id FROM device d WHERE " + condition
                        + (after == null ? "" : " AND d.device_id > :after") + " ORDER BY d.device_id LIMIT :limit")
                .bindMap(bindings)
                .mapTo(DeviceId.class)
                .list();
    }

    private record Item(long position, String name) {}

    private Advance changeListed(Handle tx, TenantId tenant, Job job, Parameters parameters, Position position) {
        int atOnce = atOnce(parameters.change());
        List<Item> items = tx.createQuery("""
                        DELETE FROM bulk_item WHERE tenant_id = :tenant AND job_id = :job AND position < :end
                        RETURNING position, name""")
                .bind("tenant", tenant)
                .bind("job", job.id())
                .bind("end", position.counted() + atOnce)
                .map((row, context) -> new Item(row.getLong(1), row.getString(2)))
                .list();
        long total = job.total() == null ? total(tx, tenant, job, items.size()) : job.total();
        List<JobIssue> issues = new ArrayList<>();
        Set<DeviceId> devices = resolve(tx, tenant, items, issues);
        issues.addAll(apply(tx, tenant, devices, parameters, job));
        long done = items.size() - (long) issues.size();
        long next = position.counted() + atOnce;
        Advance advance = next >= total
                ? Advance.complete(done, issues)
                : Advance.to(new Position(CHANGING, null, next).toString(), done, issues);
        return advance.withTotal(total);
    }

    private static long total(Handle tx, TenantId tenant, Job job, int taken) {
        return taken
                + tx.createQuery("SELECT count(*) FROM bulk_item WHERE tenant_id = :tenant AND job_id = :job")
                        .bind("tenant", tenant)
                        .bind("job", job.id())
                        .mapTo(Long.class)
                        .one();
    }

    /// Finds the devices by what the list calls them.
    private static Set<DeviceId> resolve(Handle tx, TenantId tenant, List<Item> items, List<JobIssue> issues) {
        Map<String, List<DeviceId>> bySerial = new HashMap<>();
        tx.createQuery("SELECT serial, device_id FROM device WHERE tenant_id = :tenant AND serial = ANY(:names)")
                .bind("tenant", tenant)
                .bindArray("names", String.class, items.stream().map(Item::name).toArray())
                .map((row, context) -> Map.entry(row.getString(1), new DeviceId(row.getObject(2, UUID.class))))
                .forEach(found -> bySerial.computeIfAbsent(found.getKey(), _ -> new ArrayList<>())
                        .add(found.getValue()));
        Set<DeviceId> devices = new LinkedHashSet<>();
        for (Item item :
                items.stream().sorted(Comparator.comparing(Item::position)).toList()) {
            List<DeviceId> found = bySerial.getOrDefault(item.name(), byId(item.name()));
            if (found.isEmpty()) {
                issues.add(issue(item.name(), ErrorCode.NOT_FOUND, "no device has this id or serial number"));
            } else if (found.size() > 1) {
                issues.add(issue(item.name(), ErrorCode.CONFLICT, "several chips have this serial number; use the id"));
            } else if (!devices.add(found.getFirst())) {
                issues.add(issue(item.name(), ErrorCode.CONFLICT, "the device stands in the list twice"));
            }
        }
        return devices;
    }

    private static List<DeviceId> byId(String name) {
        try {
            return List.of(DeviceId.parse(name));
        } catch (RefusedException e) {
            return List.of();
        }
    }

    private static int atOnce(DeviceChange change) {
        return switch (change.kind()) {
            case RENEW, REFURBISH -> ORDERED_AT_ONCE;
            case APPROVE, REJECT, SUSPEND, RESUME, REVOKE, RETIRE -> CHANGED_AT_ONCE;
        };
    }

    private List<JobIssue> apply(
            Handle tx, TenantId tenant, Collection<DeviceId> devices, Parameters parameters, Job job) {
        return changes.apply(tx, tenant, devices, parameters.change(), job.actor(), parameters.dryRun()).stream()
                .map(refused -> issue(
                        "device:" + refused.device(),
                        refused.why().code(),
                        refused.why().detail()))
                .toList();
    }

    private static JobIssue issue(String subject, ErrorCode code, String detail) {
        return new JobIssue(subject, code.code(), detail);
    }
}
