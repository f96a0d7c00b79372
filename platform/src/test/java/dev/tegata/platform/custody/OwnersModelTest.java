// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import static dev.tegata.platform.custody.CustodyWorld.OPERATOR;
import static dev.tegata.platform.custody.CustodyWorld.newKey;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.custody.CustodyWorld.Party;
import dev.tegata.platform.custody.CustodyWorld.Unit;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.DeviceState.Action;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Random lives of devices between two owners who offer, accept and take back while the devices renew, are
/// suspended, revoked, refurbished and lent, all at the same moment. Whatever they did, what transfers
/// promise must hold.
@DisplayName("Random lives of devices between owners")
final class OwnersModelTest {
    private static final int DEVICES = 3;
    private static final int ACTORS = 6;
    private static final int STEPS = 30;

    private static final Map<String, Action> STEPS_IN_HISTORY = Map.of(
            "device.activated", Action.ACTIVATE,
            "certificate.renewed", Action.RENEW,
            "device.suspended", Action.SUSPEND,
            "device.resumed", Action.RESUME,
            "device.refurbishment-ordered", Action.REFURBISH,
            "device.refurbished", Action.REFURBISHED,
            "device.readmitted", Action.READMIT,
            "device.revoked", Action.REVOKE,
            "device.retired", Action.RETIRE);

    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private CustodyWorld world;
    private List<Party> parties = List.of();
    private final Queue<TransferId> offers = new ConcurrentLinkedQueue<>();
    private final Map<Unit, Certificate> held = new ConcurrentHashMap<>();
    private final Queue<Lent> lent = new ConcurrentLinkedQueue<>();

    private record Lent(Party by, Unit unit, UUID grant) {}

    @BeforeEach
    void begin() {
        world = new CustodyWorld(testDatabase.database());
        parties = List.of(world.party(), world.party());
    }

    @AfterEach
    void end() {
        world.close();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    @DisplayName("leave one owner, no living certificate of another, no key that two have had, and whole chains")
    void keepWhatTransfersPromise(long seed) throws Exception {
        List<Unit> units = new ArrayList<>();
        for (int i = 0; i < DEVICES; i++) {
            units.add(world.claim(parties.getFirst()));
        }
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> actors = new ArrayList<>();
            for (int actor = 0; actor < ACTORS; actor++) {
                Random random = new Random(seed * 100 + actor);
                actors.add(threads.submit(() -> act(units, random)));
            }
            for (Future<?> actor : actors) {
                actor.get();
            }
        }
        for (Unit unit : units) {
            check(unit);
        }
    }

    private void act(List<Unit> units, Random random) {
        for (int i = 0; i < STEPS; i++) {
            Unit unit = units.get(random.nextInt(units.size()));
            Party one = parties.get(random.nextInt(2));
            Party other = parties.get(one == parties.getFirst() ? 1 : 0);
            try {
                switch (random.nextInt(14)) {
                    case 0, 1, 2 -> keep(unit, world.enrol(one, unit, newKey()));
                    case 3, 4 -> renew(one, unit);
                    case 5, 6 -> offers.add(world.offer(one, other, unit));
                    case 7, 8, 9 -> accept(one);
                    case 10 -> takeBack(one);
                    case 11 -> change(one, unit, DeviceChange.Kind.SUSPEND);
                    case 12 -> change(one, unit, DeviceChange.Kind.RESUME);
                    default -> seldom(one, other, unit, random);
                }
            } catch (RefusedException e) {
                // What is not theirs, or not now, is refused: that is what is tested here.
            }
        }
    }

    private void seldom(Party one, Party other, Unit unit, Random random) {
        switch (random.nextInt(8)) {
            case 0 -> change(one, unit, DeviceChange.Kind.REVOKE);
            case 1, 2 -> world.refurbish(one, unit);
            case 3, 4, 5 ->
                lent.add(new Lent(
                        one,
                        unit,
                        world.grants
                                .grant(
                                        one.id(),
                                        OPERATOR,
                                        unit.id(),
                                        other.id(),
                                        world.clock.instant().plus(Duration.ofDays(1)))
                                .id()));
            default -> {
                Lent some = lent.poll();
                if (some != null) {
                    world.grants.revoke(some.by().id(), OPERATOR, some.unit().id(), some.grant());
                }
            }
        }
    }

    private void keep(Unit unit, EnrolmentOutcome outcome) {
        if (outcome instanceof EnrolmentOutcome.Issued issued) {
            held.put(unit, issued.certificate());
        }
    }

