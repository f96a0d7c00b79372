// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.admission.Door;
import dev.tegata.platform.custody.Loans;
import dev.tegata.platform.custody.Loans.Loan;
import dev.tegata.platform.decision.Decision.Reason;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Remembered;
import java.sql.ResultSet;
import java.sql.SQLException;
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
/// What a decision rests on is remembered on each node, and never older than the question: see
/// [dev.tegata.platform.store.Changes]. Time is not remembered: evidence that grows stale counts no more at
/// that instant.
public final class Decisions {
    /// About 40 MB.
    private static final int CAPACITY = 100_000;

    private static final Duration ASK_AGAIN = Duration.ofSeconds(10);

    private final Database database;
    private final InstantSource clock;
    private final RelyingParties parties;
    private final Loans loans;
    private final Remembered<Key, Optional<Facts>> facts;

    public Decisions(Database database, RelyingParties parties, InstantSource clock) {
        this.database = database;
        this.parties = parties;
        this.loans = new Loans(database, clock);
        this.clock = clock;
        this.facts = new Remembered<>(database.changes(), CAPACITY, this::load);
    }

    private record Key(TenantId tenant, Subject subject) {}

    /// What is known of a device.
    ///
    /// @param fleet null where whoever asks has no business with it
    /// @param standing what its last evidence came to; null where there never was any
    private record Facts(
            DeviceId device,
            @Nullable FleetId fleet,
            DeviceState state,
            @Nullable Instant certificateEnd,
            boolean revoked,
            @Nullable Standing standing) {
        Facts ofNoFleet() {
            return new Facts(device, null, state, certificateEnd, revoked, standing);
        }
    }

    /// @param why the first reason; null where there is none
    private record Standing(
            Tier status,
            Instant appraisedAt,
            @Nullable Instant staleAt,
            @Nullable String why) {
        boolean isStale(Instant now) {
            return staleAt != null && !now.isBefore(staleAt);
        }
    }

    /// Who asks.
    ///
    /// @param keyId of the API key that it asks with
    /// @param party by whose policy; null for that of the relying party which the key belongs to
    /// @param moment of the question ([System#nanoTime]); whatever was changed before counts
    public record Asker(String keyId, @Nullable String party, long moment) {}

    /// Decides for whoever asks with an API key.
    ///
    /// @throws RefusedException where there is no party of that name, or the key belongs to another one
    public Decision decide(TenantId tenant, Subject subject, Asker asker) {
        RelyingParty own = parties.ofKey(tenant, asker.keyId, asker.moment);
        String name = asker.party;
        if (name == null || own.name().equals(name)) {
            return decide(tenant, subject, own, asker.moment);
        }
        if (!own.equals(RelyingParty.ANYBODY)) {
            throw new RefusedException(ErrorCode.FORBIDDEN, "the API key belongs to " + own.name());
        }
        return decide(tenant, subject, parties.get(tenant, name, asker.moment), asker.moment);
    }

    /// Decides on a device that shows a passport: as [#decide] on the device, where it is that device's.
    public Decision decide(TenantId tenant, Subject subject, Subject.Passport shown, Asker asker) {
        Decision of = decide(tenant, shown, asker);
        Decision known = decide(tenant, subject, asker);
        if (known.device() == null || known.device().equals(of.device())) {
            return known;
        }
        if (of.device() == null) {
            return of;
        }
        return new Decision(
                false,
                known.device(),
                known.party(),
                known.posture(),
                List.of(new Reason("foreign-passport", "the result is of another device")),
                clock.instant().plus(ASK_AGAIN));
    }

    /// Decides by the policy of a relying party: on a device of the tenant's own, or on one that is lent to
    /// it.
    ///
    /// @param moment of the question ([System#nanoTime])
    public Decision decide(TenantId tenant, Subject subject, RelyingParty party, long moment) {
        Optional<Facts> own = facts.get(new Key(tenant, subject), moment);
        if (own.isPresent()) {
            return decide(own.get(), party, clock.instant());
        }
        return lent(tenant, subject, moment)
                .flatMap(lent -> decide(lent, party, clock.instant()))
                .orElseGet(() -> unknown(subject, party));
    }

    /// Decides by the policy of a relying party on a guest of whom it is known whether it is lent.
    Decision decide(TenantId tenant, Door.Guest guest, RelyingParty party, long moment) {
        Subject.Id subject = new Subject.Id(guest.device());
        Loan loan = guest.loan();
        if (loan == null) {
            return decide(tenant, subject, party, moment);
        }
        return facts.get(new Key(loan.owner(), subject), moment)
                .flatMap(known -> decide(new Lent(known, loan.endsAt()), party, clock.instant()))
                .orElseGet(() -> unknown(subject, party));
    }

    private Decision unknown(Subject subject, RelyingParty party) {
        return new Decision(
                false,
                null,
                party.name(),
                "unknown",
                List.of(unknown(subject)),
                clock.instant().plus(ASK_AGAIN));
    }

    private static Decision decide(Facts known, RelyingParty party, Instant now) {
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
        if (!policy.fleets().isEmpty()
                && (known.fleet == null || !policy.fleets().contains(known.fleet))) {
            reasons.add(new Reason("wrong-fleet", "the device's fleet is not let in here"));
        }
        judge(known.standing, policy, now, reasons);
        boolean allowed = reasons.isEmpty();
        return new Decision(
                allowed,
                known.device,
                party.name(),
                word(known.standing, now),
                List.copyOf(reasons),
                allowed ? validUntil(known, policy, now) : now.plus(ASK_AGAIN));
    }

