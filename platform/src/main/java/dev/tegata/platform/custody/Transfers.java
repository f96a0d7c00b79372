// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.PublicIds;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.custody.Transfer.State;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.TransferPolicy.Consent;
import dev.tegata.platform.job.Advance;
import dev.tegata.platform.job.JobIssue;
import dev.tegata.platform.job.JobStep;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.PreparedBatch;
import org.jspecify.annotations.Nullable;

/// Transfers of ownership as people ask for them: offered, accepted, claimed by possession, taken back.
///
/// The seller's row of a transfer decides. Each change of its state is one compare-and-set in a
/// transaction of the seller's; what follows from it on the buyer's side, and for each device, is done
/// by [Mover], at once and again by the background until it is done.
public final class Transfers {
    /// The kind of the jobs that put many devices into an offer.
    public static final String OFFER_JOB = "transfer.offer";

    /// How many devices an offer may name in one request.
    public static final int MAX_LISTED = 1000;

    private static final Pattern UUID_FORM =
            Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");

    private static final String CODE_PREFIX = "tegata-transfer-";
    private static final int JOB_PAGE = 500;
    private static final Duration CHALLENGE_LIFE = Duration.ofMinutes(10);

    private static final String COLUMNS = """
            transfer_id, basis, state, buyer_id, buyer_fleet, history, message, created_at, expires_at, ended_at
            """;

    private final Database database;
    private final AuditLog audit;
    private final Outbox outbox;
    private final Jobs jobs;
    private final Mover mover;
    private final Possession possession;
    private final InstantSource clock;
    private final RandomGenerator random;

    /// @param throttle counts wrong proofs of possession and wrong codes
    public Transfers(
            Database database,
            AuditLog audit,
            Outbox outbox,
            Jobs jobs,
            Mover mover,
            LoginThrottle throttle,
            InstantSource clock,
            RandomGenerator random) {
        this.database = database;
        this.audit = audit;
        this.outbox = outbox;
        this.jobs = jobs;
        this.mover = mover;
        this.possession = new Possession(database, throttle, clock);
        this.clock = clock;
        this.random = random;
    }

    /// An offer that was made.
    ///
    /// @param code the one-time code, where nobody is named; shown this once
    /// @param job puts the devices in, where there are many
    public record Offered(
            Transfer transfer,
            @Nullable String code,
            @Nullable JobId job) {
        /// Without the code.
        @Override
        public String toString() {
            return "Offered[" + transfer.id() + "]";
        }
    }

    /// Which devices an offer takes in, where they are not listed.
    public record Filter(@Nullable FleetId fleet, @Nullable DeviceState state) {}

    /// What a job puts into an offer: devices by id or serial number, or those that a filter finds.
    record OfferJob(
            String transfer,
            @Nullable List<String> devices,
            @Nullable Filter filter) {}

    // --------------------------------------------------------------------------------------------- the seller

    /// Offers up to [#MAX_LISTED] devices: all of them, or none.
    ///
    /// @throws RefusedException where one of them is not there, cannot be transferred, or is offered
    ///     already
    public Offered offer(TenantId seller, Actor actor, NewOffer offer, List<DeviceId> devices) {
        if (devices.isEmpty() || devices.size() > MAX_LISTED) {
            throw Fields.invalid("devices", "must name 1 to " + MAX_LISTED + " devices");
        }
        requireBuyer(seller, offer);
        TransferId id = newId();
        String code = offer.buyer() == null ? newCode(seller) : null;
        Transfer made = database.inTenant(seller, tx -> {
            insert(tx, seller, actor, id, offer, code, State.OFFERED);
            for (DeviceId device : List.copyOf(new HashSet<>(devices))) {
                put(tx, seller, id, device);
            }
            recordOffer(tx, seller, actor, id, offer, devices);
            return require(tx, seller, id);
        });
        mover.attend(seller, id);
        return new Offered(made, code, null);
    }

    /// Offers many devices by a job: those that `filter` finds, or those that `devices` lists by id or
    /// serial number. Devices that cannot be offered are the job's issues. The buyer sees the offer
    /// when the job is done.
    public Offered offerMany(
            TenantId seller, Actor actor, NewOffer offer, @Nullable List<String> devices, @Nullable Filter filter) {
        if ((devices == null) == (filter == null)) {
            throw Fields.invalid("devices", "or filter must be given, and not both");
        }
        requireBuyer(seller, offer);
        TransferId id = newId();
        String code = offer.buyer() == null ? newCode(seller) : null;
        return database.inTenant(seller, tx -> {
            insert(tx, seller, actor, id, offer, code, State.PREPARING);
            JobId job = jobs.start(tx, seller, OFFER_JOB, new OfferJob(id.toString(), devices, filter), actor);
            return new Offered(require(tx, seller, id), code, job);
        });
    }

