// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.RevocationReason;
import dev.tegata.platform.job.Advance;
import dev.tegata.platform.job.JobStep;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.rollover.Rollover.Cause;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.rollover.RolloverState.Action;
import dev.tegata.platform.store.Columns;
import dev.tegata.protocol.OrderContent;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The work on a campaign, in bounded steps that can be repeated:
///
/// 1. Find the devices whose certificate is one of the old authorities'. After a compromise, revoke all of these.
/// 2. Begin with the devices of the open waves: an order for the new root, or for a new certificate. Those that have
///    never checked in are told nothing; they are waited for until their certificates end.
/// 3. Look at those that were begun with, until none is left; then look whether more have come.
/// 4. Until the campaign is closed, watch for devices that were suspended and are in operation again.
public final class RolloverSteps {
    private static final int LISTED_AT_ONCE = 1_000;
    private static final int HANDLED_AT_ONCE = 500;
    private static final int ATTEMPTS = 3;
    private static final Duration ORDER_LIFE = Duration.ofDays(60);
    private static final Duration RETRY = Duration.ofHours(1);

    /// Nobody waits for a device that has just come back: it is watched for so many times more seldom.
    private static final int WATCH_FACTOR = 4;
    private static final Actor ACTOR = Actor.system("rollover");

    private final Rollovers rollovers;
    private final AuditLog audit;
    private final Orders orders;
    private final InstantSource clock;
    private final Duration pause;

    /// @param pause between two looks at devices that have something to do
    public RolloverSteps(Rollovers rollovers, AuditLog audit, Orders orders, InstantSource clock, Duration pause) {
        this.rollovers = rollovers;
        this.audit = audit;
        this.orders = orders;
        this.clock = clock;
        this.pause = pause;
    }

    /// Handles jobs of the kind [Rollovers#JOB].
    public void step(JobStep step) {
        RolloverId id = RolloverId.parse(
                step.job().parameters(Rollovers.Parameters.class).rollover());
        Position position = Position.parse(step.job().position());
        step.commit(tx -> new Round(tx, step.tenant(), RolloverRows.lock(tx, step.tenant(), id)).run(position));
    }

    private enum Phase {
        LIST,
        BEGIN,
        LOOK,
        WATCH,
        RETURN
    }

    /// Where a job is.
    ///
    /// @param authority how many old authorities have been listed
    /// @param after the last certificate or device, in hex or as a UUID
    /// @param changes whether this pass has changed something
    private record Position(Phase phase, int authority, String after, boolean changes) {
        static Position parse(@Nullable String text) {
            if (text == null) {
                return new Position(Phase.LIST, 0, "", false);
            }
            String[] parts = text.split("/", 4);
            return new Position(
                    Phase.valueOf(parts[0]), Integer.parseInt(parts[1]), parts[3], Boolean.parseBoolean(parts[2]));
        }

        static Position of(Phase phase) {
            return new Position(phase, 0, "", false);
        }

        UUID device() {
            return after.isEmpty() ? new UUID(0, 0) : UUID.fromString(after);
        }

        Advance advance(long done) {
            return Advance.to(phase + "/" + authority + "/" + changes + "/" + after, done, List.of());
        }
    }

    /// One transaction.
    private final class Round {
        private final Handle tx;
        private final TenantId tenant;
        private final Rollover rollover;
        private final Instant now = clock.instant();

        Round(Handle tx, TenantId tenant, Rollover rollover) {
            this.tx = tx;
            this.tenant = tenant;
            this.rollover = rollover;
        }

        Advance run(Position position) {
            return switch (rollover.state()) {
                case PREPARED, PAUSED, CLOSED, ROLLED_BACK -> Advance.complete(0, List.of());
                case ROLLING_BACK ->
                    position.phase() == Phase.RETURN
                            ? giveBack(position)
                            : Position.of(Phase.RETURN).advance(0);
                case MOVING, FINISHED ->
                    switch (position.phase()) {
                        case LIST -> list(position);
                        case BEGIN -> begin();
                        case LOOK -> look(position);
                        case WATCH -> watch();
                        case RETURN -> Position.of(Phase.LIST).advance(0);
                    };
            };
        }