    /// What its owner knows of a device that a tenant may use, and until when that is.
    private record Lent(Facts facts, Instant until) {}

    private Optional<Lent> lent(TenantId holder, Subject subject, long moment) {
        return switch (subject) {
            case Subject.Id(DeviceId device) ->
                loans.find(holder, device)
                        .flatMap(loan -> facts.get(new Key(loan.owner(), subject), moment)
                                .map(known -> new Lent(known, loan.endsAt())));
            case Subject.Certificate _ ->
                loans.lenders(holder).stream()
                        .flatMap(owner -> facts.get(new Key(owner, subject), moment).stream()
                                .flatMap(known -> loans.find(owner, holder, List.of(known.device)).values().stream()
                                        .map(loan -> new Lent(known, loan.endsAt()))))
                        .findFirst();
            case Subject.Passport _ -> Optional.empty();
        };
    }

    /// The owner's truth through the tenants' wall: yes or no, why in one word, and until when. Fleets are
    /// the owner's own affair: a party that names fleets does not let in what comes from others.
    private static Optional<Decision> decide(Lent lent, RelyingParty party, Instant now) {
        if (!now.isBefore(lent.until)) {
            return Optional.empty();
        }
        Decision whole = decide(lent.facts.ofNoFleet(), party, now);
        return Optional.of(new Decision(
                whole.allowed(),
                whole.device(),
                whole.party(),
                "withheld",
                whole.reasons().stream()
                        .map(reason -> new Reason(
                                reason.code(),
                                "its owner says: " + reason.code().replace('-', ' ')))
                        .toList(),
                whole.validUntil().isBefore(lent.until) ? whole.validUntil() : lent.until));
    }

    private static Reason unknown(Subject subject) {
        return switch (subject) {
            case Subject.Id _ -> new Reason("unknown-device", "there is no such device");
            case Subject.Certificate _ -> new Reason("unknown-certificate", "no device was given this certificate");
            case Subject.Passport _ ->
                new Reason("unknown-passport", "this result is no device's present one: fetch it anew");
        };
    }

    private static String word(@Nullable Standing standing, Instant now) {
        if (standing == null) {
            return "unknown";
        }
        return standing.status == Tier.AFFIRMING && standing.isStale(now) ? "stale" : standing.status.word();
    }

    private static void judge(@Nullable Standing standing, PartyPolicy policy, Instant now, List<Reason> reasons) {
        if (policy.tier() == Tier.NONE) {
            return;
        }
        if (standing == null) {
            reasons.add(new Reason("never-attested", "the device has never shown evidence"));
            return;
        }
        Tier status = standing.status;
        if (status == Tier.NONE || status.compareTo(policy.tier()) > 0) {
            String why = standing.why == null ? "" : ": " + standing.why;
            reasons.add(new Reason("posture-" + status.word(), "the device's posture is " + status.word() + why));
        }
        if (standing.isStale(now) && !policy.allowStale()) {
            reasons.add(new Reason("posture-stale", "the device's last evidence is of " + standing.appraisedAt));
        }
    }

    private static Instant validUntil(Facts known, PartyPolicy policy, Instant now) {
        Instant until = now.plus(policy.life());
        if (known.certificateEnd != null && known.certificateEnd.isBefore(until)) {
            until = known.certificateEnd;
        }
        Standing standing = known.standing;
        if (standing != null && policy.tier() != Tier.NONE && !policy.allowStale()) {
            Instant stale = standing.staleAt;
            until = stale != null && stale.isBefore(until) ? stale : until;
        }
        return until;
    }

    /// What a device may still become by its first enrolment is not remembered: see V32__changes.sql.
    private Remembered.Found<Optional<Facts>> load(Key key) {
        Optional<Facts> read = database.inTenant(key.tenant, tx -> switch (key.subject) {
            case Subject.Id(DeviceId device) -> ofDevice(tx, key.tenant, device);
            case Subject.Certificate(Bytes digest) -> ofCertificate(tx, key.tenant, digest);
            case Subject.Passport passport -> ofPassport(tx, key.tenant, passport);
        });
        String topic = read.filter(facts -> facts.state != DeviceState.CLAIMED)
                .map(facts -> "device " + key.tenant + " " + facts.device)
                .orElse(null);
        return new Remembered.Found<>(read, topic);
    }

    private static final String FACTS = """
            SELECT d.device_id, d.fleet_id, d.state, c.not_after, c.revoked_at, p.status, p.appraised_at, p.stale_at,
                p.reasons #>> '{list,0,sentence}' AS why
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
        String status = row.getString("status");
        Instant appraisedAt = Columns.instant(row, "appraised_at");
        return new Facts(
                new DeviceId(row.getObject("device_id", UUID.class)),
                new FleetId(row.getString("fleet_id")),
                DeviceState.valueOf(row.getString("state")),
                Columns.instant(row, "not_after"),
                row.getTimestamp("revoked_at") != null,
                status == null || appraisedAt == null
                        ? null
                        : new Standing(
                                Tier.valueOf(status),
                                appraisedAt,
                                Columns.instant(row, "stale_at"),
                                row.getString("why")));
    }
}
