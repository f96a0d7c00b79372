// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import static dev.tegata.platform.custody.CustodyWorld.OPERATOR;
import static dev.tegata.platform.custody.CustodyWorld.newKey;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.custody.CustodyVerification.Intact;
import dev.tegata.platform.custody.CustodyWorld.Party;
import dev.tegata.platform.custody.CustodyWorld.Unit;
import dev.tegata.platform.device.DeviceChange;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// A smart lock of a holiday flat, from its maker through nine more hands: dealer, owners, an agency and
/// back, with guests in between, refurbished once and retired at last. At the end its custody chain
/// verifies with the file alone.
class HolidayFlatTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    @Test
    void aLockLivesThroughTenOwners() throws Exception {
        try (CustodyWorld world = new CustodyWorld(testDatabase.database())) {
            List<Party> owners = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                owners.add(world.party());
            }
            Party guest = world.party();
            Unit lock = world.claim(owners.getFirst());
            List<SoftwareKey> keys = new ArrayList<>();
            List<Certificate> certificates = new ArrayList<>();
            for (int i = 0; i < owners.size(); i++) {
                Party owner = owners.get(i);
                if (i > 0) {
                    world.sell(owners.get(i - 1), owner, lock);
                }
                world.clock.advance(Duration.ofDays(3));
                SoftwareKey key = newKey();
                certificates.add(world.certify(owner, lock, key));
                keys.add(key);

                world.grants.grant(
                        owner.id(),
                        OPERATOR,
                        lock.id(),
                        guest.id(),
                        world.clock.instant().plus(Duration.ofDays(7)));
                assertThat(world.grants.device(guest.id(), lock.id()).id()).isEqualTo(lock.id());
                if (i == 5) {
                    assertThat(world.refurbish(owner, lock)).isEmpty();
                    certificates.set(i, world.certify(owner, lock, newKey()));
                }
                world.clock.advance(Duration.ofDays(8));
                assertThatExceptionOfType(RefusedException.class)
                        .isThrownBy(() -> world.grants.device(guest.id(), lock.id()));
            }
            Party last = owners.getLast();

            assertThat(world.owners(lock, owners)).containsExactly(last.id());
            for (int i = 0; i < 9; i++) {
                assertThat(world.renew(owners.get(i), certificates.get(i), newKey()))
                        .isInstanceOf(EnrolmentOutcome.Refused.class);
                assertThat(world.enrol(last, lock, keys.get(i))).isInstanceOf(EnrolmentOutcome.Refused.class);
            }
            assertThat(world.renew(last, certificates.getLast(), newKey())).isInstanceOf(EnrolmentOutcome.Issued.class);

            world.devices.change(
                    last.id(), lock.id(), DeviceChange.of(DeviceChange.Kind.RETIRE, "the flat was sold"), OPERATOR);
            Intact chain = verified(world.custody.export(last.id(), lock.id()));
            assertThat(chain.device()).isEqualTo(lock.id());
            assertThat(chain.byOwner()).isTrue();
            assertThat(chain.steps()).hasSize(1 + 9 * 2 + 2);
            assertThat(chain.steps())
                    .filteredOn(step -> step.kind() == CustodyKind.REFURBISHED)
                    .extracting(CustodyStep::owner)
                    .containsExactly(owners.get(5).id().value());
            assertThat(chain.steps().getLast().kind()).isEqualTo(CustodyKind.RETIRED);
            assertThat(chain.steps())
                    .filteredOn(step -> step.kind() == CustodyKind.CLAIMED || step.kind() == CustodyKind.RECEIVED)
                    .extracting(CustodyStep::owner)
                    .containsExactlyElementsOf(
                            owners.stream().map(owner -> owner.id().value()).toList());
            // Whoever owned it once can still show how it came and went, and nothing that came later.
            Intact third = verified(world.custody.export(owners.get(2).id(), lock.id()));
            assertThat(third.byOwner()).isFalse();
            assertThat(third.steps().getLast().owner())
                    .isEqualTo(owners.get(3).id().value());
        }
    }

    private static Intact verified(String export) throws Exception {
        CustodyVerification result =
                CustodyVerifier.verify(new ByteArrayInputStream(export.getBytes(StandardCharsets.UTF_8)));
        assertThat(result).isInstanceOf(Intact.class);
        return (Intact) result;
    }
}
