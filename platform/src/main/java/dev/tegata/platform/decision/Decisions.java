// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.decision.Decision.Reason;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.posture.Posture;
import dev.tegata.platform.posture.Postures;
import dev.tegata.platform.store.Database;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Decides at the door: may this device come in now?
///
/// Facts are remembered for [#REMEMBERED], on each node by itself: no change is later than that. Time is
/// not remembered: evidence that grows stale counts no more at that instant.
public final class Decisions {
    /// How old facts may be.
    public static final Duration REMEMBERED = Duration.ofSeconds(2);

    private static final int CAPACITY = 200_000;
    private static final Duration ASK_AGAIN = Duration.ofSeconds(10);

    private final Database database;
    private final InstantSource clock;
    private final RelyingParties parties;
    private final RecentValues<Key, Optional<Facts>> facts;

    public Decisions(Database database, RelyingParties parties, InstantSource clock) {
        this.database = database;
        this.parties = parties;
        this.clock = clock;
        this.facts = new RecentValues<>(clock, REMEMBERED, CAPACITY, this::load);
    }

    private record Key(TenantId tenant, Subject subject) {}

    /// What is known of a device.
    private record Facts(
            DeviceId device,
            FleetId fleet,
            DeviceState state,
            @Nullable Instant certificateEnd,
            boolean revoked,
            @Nullable Posture posture) {}

    /// Decides for whoever asks with an API key: by the policy of the relying party that the key
    /// belongs to.
    public Decision decide(TenantId tenant, Subject subject, String keyId) {
        return decide(tenant, subject, parties.ofKey(tenant, keyId));
    }

    /// Decides by the policy of the relying party of this name, for a key that belongs to none or to
    /// this one.
    ///
    /// @throws RefusedException where there is none, or the key is another's
    public Decision decide(TenantId tenant, Subject subject, String keyId, String name) {
        RelyingParty own = parties.ofKey(tenant, keyId);
        if (own.name().equals(name)) {
            return decide(tenant, subject, own);
        }
        if (!own.equals(RelyingParty.ANYBODY)) {
            throw new RefusedException(ErrorCode.FORBIDDEN, "the API key belongs to " + own.name());
        }
        return decide(tenant, subject, parties.get(tenant, name));
    }

    /// Decides by the policy of a relying party.
    public Decision decide(TenantId tenant, Subject subject, RelyingParty party) {
        Instant now = clock.instant();
        Optional<Facts> found = facts.get(new Key(tenant, subject));
        if (found.isEmpty()) {
            return new Decision(false, null, party.name(), "unknown", List.of(unknown(subject)), now.plus(ASK_AGAIN));
        }
        Facts known = found.get();
        PartyPolicy policy = party.policy();
        List<Reason> reasons = new ArrayList<>();
        if (!policy.states().contains(known.state)) {
            String state = known.state.name().toLowerCase(Locale.ROOT);
            reasons.add(new Reason("device-" + state, "the device is " + state));
        }
        if (known.revoked) {
            reasons.add(new Reason("certificate-revoked", "the certificate is revoked or on hold"));
        }
        Instant end = known.certificateEnd;
        if (end != null && !now.isBefore(end)) {
            reasons.add(new Reason("certificate-expired", "the certificate ended at " + end));
        }
        if (!policy.fleets().isEmpty() && !policy.fleets().contains(known.fleet)) {
            reasons.add(new Reason("wrong-fleet", "the device's fleet is not let in here"));
        }
        judge(known.posture, policy, now, reasons);
        String word = known.posture == null ? "unknown" : Postures.word(known.posture, now);
        boolean allowed = reasons.isEmpty();
        return new Decision(
                allowed,
                known.device,
                party.name(),
                word,
                List.copyOf(reasons),
                allowed ? validUntil(known, policy, now) : now.plus(ASK_AGAIN));
    }

    private static Reason unknown(Subject subject) {
        return switch (subject) {
            case Subject.Id _ -> new Reason("unknown-device", "there is no such device");
            case Subject.Certificate _ -> new Reason("unknown-certificate", "no device was given this certificate");
            case Subject.Passport _ ->
                new Reason("unknown-passport", "this result is no device's present one: fetch it anew");
        };
    }

