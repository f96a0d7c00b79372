// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.custody.CustodyEntry.Owner;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Keeps the custody chains of a tenant's devices and signs what is noted in them.
///
/// Implementation notes:
/// - A fact is noted in the transaction that makes it one and signed afterwards, because a vault is not
///   called inside a transaction. The claim is not even noted at first: what it says stands in the
///   device's row, so that an import of a hundred thousand devices costs no signature. It is noted and
///   signed when the chain first grows or is asked for.
/// - What waits for a signature is the end of a chain. Two nodes that sign the same entry make two
///   different messages; the first one to store it wins, and the other reads again.
public final class CustodyLog {
    private static final int ATTEMPTS = 8;

    private final Database database;
    private final Vault vault;
    private final InstantSource clock;

    public CustodyLog(Database database, Vault vault, InstantSource clock) {
        this.database = database;
        this.vault = vault;
        this.clock = clock;
    }

    /// Notes a refurbishment or a retirement in the transaction that carries it out; it is signed
    /// within a moment.
    static void note(Handle tx, TenantId tenant, DeviceId device, CustodyKind kind, Instant at) {
        if (kind != CustodyKind.REFURBISHED && kind != CustodyKind.RETIRED) {
            throw new IllegalArgumentException(kind + " is not noted by others");
        }
        begin(tx, tenant, device);
        tx.createUpdate("""
                        INSERT INTO custody_entry (tenant_id, device_id, sequence, kind, happened_at)
                        SELECT :tenant, :device, max(sequence) + 1, :kind, :at FROM custody_entry
                        WHERE tenant_id = :tenant AND device_id = :device""")
                .bind("tenant", tenant)
                .bind("device", device)
                .bind("kind", kind.name())
                .bind("at", at)
                .execute();
        tx.createUpdate("""
                        INSERT INTO custody_work (tenant_id, kind, subject, due_at)
                        VALUES (:tenant, 'SIGN', :device, :at)
                        ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET due_at = :at""")
                .bind("tenant", tenant)
                .bind("device", device)
                .bind("at", at)
                .execute();
    }

    /// Puts down a turn of devices' lives ([dev.tegata.platform.device.LifeRecord]).
    public static void noteTurn(
            Handle tx, TenantId tenant, List<DeviceId> devices, DeviceState.Action turn, Instant at) {
        CustodyKind kind = turn == DeviceState.Action.RETIRE ? CustodyKind.RETIRED : CustodyKind.REFURBISHED;
        devices.forEach(device -> note(tx, tenant, device, kind, at));
    }

    /// Notes the claim of a device that this tenant owns, where it has no chain yet.
    private static void begin(Handle tx, TenantId tenant, DeviceId device) {
        boolean begun = tx.createQuery("""
                        SELECT count(*) FROM custody_entry
                        WHERE tenant_id = :tenant AND device_id = :device AND sequence = 0""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .mapTo(Integer.class)
                        .one()
                > 0;
        if (begun) {
            return;
        }
        List<Bytes> keys = tx.createQuery("""
                        SELECT fingerprint FROM device_key WHERE tenant_id = :tenant AND device_id = :device
                        ORDER BY slot, fingerprint LIMIT 64""")
                .bind("tenant", tenant)
                .bind("device", device)
                .mapTo(Bytes.class)
                .list();
        tx.createQuery("""
                        SELECT d.chip, d.serial, d.proof, d.claimed_at, m.digest FROM device d
                        LEFT JOIN manifest m ON m.tenant_id = d.tenant_id AND m.manifest_id = d.manifest_id
                        WHERE d.tenant_id = :tenant AND d.device_id = :device""")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> {
                    CustodyEntry.Claim claim = new CustodyEntry.Claim(
                            CustodyEntry.chipDigest(row.getString("chip"), row.getString("serial")),
                            keys,
                            row.getString("proof"),
                            Columns.bytes(row, "digest"));
                    return new Noted(
                            0,
                            CustodyKind.CLAIMED,
                            row.getTimestamp("claimed_at").toInstant(),
                            claim,
                            null);
                })
                .findOne()
                .ifPresent(noted -> tx.createUpdate("""
                                INSERT INTO custody_entry (tenant_id, device_id, sequence, kind, happened_at, claim)
                                VALUES (:tenant, :device, 0, 'CLAIMED', :at, :claim::jsonb) ON CONFLICT DO NOTHING""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .bind("at", noted.at())
                        .bind("claim", Json.write(Objects.requireNonNull(noted.claim())))
                        .execute());
    }