    /// One step of an [#OFFER_JOB].
    public void offerStep(JobStep step) {
        OfferJob wanted = step.job().parameters(OfferJob.class);
        TenantId seller = step.tenant();
        TransferId id = TransferId.parse(wanted.transfer());
        boolean[] over = {false};
        step.commit(tx -> {
            // Locked: who takes the offer back meanwhile must find the devices of this step in it.
            Transfer transfer = lock(tx, seller, id);
            if (transfer.state() != State.PREPARING) {
                over[0] = true;
                return Advance.complete(0, List.of());
            }
            Piece piece = piece(tx, seller, wanted, step.job().position());
            List<JobIssue> issues = new ArrayList<>();
            long done = 0;
            for (String named : piece.devices()) {
                try {
                    put(tx, seller, id, resolve(tx, seller, named));
                    done++;
                } catch (RefusedException e) {
                    issues.add(new JobIssue(named, e.code().code(), e.detail()));
                }
            }
            if (piece.next() != null) {
                return Advance.to(piece.next(), done, issues);
            }
            over[0] = true;
            setState(tx, seller, id, State.PREPARING, State.OFFERED);
            audit.append(
                    tx,
                    seller,
                    List.of(new AuditEvent(
                            Actor.system("transfer"),
                            "transfer.offered",
                            subject(id),
                            Map.of("devices", count(tx, seller, id)))));
            return Advance.complete(done, issues);
        });
        if (over[0]) {
            mover.attend(seller, id);
        }
    }

    private record Piece(List<String> devices, @Nullable String next) {}

    private static Piece piece(Handle tx, TenantId seller, OfferJob wanted, @Nullable String position) {
        if (wanted.devices() != null) {
            int from = position == null ? 0 : Integer.parseInt(position);
            int to = Math.min(from + JOB_PAGE, wanted.devices().size());
            return new Piece(
                    wanted.devices().subList(from, to), to < wanted.devices().size() ? Integer.toString(to) : null);
        }
        Filter filter = Objects.requireNonNull(wanted.filter());
        List<String> ids = tx.createQuery("""
                        SELECT device_id::text FROM device
                        WHERE tenant_id = :tenant AND device_id > :after
                            AND (:fleet::text IS NULL OR fleet_id = :fleet)
                            AND (:state::text IS NULL OR state = :state)
                        ORDER BY device_id LIMIT :limit""")
                .bind("tenant", seller)
                .bind("after", position == null ? new UUID(0, 0) : UUID.fromString(position))
                .bind("fleet", filter.fleet() == null ? null : filter.fleet().value())
                .bind("state", filter.state() == null ? null : filter.state().name())
                .bind("limit", JOB_PAGE)
                .mapTo(String.class)
                .list();
        return new Piece(ids, ids.size() < JOB_PAGE ? null : ids.getLast());
    }

    private static DeviceId resolve(Handle tx, TenantId seller, String named) {
        if (named.length() == 36) {
            return DeviceId.parse(named);
        }
        List<DeviceId> found = tx.createQuery("""
                        SELECT device_id FROM device WHERE tenant_id = :tenant AND serial = lower(:serial) LIMIT 2""")
                .bind("tenant", seller)
                .bind("serial", named)
                .mapTo(DeviceId.class)
                .list();
        if (found.size() != 1) {
            throw new RefusedException(
                    ErrorCode.NOT_FOUND,
                    found.isEmpty() ? "there is no device " + named : "more than one device has that serial number");
        }
        return found.getFirst();
    }

