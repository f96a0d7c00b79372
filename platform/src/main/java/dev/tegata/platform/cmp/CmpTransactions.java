// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// CMP transactions, so that any node can take the next message of one, and no message begins one twice.
public final class CmpTransactions {
    /// How long a finished transaction's id stays taken.
    static final Duration REMEMBERED = Duration.ofDays(7);

    /// How long a device may wait for approval.
    static final Duration LONGEST_WAIT = Duration.ofDays(90);

    private static final int SWEPT_AT_ONCE = 50;

    private final Database database;
    private final InstantSource clock;

    public CmpTransactions(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
    }

    /// What a transaction waits for.
    public enum State {
        /// Its first answer is being made, or never was.
        OPEN,
        /// An operator's word.
        WAITING,
        /// The device's confirmation.
        ISSUED,
        CLOSED
    }

    /// A transaction as the next message meets it.
    ///
    /// @param nonce that we sent last
    /// @param message the request that waits for approval
    /// @param certificate the DER of what waits for confirmation
    public record Transaction(
            State state,
            @Nullable Bytes nonce,
            @Nullable Bytes message,
            @Nullable Bytes certificate) {}

    /// Takes a transaction id.
    ///
    /// @param peer what protects the transaction's messages
    /// @return false where it is taken already
    public boolean begin(FleetId fleet, Bytes transactionId, Bytes peer) {
        TenantId tenant = fleet.tenant();
        Instant now = clock.instant();
        return database.inTenant(tenant, tx -> {
            sweep(tx, tenant, now);
            return tx.createUpdate("""
                                    INSERT INTO cmp_transaction (tenant_id, transaction_id, fleet_id, peer, state, expires_at)
                                    VALUES (:tenant, :id, :fleet, :peer, 'OPEN', :end)
                                    ON CONFLICT DO NOTHING""")
                            .bind("tenant", tenant)
                            .bind("id", transactionId)
                            .bind("fleet", fleet.value())
                            .bind("peer", peer)
                            .bind("end", now.plus(REMEMBERED))
                            .execute()
                    == 1;
        });
    }

    private static void sweep(Handle tx, TenantId tenant, Instant now) {
        tx.createUpdate("""
                        DELETE FROM cmp_transaction WHERE tenant_id = :tenant AND transaction_id = ANY (ARRAY(
                            SELECT transaction_id FROM cmp_transaction
                            WHERE tenant_id = :tenant AND expires_at < :now
                            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))""")
                .bind("tenant", tenant)
                .bind("now", now)
                .bind("limit", SWEPT_AT_ONCE)
                .execute();
    }

    /// The request waits for approval.
    ///
    /// @param nonce of our answer
    public void waits(FleetId fleet, Bytes transactionId, Bytes nonce, Bytes message) {
        change(fleet, transactionId, State.WAITING, nonce, message, null, LONGEST_WAIT);
    }

    /// The certificate waits for confirmation.
    public void issued(FleetId fleet, Bytes transactionId, Bytes nonce, Bytes certificate) {
        change(fleet, transactionId, State.ISSUED, nonce, null, certificate, REMEMBERED);
    }

    public void closed(FleetId fleet, Bytes transactionId) {
        change(fleet, transactionId, State.CLOSED, null, null, null, REMEMBERED);
    }

    private void change(
            FleetId fleet,
            Bytes transactionId,
            State state,
            @Nullable Bytes nonce,
            @Nullable Bytes message,
            @Nullable Bytes certificate,
            Duration kept) {
        database.inTenant(
                fleet.tenant(),
                tx -> tx.createUpdate("""
                                UPDATE cmp_transaction SET state = :state, nonce = :nonce, message = :message,
                                    certificate = :certificate, expires_at = :end
                                WHERE tenant_id = :tenant AND transaction_id = :id""")
                        .bind("state", state)
                        .bindByType("nonce", nonce, Bytes.class)
                        .bindByType("message", message, Bytes.class)
                        .bindByType("certificate", certificate, Bytes.class)
                        .bind("end", clock.instant().plus(kept))
                        .bind("tenant", fleet.tenant())
                        .bind("id", transactionId)
                        .execute());
    }

    /// The transaction with this id that this peer began at this fleet.
    public Optional<Transaction> find(FleetId fleet, Bytes transactionId, Bytes peer) {
        return database.inTenant(
                fleet.tenant(),
                tx -> tx.createQuery("""
                                SELECT state, nonce, message, certificate FROM cmp_transaction
                                WHERE tenant_id = :tenant AND transaction_id = :id AND fleet_id = :fleet
                                    AND peer = :peer AND expires_at > :now""")
                        .bind("tenant", fleet.tenant())
                        .bind("id", transactionId)
                        .bind("fleet", fleet.value())
                        .bind("peer", peer)
                        .bind("now", clock.instant())
                        .map((row, context) -> new Transaction(
                                State.valueOf(row.getString("state")),
                                Columns.bytes(row, "nonce"),
                                Columns.bytes(row, "message"),
                                Columns.bytes(row, "certificate")))
                        .findOne());
    }
}
