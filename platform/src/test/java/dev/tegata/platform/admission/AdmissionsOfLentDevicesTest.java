// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.admission;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.admission.Admissions.Admission;
import dev.tegata.platform.admission.Admissions.News;
import dev.tegata.platform.admission.Admissions.Shown;
import dev.tegata.platform.custody.Grants;
import dev.tegata.platform.decision.DecisionDoor;
import dev.tegata.platform.decision.Decisions;
import dev.tegata.platform.decision.PartyPolicy;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.decision.RelyingParty;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.testing.TestDatabase;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("What a broker is told of devices that are lent to its tenant")
class AdmissionsOfLentDevicesTest {
    private static final Actor ACTOR = Actor.apiKey("00000000");
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private EnrolmentWorld owner;
    private EnrolmentWorld borrower;
    private TenantId holder;
    private FleetId fleet;
    private RelyingParties parties;
    private Admissions admissions;
    private Grants grants;

    @BeforeEach
    void open() {
        owner = new EnrolmentWorld(DATABASE.database());
        borrower = new EnrolmentWorld(DATABASE.database());
        holder = borrower.tenant;
        fleet = owner.fleet(FleetPolicy.standard());
        parties = new RelyingParties(owner.database, owner.audit, owner.clock);
        Decisions decisions = new Decisions(owner.database, parties, owner.clock);
        admissions = new Admissions(owner.database, new DecisionDoor(decisions, parties), owner.clock);
        SecureRandom random = new SecureRandom();
        Outbox outbox = new Outbox(owner.database, owner.clock, random);
        grants = new Grants(owner.database, owner.devices, owner.audit, outbox, owner.clock, random);
    }

    @AfterEach
    void close() {
        owner.close();
        borrower.close();
    }

    private DeviceId device(EnrolmentWorld world, FleetId of) {
        EnrolmentWorld.Unit unit = world.claim(of, UUID.randomUUID().toString());
        world.enrol(of, unit.birth(), unit.birth());
        return unit.id();
    }

