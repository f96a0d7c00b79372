// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.DeviceKey;
import dev.tegata.agent.EstClient;
import dev.tegata.agent.EstClient.Answer;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.io.IOException;
import java.net.URI;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Devices with virtual chips, claimed by their vendor's signed manifest")
final class AgentTest {
    private static final EstTenant TENANT = new EstTenant("Agent");
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());
    private static final int BATCH = 10;

    private static EstClient client(EstTenant tenant, String fleet) {
        String uri = tenant.est(fleet, "").toString();
        return new EstClient(URI.create(uri.substring(0, uri.length() - 1)), List.of(tenant.tlsAuthority()));
    }

    private static List<VirtualChip> chips(int count) {
        return FACTORY.make(Preset.TRUST_GO, count, Instant.now());
    }

    private static DeviceIdentity birth(VirtualChip chip) {
        return DeviceIdentity.of(
                DeviceKey.inChip(chip, 0),
                chip.certificateChain().stream().map(Bytes::of).toList());
    }

    private static String device(VirtualChip chip) {
        return TENANT.deviceOf(HexFormat.of().formatHex(chip.serial()));
    }

    private static Certificate enrolled(Answer answer) {
        assertThat(answer).isInstanceOf(Answer.Enrolled.class);
        return ((Answer.Enrolled) answer).certificate();
    }

    private static void assertRefused(Answer answer, int status, String code) {
        assertThat(answer).isInstanceOfSatisfying(Answer.Refused.class, refused -> {
            assertThat(refused.status()).isEqualTo(status);
            assertThat(refused.reason()).startsWith(code + ":");
        });
    }

    @Test
    @DisplayName("enrol with the birth key for another key of the chip, and renew for a third")
    void enrolAndRenew() throws IOException {
        String fleet = TENANT.fleet("");
        EstClient client = client(TENANT, fleet);
        List<VirtualChip> chips = chips(BATCH);
        TENANT.claim(fleet, FACTORY, chips);
        for (VirtualChip chip : chips) {
            DeviceKey key = DeviceKey.inChip(chip, 2);
            Certificate first = enrolled(client.enrol(birth(chip), key));
            assertThat(first.publicKeyEncoded()).isEqualTo(key.publicKey().encoded());
            DeviceIdentity operational = DeviceIdentity.of(key, List.of(first.encoded()));
            Certificate second = enrolled(client.reEnrol(operational, DeviceKey.inChip(chip, 3), first.subject()));

            String device = device(chip);
            assertThat(second.subject()).isEqualTo(first.subject());
            assertThat(TENANT.state(device)).isEqualTo("active");
            assertThat(TENANT.certificates(device)).containsExactly(second, first);
        }
        assertThat(client.caCertificates(birth(chips.getFirst())))
                .containsExactlyInAnyOrderElementsOf(TENANT.authorities());
    }

    @Test
    @DisplayName("are refused where nobody claimed them, though their vendor is trusted")
    void unclaimed() throws IOException {
        String fleet = TENANT.fleet("");
        VirtualChip chip = chips(1).getFirst();
        assertRefused(client(TENANT, fleet).enrol(birth(chip), DeviceKey.inChip(chip, 2)), 403, "device-unknown");
    }

    @Test
    @DisplayName("are refused by a neighbour's fleet and by another fleet of their own tenant")
    void elsewhere() throws IOException {
        String fleet = TENANT.fleet("");
        VirtualChip chip = chips(1).getFirst();
        TENANT.claim(fleet, FACTORY, List.of(chip));
        EstTenant neighbour = new EstTenant("Agent neighbour");
        DeviceKey key = DeviceKey.inChip(chip, 2);
        assertRefused(client(neighbour, neighbour.fleet("")).enrol(birth(chip), key), 403, "device-unknown");
        assertRefused(client(TENANT, TENANT.fleet("")).enrol(birth(chip), key), 403, "wrong-fleet");
        enrolled(client(TENANT, fleet).enrol(birth(chip), key));
    }

    @Test
    @DisplayName("are refused another chip's key, and anything once they are suspended")
    void foreignKeyAndSuspension() throws IOException {
        String fleet = TENANT.fleet("");
        EstClient client = client(TENANT, fleet);
        List<VirtualChip> chips = chips(2);
        TENANT.claim(fleet, FACTORY, chips);
        VirtualChip chip = chips.getFirst();
        assertRefused(client.enrol(birth(chip), DeviceKey.inChip(chips.getLast(), 0)), 403, "key-mismatch");

        DeviceKey key = DeviceKey.inChip(chip, 2);
        Certificate first = enrolled(client.enrol(birth(chip), key));
        TENANT.change(device(chip), "suspend");
        DeviceIdentity operational = DeviceIdentity.of(key, List.of(first.encoded()));
        assertRefused(client.enrol(birth(chip), DeviceKey.inChip(chip, 3)), 403, "device-not-active");
        assertRefused(client.reEnrol(operational, key, first.subject()), 403, "certificate-revoked");
        TENANT.change(device(chip), "resume");
        enrolled(client.reEnrol(operational, DeviceKey.inChip(chip, 3), first.subject()));
    }
}