    /// Takes an offer back, or objects to a claim by possession. Devices that are on their way arrive.
    ///
    /// @throws RefusedException where it is not open any more
    public Transfer cancel(TenantId seller, Actor actor, TransferId id, String reason) {
        Transfer cancelled = database.inTenant(seller, tx -> {
            Transfer before = lock(tx, seller, id);
            if (before.state() != State.PREPARING
                    && before.state() != State.OFFERED
                    && before.state() != State.COOLING) {
                throw new RefusedException(ErrorCode.CONFLICT, "the transfer is " + Texts.word(before.state()));
            }
            end(tx, seller, id, State.CANCELLED, clock.instant());
            String action = before.state() == State.COOLING ? "transfer.objected" : "transfer.cancelled";
            audit.append(tx, seller, List.of(new AuditEvent(actor, action, subject(id), Map.of("reason", reason))));
            outbox.append(tx, seller, new Event("dev.tegata." + action, subject(id), Map.of("reason", reason)));
            return require(tx, seller, id);
        });
        mover.attend(seller, id);
        return cancelled;
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Transfer get(TenantId seller, TransferId id) {
        return database.inTenant(seller, tx -> require(tx, seller, id));
    }

    /// Transfers that this tenant gives or is asked for, newest first.
    public Page<Transfer> list(TenantId seller, Page.Request page) {
        UUID before = page.after(id -> TransferId.parse(id).value(), LAST);
        List<Transfer> rows = database.inTenant(
                seller,
                tx -> tx.createQuery("SELECT " + COLUMNS + """
                         FROM transfer WHERE tenant_id = :tenant AND transfer_id < :before
                        ORDER BY transfer_id DESC LIMIT :limit""")
                        .bind("tenant", seller)
                        .bind("before", before)
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> transfer(row))
                        .list());
        return Page.of(rows, page, transfer -> transfer.id().toString());
    }

    private static final UUID LAST = new UUID(-1, -1);

    /// How far the devices of a transfer are.
    public Transfer.Counts counts(TenantId seller, TransferId id) {
        return database.inTenant(
                seller,
                tx -> tx.createQuery("""
                                SELECT count(*) FILTER (WHERE state = 'OFFERED'),
                                    count(*) FILTER (WHERE state = 'RELEASED'),
                                    count(*) FILTER (WHERE state = 'ARRIVED'),
                                    count(*) FILTER (WHERE state = 'REFUSED')
                                FROM transfer_device WHERE tenant_id = :tenant AND transfer_id = :transfer""")
                        .bind("tenant", seller)
                        .bind("transfer", id.value())
                        .map((row, context) ->
                                new Transfer.Counts(row.getLong(1), row.getLong(2), row.getLong(3), row.getLong(4)))
                        .one());
    }

    /// The devices of a transfer, in the order of their ids.
    public Page<Transfer.Unit> devices(TenantId seller, TransferId id, Page.Request page) {
        List<Transfer.Unit> rows = database.inTenant(seller, tx -> {
            require(tx, seller, id);
            return tx.createQuery("""
                            SELECT device_id, state, reason FROM transfer_device
                            WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id > :after
                            ORDER BY device_id LIMIT :limit""")
                    .bind("tenant", seller)
                    .bind("transfer", id.value())
                    .bind("after", page.after(device -> DeviceId.parse(device).value(), new UUID(0, 0)))
                    .bind("limit", page.limit() + 1)
                    .map((row, context) -> new Transfer.Unit(
                            new DeviceId(row.getObject(1, UUID.class)), row.getString(2), row.getString(3)))
                    .list();
        });
        return Page.of(rows, page, unit -> unit.device().toString());
    }

    private void requireBuyer(TenantId seller, NewOffer offer) {
        TenantId buyer = offer.buyer();
        if (seller.equals(buyer)) {
            throw Fields.invalid("buyer", "must be another tenant");
        }
        if (buyer != null && Mover.nameOf(database, buyer).isEmpty()) {
            throw Fields.invalid("buyer", "names no tenant: " + buyer);
        }
    }

    private void insert(
            Handle tx,
            TenantId seller,
            Actor actor,
            TransferId id,
            NewOffer offer,
            @Nullable String code,
            State state) {
        Instant now = clock.instant();
        TenantId buyer = offer.buyer();
        tx.createUpdate("""
                        INSERT INTO transfer (tenant_id, transfer_id, basis, state, buyer_id, code_hash, history,
                            message, created_by, created_at, expires_at)
                        VALUES (:tenant, :transfer, 'OFFER', :state, :buyer, :code, :history, :message, :actor,
                            :now, :expires)""")
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .bind("state", state.name())
                .bind("buyer", buyer == null ? null : buyer.value())
                .bind("code", code == null ? null : hash(code).toArray())
                .bind("history", offer.history())
                .bind("message", offer.message())
                .bind("actor", actor.toString())
                .bind("now", now)
                .bind("expires", now.plus(offer.validity()))
                .execute();
        Mover.due(tx, seller, id, state == State.PREPARING ? now.plus(offer.validity()) : now);
    }

