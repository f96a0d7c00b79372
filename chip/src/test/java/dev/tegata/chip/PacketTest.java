// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PacketTest {
    private static final HexFormat HEX = HexFormat.of();

    @Test
    void knownPacketsHaveKnownChecksums() {
        assertThat(HEX.formatHex(Packet.of(Opcode.INFO, 0, 0).encode())).isEqualTo("0730000000035d");
        assertThat(HEX.formatHex(Packet.of(Opcode.RANDOM, 0, 0).encode())).isEqualTo("071b00000024cd");
        assertThat(HEX.formatHex(Packet.answer(Status.AWAKE.answer()))).isEqualTo("04113343");
        assertThat(HEX.formatHex(Packet.answer(Status.SUCCESS.answer()))).isEqualTo("04000340");
    }

    @Test
    void packetsComeBackAsTheyWent() {
        Packet packet = Packet.of(Opcode.WRITE, 0x82, 0x1234, Rig.random(32));
        Packet back = Packet.decode(packet.encode()).orElseThrow();
        assertThat(back).usingRecursiveComparison().isEqualTo(packet);
        assertThat(Packet.content(Packet.answer(new byte[] {1, 2, 3}))).hasValue(new byte[] {1, 2, 3});
    }

    @Test
    void everyFlippedBitIsNoticed() {
        byte[] packet = Packet.of(Opcode.NONCE, 3, 0, Rig.random(32)).encode();
        for (int bit = 0; bit < packet.length * 8; bit++) {
            byte[] damaged = packet.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(Packet.decode(damaged)).isEmpty();
        }
    }

    @Test
    void bytesOfAnyKindAreNoPacketOrOne() {
        Random random = new Random(1);
        for (int i = 0; i < 10_000; i++) {
            byte[] bytes = new byte[random.nextInt(20)];
            random.nextBytes(bytes);
            if (bytes.length > 0 && random.nextBoolean()) {
                bytes[0] = (byte) bytes.length;
            }
            Packet.decode(bytes);
            Packet.content(bytes);
        }
    }
}
