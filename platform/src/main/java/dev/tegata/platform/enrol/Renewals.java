// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.RevocationReason;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.LifePolicy;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import dev.tegata.protocol.OrderContent;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/// Sees to it that certificates give way to others as fleets want it: says which devices should renew, and
/// revokes what was renewed once the overlap is over.
public final class Renewals implements AutoCloseable {
    private static final Actor ACTOR = Actor.system("renewals");
    private static final Duration PAUSE = Duration.ofMinutes(1);
    private static final int RETIRED_AT_ONCE = 500;

    private final Database database;
    private final AuditLog auditLog;
    private final Outbox outbox;
    private final InstantSource clock;
    private final PeriodicWork rounds;

    public Renewals(Database database, AuditLog auditLog, Outbox outbox, InstantSource clock) {
        this.database = database;
        this.auditLog = auditLog;
        this.outbox = outbox;
        this.clock = clock;
        this.rounds = PeriodicWork.start("renewals", PAUSE, this::goRound);
    }

    /// What the fleet's policy wants an active device to do about its certificate: a new key where its kind
    /// is not allowed any more, a new certificate where another authority signs now or the end is near.
    public static List<OrderContent> due(IssuingFleet fleet, Candidate device, Instant now) {
        Candidate.CurrentCertificate current = device.current();
        LifePolicy policy = fleet.fleet().policy().life();
        if (current == null) {
            return List.of();
        }
        Certificate certificate = certificate(current);
        if (policy.renewOutdated() && !allowed(fleet, certificate)) {
            return List.of(new OrderContent.RenewKey());
        }
        boolean leftBehind = policy.renewOutdated()
                && !certificate.issuer().equals(fleet.authority().certificate().subject());
        boolean endsSoon = !policy.orderRenewalBefore().isZero()
                && now.plus(policy.orderRenewalBefore()).isAfter(current.notAfter());
        return leftBehind || endsSoon ? List.of(new OrderContent.RenewCertificate()) : List.of();
    }

    private static Certificate certificate(Candidate.CurrentCertificate current) {
        try {
            return Certificate.parse(current.encoded());
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a certificate that we issued cannot be read", e);
        }
    }

    private static boolean allowed(IssuingFleet fleet, Certificate certificate) {
        try {
            return fleet.fleet()
                    .profile()
                    .keyAlgorithms()
                    .contains(
                            PublicKeyInfo.parse(certificate.publicKeyEncoded()).algorithm());
        } catch (InvalidKeyInfoException e) {
            throw new IntegrityException("a certificate that we issued cannot be read", e);
        }
    }

    private record FleetRow(FleetId id, FleetPolicy policy) {}

    /// Goes through the fleets of all tenants, and revokes what has had its day.
    public void goRound() {
        List<TenantId> tenants = database.acrossTenants(tx -> tx.createQuery("SELECT tenant_id FROM tenant")
                .mapTo(TenantId.class)
                .list());
        for (TenantId tenant : tenants) {
            for (FleetRow fleet : fleets(tenant)) {
                while (retire(tenant, fleet) == RETIRED_AT_ONCE) {
                    // There is more.
                }
            }
        }
    }

    private List<FleetRow> fleets(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT fleet_id, policy FROM fleet WHERE tenant_id = :tenant")
                        .bind("tenant", tenant)
                        .map((row, context) -> new FleetRow(
                                new FleetId(row.getString(1)), Json.read(row.getString(2), FleetPolicy.class)))
                        .list());
    }

    /// Revokes certificates that were renewed and whose overlap is over. It lasts no longer than evidence
    /// counts for a device whose certificates are to live no longer: or the old one would be the way
    /// around.
    ///
    /// @return how many, at most [#RETIRED_AT_ONCE]
    private int retire(TenantId tenant, FleetRow fleet) {
        record Retired(String serialNumber, UUID device) {}
        Instant now = clock.instant();
        Duration overlap = fleet.policy().life().renewalOverlap();
        AttestationPolicy attestation = fleet.policy().attestation();
        Optional<Duration> grace = attestation.grace(AttestationPolicy.Action.SHORTEN_LIFE);
        return database.inTenant(tenant, tx -> {
            List<Retired> retired = tx.createQuery("""
                            UPDATE certificate c SET revoked_at = :now, revocation_reason = :reason
                            WHERE c.tenant_id = :tenant AND c.serial_number = ANY (ARRAY(
                                SELECT s.serial_number FROM certificate s
                                JOIN device d ON d.tenant_id = s.tenant_id AND d.device_id = s.device_id
                                WHERE s.tenant_id = :tenant AND (s.superseded_at <= :over
                                        OR s.superseded_at <= :soon::timestamptz AND EXISTS (SELECT FROM device_posture p
                                            WHERE p.tenant_id = s.tenant_id AND p.device_id = s.device_id
                                                AND p.bad_since <= :bad::timestamptz))
                                    AND s.revoked_at IS NULL AND s.not_after > :now AND d.fleet_id = :fleet
                                ORDER BY s.superseded_at LIMIT :limit))
                                AND c.revoked_at IS NULL
                            RETURNING serial_hex(c.serial_number), c.device_id""")
                    .bind("now", now)
                    .bind("reason", RevocationReason.SUPERSEDED.code())
                    .bind("tenant", tenant)
                    .bind("over", now.minus(overlap))
                    .bind("soon", grace.isPresent() ? now.minus(attestation.freshness()) : null)
                    .bind("bad", grace.map(now::minus).orElse(null))
                    .bind("fleet", fleet.id())
                    .bind("limit", RETIRED_AT_ONCE)
                    .map((row, context) -> new Retired(row.getString(1), row.getObject(2, UUID.class)))
                    .list();
            auditLog.append(
                    tx,
                    tenant,
                    retired.stream()
                            .map(one -> new AuditEvent(
                                    ACTOR,
                                    "certificate.superseded",
                                    "device:" + one.device(),
                                    Map.of("serialNumber", one.serialNumber())))
                            .toList());
            outbox.append(
                    tx,
                    tenant,
                    retired.stream()
                            .map(one -> new Event(
                                    "dev.tegata.certificate.superseded",
                                    "device:" + one.device(),
                                    Map.of("serialNumber", one.serialNumber())))
                            .toList());
            return retired.size();
        });
    }

    @Override
    public void close() {
        rounds.close();
    }
}
