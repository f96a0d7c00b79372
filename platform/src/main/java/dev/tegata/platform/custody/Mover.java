// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.custody.Transfer.State;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.TransferPolicy.Consent;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Carries transfers out. Every step is one transaction of one tenant, and may be repeated: a crash
/// anywhere is completed by the background of any node.
///
/// For each device:
///
/// 1. The hand-over and its receipt are signed; nothing is stored.
/// 2. In the seller's transaction: the device's row is locked and judged, its certificates are revoked,
///    its row, keys, tokens and grants are removed, the hand-over is stored, and the chip is promised
///    to the buyer. From here on nobody can issue: an enrolment that was decided before finds no row
///    with the version it rests on ([IssuanceJournal]).
/// 3. In the buyer's transaction: the chip's owner changes from seller to buyer, in one update of one
///    row that row-level security allows to the promised tenant alone, and the device is there. From
///    here on the buyer can issue.
/// 4. In the seller's transaction: what waited to be fetched is deleted, and the receipt is kept.
///
/// A device that reached step 2 always arrives. What refuses it is judged there, and looked for at the
/// buyer's before.
///
/// [IssuanceJournal]: dev.tegata.platform.enrol
public final class Mover implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Mover.class);
    private static final Duration PAUSE = Duration.ofSeconds(1);
    private static final Duration LEASE = Duration.ofMinutes(1);
    private static final int AT_ONCE = 100;
    private static final int HISTORY_RECORDS = 1000;
    private static final int CESSATION_OF_OPERATION = 5;
    private static final int SIGNING_ATTEMPTS = 8;
    private static final String GONE = "the device is not there any more";

    private final Database database;
    private final AuditLog audit;
    private final Outbox outbox;
    private final CustodyLog custody;
    private final InstantSource clock;
    private final PeriodicWork background;
    private volatile boolean closing;

    /// Begins to look for what is due.
    public Mover(Database database, AuditLog audit, Outbox outbox, CustodyLog custody, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.outbox = outbox;
        this.custody = custody;
        this.clock = clock;
        this.background = PeriodicWork.start("custody", PAUSE, this::workUntilDone);
    }

    static boolean mayMove(DeviceState state) {
        return state == DeviceState.CLAIMED || state == DeviceState.ACTIVE;
    }

    // --------------------------------------------------------------------------------------------- background

    /// Has the background look at a transfer.
    static void due(Handle tx, TenantId seller, TransferId id, Instant at) {
        tx.createUpdate("""
                        INSERT INTO custody_work (tenant_id, kind, subject, due_at)
                        VALUES (:tenant, 'TRANSFER', :subject, :at)
                        ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET due_at = :at""")
                .bind("tenant", seller)
                .bind("subject", id.value())
                .bind("at", at)
                .execute();
    }

    private void workUntilDone() {
        while (!closing && workOnce() > 0) {
            // There is more.
        }
    }

    /// Does what is due now, a bounded piece of each.
    ///
    /// @return how many pieces
    int workOnce() {
        Instant now = clock.instant();
        List<TenantId> tenants = database.acrossTenants(
                tx -> tx.createQuery("""
                        SELECT DISTINCT tenant_id FROM custody_work WHERE due_at <= :now LIMIT 1000""").bind("now", now).mapTo(TenantId.class).list());
        int pieces = 0;
        for (TenantId tenant : tenants) {
            // Whoever moves the time on has the work until then; another node does not see it as due.
            List<Due> taken = database.inTenant(
                    tenant,
                    tx -> tx.createQuery("""
                                    UPDATE custody_work SET due_at = :lease
                                    WHERE tenant_id = :tenant AND due_at <= :now
                                    RETURNING kind, subject, due_at""")
                            .bind("lease", now.plus(LEASE))
                            .bind("tenant", tenant)
                            .bind("now", now)
                            .map((row, context) -> new Due(
                                    tenant,
                                    row.getString(1),
                                    row.getObject(2, UUID.class),
                                    row.getTimestamp(3).toInstant()))
                            .list());
            for (Due one : taken) {
                if (closing) {
                    return 0;
                }
                workOn(one);
                pieces++;
            }
        }
        return pieces;
    }

    /// A piece of work.
    ///
    /// @param lease when it is due again unless it is done
    private record Due(TenantId tenant, String kind, UUID subject, Instant lease) {}

    private void workOn(Due work) {
        try {
            if (work.kind().equals("SIGN")) {
                custody.chain(work.tenant(), new DeviceId(work.subject()));
                signed(work);
            } else {
                attend(work.tenant(), new TransferId(work.subject()));
            }
        } catch (RuntimeException e) {
            // It keeps its lease, and is due again when that is over.
            LOG.warn(
                    "{} {} of {} could not be completed: {}",
                    work.kind(),
                    work.subject(),
                    work.tenant(),
                    e.getMessage());
        }
    }

    /// Whoever has noted another entry since has set another time: that one is yet to be signed.
    private void signed(Due work) {
        database.inTenant(
                work.tenant(),
                tx -> tx.createUpdate("""
                                DELETE FROM custody_work
                                WHERE tenant_id = :tenant AND kind = :kind AND subject = :subject AND due_at = :lease""")
                        .bind("tenant", work.tenant())
                        .bind("kind", work.kind())
                        .bind("subject", work.subject())
                        .bind("lease", work.lease())
                        .execute());
    }

    /// A transfer that has ended needs nothing any more.
    private void ended(TenantId seller, TransferId id) {
        database.inTenant(
                seller,
                tx -> tx.createUpdate("""
                                DELETE FROM custody_work
                                WHERE tenant_id = :tenant AND kind = 'TRANSFER' AND subject = :subject""")
                        .bind("tenant", seller)
                        .bind("subject", id.value())
                        .execute());
    }

    /// Does what a transfer needs next, by its state: tells the buyer, ends it, moves a bounded number
    /// of devices. Not to be called inside a transaction.
    void attend(TenantId seller, TransferId id) {
        Transfer transfer = database.inTenant(seller, tx -> Transfers.require(tx, seller, id));
        Instant now = clock.instant();
        boolean ranOut = !now.isBefore(transfer.expiresAt());
        switch (transfer.state()) {
            case PREPARING, OFFERED -> {
                if (ranOut) {
                    expire(seller, id);
                    attend(seller, id);
                } else if (transfer.state() == State.OFFERED) {
                    tell(seller, transfer);
                    later(seller, transfer, transfer.expiresAt());
                }
            }
            case COOLING -> {
                tell(seller, transfer);
                if (ranOut) {
                    endCoolDown(seller, id);
                    attend(seller, id);
                } else {
                    later(seller, transfer, transfer.expiresAt());
                }
            }
            case ACCEPTED -> {
                tell(seller, transfer);
                if (movePiece(seller, transfer)) {
                    complete(seller, id);
                    attend(seller, id);
                } else {
                    later(seller, transfer, now);
                }
            }
            case COMPLETED, CANCELLED, EXPIRED -> {
                tell(seller, transfer);
                ended(seller, id);
            }
        }
    }

    /// Whoever has changed the transfer since `seen` was read has said when it is due.
    void later(TenantId seller, Transfer seen, Instant at) {
        database.inTenant(seller, tx -> {
            if (Transfers.lock(tx, seller, seen.id()).state() == seen.state()) {
                due(tx, seller, seen.id(), at);
            }
            return true;
        });
    }

    private void expire(TenantId seller, TransferId id) {
        database.inTenant(seller, tx -> {
            Transfer transfer = Transfers.lock(tx, seller, id);
            if (transfer.state() != State.OFFERED && transfer.state() != State.PREPARING) {
                return false;
            }
            Transfers.end(tx, seller, id, State.EXPIRED, clock.instant());
            record(tx, seller, "transfer.expired", Transfers.subject(id), Map.of());
            return true;
        });
    }

    private void endCoolDown(TenantId seller, TransferId id) {
        database.inTenant(seller, tx -> {
            Transfer transfer = Transfers.lock(tx, seller, id);
            if (transfer.state() != State.COOLING) {
                return false;
            }
            Transfers.setState(tx, seller, id, State.COOLING, State.ACCEPTED);
            record(tx, seller, "transfer.accepted", Transfers.subject(id), Map.of("by", "nobody objected"));
            return true;
        });
    }

    private void complete(TenantId seller, TransferId id) {
        database.inTenant(seller, tx -> {
            Transfer transfer = Transfers.lock(tx, seller, id);
            if (transfer.state() != State.ACCEPTED) {
                return false;
            }
            Transfers.end(tx, seller, id, State.COMPLETED, clock.instant());
            record(tx, seller, "transfer.completed", Transfers.subject(id), Map.of());
            return true;
        });
    }

    private void record(Handle tx, TenantId tenant, String action, String subject, Map<String, ?> detail) {
        audit.append(tx, tenant, List.of(new AuditEvent(Actor.system("transfer"), action, subject, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata." + action, subject, detail));
    }

    /// Brings the buyer's row up to date. What was read a while ago sets nothing back.
    void tell(TenantId seller, Transfer transfer) {
        TenantId buyer = transfer.buyer();
        if (buyer == null) {
            return;
        }
        String name = nameOf(database, seller).orElse("");
        long devices = database.inTenant(seller, tx -> Transfers.count(tx, seller, transfer.id()));
        database.inTenant(buyer, tx -> {
            int rows = tx.createUpdate("""
                            INSERT INTO incoming_transfer (tenant_id, transfer_id, seller_id, seller_name, basis, state,
                                devices, fleet_id, message, expires_at, created_at)
                            VALUES (:tenant, :transfer, :seller, :name, :basis, :state, :devices, :fleet, :message,
                                :expires, :created)
                            ON CONFLICT (tenant_id, transfer_id) DO UPDATE SET state = excluded.state,
                                fleet_id = excluded.fleet_id
                            WHERE incoming_transfer.state NOT IN ('COMPLETED', 'CANCELLED', 'EXPIRED')
                                AND incoming_transfer.state <> excluded.state
                                AND NOT (incoming_transfer.state = 'ACCEPTED'
                                    AND excluded.state IN ('OFFERED', 'COOLING'))""")
                    .bind("tenant", buyer)
                    .bind("transfer", transfer.id().value())
                    .bind("seller", seller)
                    .bind("name", name)
                    .bind("basis", transfer.basis().name())
                    .bind("state", transfer.state().name())
                    .bind("devices", devices)
                    .bind(
                            "fleet",
                            transfer.buyerFleet() == null
                                    ? null
                                    : transfer.buyerFleet().value())
                    .bind("message", transfer.message())
                    .bind("expires", transfer.expiresAt())
                    .bind("created", transfer.createdAt())
                    .execute();
            if (rows > 0) {
                outbox.append(
                        tx,
                        buyer,
                        new Event(
                                "dev.tegata.transfer.incoming",
                                Transfers.subject(transfer.id()),
                                Map.of("state", transfer.state().name(), "from", seller.value())));
            }
            return rows;
        });
    }

    static Optional<String> nameOf(Database database, TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT name FROM tenant WHERE tenant_id = :tenant")
                        .bind("tenant", tenant)
                        .mapTo(String.class)
                        .findOne());
    }

    /// The rules of the fleet that a device is in.
    static Optional<FleetPolicy> policyOf(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("""
                        SELECT f.policy FROM device d
                        JOIN fleet f ON f.tenant_id = d.tenant_id AND f.fleet_id = d.fleet_id
                        WHERE d.tenant_id = :tenant AND d.device_id = :device""")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(String.class)
                .findOne()
                .map(policy -> Json.read(policy, FleetPolicy.class));
    }

    // --------------------------------------------------------------------------------------------- one device

    /// Moves up to [#AT_ONCE] devices.
    ///
    /// @return whether none is left
    private boolean movePiece(TenantId seller, Transfer transfer) {
        record Open(DeviceId device, String state) {}
        List<Open> open = database.inTenant(
                seller,
                tx -> tx.createQuery("""
                                SELECT device_id, state FROM transfer_device
                                WHERE tenant_id = :tenant AND transfer_id = :transfer
                                    AND state IN ('OFFERED', 'RELEASED')
                                ORDER BY device_id LIMIT :limit""")
                        .bind("tenant", seller)
                        .bind("transfer", transfer.id().value())
                        .bind("limit", AT_ONCE)
                        .map((row, context) -> new Open(new DeviceId(row.getObject(1, UUID.class)), row.getString(2)))
                        .list());
        Move move = new Move(
                seller,
                Objects.requireNonNull(transfer.buyer()),
                transfer.id(),
                Objects.requireNonNull(transfer.buyerFleet()),
                transfer.basis() == Transfer.Basis.POSSESSION,
                transfer.history());
        for (Open one : open) {
            if (one.state().equals("OFFERED")) {
                release(move, one.device());
            }
            arrive(move, one.device());
        }
        return open.size() < AT_ONCE;
    }

    /// One accepted transfer.
    record Move(
            TenantId seller, TenantId buyer, TransferId id, FleetId fleet, boolean byPossession, boolean withHistory) {}

    /// A birth key on its way.
    record ParcelKey(
            Bytes fingerprint,
            int slot,
            Bytes publicKey,
            @Nullable Bytes certificate,
            @Nullable String anchor) {}

    /// All that goes from seller to buyer.
    ///
    /// @param spent fingerprints of keys that certificates of the seller or of owners before carried
    /// @param chain the custody chain with hand-over and receipt
    /// @param history records of the seller's audit about the device, where it wants to show them
    record Parcel(
            String chip,
            String serial,
            String model,
            String proof,
            List<ParcelKey> keys,
            List<Bytes> spent,
            @Nullable Bytes labelCode,
            List<Bytes> chain,
            @Nullable List<String> history) {}

    /// Steps 1 and 2.
    void release(Move move, DeviceId device) {
        for (int attempt = 0; attempt < SIGNING_ATTEMPTS; attempt++) {
            Optional<String> hindrance = hindrance(move, device);
            Optional<CustodyLog.HandOver> signed = hindrance.isEmpty() ? sign(move, device) : Optional.empty();
            boolean over = database.inTenant(move.seller(), tx -> {
                if (!lockOpen(tx, move, device)) {
                    return true;
                }
                if (hindrance.isPresent()) {
                    refuse(tx, move, device, hindrance.get());
                    return true;
                }
                return signed.isPresent() && release(tx, move, device, signed.get());
            });
            if (over) {
                return;
            }
        }
        throw new UnavailableException("the custody chain of " + device + " grows too fast");
    }

    private Optional<CustodyLog.HandOver> sign(Move move, DeviceId device) {
        try {
            return custody.handOver(move.seller(), device, move.buyer());
        } catch (RefusedException e) {
            return Optional.empty();
        }
    }

    /// What stands against a move, at the seller's or at the buyer's.
    private Optional<String> hindrance(Move move, DeviceId device) {
        record Sold(String chip, String serial, List<Bytes> keys) {}
        Optional<Sold> sold = database.inTenant(
                move.seller(),
                tx -> tx.createQuery("""
                                SELECT chip, serial, ARRAY(SELECT fingerprint FROM device_key k
                                    WHERE k.tenant_id = d.tenant_id AND k.device_id = d.device_id) AS keys
                                FROM device d WHERE tenant_id = :tenant AND device_id = :device""")
                        .bind("tenant", move.seller())
                        .bind("device", device)
                        .map((row, context) -> {
                            Object[] keys = (Object[]) row.getArray("keys").getArray();
                            return new Sold(
                                    row.getString("chip"),
                                    row.getString("serial"),
                                    Arrays.stream(keys)
                                            .map(key -> Bytes.of((byte[]) key))
                                            .toList());
                        })
                        .findOne());
        if (sold.isEmpty()) {
            return Optional.of(GONE);
        }
        Sold one = sold.get();
        return database.inTenant(
                move.buyer(),
                tx -> tx.createQuery("""
                                SELECT 'the buyer has a device with this serial number or key' FROM device
                                WHERE tenant_id = :tenant AND serial = :serial AND chip = :chip
                                UNION ALL
                                SELECT 'the buyer has a device with this serial number or key' FROM device_key
                                WHERE tenant_id = :tenant AND fingerprint = ANY (:keys)
                                LIMIT 1""")
                        .bind("tenant", move.buyer())
                        .bind("serial", one.serial())
                        .bind("chip", one.chip())
                        .bindByType("keys", one.keys(), new GenericType<List<Bytes>>() {})
                        .mapTo(String.class)
                        .findOne());
    }

    private static boolean lockOpen(Handle tx, Move move, DeviceId device) {
        return tx.createQuery("""
                        SELECT device_id FROM transfer_device
                        WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device
                            AND state = 'OFFERED' FOR UPDATE""")
                .bind("tenant", move.seller())
                .bind("transfer", move.id().value())
                .bind("device", device)
                .mapTo(DeviceId.class)
                .findOne()
                .isPresent();
    }

    private void refuse(Handle tx, Move move, DeviceId device, String reason) {
        tx.createUpdate("""
                        UPDATE transfer_device SET state = 'REFUSED', reason = :reason
                        WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device""")
                .bind("reason", reason)
                .bind("tenant", move.seller())
                .bind("transfer", move.id().value())
                .bind("device", device)
                .execute();
        record(
                tx,
                move.seller(),
                "transfer.refused",
                "device:" + device,
                Map.of("transfer", move.id().toString(), "reason", reason));
    }

    private record Row(FleetId fleet, DeviceState state, String chip, String serial, String model, String proof) {}

    /// @return false where the custody chain has grown since it was signed
    private boolean release(Handle tx, Move move, DeviceId device, CustodyLog.HandOver handOver) {
        TenantId seller = move.seller();
        Optional<Row> found = tx.createQuery("""
                        SELECT fleet_id, state, chip, serial, model, proof FROM device
                        WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE""")
                .bind("tenant", seller)
                .bind("device", device)
                .map((row, context) -> new Row(
                        new FleetId(row.getString(1)),
                        DeviceState.valueOf(row.getString(2)),
                        row.getString(3),
                        row.getString(4),
                        row.getString(5),
                        row.getString(6)))
                .findOne();
        if (found.isEmpty() || !mayMove(found.get().state())) {
            refuse(
                    tx,
                    move,
                    device,
                    found.map(row -> "the device is " + Texts.word(row.state())).orElse(GONE));
            return true;
        }
        if (lacksProof(tx, move, device)) {
            refuse(tx, move, device, "the fleet demands a proof of possession, and the buyer gave none");
            return true;
        }
        Row row = found.get();
        if (!CustodyLog.append(tx, seller, device, handOver.sequence(), handOver.handOver())) {
            return false;
        }
        Instant now = clock.instant();
        List<ParcelKey> keys = keys(tx, seller, device);
        Parcel parcel = new Parcel(
                row.chip(),
                row.serial(),
                row.model(),
                row.proof(),
                keys,
                spent(tx, seller, device),
                labelCode(tx, seller, device),
                handOver.chain().messages(),
                move.withHistory() ? history(tx, seller, device) : null);
        revoke(tx, seller, device, now);
        remove(tx, seller, device);
        keepTrace(tx, move, device, row, keys, now);
        promise(tx, move, row, keys);
        tx.createUpdate("""
                        UPDATE transfer_device SET state = 'RELEASED', parcel = :parcel::jsonb
                        WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device""")
                .bind("parcel", Json.write(parcel))
                .bind("tenant", seller)
                .bind("transfer", move.id().value())
                .bind("device", device)
                .execute();
        record(
                tx,
                seller,
                "device.released",
                "device:" + device,
                Map.of("transfer", move.id().toString(), "to", move.buyer().value(), "serial", row.serial()));
        return true;
    }

    private static boolean lacksProof(Handle tx, Move move, DeviceId device) {
        boolean wanted = policyOf(tx, move.seller(), device)
                .filter(policy -> policy.transfer().consent() == Consent.BOTH)
                .isPresent();
        return wanted
                && tx.createQuery("""
                                SELECT count(*) FROM transfer_device
                                WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device
                                    AND proven_at IS NOT NULL""")
                                .bind("tenant", move.seller())
                                .bind("transfer", move.id().value())
                                .bind("device", device)
                                .mapTo(Integer.class)
                                .one()
                        == 0;
    }

    private static List<ParcelKey> keys(Handle tx, TenantId seller, DeviceId device) {
        return tx.createQuery("""
                        SELECT fingerprint, slot, public_key, certificate, certificate_anchor FROM device_key
                        WHERE tenant_id = :tenant AND device_id = :device ORDER BY slot, fingerprint""")
                .bind("tenant", seller)
                .bind("device", device)
                .map((row, context) -> new ParcelKey(
                        Bytes.of(row.getBytes(1)),
                        row.getInt(2),
                        Bytes.of(row.getBytes(3)),
                        row.getBytes(4) == null ? null : Bytes.of(row.getBytes(4)),
                        row.getString(5)))
                .list();
    }

    private static List<Bytes> spent(Handle tx, TenantId seller, DeviceId device) {
        return tx.createQuery("""
                        SELECT public_key_fingerprint FROM certificate
                        WHERE tenant_id = :tenant AND device_id = :device
                        UNION
                        SELECT fingerprint FROM spent_key WHERE tenant_id = :tenant AND device_id = :device""")
                .bind("tenant", seller)
                .bind("device", device)
                .mapTo(Bytes.class)
                .list();
    }

    private static @Nullable Bytes labelCode(Handle tx, TenantId seller, DeviceId device) {
        return tx.createQuery("SELECT code_hash FROM label_code WHERE tenant_id = :tenant AND device_id = :device")
                .bind("tenant", seller)
                .bind("device", device)
                .mapTo(Bytes.class)
                .findOne()
                .orElse(null);
    }

    private static List<String> history(Handle tx, TenantId seller, DeviceId device) {
        return tx.createQuery("""
                        SELECT record FROM audit_record WHERE tenant_id = :tenant AND subject = :subject
                        ORDER BY sequence DESC LIMIT :limit""")
                .bind("tenant", seller)
                .bind("subject", "device:" + device)
                .bind("limit", HISTORY_RECORDS)
                .mapTo(String.class)
                .list();
    }

    private static void revoke(Handle tx, TenantId seller, DeviceId device, Instant now) {
        tx.createUpdate("""
                        UPDATE certificate SET revoked_at = :now, revocation_reason = :reason
                        WHERE tenant_id = :tenant AND device_id = :device AND not_after > :now
                            AND (revoked_at IS NULL OR revocation_reason = 6)""")
                .bind("now", now)
                .bind("reason", CESSATION_OF_OPERATION)
                .bind("tenant", seller)
                .bind("device", device)
                .execute();
    }

    /// Takes from the seller what belongs to the device. Its certificates stay, for their status; so
    /// does the audit.
    private static void remove(Handle tx, TenantId seller, DeviceId device) {
        for (String table : List.of(
                "claim_token",
                "pending_enrolment",
                "device_key",
                "label_code",
                "spent_key",
                "device_grant",
                "device")) {
            tx.createUpdate("DELETE FROM " + table + " WHERE tenant_id = :tenant AND device_id = :device")
                    .bind("tenant", seller)
                    .bind("device", device)
                    .execute();
        }
    }

    private static void keepTrace(Handle tx, Move move, DeviceId device, Row row, List<ParcelKey> keys, Instant now) {
        tx.createUpdate("""
                        INSERT INTO handed_over (tenant_id, device_id, transfer_id, fleet_id, new_fleet, chip, serial,
                            released_at)
                        VALUES (:tenant, :device, :transfer, :fleet, :newFleet, :chip, :serial, :now)
                        ON CONFLICT (tenant_id, device_id) DO UPDATE SET transfer_id = :transfer, fleet_id = :fleet,
                            new_fleet = :newFleet, released_at = :now""")
                .bind("tenant", move.seller())
                .bind("device", device)
                .bind("transfer", move.id().value())
                .bind("fleet", row.fleet())
                .bind("newFleet", move.fleet())
                .bind("chip", row.chip())
                .bind("serial", row.serial())
                .bind("now", now)
                .execute();
        tx.createUpdate("""
                        INSERT INTO handed_over_key (tenant_id, fingerprint, device_id)
                        SELECT :tenant, fingerprint, :device FROM unnest(:keys) AS k (fingerprint)
                        ON CONFLICT DO NOTHING""")
                .bind("tenant", move.seller())
                .bind("device", device)
                .bindByType(
                        "keys", keys.stream().map(ParcelKey::fingerprint).toList(), new GenericType<List<Bytes>>() {})
                .execute();
    }

    /// Chips are owned by their number, and those of other makers by a birth key.
    private static final String OWNED = """
            (chip = :chip AND serial = :serial OR chip = 'key' AND serial = ANY (:keys))""";

    private static void promise(Handle tx, Move move, Row row, List<ParcelKey> keys) {
        tx.createUpdate("UPDATE chip_owner SET promised_to = :buyer WHERE tenant_id = :seller AND " + OWNED)
                .bind("buyer", move.buyer())
                .bind("seller", move.seller())
                .bind("chip", row.chip())
                .bind("serial", row.serial())
                .bind("keys", hexes(keys))
                .execute();
    }

    private static String[] hexes(List<ParcelKey> keys) {
        return keys.stream().map(key -> key.fingerprint().hex()).toArray(String[]::new);
    }

    /// Steps 3 and 4.
    void arrive(Move move, DeviceId device) {
        Optional<Parcel> waiting = database.inTenant(
                move.seller(),
                tx -> tx.createQuery("""
                                SELECT parcel FROM transfer_device
                                WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device
                                    AND state = 'RELEASED'""")
                        .bind("tenant", move.seller())
                        .bind("transfer", move.id().value())
                        .bind("device", device)
                        .mapTo(String.class)
                        .findOne()
                        .map(parcel -> Json.read(parcel, Parcel.class)));
        if (waiting.isEmpty()) {
            return;
        }
        Parcel parcel = waiting.get();
        database.inTenant(move.buyer(), tx -> {
            receive(tx, move, device, parcel);
            return true;
        });
        database.inTenant(move.seller(), tx -> {
            int rows = tx.createUpdate("""
                            UPDATE transfer_device SET state = 'ARRIVED', parcel = NULL
                            WHERE tenant_id = :tenant AND transfer_id = :transfer AND device_id = :device
                                AND state = 'RELEASED'""")
                    .bind("tenant", move.seller())
                    .bind("transfer", move.id().value())
                    .bind("device", device)
                    .execute();
            int last = parcel.chain().size() - 1;
            return rows > 0
                    && CustodyLog.append(
                            tx, move.seller(), device, last, parcel.chain().get(last));
        });
    }

    private void receive(Handle tx, Move move, DeviceId device, Parcel parcel) {
        TenantId buyer = move.buyer();
        Instant now = clock.instant();
        int first = tx.createUpdate("""
                        INSERT INTO incoming_device (tenant_id, transfer_id, device_id, arrived_at, history)
                        VALUES (:tenant, :transfer, :device, :now, :history::jsonb) ON CONFLICT DO NOTHING""")
                .bind("tenant", buyer)
                .bind("transfer", move.id().value())
                .bind("device", device)
                .bind("now", now)
                .bind("history", parcel.history() == null ? null : Json.write(parcel.history()))
                .execute();
        if (first == 0) {
            return;
        }
        take(tx, move, parcel);
        tx.createUpdate("""
                        INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, model, state, proof, claimed_at)
                        VALUES (:tenant, :device, :fleet, :chip, :serial, :model, 'CLAIMED', :proof, :now)""")
                .bind("tenant", buyer)
                .bind("device", device)
                .bind("fleet", move.fleet())
                .bind("chip", parcel.chip())
                .bind("serial", parcel.serial())
                .bind("model", parcel.model())
                .bind("proof", parcel.proof())
                .bind("now", now)
                .execute();
        for (ParcelKey key : parcel.keys()) {
            tx.createUpdate("""
                            INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key, certificate,
                                certificate_anchor)
                            VALUES (:tenant, :fingerprint, :device, :slot, :key, :certificate, :anchor)""")
                    .bind("tenant", buyer)
                    .bind("fingerprint", key.fingerprint())
                    .bind("device", device)
                    .bind("slot", key.slot())
                    .bind("key", key.publicKey())
                    .bind(
                            "certificate",
                            key.certificate() == null ? null : key.certificate().toArray())
                    .bind("anchor", key.anchor())
                    .execute();
        }
        tx.createUpdate("""
                        INSERT INTO spent_key (tenant_id, device_id, fingerprint)
                        SELECT :tenant, :device, fingerprint FROM unnest(:spent) AS s (fingerprint)
                        ON CONFLICT DO NOTHING""")
                .bind("tenant", buyer)
                .bind("device", device)
                .bindByType("spent", parcel.spent(), new GenericType<List<Bytes>>() {})
                .execute();
        if (parcel.labelCode() != null) {
            tx.createUpdate("""
                            INSERT INTO label_code (tenant_id, device_id, code_hash) VALUES (:tenant, :device, :hash)""")
                    .bind("tenant", buyer)
                    .bind("device", device)
                    .bind("hash", parcel.labelCode())
                    .execute();
        }
        for (int i = 0; i < parcel.chain().size(); i++) {
            CustodyLog.append(tx, buyer, device, i, parcel.chain().get(i));
        }
        // It may have been this tenant's before.
        for (String table : List.of("handed_over", "handed_over_key")) {
            tx.createUpdate("DELETE FROM " + table + " WHERE tenant_id = :tenant AND device_id = :device")
                    .bind("tenant", buyer)
                    .bind("device", device)
                    .execute();
        }
        record(
                tx,
                buyer,
                "device.received",
                "device:" + device,
                Map.of(
                        "transfer",
                        move.id().toString(),
                        "from",
                        move.seller().value(),
                        "fleet",
                        move.fleet().value()));
    }

    /// The moment in which ownership changes: compare and set, seller to buyer.
    private static void take(Handle tx, Move move, Parcel parcel) {
        tx.createUpdate("""
                        UPDATE chip_owner SET tenant_id = :buyer, promised_to = NULL
                        WHERE tenant_id = :seller AND promised_to = :buyer AND """ + " " + OWNED)
                .bind("buyer", move.buyer())
                .bind("seller", move.seller())
                .bind("chip", parcel.chip())
                .bind("serial", parcel.serial())
                .bind("keys", hexes(parcel.keys()))
                .execute();
    }

    /// Lets the piece that is under way end.
    @Override
    public void close() {
        closing = true;
        background.close();
    }
}
