// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.IssuerChoice;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.OrderContent;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The second, post-quantum certificate of devices whose fleet has two chains.
///
/// A device that has its operational certificate shows it and asks for one for a post-quantum key of its
/// own, by the same protocol and at the same place: the kind of key says which chain is meant. Both
/// certificates are of one device, which is suspended, revoked and set back with both.
public final class ParallelChains {
    private final Database database;
    private final IssuingFleets fleets;
    private final IssuerChoice issuers;
    private final AuditLog audit;
    private final Outbox outbox;

    public ParallelChains(
            Database database, IssuingFleets fleets, IssuerChoice issuers, AuditLog audit, Outbox outbox) {
        this.database = database;
        this.fleets = fleets;
        this.issuers = issuers;
        this.audit = audit;
        this.outbox = outbox;
    }

    /// The fleet under the authority of its second chain, where the key is meant for that: the fleet takes
    /// it there, and does not in its first one.
    Optional<IssuingFleet> of(IssuingFleet fleet, Candidate device, KeyAlgorithm key) {
        return fleet.issuance().profile().keyAlgorithms().contains(key) || !key.isPostQuantum()
                ? Optional.empty()
                : fleets.parallel(fleet).map(parallel -> issuers.of(parallel, device.id()));
    }

    /// Stores a certificate of the second chain, and lets the one before it end with the overlap.
    ///
    /// @return false where the device was changed since `device` was read; nothing is stored then
    boolean store(TenantId tenant, Candidate device, Certificate certificate, AuthorityId authority, Issued issued) {
        return database.inTenant(tenant, tx -> {
            int changed = tx.createUpdate("""
                            WITH before AS (
                                SELECT parallel_certificate AS serial FROM device
                                WHERE tenant_id = :tenant AND device_id = :device),
                            superseded AS (
                                UPDATE certificate SET superseded_at = :now
                                WHERE tenant_id = :tenant AND serial_number = (SELECT serial FROM before)
                                    AND revoked_at IS NULL AND superseded_at IS NULL AND not_after > :now),
                            changed AS (
                                UPDATE device SET parallel_certificate = :serial, version = version + 1
                                WHERE tenant_id = :tenant AND device_id = :device AND version = :version
                                    AND state = 'ACTIVE'
                                RETURNING device_id)
                            INSERT INTO certificate (tenant_id, serial_number, authority_id, device_id,
                                public_key_fingerprint, not_before, not_after, issued_at, crl_partition, encoded)
                            SELECT :tenant, :serial, :authority, device_id, :key, :notBefore, :notAfter, :now, :partition,
                                :encoded FROM changed""")
                    .bind("tenant", tenant)
                    .bind("device", device.id())
                    .bind("version", device.version())
                    .bind("serial", certificate.serial().content())
                    .bind("authority", authority)
                    .bind("key", certificate.publicKeyEncoded().sha256())
                    .bind("notBefore", certificate.validity().notBefore())
                    .bind("notAfter", certificate.validity().notAfter())
                    .bind("now", issued.at())
                    .bind("partition", issued.crlPartition())
                    .bind("encoded", certificate.encoded())
                    .execute();
            if (changed == 0) {
                tx.rollback();
                return false;
            }
            audit.append(tx, tenant, List.of(issued.audit()));
            outbox.append(
                    tx,
                    tenant,
                    new Event(
                            "dev.tegata." + issued.audit().action(),
                            issued.audit().subject(),
                            issued.audit().detail()));
            return true;
        });
    }

    /// How a certificate came to be.
    record Issued(Instant at, int crlPartition, AuditEvent audit) {}

    /// What a device with a second certificate should do about it, as its fleet's policy has it for the
    /// first. It is told to renew, and renews both.
    public List<OrderContent> due(IssuingFleet fleet, Candidate device, Instant now) {
        Optional<IssuingFleet> parallel = fleets.parallel(fleet).map(found -> issuers.of(found, device.id()));
        if (parallel.isEmpty()) {
            return List.of();
        }
        Optional<Certificate> held = held(fleet.tenant(), device);
        Duration before = fleet.fleet().policy().life().orderRenewalBefore();
        boolean leftBehind = held.isPresent()
                && fleet.fleet().policy().life().renewOutdated()
                && !held.get()
                        .issuer()
                        .equals(parallel.get().authority().certificate().subject());
        boolean endsSoon = held.isPresent()
                && !before.isZero()
                && now.plus(before).isAfter(held.get().validity().notAfter());
        return leftBehind || endsSoon ? List.of(new OrderContent.RenewCertificate()) : List.of();
    }

    private Optional<Certificate> held(TenantId tenant, Candidate device) {
        return database.inTenant(
                        tenant,
                        tx -> tx.createQuery("""
                                        SELECT c.encoded FROM device d JOIN certificate c
                                            ON c.tenant_id = d.tenant_id AND c.serial_number = d.parallel_certificate
                                        WHERE d.tenant_id = :tenant AND d.device_id = :device""")
                                .bind("tenant", tenant)
                                .bind("device", device.id())
                                .mapTo(dev.tegata.pki.Bytes.class)
                                .findOne())
                .map(encoded -> {
                    try {
                        return Certificate.parse(encoded);
                    } catch (InvalidCertificateException e) {
                        throw new IntegrityException("a stored certificate cannot be read", e);
                    }
                });
    }

    /// What an audit record says of a certificate of the second chain beside what it says of any.
    static Map<String, Object> mark(Map<String, Object> detail) {
        detail.put("chain", "parallel");
        return detail;
    }
}