    private Shown shown(EnrolmentWorld world, DeviceId device) {
        Bytes encoded = Objects.requireNonNull(
                world.devices.certificates(world.tenant, device).getFirst().encoded());
        try {
            return new Shown(Certificate.parse(encoded).serial(), encoded.sha256());
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    private Grants.Given lend(DeviceId device, Duration length) {
        return grants.grant(
                owner.tenant, ACTOR, device, holder, owner.clock.instant().plus(length));
    }

    private Admission ask(Shown shown) {
        return admissions.judge(holder, "flat", List.of(shown)).getFirst();
    }

    private static Admission no(Shown shown, DeviceId device, String reason) {
        return new Admission(shown.serial(), device, null, Optional.of(reason), null);
    }

    private static Admission unknown(Shown shown) {
        return new Admission(shown.serial(), null, null, Optional.of("unknown-certificate"), null);
    }

    @Test
    @DisplayName(
            "it is in by its owner's truth while the grant lives, until the grant's end at the latest, and no more")
    void byTheOwnersTruth() {
        DeviceId device = device(owner, fleet);
        Shown shown = shown(owner, device);
        assertThat(ask(shown)).isEqualTo(unknown(shown));

        Grants.Given first = lend(device, Duration.ofMinutes(3));
        assertThat(ask(shown)).isEqualTo(new Admission(shown.serial(), device, null, Optional.empty(), first.endsAt()));
        owner.devices.suspend(owner.tenant, device, ACTOR, "a secret of the owner's");
        assertThat(ask(shown)).isEqualTo(no(shown, device, "device-suspended"));
        owner.devices.resume(owner.tenant, device, ACTOR, "found");
        owner.clock.advance(Duration.ofMinutes(3).minusMillis(1));
        assertThat(ask(shown).allowed()).isTrue();
        owner.clock.advance(Duration.ofMillis(1));
        assertThat(ask(shown)).as("ended by itself").isEqualTo(unknown(shown));

        Grants.Given second = lend(device, Duration.ofDays(1));
        assertThat(ask(shown).allowed()).isTrue();
        grants.revoke(owner.tenant, ACTOR, device, second.id());
        assertThat(ask(shown)).as("ended early").isEqualTo(unknown(shown));

        lend(device, Duration.ofDays(1));
        owner.devices.revoke(owner.tenant, device, ACTOR, "stolen");
        assertThat(ask(shown)).isEqualTo(no(shown, device, "device-revoked"));
    }

    @Test
    @DisplayName("the borrower's relying party decides as on its own devices, many at once and of both")
    void byTheBorrowersPolicy() {
        DeviceId lent = device(owner, fleet);
        DeviceId kept = device(owner, fleet);
        DeviceId own = device(borrower, borrower.fleet(FleetPolicy.standard()));
        List<Shown> all = List.of(shown(owner, lent), shown(owner, kept), shown(borrower, own));
        Grants.Given given = lend(lent, Duration.ofMinutes(3));
        assertThat(admissions.judge(holder, "flat", all))
                .extracting(Admission::allowed)
                .containsExactly(true, false, true);

        party(Tier.AFFIRMING);
        assertThat(admissions.judge(holder, "flat", all))
                .extracting(Admission::reason)
                .containsExactly(
                        Optional.of("never-attested"),
                        Optional.of("unknown-certificate"),
                        Optional.of("never-attested"));
        party(Tier.NONE);
        Instant yes = owner.clock.instant().plus(Duration.ofHours(1));
        assertThat(admissions.judge(holder, "flat", all))
                .extracting(Admission::until)
                .containsExactly(given.endsAt(), null, yes);
    }

    private void party(Tier tier) {
        PartyPolicy policy = new PartyPolicy(tier, false, Set.of(), Set.of(DeviceState.ACTIVE), Duration.ofHours(1));
        parties.put(holder, ACTOR, new RelyingParty("flat", null, policy));
    }

    @Test
    @DisplayName("a loan opens no other device, no other certificate of that number, and nothing to a third tenant")
    void walls() {
        DeviceId device = device(owner, fleet);
        DeviceId kept = device(owner, fleet);
        Shown shown = shown(owner, device);
        Shown other = shown(owner, kept);
        lend(device, Duration.ofDays(1));
        assertThat(ask(other)).isEqualTo(unknown(other));
        Shown forged = new Shown(shown.serial(), other.sha256());
        assertThat(ask(forged)).isEqualTo(unknown(forged));
        try (EnrolmentWorld stranger = new EnrolmentWorld(DATABASE.database())) {
            assertThat(admissions.judge(stranger.tenant, "flat", List.of(shown)))
                    .containsExactly(unknown(shown));
        }
    }

    /// What the borrower is told from a position on, until it has heard of the device.
    private String hear(String position, DeviceId device, Set<DeviceId> heard) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        String at = position;
        Set<DeviceId> now = new HashSet<>();
        while (!now.contains(device)) {
            assertThat(System.nanoTime()).as("no word of %s", device).isLessThan(end);
            News news = admissions.await(holder, at, Duration.ofSeconds(5));
            assertThat(news.everybody()).isFalse();
            at = news.position();
            now.addAll(news.devices());
        }
        heard.addAll(now);
        return at;
    }

    @Test
    @DisplayName(
            "word comes of a grant's beginning and early end, of a sale, and of what the owner does, and of nothing else")
    void news() {
        DeviceId device = device(owner, fleet);
        DeviceId kept = device(owner, fleet);
        DeviceId own = device(borrower, borrower.fleet(FleetPolicy.standard()));
        String position = "";
        // Before there is a connection that listens, nobody knows from where to ask on.
        while (position.isEmpty()) {
            position = admissions.await(holder, "", Duration.ofSeconds(1)).position();
        }
        Set<DeviceId> heard = new HashSet<>();

        Grants.Given given = lend(device, Duration.ofDays(1));
        position = hear(position, device, heard);
        owner.devices.suspend(owner.tenant, kept, ACTOR, "the owner's affair");
        owner.devices.suspend(owner.tenant, device, ACTOR, "lost");
        position = hear(position, device, heard);
        owner.devices.resume(owner.tenant, device, ACTOR, "found");
        position = hear(position, device, heard);
        grants.revoke(owner.tenant, ACTOR, device, given.id());
        position = hear(position, device, heard);
        assertThat(heard).containsExactly(device);

        owner.devices.suspend(owner.tenant, device, ACTOR, "lent no more");
        borrower.devices.suspend(holder, own, ACTOR, "its own affair");
        Set<DeviceId> later = new HashSet<>();
        position = hear(position, own, later);
        assertThat(later).containsExactly(own);

        lend(device, Duration.ofDays(1));
        position = hear(position, device, new HashSet<>());
        owner.database.inTenant(
                owner.tenant,
                tx -> tx.createUpdate("DELETE FROM device_grant WHERE device_id = :device")
                        .bind("device", device)
                        .execute());
        hear(position, device, new HashSet<>());
    }
}
