// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.audit.AuditRecord;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.DeviceState.Action;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.LifePolicy;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.protocol.Receipt;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Random lives with actors that act at the same moment, against the real services. Whatever they did,
/// the history of each device must be a walk through [DeviceState], and end where the device is.
@DisplayName("Random lives of devices")
class LifeModelTest {
    private static final int DEVICES = 3;
    private static final int ACTORS = 6;
    private static final int STEPS = 25;

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

    private EnrolmentWorld world;
    private FleetId fleet;
    private final Map<DeviceId, Certificate> held = new ConcurrentHashMap<>();

    @BeforeEach
    void setUp() {
        world = new EnrolmentWorld(testDatabase.database());
        fleet = world.fleet(FleetPolicy.standard().with(new LifePolicy(Duration.ofDays(7), Duration.ZERO, true, true)));
    }

    @AfterEach
    void tearDown() {
        world.close();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    @DisplayName("keep to the state machine, whoever meets whom")
    void keepToTheStateMachine(long seed) throws Exception {
        List<EnrolmentWorld.Unit> units = new ArrayList<>();
        for (int i = 0; i < DEVICES; i++) {
            units.add(world.claim(fleet, "%02x%02x".formatted(seed, i)));
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
        for (EnrolmentWorld.Unit unit : units) {
            check(unit.id());
        }
    }

    private void act(List<EnrolmentWorld.Unit> units, Random random) {
        for (int i = 0; i < STEPS; i++) {
            EnrolmentWorld.Unit unit = units.get(random.nextInt(units.size()));
            try {
                switch (random.nextInt(12)) {
                    case 0, 1, 2 -> enrol(unit);
                    case 3, 4 -> renew(unit);
                    case 5 -> change(unit, DeviceChange.Kind.SUSPEND);
                    case 6 -> change(unit, DeviceChange.Kind.RESUME);
                    case 7 -> change(unit, DeviceChange.Kind.RENEW);
                    case 8 ->
                        change(unit, random.nextInt(3) == 0 ? DeviceChange.Kind.REVOKE : DeviceChange.Kind.RESUME);
                    case 9 -> change(unit, DeviceChange.Kind.REFURBISH);
                    case 10 -> prove(unit);
                    default ->
                        change(unit, random.nextInt(30) == 0 ? DeviceChange.Kind.RETIRE : DeviceChange.Kind.SUSPEND);
                }
            } catch (RefusedException e) {
                // What the state does not allow is refused: that is what is tested here.
            }
        }
    }

    private void enrol(EnrolmentWorld.Unit unit) {
        keep(world.enrol(fleet, unit.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)));
    }

    private void renew(EnrolmentWorld.Unit unit) {
        Certificate current = held.get(unit.id());
        if (current != null) {
            keep(world.reEnrol(fleet, current, SoftwareKey.generate(KeyAlgorithm.EC_P256)));
        }
    }

    private void keep(EnrolmentOutcome outcome) {
        if (outcome instanceof EnrolmentOutcome.Issued issued) {
            held.put(issued.device(), issued.certificate());
        }
    }

    private void change(EnrolmentWorld.Unit unit, DeviceChange.Kind kind) {
        world.devices.change(world.tenant, unit.id(), DeviceChange.of(kind, "chance"), EnrolmentWorld.OPERATOR);
    }

    private void prove(EnrolmentWorld.Unit unit) {
        UUID order = UUID.randomUUID();
        SoftwareKey key = unit.birth();
        Signer signer = new Signer(
                key.publicKey(), data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data));
        var receipt = new Receipt(unit.id().value(), "chip", order, List.of("operational-key"))
                .sign(signer, List.of(BirthCa.selfSigned(key)));
        world.database.inTenant(
                world.tenant,
                tx -> world.devices.refurbished(tx, world.tenant, unit.id(), order, Optional.of(receipt)));
    }

    /// The history is a walk through the states, and certificates are good only where the state says so.
    private void check(DeviceId device) {
        List<AuditRecord> records = new ArrayList<>(world.audit
                .recordsAbout(world.tenant, "device:" + device, new Page.Request(null, 1000))
                .items());
        DeviceState state = DeviceState.CLAIMED;
        for (AuditRecord record : records.reversed()) {
            Action action = STEPS_IN_HISTORY.get(record.action());
            if (action != null) {
                DeviceState from = state;
                state = from.after(action)
                        .orElseThrow(() -> new AssertionError(device + " could " + action + " while " + from));
            }
        }
        assertThat(world.state(device)).isEqualTo(state);
        List<DeviceCertificate> good = world.devices.certificates(world.tenant, device).stream()
                .filter(certificate -> certificate.revokedAt() == null)
                .toList();
        if (state == DeviceState.ACTIVE) {
            assertThat(good).anyMatch(DeviceCertificate::current);
        } else {
            assertThat(good)
                    .as("good certificates of a device that is " + state)
                    .isEmpty();
        }
        assertThat(world.counts.byState(world.tenant, fleet).values().stream()
                        .mapToLong(Long::longValue)
                        .sum())
                .isEqualTo(DEVICES);
    }
}