    private static void judge(@Nullable Posture posture, PartyPolicy policy, Instant now, List<Reason> reasons) {
        if (policy.tier() == Tier.NONE) {
            return;
        }
        if (posture == null) {
            reasons.add(new Reason("never-attested", "the device has never shown evidence"));
            return;
        }
        if (posture.status() == Tier.NONE || posture.status().compareTo(policy.tier()) > 0) {
            String why = posture.reasons().isEmpty()
                    ? ""
                    : ": " + posture.reasons().getFirst().sentence();
            reasons.add(new Reason(
                    "posture-" + posture.status().word(),
                    "the device's posture is " + posture.status().word() + why));
        }
        if (posture.isStale(now) && !policy.allowStale()) {
            reasons.add(new Reason("posture-stale", "the device's last evidence is of " + posture.appraisedAt()));
        }
    }

    private static Instant validUntil(Facts known, PartyPolicy policy, Instant now) {
        Instant until = now.plus(policy.life());
        if (known.certificateEnd != null && known.certificateEnd.isBefore(until)) {
            until = known.certificateEnd;
        }
        Posture posture = known.posture;
        if (posture != null && policy.tier() != Tier.NONE && !policy.allowStale()) {
            Instant stale = posture.staleAt();
            until = stale != null && stale.isBefore(until) ? stale : until;
        }
        return until;
    }

    private Optional<Facts> load(Key key) {
        return database.inTenant(key.tenant, tx -> switch (key.subject) {
            case Subject.Id(DeviceId device) -> ofDevice(tx, key.tenant, device);
            case Subject.Certificate(Bytes digest) -> ofCertificate(tx, key.tenant, digest);
            case Subject.Passport passport -> ofPassport(tx, key.tenant, passport);
        });
    }

    private static final String FACTS = """
            SELECT d.device_id AS its_id, d.fleet_id AS its_fleet, d.state, c.not_after, c.revoked_at, p.*
            FROM device d
            LEFT JOIN device_posture p ON p.tenant_id = d.tenant_id AND p.device_id = d.device_id
            """;

    private static Optional<Facts> ofDevice(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery(FACTS + """
                        LEFT JOIN certificate c ON c.tenant_id = d.tenant_id AND c.serial_number = d.certificate
                        WHERE d.tenant_id = :tenant AND d.device_id = :device""")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> facts(row))
                .findOne();
    }

    private static Optional<Facts> ofCertificate(Handle tx, TenantId tenant, Bytes digest) {
        return tx.createQuery(FACTS + """
                        JOIN certificate c ON c.tenant_id = d.tenant_id AND c.device_id = d.device_id
                        WHERE d.tenant_id = :tenant AND c.tenant_id = :tenant AND c.device_id IS NOT NULL
                            AND sha256(c.encoded) = :digest""")
                .bind("tenant", tenant)
                .bind("digest", digest)
                .map((row, context) -> facts(row))
                .findOne();
    }

    private static Optional<Facts> ofPassport(Handle tx, TenantId tenant, Subject.Passport passport) {
        return tx.createQuery("""
                        SELECT p.device_id FROM appraisal a
                        JOIN device_posture p ON p.tenant_id = a.tenant_id AND p.appraisal_id = a.appraisal_id
                        WHERE a.tenant_id = :tenant AND md5(a.result) = md5(:claims) AND a.result = :claims""")
                .bind("tenant", tenant)
                .bind("claims", passport.claims())
                .mapTo(UUID.class)
                .findOne()
                .flatMap(device -> ofDevice(tx, tenant, new DeviceId(device)));
    }

    private static Facts facts(ResultSet row) throws SQLException {
        Timestamp end = row.getTimestamp("not_after");
        return new Facts(
                new DeviceId(row.getObject("its_id", UUID.class)),
                new FleetId(row.getString("its_fleet")),
                DeviceState.valueOf(row.getString("state")),
                end == null ? null : end.toInstant(),
                row.getTimestamp("revoked_at") != null,
                row.getObject("appraisal_id") == null ? null : Postures.posture(row));
    }
}