    private record Noted(
            int sequence,
            CustodyKind kind,
            Instant at,
            CustodyEntry.@Nullable Claim claim,
            @Nullable Bytes message) {}

    private static List<Noted> read(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("""
                        SELECT sequence, kind, happened_at, claim, entry FROM custody_entry
                        WHERE tenant_id = :tenant AND device_id = :device ORDER BY sequence""")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> {
                    String claim = row.getString("claim");
                    return new Noted(
                            row.getInt("sequence"),
                            CustodyKind.valueOf(row.getString("kind")),
                            row.getTimestamp("happened_at").toInstant(),
                            claim == null ? null : Json.read(claim, CustodyEntry.Claim.class),
                            Columns.bytes(row, "entry"));
                })
                .list();
    }

    /// The device's chain as far as this tenant knows it, with every entry signed. Not to be called
    /// inside a transaction.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where the tenant neither owns the device nor has
    ///     owned it
    CustodyChain chain(TenantId tenant, DeviceId device) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            List<Noted> noted = database.inTenant(tenant, tx -> {
                begin(tx, tenant, device);
                return read(tx, tenant, device);
            });
            if (noted.isEmpty()) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device);
            }
            CustodyChain chain = new CustodyChain();
            List<Bytes> signed = sign(tenant, device, chain, noted);
            if (signed.isEmpty()) {
                return chain;
            }
            int from = chain.size() - signed.size();
            if (database.inTenant(tenant, tx -> store(tx, tenant, device, from, signed))) {
                return chain;
            }
        }
        throw new UnavailableException("too many others sign the same custody chain");
    }

    /// Puts what is noted into `chain`, and gives the messages that were signed for it.
    private List<Bytes> sign(TenantId tenant, DeviceId device, CustodyChain chain, List<Noted> noted) {
        List<Bytes> signed = new ArrayList<>();
        Owned us = null;
        for (Noted one : noted) {
            if (one.message() != null) {
                add(chain, one.message());
                continue;
            }
            us = us == null ? owned(tenant) : us;
            CustodyEntry entry = entry(chain, device, one.kind(), one.at(), us.owner(), null, one.claim());
            Bytes message = entry.sign(us.signer());
            add(chain, message);
            signed.add(message);
        }
        return signed;
    }

    private static boolean store(Handle tx, TenantId tenant, DeviceId device, int from, List<Bytes> signed) {
        for (int i = 0; i < signed.size(); i++) {
            int rows = tx.createUpdate("""
                            UPDATE custody_entry SET entry = :entry
                            WHERE tenant_id = :tenant AND device_id = :device AND sequence = :sequence
                                AND entry IS NULL""")
                    .bind("entry", signed.get(i))
                    .bind("tenant", tenant)
                    .bind("device", device)
                    .bind("sequence", from + i)
                    .execute();
            if (rows == 0) {
                if (i > 0) {
                    throw new IntegrityException("the custody chain of " + device + " is signed out of order");
                }
                return false;
            }
        }
        return true;
    }

    /// The next entry of a chain. It is never older than the one before it: clocks of nodes differ a
    /// little.
    private static CustodyEntry entry(
            CustodyChain chain,
            DeviceId device,
            CustodyKind kind,
            Instant at,
            Owner owner,
            @Nullable Owner next,
            CustodyEntry.@Nullable Claim claim) {
        Instant seconds = at.truncatedTo(ChronoUnit.SECONDS);
        if (!chain.isEmpty() && seconds.isBefore(chain.last().at())) {
            seconds = chain.last().at();
        }
        return new CustodyEntry(device, chain.size(), chain.head(), kind, seconds, owner, next, claim);
    }

    private static void add(CustodyChain chain, Bytes message) {
        try {
            chain.add(message);
        } catch (CustodyChain.BrokenException e) {
            throw new IntegrityException(
                    "a stored custody chain breaks at entry " + e.sequence() + ": " + e.reason(), e);
        }
    }

    /// A chain that leads from one owner to the next: its last two entries are the hand-over and the
    /// receipt. They are signed and stored nowhere yet.
    record HandOver(CustodyChain chain) {
        int sequence() {
            return chain.size() - 2;
        }

        Bytes handOver() {
            return chain.messages().get(sequence());
        }

        Bytes receipt() {
            return chain.messages().getLast();
        }
    }

    /// Signs the hand-over of a device. Not to be called inside a transaction.
    ///
    /// @return nothing where the chain says that the seller is not the owner: somebody else was faster
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where the seller neither owns the device nor has
    ///     owned it
    Optional<HandOver> handOver(TenantId seller, DeviceId device, TenantId buyer) {
        CustodyChain chain = chain(seller, device);
        Owned us = owned(seller);
        if (!chain.last().ownerAfter().equals(us.owner())) {
            return Optional.empty();
        }
        Owned them = owned(buyer);
        Instant now = clock.instant();
        add(
                chain,
                entry(chain, device, CustodyKind.HANDED_OVER, now, us.owner(), them.owner(), null)
                        .sign(us.signer()));
        add(
                chain,
                entry(chain, device, CustodyKind.RECEIVED, now, them.owner(), null, null)
                        .sign(them.signer()));
        return Optional.of(new HandOver(chain));
    }

    /// Stores a message of another's signing at its place.
    ///
    /// @return false where something stands there already
    static boolean append(Handle tx, TenantId tenant, DeviceId device, int sequence, Bytes message) {
        CustodyEntry entry;
        try {
            entry = CustodyEntry.open(message);
        } catch (dev.tegata.attestation.MalformedException e) {
            throw new IntegrityException("an entry that we signed cannot be read", e);
        }
        return tx.createUpdate("""
                        INSERT INTO custody_entry (tenant_id, device_id, sequence, kind, happened_at, entry)
                        VALUES (:tenant, :device, :sequence, :kind, :at, :entry) ON CONFLICT DO NOTHING""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .bind("sequence", sequence)
                        .bind("kind", entry.kind().name())
                        .bind("at", entry.at())
                        .bind("entry", message)
                        .execute()
                == 1;
    }

    /// An owner with its signing key.
    record Owned(Owner owner, Signer signer) {}

    private record StoredKey(KeyHandle handle, Bytes publicKey, String name) {}

    /// The tenant as owner; its key is made now where it has none.
    Owned owned(TenantId tenant) {
        StoredKey stored = key(tenant).orElseGet(() -> makeKey(tenant));
        try {
            PublicKeyInfo publicKey = PublicKeyInfo.parse(stored.publicKey());
            return new Owned(
                    new Owner(tenant.value(), stored.name(), publicKey),
                    new Signer(
                            publicKey,
                            data -> vault.sign(
                                    tenant.keySpace(),
                                    stored.handle(),
                                    publicKey.algorithm().signatureAlgorithm(),
                                    data)));
        } catch (InvalidKeyInfoException e) {
            throw new IntegrityException("a stored custody key cannot be read", e);
        }
    }

    /// The name stands beside the key, and is not read from the tenant each time: entries of one owner
    /// name it alike.
    private Optional<StoredKey> key(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT key_handle, public_key, owner_name FROM custody_key
                                WHERE tenant_id = :tenant""")
                        .bind("tenant", tenant)
                        .map((row, context) -> new StoredKey(
                                new KeyHandle(row.getString(1)), Bytes.of(row.getBytes(2)), row.getString(3)))
                        .findOne());
    }

    private StoredKey makeKey(TenantId tenant) {
        KeyHandle handle = vault.generate(tenant.keySpace(), KeyAlgorithm.EC_P256);
        Bytes publicKey = vault.publicKey(tenant.keySpace(), handle).encoded();
        int stored = database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO custody_key (tenant_id, key_handle, public_key, owner_name, created_at)
                                SELECT tenant_id, :handle, :publicKey, name, :now FROM tenant
                                WHERE tenant_id = :tenant ON CONFLICT DO NOTHING""")
                        .bind("handle", handle.id())
                        .bind("publicKey", publicKey)
                        .bind("now", clock.instant())
                        .bind("tenant", tenant)
                        .execute());
        if (stored == 0) {
            vault.destroy(tenant.keySpace(), handle);
        }
        return key(tenant).orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no tenant " + tenant));
    }

    /// What the entries of a device's chain say, oldest first.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where the tenant neither owns the device nor has
    ///     owned it
    public List<CustodyStep> steps(TenantId tenant, DeviceId device) {
        return chain(tenant, device).entries().stream().map(CustodyStep::of).toList();
    }

    /// The chain as a file that verifies with nothing else, sealed by this tenant with the time.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND] where the tenant neither owns the device nor has
    ///     owned it
    public String export(TenantId tenant, DeviceId device) {
        CustodyChain chain = chain(tenant, device);
        Owned us = owned(tenant);
        return CustodyExport.write(chain, us.owner(), us.signer(), clock.instant());
    }
}