    /// Puts a device into an open transfer.
    private void put(Handle tx, TenantId seller, TransferId id, DeviceId device) {
        DeviceState state = tx.createQuery("""
                        SELECT state FROM device WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE""")
                .bind("tenant", seller)
                .bind("device", device)
                .map((row, context) -> DeviceState.valueOf(row.getString(1)))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device));
        if (!Mover.mayMove(state)) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "device " + device + " is " + Texts.word(state)
                            + "; only one that is claimed or active changes owners");
        }
        // What has run out but was not cleared away yet holds nothing.
        tx.createUpdate("""
                        UPDATE transfer_device d SET state = 'CLOSED' FROM transfer t
                        WHERE d.tenant_id = :tenant AND d.device_id = :device AND d.state = 'OFFERED'
                            AND t.tenant_id = d.tenant_id AND t.transfer_id = d.transfer_id
                            AND t.state IN ('PREPARING', 'OFFERED') AND t.expires_at <= :now""")
                .bind("tenant", seller)
                .bind("device", device)
                .bind("now", clock.instant())
                .execute();
        int rows = tx.createUpdate("""
                        INSERT INTO transfer_device (tenant_id, transfer_id, device_id, state)
                        VALUES (:tenant, :transfer, :device, 'OFFERED') ON CONFLICT DO NOTHING""")
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .bind("device", device)
                .execute();
        if (rows == 0) {
            throw new RefusedException(ErrorCode.CONFLICT, "device " + device + " stands in another open transfer");
        }
    }

    private void recordOffer(
            Handle tx, TenantId seller, Actor actor, TransferId id, NewOffer offer, List<DeviceId> devices) {
        Map<String, Object> detail = new HashMap<>();
        detail.put("devices", devices.stream().map(DeviceId::toString).toList());
        detail.put("history", offer.history());
        detail.put(
                "to",
                offer.buyer() == null ? "whoever has the code" : offer.buyer().value());
        audit.append(tx, seller, List.of(new AuditEvent(actor, "transfer.offered", subject(id), detail)));
    }

    // --------------------------------------------------------------------------------------------- the buyer

    /// What is offered to this tenant, or was, newest first.
    public Page<Transfer.Incoming> incoming(TenantId buyer, Page.Request page) {
        UUID before = page.after(id -> TransferId.parse(id).value(), LAST);
        List<Transfer.Incoming> rows = database.inTenant(
                buyer,
                tx -> tx.createQuery(INCOMING + " AND transfer_id < :before ORDER BY transfer_id DESC LIMIT :limit")
                        .bind("tenant", buyer)
                        .bind("before", before)
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> incomingOf(row))
                        .list());
        return Page.of(rows, page, transfer -> transfer.id().toString());
    }

    private static final String INCOMING = """
            SELECT transfer_id, seller_id, seller_name, basis, state, devices, fleet_id, message, expires_at, created_at
            FROM incoming_transfer WHERE tenant_id = :tenant""";

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Transfer.Incoming incoming(TenantId buyer, TransferId id) {
        return database.inTenant(
                buyer,
                tx -> tx.createQuery(INCOMING + " AND transfer_id = :transfer")
                        .bind("tenant", buyer)
                        .bind("transfer", id.value())
                        .map((row, context) -> incomingOf(row))
                        .findOne()
                        .orElseThrow(() -> notFound(id)));
    }

    /// Turns a one-time code into an offer to this tenant. A code is good for one tenant; whoever
    /// redeems it again gets the same offer, so that a lost answer costs nothing.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where the code is none, used, or has run out: the
    ///     answer is the same
    public Transfer.Incoming redeem(TenantId buyer, String code) {
        possession.requireUnblocked(buyer);
        Optional<TenantId> seller = sellerOf(code).filter(tenant -> !tenant.equals(buyer));
        Optional<TransferId> id =
                seller.flatMap(tenant -> database.inTenant(tenant, tx -> take(tx, tenant, buyer, code)));
        if (id.isEmpty()) {
            possession.count(buyer);
            throw new RefusedException(ErrorCode.NOT_FOUND, "the code is unknown, used or has run out");
        }
        mover.attend(seller.get(), id.get());
        return incoming(buyer, id.get());
    }

    private Optional<TransferId> take(Handle tx, TenantId seller, TenantId buyer, String code) {
        return tx.createQuery("""
                        UPDATE transfer SET buyer_id = :buyer
                        WHERE tenant_id = :tenant AND code_hash = :code AND state = 'OFFERED' AND expires_at > :now
                            AND (buyer_id IS NULL OR buyer_id = :buyer)
                        RETURNING transfer_id""")
                .bind("buyer", buyer)
                .bind("tenant", seller)
                .bind("code", hash(code))
                .bind("now", clock.instant())
                .map((row, context) -> new TransferId(row.getObject(1, UUID.class)))
                .findOne();
    }

    /// Accepts an offer into one of this tenant's fleets. The devices move at once, or in the
    /// background where they are many.
    ///
    /// @param proofs that the devices lie before the buyer, where their fleet demands it
    /// @throws RefusedException where the offer is not open any more, or a proof is not good
    public Transfer.Incoming accept(TenantId buyer, Actor actor, TransferId id, FleetId fleet, List<Proof> proofs) {
        Transfer.Incoming offer = incoming(buyer, id);
        requireFleet(buyer, fleet);
        TenantId seller = offer.seller();
        Set<DeviceId> proven = new HashSet<>();
        for (Proof proof : proofs) {
            proven.add(possession
                    .check(buyer, proof)
                    .filter(found -> found.owner().equals(seller))
                    .map(Possession.Found::device)
                    .orElseThrow(Transfers::noProof));
        }
        database.inTenant(seller, tx -> {
            Transfer transfer = lock(tx, seller, id);
            Instant now = clock.instant();
            if (!buyer.equals(transfer.buyer()) || transfer.state() != State.OFFERED) {
                throw new RefusedException(ErrorCode.CONFLICT, "the transfer is " + Texts.word(transfer.state()));
            }
            if (!now.isBefore(transfer.expiresAt())) {
                throw new RefusedException(ErrorCode.CONFLICT, "the offer ran out on " + transfer.expiresAt());
            }
            for (DeviceId device : proven) {
                tx.createUpdate("""
                                UPDATE transfer_device SET proven_at = :now
                                WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device""")
                        .bind("now", now)
                        .bind("tenant", seller)
                        .bind("transfer", id.value())
                        .bind("device", device)
                        .execute();
            }
            accepted(tx, seller, id, buyer, fleet, now);
            return true;
        });
        database.inTenant(buyer, tx -> {
            audit.append(
                    tx,
                    buyer,
                    List.of(new AuditEvent(
                            actor,
                            "transfer.accepted",
                            subject(id),
                            Map.of("from", seller.value(), "fleet", fleet.value()))));
            return true;
        });
        mover.attend(seller, id);
        return incoming(buyer, id);
    }

    private void accepted(Handle tx, TenantId seller, TransferId id, TenantId buyer, FleetId fleet, Instant now) {
        tx.createUpdate("""
                        UPDATE transfer SET state = 'ACCEPTED', buyer_fleet = :fleet, accepted_at = :now,
                            code_hash = NULL
                        WHERE tenant_id = :tenant AND transfer_id = :transfer""")
                .bind("fleet", fleet)
                .bind("now", now)
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .execute();
        Mover.due(tx, seller, id, now);
        Map<String, Object> detail = Map.of("by", buyer.value());
        audit.append(
                tx,
                seller,
                List.of(new AuditEvent(Actor.system("transfer"), "transfer.accepted", subject(id), detail)));
        outbox.append(tx, seller, new Event("dev.tegata.transfer.accepted", subject(id), detail));
    }

    /// A challenge for a chip to sign, good once and for ten minutes. The chip signs [Proof#message].
    public Bytes challenge(TenantId buyer) {
        byte[] bytes = new byte[32];
        random.nextBytes(bytes);
        Bytes challenge = Bytes.of(bytes);
        Instant now = clock.instant();
        database.inTenant(buyer, tx -> {
            tx.createUpdate("DELETE FROM possession_challenge WHERE tenant_id = :tenant AND expires_at <= :now")
                    .bind("tenant", buyer)
                    .bind("now", now)
                    .execute();
            return tx.createUpdate("""
                            INSERT INTO possession_challenge (tenant_id, challenge, expires_at)
                            VALUES (:tenant, :challenge, :expires)""")
                    .bind("tenant", buyer)
                    .bind("challenge", challenge)
                    .bind("expires", now.plus(CHALLENGE_LIFE))
                    .execute();
        });
        return challenge;
    }

    /// Claims a device that lies before this tenant. Its owner is told and may object until the fleet's
    /// cool-down ends; then it moves by itself.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND], whether there is no such device, the proof is
    ///     wrong, or its owner does not allow this
    public Transfer.Incoming claim(TenantId buyer, Actor actor, FleetId fleet, Proof proof) {
        requireFleet(buyer, fleet);
        Possession.Found found = possession
                .check(buyer, proof)
                .filter(device -> !device.owner().equals(buyer))
                .orElseThrow(Transfers::noProof);
        TenantId seller = found.owner();
        TransferId id = newId();
        database.inTenant(seller, tx -> {
            begin(tx, seller, buyer, fleet, id, found.device());
            return true;
        });
        database.inTenant(buyer, tx -> {
            audit.append(
                    tx,
                    buyer,
                    List.of(new AuditEvent(
                            actor,
                            "transfer.claimed",
                            subject(id),
                            Map.of("chip", proof.chip(), "serial", proof.serial(), "fleet", fleet.value()))));
            return true;
        });
        mover.attend(seller, id);
        return incoming(buyer, id);
    }

    private void begin(Handle tx, TenantId seller, TenantId buyer, FleetId fleet, TransferId id, DeviceId device) {
        FleetPolicy policy = Mover.policyOf(tx, seller, device).orElseThrow(Transfers::noProof);
        if (policy.transfer().consent() != Consent.POSSESSION) {
            throw noProof();
        }
        Instant now = clock.instant();
        Instant due = now.plus(policy.transfer().coolDown());
        tx.createUpdate("""
                        INSERT INTO transfer (tenant_id, transfer_id, basis, state, buyer_id, buyer_fleet, history,
                            message, created_by, created_at, expires_at)
                        VALUES (:tenant, :transfer, 'POSSESSION', 'COOLING', :buyer, :fleet, false, '', :actor,
                            :now, :due)""")
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .bind("buyer", buyer)
                .bind("fleet", fleet)
                .bind("actor", "tenant:" + buyer)
                .bind("now", now)
                .bind("due", due)
                .execute();
        put(tx, seller, id, device);
        tx.createUpdate("""
                        UPDATE transfer_device SET proven_at = :now
                        WHERE tenant_id = :tenant AND transfer_id = :transfer""")
                .bind("now", now)
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .execute();
        Mover.due(tx, seller, id, now);
        Map<String, Object> detail = Map.of("device", device.toString(), "by", buyer.value(), "until", due.toString());
        audit.append(
                tx, seller, List.of(new AuditEvent(Actor.system("transfer"), "transfer.claimed", subject(id), detail)));
        outbox.append(tx, seller, new Event("dev.tegata.transfer.claimed", "device:" + device, detail));
    }

    private static RefusedException noProof() {
        return new RefusedException(
                ErrorCode.NOT_FOUND, "no device can be taken over with this proof; nothing more is said about why");
    }

    /// What earlier owners showed of a device's life when they handed it to this tenant: lines of their
    /// audit.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where they showed nothing
    public List<ShownHistory> shownHistory(TenantId tenant, DeviceId device) {
        List<ShownHistory> shown = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT d.transfer_id, t.seller_id, d.arrived_at, d.history FROM incoming_device d
                                JOIN incoming_transfer t
                                    ON t.tenant_id = d.tenant_id AND t.transfer_id = d.transfer_id
                                WHERE d.tenant_id = :tenant AND d.device_id = :device AND d.history IS NOT NULL
                                ORDER BY d.arrived_at LIMIT 100""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .map((row, context) -> new ShownHistory(
                                new TransferId(row.getObject(1, UUID.class)),
                                new TenantId(row.getString(2)),
                                row.getTimestamp(3).toInstant(),
                                List.of(Json.read(row.getString(4), String[].class))))
                        .list());
        if (shown.isEmpty()) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "no history of " + device + " was handed over");
        }
        return shown;
    }

    /// @param records lines of JSON from the seller's audit chain, newest first
    public record ShownHistory(TransferId transfer, TenantId from, Instant at, List<String> records) {
        public ShownHistory {
            records = List.copyOf(records);
        }
    }

    // --------------------------------------------------------------------------------------------- label codes

    /// Sets the code on a device's label.
    public void setLabelCode(TenantId tenant, Actor actor, DeviceId device, String code) {
        setLabelCode(tenant, actor, device, (chip, serial) -> new Proof.Label(chip, serial, code).hash());
    }

    private interface Hashing {
        Bytes of(String chip, String serial);
    }

    private void setLabelCode(TenantId tenant, Actor actor, DeviceId device, Hashing hashing) {
        database.inTenant(tenant, tx -> {
            Bytes hash = tx.createQuery("""
                            SELECT chip, serial FROM device WHERE tenant_id = :tenant AND device_id = :device""")
                    .bind("tenant", tenant)
                    .bind("device", device)
                    .map((row, context) -> hashing.of(row.getString(1), row.getString(2)))
                    .findOne()
                    .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device));
            tx.createUpdate("""
                            INSERT INTO label_code (tenant_id, device_id, code_hash) VALUES (:tenant, :device, :hash)
                            ON CONFLICT (tenant_id, device_id) DO UPDATE SET code_hash = :hash""")
                    .bind("tenant", tenant)
                    .bind("device", device)
                    .bind("hash", hash)
                    .execute();
            audit.append(
                    tx, tenant, List.of(new AuditEvent(actor, "device.label-code-set", "device:" + device, Map.of())));
            return hash;
        });
    }

    /// Makes a code for a device's label.
    ///
    /// @return the code, which is stored nowhere
    public String newLabelCode(TenantId tenant, Actor actor, DeviceId device) {
        String code = newLabelCode();
        setLabelCode(tenant, actor, device, code);
        return code;
    }

    private String newLabelCode() {
        return PublicIds.random(random, 20).replaceAll("(.{5})(?=.)", "$1-");
    }

    /// Sets or makes codes for the labels of many devices, in one transaction.
    ///
    /// @param wishes up to [#MAX_LISTED]
    /// @return those that were set, in the order of the wishes: a name that no device has is left out
    public List<LabelCode> setLabelCodes(TenantId tenant, Actor actor, List<LabelCode.Wish> wishes) {
        if (wishes.isEmpty() || wishes.size() > MAX_LISTED) {
            throw Fields.invalid("devices", "must have 1 to " + MAX_LISTED + " devices");
        }
        return database.inTenant(tenant, tx -> {
            Map<String, Labelled> found = labelled(tx, tenant, wishes);
            Set<DeviceId> set = new HashSet<>();
            List<LabelCode> codes = new ArrayList<>();
            List<AuditEvent> records = new ArrayList<>();
            PreparedBatch batch = tx.prepareBatch("""
                    INSERT INTO label_code (tenant_id, device_id, code_hash) VALUES (:tenant, :device, :hash)
                    ON CONFLICT (tenant_id, device_id) DO UPDATE SET code_hash = EXCLUDED.code_hash""");
            for (LabelCode.Wish wish : wishes) {
                Labelled unit = found.get(wish.name().strip().toLowerCase(Locale.ROOT));
                if (unit == null || !set.add(unit.device())) {
                    continue; // nobody has it, or the list has it twice
                }
                String wanted = wish.code();
                String code = wanted == null ? newLabelCode() : wanted;
                batch.bind("tenant", tenant)
                        .bind("device", unit.device())
                        .bind("hash", new Proof.Label(unit.chip(), unit.serial(), code).hash())
                        .add();
                codes.add(new LabelCode(unit.device(), unit.serial(), code));
                records.add(new AuditEvent(actor, "device.label-code-set", "device:" + unit.device(), Map.of()));
            }
            if (!codes.isEmpty()) {
                batch.execute();
                audit.append(tx, tenant, records);
            }
            return codes;
        });
    }

    private record Labelled(DeviceId device, String chip, String serial) {}

    private static Map<String, Labelled> labelled(Handle tx, TenantId tenant, List<LabelCode.Wish> wishes) {
        Map<String, Labelled> found = new HashMap<>();
        String[] names = wishes.stream()
                .map(wish -> wish.name().strip().toLowerCase(Locale.ROOT))
                .toArray(String[]::new);
        UUID[] ids = Arrays.stream(names)
                .filter(name -> UUID_FORM.matcher(name).matches())
                .map(UUID::fromString)
                .toArray(UUID[]::new);
        tx.createQuery("""
                        SELECT device_id, chip, serial FROM device WHERE tenant_id = :tenant AND device_id = ANY (:ids)
                        UNION
                        SELECT device_id, chip, serial FROM device WHERE tenant_id = :tenant AND serial = ANY (:names)""")
                .bind("tenant", tenant)
                .bindArray("ids", UUID.class, (Object[]) ids)
                .bindArray("names", String.class, (Object[]) names)
                .map((row, _) -> new Labelled(
                        new DeviceId(row.getObject("device_id", UUID.class)),
                        row.getString("chip"),
                        row.getString("serial")))
                .forEach(unit -> {
                    found.put(unit.device().toString(), unit);
                    found.put(unit.serial(), unit);
                });
        return found;
    }

    // --------------------------------------------------------------------------------------------- rows

    static String subject(TransferId id) {
        return "transfer:" + id;
    }

    private TransferId newId() {
        return new TransferId(TimeOrderedIds.next(clock.instant(), random));
    }

    private String newCode(TenantId seller) {
        byte[] secret = new byte[24];
        random.nextBytes(secret);
        return CODE_PREFIX + seller + "-" + Bytes.of(secret).base64Url();
    }

    private static Optional<TenantId> sellerOf(String code) {
        int at = CODE_PREFIX.length();
        boolean wellFormed = code.length() == at + 10 + 1 + 32
                && code.startsWith(CODE_PREFIX)
                && TenantId.isValid(code.substring(at, at + 10));
        return wellFormed ? Optional.of(new TenantId(code.substring(at, at + 10))) : Optional.empty();
    }

    private static Bytes hash(String code) {
        return Bytes.sha256(code.getBytes(StandardCharsets.UTF_8));
    }

    private void requireFleet(TenantId buyer, FleetId fleet) {
        boolean there = fleet.tenant().equals(buyer)
                && database.inTenant(
                                buyer,
                                tx -> tx.createQuery("""
                                        SELECT count(*) FROM fleet
                                        WHERE tenant_id = :tenant AND fleet_id = :fleet""")
                                        .bind("tenant", buyer)
                                        .bind("fleet", fleet)
                                        .mapTo(Integer.class)
                                        .one())
                        > 0;
        if (!there) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + fleet);
        }
    }

    static void end(Handle tx, TenantId seller, TransferId id, State state, Instant now) {
        tx.createUpdate("""
                        UPDATE transfer SET state = :state, ended_at = :now, code_hash = NULL
                        WHERE tenant_id = :tenant AND transfer_id = :transfer""")
                .bind("state", state.name())
                .bind("now", now)
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .execute();
        tx.createUpdate("""
                        UPDATE transfer_device SET state = 'CLOSED'
                        WHERE tenant_id = :tenant AND transfer_id = :transfer AND state = 'OFFERED'""").bind("tenant", seller).bind("transfer", id.value()).execute();
        Mover.due(tx, seller, id, now);
    }

    static boolean setState(Handle tx, TenantId seller, TransferId id, State from, State to) {
        return tx.createUpdate("""
                        UPDATE transfer SET state = :to
                        WHERE tenant_id = :tenant AND transfer_id = :transfer AND state = :from""")
                        .bind("to", to.name())
                        .bind("tenant", seller)
                        .bind("transfer", id.value())
                        .bind("from", from.name())
                        .execute()
                == 1;
    }

    static Transfer lock(Handle tx, TenantId seller, TransferId id) {
        return one(tx, seller, id, " FOR UPDATE").orElseThrow(() -> notFound(id));
    }

    static Transfer require(Handle tx, TenantId seller, TransferId id) {
        return one(tx, seller, id, "").orElseThrow(() -> notFound(id));
    }

    private static Optional<Transfer> one(Handle tx, TenantId seller, TransferId id, String lock) {
        return tx.createQuery("SELECT " + COLUMNS
                        + " FROM transfer WHERE tenant_id = :tenant AND transfer_id = :transfer" + lock)
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .map((row, context) -> transfer(row))
                .findOne();
    }

    static long count(Handle tx, TenantId seller, TransferId id) {
        return tx.createQuery("""
                        SELECT count(*) FROM transfer_device
                        WHERE tenant_id = :tenant AND transfer_id = :transfer""")
                .bind("tenant", seller)
                .bind("transfer", id.value())
                .mapTo(Long.class)
                .one();
    }

    private static RefusedException notFound(TransferId id) {
        return new RefusedException(ErrorCode.NOT_FOUND, "there is no transfer " + id);
    }

    private static Transfer transfer(ResultSet row) throws SQLException {
        String buyer = row.getString("buyer_id");
        String fleet = row.getString("buyer_fleet");
        return new Transfer(
                new TransferId(row.getObject("transfer_id", UUID.class)),
                Transfer.Basis.valueOf(row.getString("basis")),
                State.valueOf(row.getString("state")),
                buyer == null ? null : new TenantId(buyer),
                fleet == null ? null : new FleetId(fleet),
                row.getBoolean("history"),
                row.getString("message"),
                row.getTimestamp("created_at").toInstant(),
                row.getTimestamp("expires_at").toInstant(),
                Columns.instant(row, "ended_at"));
    }

    private static Transfer.Incoming incomingOf(ResultSet row) throws SQLException {
        String fleet = row.getString("fleet_id");
        return new Transfer.Incoming(
                new TransferId(row.getObject("transfer_id", UUID.class)),
                new TenantId(row.getString("seller_id")),
                row.getString("seller_name"),
                Transfer.Basis.valueOf(row.getString("basis")),
                State.valueOf(row.getString("state")),
                row.getLong("devices"),
                fleet == null ? null : new FleetId(fleet),
                row.getString("message"),
                row.getTimestamp("expires_at").toInstant(),
                row.getTimestamp("created_at").toInstant());
    }
}