    private void renew(Party at, Unit unit) {
        Certificate current = held.get(unit);
        if (current != null) {
            SoftwareKey key = newKey();
            keep(unit, world.renew(at, current, key));
        }
    }

    private void accept(Party buyer) {
        TransferId offer = offers.poll();
        if (offer != null) {
            world.accept(buyer, offer);
        }
    }

    private void takeBack(Party seller) {
        TransferId offer = offers.poll();
        if (offer != null) {
            world.transfers.cancel(seller.id(), OPERATOR, offer, "chance");
        }
    }

    private void change(Party owner, Unit unit, DeviceChange.Kind kind) {
        world.devices.change(owner.id(), unit.id(), DeviceChange.of(kind, "chance"), OPERATOR);
    }

    private void check(Unit unit) throws Exception {
        List<TenantId> owners = world.owners(unit, parties);
        assertThat(owners).as("owners of " + unit.id()).hasSize(1);
        TenantId owner = owners.getFirst();
        Map<Bytes, TenantId> certified = new HashMap<>();
        for (Party party : parties) {
            boolean owns = party.id().equals(owner);
            DeviceState state = walk(party, unit);
            Set<Bytes> living = new HashSet<>();
            for (Issued issued : issued(party, unit)) {
                assertThat(certified.merge(issued.key(), party.id(), (had, has) -> had))
                        .as("a key that two owners have certified")
                        .isEqualTo(party.id());
                if (!issued.revoked()) {
                    living.add(issued.key());
                }
            }
            if (owns) {
                assertThat(world.devices.get(owner, unit.id()).state()).isEqualTo(state);
                assertThat(living.isEmpty())
                        .as("good certificates while " + state)
                        .isEqualTo(state != DeviceState.ACTIVE);
                assertThat(CustodyVerifier.verify(new ByteArrayInputStream(
                                world.custody.export(owner, unit.id()).getBytes(StandardCharsets.UTF_8))))
                        .isInstanceOf(CustodyVerification.Intact.class);
            } else {
                assertThat(living).as("good certificates of who is no owner").isEmpty();
                assertNotThere(() -> world.devices.get(party.id(), unit.id()));
                assertNotThere(() -> world.grants.of(party.id(), unit.id()));
                assertNotThere(() -> world.transfers.newLabelCode(party.id(), OPERATOR, unit.id()));
                // What the owner lent it, it sees as long as the owner says so, and nothing that it lent itself lives.
                boolean granted = world.grants.of(owner, unit.id()).stream()
                        .anyMatch(given -> given.holder().equals(party.id())
                                && given.endsAt().isAfter(world.clock.instant()));
                if (granted) {
                    assertThat(world.grants.device(party.id(), unit.id()).id()).isEqualTo(unit.id());
                } else {
                    assertNotThere(() -> world.grants.device(party.id(), unit.id()));
                }
            }
        }
        assertNotThere(() -> world.grants.device(owner, unit.id()));
    }

    private static void assertNotThere(Runnable look) {
        try {
            look.run();
        } catch (RefusedException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.NOT_FOUND);
            return;
        }
        throw new AssertionError("it is there");
    }

    private record Issued(Bytes key, boolean revoked) {}

    private List<Issued> issued(Party party, Unit unit) {
        return world.database.inTenant(
                party.id(),
                tx -> tx.createQuery("""
                                SELECT public_key_fingerprint, revoked_at IS NOT NULL AS revoked FROM certificate
                                WHERE tenant_id = :tenant AND device_id = :device""")
                        .bind("tenant", party.id())
                        .bind("device", unit.id())
                        .map((row, _) ->
                                new Issued(Bytes.of(row.getBytes("public_key_fingerprint")), row.getBoolean("revoked")))
                        .list());
    }

    /// The state that the party's own records lead to: every tenure begins where the device was claimed or
    /// received, and ends where it was released.
    private DeviceState walk(Party party, Unit unit) {
        DeviceState state = DeviceState.CLAIMED;
        for (var record : world.platform
                .audit
                .recordsAbout(party.id(), "device:" + unit.id(), new Page.Request(null, 1000))
                .items()
                .reversed()) {
            Action action = STEPS_IN_HISTORY.get(record.action());
            if (action != null) {
                DeviceState from = state;
                state = from.after(action)
                        .orElseThrow(() -> new AssertionError(unit.id() + " could " + action + " while " + from));
            } else if (record.action().equals("device.received")) {
                state = DeviceState.CLAIMED;
            } else if (record.action().equals("device.released")) {
                // From here on it can do nothing here, as if it were retired.
                state = DeviceState.RETIRED;
            }
        }
        return state;
    }
}
