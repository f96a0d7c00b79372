// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.claim.StatedChips;
import dev.tegata.platform.store.Database;
import java.security.MessageDigest;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// Finds the device that somebody proves to have, whoever owns it. The one look-up by serial number
/// across tenants.
///
/// Nothing is learnt here without a proof: an unknown chip, a device that is not yours and a wrong code
/// are one answer. Wrong proofs are counted per asking tenant and per chip.
final class Possession {
    private final Database database;
    private final LoginThrottle throttle;
    private final InstantSource clock;

    Possession(Database database, LoginThrottle throttle, InstantSource clock) {
        this.database = database;
        this.throttle = throttle;
        this.clock = clock;
    }

    /// A device and who owns it.
    record Found(TenantId owner, DeviceId device) {}

    /// @throws RefusedException [ErrorCode#TOO_MANY_ATTEMPTS] where `asking` was wrong too often
    void requireUnblocked(TenantId asking) {
        if (throttle.blocksKey(counted(asking))) {
            throw tooMany();
        }
    }

    void count(TenantId asking) {
        throttle.keyFailed(counted(asking));
    }

    private static String counted(TenantId asking) {
        return "possession by " + asking;
    }

    private static RefusedException tooMany() {
        return new RefusedException(ErrorCode.TOO_MANY_ATTEMPTS, "too many proofs were wrong; wait a minute");
    }

    /// The device that the proof is about, where the proof is good.
    ///
    /// @param asking whose challenges count
    Optional<Found> check(TenantId asking, Proof proof) {
        String chip = proof.chip() + "/" + proof.serial();
        String countedChip = "possession of " + chip;
        requireUnblocked(asking);
        if (throttle.blocksKey(countedChip)) {
            throw tooMany();
        }
        boolean fresh = !(proof instanceof Proof.Chip signed) || useChallenge(asking, signed.challenge());
        Optional<Found> found = StatedChips.holder(database, chip)
                .flatMap(owner -> database.inTenant(owner, tx -> find(tx, owner, proof)))
                .filter(_ -> fresh);
        if (found.isEmpty()) {
            count(asking);
            throttle.keyFailed(countedChip);
        }
        return found;
    }

    private boolean useChallenge(TenantId asking, Bytes challenge) {
        return database.inTenant(
                        asking,
                        tx -> tx.createUpdate("""
                                DELETE FROM possession_challenge
                                WHERE tenant_id = :tenant AND challenge = :challenge AND expires_at > :now""")
                                .bind("tenant", asking)
                                .bind("challenge", challenge)
                                .bind("now", clock.instant())
                                .execute())
                == 1;
    }

    private static Optional<Found> find(Handle tx, TenantId owner, Proof proof) {
        return tx.createQuery("""
                        SELECT d.device_id, l.code_hash FROM device d
                        LEFT JOIN label_code l ON l.tenant_id = d.tenant_id AND l.device_id = d.device_id
                        WHERE d.tenant_id = :tenant AND d.serial = :serial AND d.chip = :chip""")
                .bind("tenant", owner)
                .bind("serial", proof.serial())
                .bind("chip", proof.chip())
                .map((row, context) -> {
                    DeviceId device = new DeviceId(row.getObject(1, UUID.class));
                    byte[] stored = row.getBytes(2);
                    boolean good = switch (proof) {
                        case Proof.Label label ->
                            stored != null
                                    && MessageDigest.isEqual(
                                            stored, label.hash().toArray());
                        case Proof.Chip chip -> isSigned(tx, owner, device, chip);
                    };
                    return good ? Optional.of(new Found(owner, device)) : Optional.<Found>empty();
                })
                .findOne()
                .flatMap(found -> found);
    }

    private static boolean isSigned(Handle tx, TenantId owner, DeviceId device, Proof.Chip proof) {
        List<Bytes> keys = tx.createQuery("""
                        SELECT public_key FROM device_key WHERE tenant_id = :tenant AND device_id = :device
                        ORDER BY slot, fingerprint LIMIT 16""")
                .bind("tenant", owner)
                .bind("device", device)
                .mapTo(Bytes.class)
                .list();
        for (Bytes encoded : keys) {
            try {
                PublicKeyInfo key = PublicKeyInfo.parse(encoded);
                if (key.verifies(
                        key.algorithm().signatureAlgorithm(),
                        proof.message(),
                        proof.signature().toArray())) {
                    return true;
                }
            } catch (InvalidKeyInfoException e) {
                throw new IntegrityException("a stored birth key cannot be read", e);
            }
        }
        return false;
    }
}
