// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Rig.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChipFileTest {
    @TempDir
    private Path folder;

    @Test
    void aChipGoesOnWhereItWas() throws IOException {
        Path file = folder.resolve("chip");
        VirtualChip chip = new ChipFactory(Rig.RANDOM).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
        chip.keepIn(file);
        Rig rig = new Rig(chip);
        byte[] renewed = rig.ok(Opcode.GEN_KEY, 4, 2);
        byte[] data = random(32);
        rig.fill(8, data);
        rig.ok(Opcode.COUNTER, 1, 0);
        rig.load(random(32));

        VirtualChip again = VirtualChip.open(file, Rig.RANDOM);
        assertThat(again.serial()).isEqualTo(chip.serial());
        assertThat(again.publicKey(2)).isEqualTo(renewed);
        assertThat(again.certificateChain().get(0))
                .isEqualTo(chip.certificateChain().get(0));
        assertThat(again.certificateChain().get(1))
                .isEqualTo(chip.certificateChain().get(1));
        Rig other = new Rig(again);
        assertThat(other.ok(Opcode.READ, 0x82, 8 << 3)).isEqualTo(data);
        assertThat(other.ok(Opcode.COUNTER, 0, 0)).containsExactly(1, 0, 0, 0);
        assertThat(other.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
    }

    @Test
    void onlyItsOwnerReadsIt() throws IOException {
        Path file = folder.resolve("chip");
        VirtualChip.create(Preset.BLANK, Rig.RANDOM).keepIn(file);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
    }

    @Test
    void aWriteThatWasCutShortLeavesTheOldContent() throws IOException {
        Path file = folder.resolve("chip");
        VirtualChip chip = VirtualChip.create(Preset.TRUST_GO, Rig.RANDOM);
        chip.keepIn(file);
        Files.write(folder.resolve("chip.new"), random(100));
        assertThat(VirtualChip.open(file, Rig.RANDOM).serial()).isEqualTo(chip.serial());
        Rig rig = new Rig(VirtualChip.open(file, Rig.RANDOM));
        byte[] renewed = rig.ok(Opcode.GEN_KEY, 4, 2);
        assertThat(VirtualChip.open(file, Rig.RANDOM).publicKey(2)).isEqualTo(renewed);
    }

    @Test
    void aChangeThatCannotBeKeptHasNotHappened() throws IOException {
        Path home = Files.createDirectory(folder.resolve("gone"));
        VirtualChip chip = VirtualChip.create(Preset.TRUST_GO, Rig.RANDOM);
        chip.keepIn(home.resolve("chip"));
        byte[] before = chip.publicKey(2);
        Files.delete(home.resolve("chip"));
        Files.delete(home);
        Rig rig = new Rig(chip);
        assertThat(rig.status(Opcode.GEN_KEY, 4, 2)).isEqualTo(Status.EXECUTION_ERROR);
        assertThat(chip.publicKey(2)).isEqualTo(before);
    }

    @Test
    void aDamagedFileIsRefused() throws IOException {
        Path file = folder.resolve("chip");
        VirtualChip.create(Preset.BLANK, Rig.RANDOM).keepIn(file);
        byte[] good = Files.readAllBytes(file);
        Random random = new Random(3);
        for (int i = 0; i < 200; i++) {
            byte[] bad = random.nextBoolean() ? good.clone() : Arrays.copyOf(good, random.nextInt(good.length + 50));
            if (bad.length == good.length) {
                bad[random.nextInt(bad.length)] ^= (byte) (1 + random.nextInt(255));
            }
            Files.write(file, bad);
            assertThatThrownBy(() -> VirtualChip.open(file, Rig.RANDOM)).isInstanceOf(IOException.class);
        }
        assertThatThrownBy(() -> VirtualChip.open(folder.resolve("none"), Rig.RANDOM))
                .isInstanceOf(IOException.class);
    }

    @Test
    void anIdleChipIsSmall() {
        int count = 1_000;
        ChipFactory factory = new ChipFactory(Rig.RANDOM);
        VirtualChip[] chips = new VirtualChip[count];
        long before = used();
        for (int i = 0; i < count; i++) {
            chips[i] = factory.make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
            Rig rig = new Rig(chips[i]);
            rig.load(random(32));
            rig.ok(Opcode.SIGN, 0x80, 0);
            chips[i].sleep();
        }
        long each = (used() - before) / count;
        assertThat(each).isLessThan(8 * 1024);
        assertThat(chips[count - 1].serial()).hasSize(9);
    }

    private static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }
}