        private record Listed(
                Instant issuedAt, Bytes serial, @Nullable UUID device) {
            static final String START = Instant.EPOCH + "~";

            /// Where it stands among the certificates of its authority.
            String place() {
                return issuedAt + "~" + serial.hex();
            }
        }

        private Advance list(Position position) {
            List<AuthorityId> old = rollover.authorities().keySet().stream()
                    .sorted(Comparator.comparing(AuthorityId::value))
                    .toList();
            if (position.authority() == 2 * old.size()) {
                return settleOr(Phase.BEGIN);
            }
            if (position.authority() >= old.size()) {
                return listHeld(position, old.get(position.authority() - old.size()));
            }
            String[] after = (position.after().isEmpty() ? Listed.START : position.after()).split("~", 2);
            List<Listed> page = tx.createQuery("""
                            SELECT c.issued_at, c.serial_number, d.device_id FROM certificate c
                            LEFT JOIN device d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                                AND c.serial_number IN (d.certificate, d.parallel_certificate) AND d.state = 'ACTIVE'
                            WHERE c.tenant_id = :tenant AND c.authority_id = :authority AND c.revoked_at IS NULL
                                AND c.device_id IS NOT NULL AND (c.issued_at, c.serial_number) > (:issued, :serial)
                            ORDER BY c.issued_at, c.serial_number LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("authority", old.get(position.authority()))
                    .bind("issued", Instant.parse(after[0]))
                    .bind("serial", Bytes.ofHex(after[1]))
                    .bind("limit", LISTED_AT_ONCE)
                    .map((row, context) -> new Listed(
                            row.getObject(1, OffsetDateTime.class).toInstant(),
                            Bytes.of(row.getBytes(2)),
                            row.getObject(3, UUID.class)))
                    .list();
            List<UUID> devices = new ArrayList<>();
            List<Bytes> held = new ArrayList<>();
            for (Listed listed : page) {
                if (listed.device() != null) {
                    devices.add(listed.device());
                    held.add(listed.serial());
                }
            }
            int added = RolloverRows.add(tx, tenant, rollover, devices, held, first(), now);
            if (rollover.cause() == Cause.COMPROMISE) {
                revoke(page.stream().map(Listed::serial).toList());
            }
            return page.size() < LISTED_AT_ONCE
                    ? new Position(Phase.LIST, position.authority() + 1, "", false).advance(0)
                    : new Position(
                                    Phase.LIST,
                                    position.authority(),
                                    page.getLast().place(),
                                    false)
                            .advance(0)
                            .withTotal(rollover.listed() + added);
        }

        /// Suspended devices cannot be moved; nor do they go unnoticed when they are in operation again. After a
        /// compromise what is on hold is revoked: it would be good again one day.
        private Advance listHeld(Position position, AuthorityId authority) {
            record Held(Bytes serial, @Nullable UUID device) {}
            List<Held> page = tx.createQuery("""
                            SELECT c.serial_number, d.device_id FROM certificate c
                            LEFT JOIN device d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                                AND c.serial_number IN (d.certificate, d.parallel_certificate) AND d.state = 'SUSPENDED'
                            WHERE c.tenant_id = :tenant AND c.authority_id = :authority
                                AND c.revocation_reason = 6 AND c.revoked_at IS NOT NULL AND c.serial_number > :after
                            ORDER BY c.serial_number LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("authority", authority)
                    .bind("after", Bytes.ofHex(position.after()))
                    .bind("limit", LISTED_AT_ONCE)
                    .map((row, context) -> new Held(Bytes.of(row.getBytes(1)), row.getObject(2, UUID.class)))
                    .list();
            List<UUID> devices = new ArrayList<>();
            List<Bytes> held = new ArrayList<>();
            for (Held one : page) {
                if (one.device() != null) {
                    devices.add(one.device());
                    held.add(one.serial());
                }
            }
            RolloverRows.add(tx, tenant, rollover, devices, held, Step.GONE, now);
            if (rollover.cause() == Cause.COMPROMISE) {
                revoke(page.stream().map(Held::serial).toList());
            }
            return page.size() < LISTED_AT_ONCE
                    ? new Position(Phase.LIST, position.authority() + 1, "", false).advance(0)
                    : new Position(
                                    Phase.LIST,
                                    position.authority(),
                                    page.getLast().serial().hex(),
                                    false)
                            .advance(0);
        }

        /// For good; those that somebody has revoked so meanwhile keep their reason.
        private void revoke(List<Bytes> serials) {
            record Revoked(String serial, UUID device) {}
            List<Revoked> revoked = tx.createQuery("""
                            UPDATE certificate SET revoked_at = :now, revocation_reason = :reason
                            WHERE tenant_id = :tenant AND serial_number = ANY (:serials)
                                AND (revoked_at IS NULL OR revocation_reason = :hold)
                            RETURNING serial_hex(serial_number), device_id""")
                    .bind("now", now)
                    .bind("reason", RevocationReason.SUPERSEDED.code())
                    .bind("hold", RevocationReason.CERTIFICATE_HOLD.code())
                    .bind("tenant", tenant)
                    .bind("serials", RolloverRows.array(serials))
                    .map((row, context) -> new Revoked(row.getString(1), row.getObject(2, UUID.class)))
                    .list();
            audit.append(
                    tx,
                    tenant,
                    revoked.stream()
                            .map(one -> new AuditEvent(
                                    ACTOR,
                                    "certificate.revoked",
                                    "device:" + one.device(),
                                    Map.of(
                                            "serialNumber",
                                            one.serial(),
                                            "rollover",
                                            rollover.id().toString())))
                            .toList());
        }

        /// Nothing is left where all devices that were listed are through.
        private Advance settleOr(Phase next) {
            if (RolloverRows.find(tx, tenant, rollover.id()).outstanding() > 0) {
                return Position.of(next).advance(0);
            }
            tx.createUpdate("""
                            UPDATE rollover SET settled = true, updated_at = :now
                            WHERE tenant_id = :tenant AND rollover_id = :id""")
                    .bind("now", now)
                    .bind("tenant", tenant)
                    .bind("id", rollover.id().value())
                    .execute();
            rollovers.tell(tx, tenant, rollover, ACTOR, "settled", Map.of());
            return Position.of(Phase.WATCH).advance(0);
        }

        private Advance watch() {
            if (!rollover.settled()) {
                return Position.of(Phase.LIST).advance(0);
            }
            if (takeBack() == 0) {
                return Position.of(Phase.WATCH).advance(0).after(pause.multipliedBy(WATCH_FACTOR));
            }
            RolloverRows.state(tx, tenant, rollover.id(), rollover.state(), rollover.note(), now);
            return Position.of(Phase.BEGIN).advance(0);
        }

        /// Takes those along that were suspended and are in operation again.
        private int takeBack() {
            List<AuthorityId> both = new ArrayList<>(rollover.authorities().keySet());
            both.addAll(rollover.authorities().values());
            List<UUID> back = RolloverRows.gone(
                    tx, tenant, rollover.id(), Set.of(DeviceState.ACTIVE), both, now, HANDLED_AT_ONCE);
            RolloverRows.put(tx, tenant, rollover.id(), back, first(), false, null, now);
            return back.size();
        }

        /// Where a device begins.
        private Step first() {
            return rollover.cause() == Cause.COMPROMISE ? Step.RENEWAL : Step.WAITING;
        }

        private Advance begin() {
            int wave = openWave();
            List<UUID> devices = tx.createQuery("""
                            SELECT device_id FROM rollover_device
                            WHERE tenant_id = :tenant AND rollover_id = :id AND step = 'WAITING' AND wave <= :wave
                            ORDER BY wave, device_id LIMIT :limit""")
                    .bind("tenant", tenant)
                    .bind("id", rollover.id().value())
                    .bind("wave", wave)
                    .bind("limit", HANDLED_AT_ONCE)
                    .mapTo(UUID.class)
                    .list();
            next(see(devices));
            return Position.of(devices.size() < HANDLED_AT_ONCE ? Phase.LOOK : Phase.BEGIN)
                    .advance(0);
        }

        /// The last wave that is open, after a look at whether the next one may open.
        private int openWave() {
            record Open(long all, long through) {}
            Open open = tx.createQuery("""
                            SELECT coalesce(sum(devices), 0),
                                coalesce(sum(devices) FILTER (
                                    WHERE step IN ('OWN_RENEWAL', 'MOVED', 'ENDED', 'FAILED', 'GONE')), 0)
                            FROM rollover_count WHERE tenant_id = :tenant AND rollover_id = :id AND wave <= :wave""")
                    .bind("tenant", tenant)
                    .bind("id", rollover.id().value())
                    .bind("wave", rollover.wave())
                    .map((row, context) -> new Open(row.getLong(1), row.getLong(2)))
                    .one();
            boolean enough =
                    open.through() * 100 >= open.all() * rollover.waves().share();
            Instant openedAt = rollover.waveOpenedAt();
            boolean late = openedAt != null
                    && !now.isBefore(openedAt.plus(rollover.waves().longest()));
            if (!enough && !late
                    || rollover.listed()
                            <= (long) rollover.wave() * rollover.waves().size()) {
                return rollover.wave();
            }
            tx.createUpdate("""
                            UPDATE rollover SET wave = wave + 1, wave_opened_at = :now, updated_at = :now
                            WHERE tenant_id = :tenant AND rollover_id = :id""")
                    .bind("now", now)
                    .bind("tenant", tenant)
                    .bind("id", rollover.id().value())
                    .execute();
            return rollover.wave() + 1;
        }

        private Advance look(Position position) {
            List<UUID> devices = page(position, "step IN ('ANCHORS', 'RENEWAL', 'OWN_RENEWAL')");
            int changed = next(see(devices));
            if (tooManyFailures()) {
                return Advance.complete(changed, List.of());
            }
            boolean changes = position.changes() || changed > 0;
            if (devices.size() == HANDLED_AT_ONCE) {
                return new Position(Phase.LOOK, 0, devices.getLast().toString(), changes).advance(changed);
            }
            Rollover left = RolloverRows.find(tx, tenant, rollover.id());
            if (left.outstanding() == 0) {
                return Position.of(Phase.LIST).advance(changed);
            }
            if (changes || takeBack() > 0) {
                return Position.of(Phase.BEGIN).advance(changed);
            }
            // Nobody hurries where devices renew by themselves: many of them are looked at once an hour.
            long own = left.devices(Step.OWN_RENEWAL);
            return left.outstanding() == own
                    ? Position.of(Phase.LIST)
                            .advance(changed)
                            .after(pause.multipliedBy(Math.clamp(own / 1_000, 1, 240)))
                    : Position.of(Phase.BEGIN).advance(changed).after(pause);
        }

        private List<UUID> page(Position position, String condition) {
            return tx.createQuery("""
                            SELECT device_id FROM rollover_device
                            WHERE tenant_id = :tenant AND rollover_id = :id AND %s AND device_id > :after
                            ORDER BY device_id LIMIT :limit""".formatted(condition))
                    .bind("tenant", tenant)
                    .bind("id", rollover.id().value())
                    .bind("after", position.device())
                    .bind("limit", HANDLED_AT_ONCE)
                    .mapTo(UUID.class)
                    .list();
        }

        private boolean tooManyFailures() {
            Rollover counted = RolloverRows.find(tx, tenant, rollover.id());
            long failed = counted.devices(Step.FAILED);
            long begun = failed
                    + counted.devices(Step.MOVED)
                    + counted.devices(Step.ANCHORS)
                    + counted.devices(Step.RENEWAL);
            if (rollover.state() != RolloverState.MOVING
                    || failed * 100 <= begun * rollover.waves().failureLimit()) {
                return false;
            }
            String note = failed + " of " + begun + " devices could not be moved";
            RolloverRows.state(tx, tenant, rollover.id(), RolloverState.PAUSED, note, now);
            rollovers.tell(tx, tenant, rollover, ACTOR, "paused", Map.of("note", note));
            return true;
        }

        /// What is known of a device.
        ///
        /// @param active whether it is in operation
        /// @param anchored whether it has said that it trusts the new root
        /// @param moved whether its certificates of the campaign's chains are all of new authorities
        /// @param reachable whether it can be given orders: the certificate that it comes with is good
        /// @param silent whether it has never checked in
        /// @param ends when its last certificate of the campaign's chains ends; null where it has none
        /// @param order how the last order of this step ended; null where it is open, or there was none
        private record Seen(
                UUID device,
                Step step,
                int attempts,
                boolean active,
                boolean anchored,
                boolean moved,
                boolean reachable,
                boolean silent,
                @Nullable Instant ends,
                boolean ordered,
                @Nullable String order,
                @Nullable String said,
                @Nullable Instant endedAt) {}

        private List<Seen> see(List<UUID> devices) {
            Bytes anchor = rollover.newAnchor();
            return tx.createQuery("""
                            SELECT r.device_id, r.step, r.attempts, coalesce(d.state = 'ACTIVE', false) AS active,
                                coalesce(jsonb_exists(p.trust_anchors, :anchor), false) AS anchored,
                                coalesce(c.moved, false) AS moved, coalesce(c.reachable, false) AS reachable,
                                p.digest IS NULL AS silent, c.ends,
                                o.order_id IS NOT NULL AS ordered,
                                CASE WHEN o.state IN ('PLACED', 'DELIVERED') AND o.expires_at > :now THEN NULL
                                    WHEN o.state IN ('PLACED', 'DELIVERED') THEN 'EXPIRED' ELSE o.state END AS state,
                                o.detail, coalesce(o.ended_at, o.expires_at) AS ended_at
                            FROM rollover_device r
                            LEFT JOIN device d ON d.tenant_id = r.tenant_id AND d.device_id = r.device_id
                            LEFT JOIN device_report p ON p.tenant_id = r.tenant_id AND p.device_id = r.device_id
                            LEFT JOIN LATERAL (
                                SELECT bool_and(c.authority_id = ANY (:fresh)) FILTER (WHERE c.ours) AS moved,
                                    max(c.not_after) FILTER (WHERE c.ours) AS ends,
                                    bool_or(c.serial_number = d.certificate AND c.revoked_at IS NULL) AS reachable
                                FROM (SELECT *, authority_id = ANY (:old) OR authority_id = ANY (:fresh) AS ours
                                    FROM certificate) c
                                WHERE c.tenant_id = d.tenant_id
                                    AND c.serial_number IN (d.certificate, d.parallel_certificate)) c ON true
                            LEFT JOIN LATERAL (SELECT * FROM device_order o
                                WHERE o.tenant_id = r.tenant_id AND o.device_id = r.device_id
                                    AND o.placed_at >= r.changed_at
                                    AND o.topic = CASE r.step WHEN 'ANCHORS' THEN 'UPDATE_TRUST_ANCHORS'
                                        ELSE 'RENEW_CERTIFICATE' END
                                ORDER BY o.sequence DESC LIMIT 1) o ON true
                            WHERE r.tenant_id = :tenant AND r.rollover_id = :id AND r.device_id = ANY (:devices)
                            ORDER BY r.device_id""")
                    .bind("anchor", anchor == null ? "" : anchor.hex())
                    .bindArray("old", UUID.class, ids(rollover.authorities().keySet()))
                    .bindArray("fresh", UUID.class, ids(rollover.authorities().values()))
                    .bind("now", now)
                    .bind("tenant", tenant)
                    .bind("id", rollover.id().value())
                    .bindArray("devices", UUID.class, devices)
                    .map((row, context) -> seen(row))
                    .list();
        }

        private static Seen seen(ResultSet row) throws SQLException {
            return new Seen(
                    row.getObject("device_id", UUID.class),
                    Step.valueOf(row.getString("step")),
                    row.getInt("attempts"),
                    row.getBoolean("active"),
                    row.getBoolean("anchored"),
                    row.getBoolean("moved"),
                    row.getBoolean("reachable"),
                    row.getBoolean("silent"),
                    Columns.instant(row, "ends"),
                    row.getBoolean("ordered"),
                    row.getString("state"),
                    row.getString("detail"),
                    Columns.instant(row, "ended_at"));
        }

        /// Takes devices one step further, all that go the same way at once.
        ///
        /// @return how many have changed
        private int next(List<Seen> devices) {
            List<Seen> gone = new ArrayList<>();
            List<Seen> moved = new ArrayList<>();
            List<Seen> anchors = new ArrayList<>();
            List<Seen> renewals = new ArrayList<>();
            List<Seen> ended = new ArrayList<>();
            Map<UUID, Instant> silent = new HashMap<>();
            int changed = 0;
            for (Seen seen : devices) {
                if (!seen.active()) {
                    gone.add(seen);
                } else if (seen.moved()) {
                    moved.add(seen);
                } else if (rollover.cause() == Cause.COMPROMISE && (!seen.reachable() || seen.silent())) {
                    continue; // it is told by being refused
                } else if (rollover.cause() == Cause.RENEWAL && ended(seen)) {
                    ended.add(seen);
                } else if (seen.silent() && seen.ends() != null) {
                    if (seen.step() != Step.OWN_RENEWAL) {
                        silent.put(seen.device(), seen.ends());
                    }
                } else if (seen.step() == Step.RENEWAL) {
                    changed += again(seen, new OrderContent.RenewCertificate()) ? 1 : 0;
                } else if (rollover.newAnchor() == null || seen.anchored()) {
                    renewals.add(seen);
                } else if (seen.step() == Step.ANCHORS) {
                    changed += again(seen, anchors()) ? 1 : 0;
                } else {
                    anchors.add(seen);
                }
            }
            RolloverRows.await(tx, tenant, rollover.id(), silent, Step.OWN_RENEWAL, now);
            return changed
                    + silent.size()
                    + put(gone, Step.GONE)
                    + put(moved, Step.MOVED)
                    + put(ended, Step.ENDED)
                    + (anchors.isEmpty() ? 0 : order(anchors, Step.ANCHORS, anchors()))
                    + order(renewals, Step.RENEWAL, new OrderContent.RenewCertificate());
        }

        private boolean ended(Seen seen) {
            return seen.ends() != null && !seen.ends().isAfter(now);
        }

        private static List<UUID> ids(Collection<AuthorityId> authorities) {
            return authorities.stream().map(AuthorityId::value).toList();
        }

        private OrderContent anchors() {
            return new OrderContent.UpdateTrustAnchors(rollover.anchors());
        }

        private int put(List<Seen> devices, Step step) {
            List<UUID> all = devices.stream().map(Seen::device).toList();
            RolloverRows.put(tx, tenant, rollover.id(), all, step, false, null, now);
            return all.size();
        }

        /// Devices with too many open orders stay where they are: there will be room when they have been
        /// here.
        private int order(List<Seen> devices, Step step, OrderContent content) {
            List<DeviceId> all =
                    devices.stream().map(seen -> new DeviceId(seen.device())).toList();
            Set<DeviceId> placed =
                    orders.place(tx, tenant, all, content, ORDER_LIFE, ACTOR).keySet();
            return put(
                    devices.stream()
                            .filter(seen -> placed.contains(new DeviceId(seen.device())))
                            .toList(),
                    step);
        }

        /// Repeats an order that has come to nothing, a few times.
        private boolean again(Seen seen, OrderContent content) {
            boolean over = seen.order() != null || !seen.ordered();
            boolean early =
                    seen.endedAt() != null && now.isBefore(seen.endedAt().plus(RETRY));
            if (!over || early) {
                return false;
            }
            boolean failed = seen.ordered() && !"DONE".equals(seen.order());
            if (failed && seen.attempts() + 1 >= ATTEMPTS) {
                RolloverRows.put(
                        tx, tenant, rollover.id(), List.of(seen.device()), Step.FAILED, true, seen.said(), now);
                return true;
            }
            try {
                orders.place(tx, tenant, new DeviceId(seen.device()), content, ORDER_LIFE, ACTOR);
            } catch (RefusedException e) {
                return false;
            }
            RolloverRows.put(tx, tenant, rollover.id(), List.of(seen.device()), seen.step(), failed, seen.said(), now);
            return true;
        }

        private Advance giveBack(Position position) {
            List<UUID> devices = page(position, "step NOT IN ('RETURNED', 'ENDED', 'GONE', 'FAILED')");
            int changed = giveBack(see(devices));
            boolean changes = position.changes() || changed > 0;
            if (devices.size() == HANDLED_AT_ONCE) {
                return new Position(Phase.RETURN, 0, devices.getLast().toString(), changes).advance(changed);
            }
            if (RolloverRows.find(tx, tenant, rollover.id()).outstanding() == 0) {
                RolloverState after = rollover.state().after(Action.RETURNED).orElseThrow();
                RolloverRows.state(tx, tenant, rollover.id(), after, null, now);
                rollovers
                        .authorities()
                        .withdrawCross(tx, tenant, ACTOR, rollover.oldAuthority(), rollover.newAuthority());
                rollovers.tell(tx, tenant, rollover, ACTOR, "rolled-back", Map.of());
                return Advance.complete(changed, List.of());
            }
            Advance again = Position.of(Phase.RETURN).advance(changed);
            return changes ? again : again.after(pause);
        }

        private int giveBack(List<Seen> devices) {
            List<Seen> gone = new ArrayList<>();
            List<Seen> returned = new ArrayList<>();
            List<Seen> renewals = new ArrayList<>();
            List<Seen> ended = new ArrayList<>();
            Map<UUID, Instant> silent = new HashMap<>();
            int changed = 0;
            for (Seen seen : devices) {
                if (!seen.active()) {
                    gone.add(seen);
                } else if (!seen.moved()) {
                    returned.add(seen);
                } else if (ended(seen)) {
                    ended.add(seen);
                } else if (seen.silent() && seen.ends() != null) {
                    if (seen.step() != Step.RETURNING) {
                        silent.put(seen.device(), seen.ends());
                    }
                } else if (seen.step() == Step.RETURNING) {
                    changed += again(seen, new OrderContent.RenewCertificate()) ? 1 : 0;
                } else {
                    renewals.add(seen);
                }
            }
            RolloverRows.await(tx, tenant, rollover.id(), silent, Step.RETURNING, now);
            return changed
                    + silent.size()
                    + put(gone, Step.GONE)
                    + put(returned, Step.RETURNED)
                    + put(ended, Step.ENDED)
                    + order(renewals, Step.RETURNING, new OrderContent.RenewCertificate());
        }
    }
}
