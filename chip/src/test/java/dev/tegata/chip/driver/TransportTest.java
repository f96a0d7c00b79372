// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.chip.Opcode;
import dev.tegata.chip.Packet;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TransportTest {
    private final SecureRandom random = new SecureRandom();
    private final VirtualChip chip = VirtualChip.create(Preset.BLANK, random);

    @Test
    void aChipThatSleepsIsNoticed() {
        byte[] info = Packet.of(Opcode.INFO, 0, 0).encode();
        assertThatThrownBy(() -> Transport.of(chip).execute(info)).isInstanceOf(IOException.class);
        I2cTransport i2c = new I2cTransport(new FakeI2cBus(chip), FakeI2cBus.ADDRESS);
        assertThatThrownBy(() -> i2c.execute(info)).hasMessage("the chip is not awake");
    }

    @Test
    void aBusWithoutAChipIsNoticed() {
        I2cTransport i2c = new I2cTransport(new FakeI2cBus(chip), 0x60);
        assertThatThrownBy(i2c::wake).hasMessage("no chip answered the wake");
    }

    @Test
    void aChipThatWasLeftAwakeIsWokenAnew() throws IOException {
        FakeI2cBus bus = new FakeI2cBus(chip);
        I2cTransport left = new I2cTransport(bus, FakeI2cBus.ADDRESS);
        left.wake();
        left.execute(Packet.of(Opcode.INFO, 0, 0).encode());
        I2cTransport next = new I2cTransport(bus, FakeI2cBus.ADDRESS);
        next.wake();
        assertThat(Packet.content(next.execute(Packet.of(Opcode.INFO, 0, 0).encode())))
                .isPresent();
    }

    @Test
    void aFileThatIsNoBusIsRefused() {
        Path device = Path.of("/dev/null");
        assumeTrue(Files.exists(device), "no /dev/null here");
        assertThatThrownBy(() -> {
                    try (Transport transport = Transport.i2c(device, 0x35)) {
                        transport.wake();
                    }
                })
                .isInstanceOf(IOException.class)
                .hasMessageContaining("is no I2C bus");
        assertThatThrownBy(() -> Transport.i2c(Path.of("/dev/no-such-bus"), 0x35))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("cannot open");
    }

    @Test
    void aServerThatTalksNonsenseIsAnIoException() throws Exception {
        Random seeded = new Random(11);
        for (int i = 0; i < 60; i++) {
            byte[] nonsense = new byte[seeded.nextInt(40)];
            seeded.nextBytes(nonsense);
            if (i % 2 == 0) {
                byte[] good = {4, 0x11, 0x33, 0x43};
                nonsense = concat(good, nonsense);
            }
            try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                byte[] bytes = nonsense;
                Thread.ofVirtual().start(() -> {
                    try (Socket socket = listener.accept()) {
                        socket.getOutputStream().write(bytes);
                        socket.shutdownOutput();
                        socket.getInputStream().readAllBytes();
                    } catch (IOException e) {
                        // the client has gone
                    }
                });
                InetSocketAddress address = new InetSocketAddress(listener.getInetAddress(), listener.getLocalPort());
                Ecc608 driver = new Ecc608(Transport.tcp(address, 2_000), random);
                assertThatThrownBy(driver::serial).isInstanceOf(IOException.class);
                driver.close();
            }
        }
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] joined = new byte[a.length + b.length];
        System.arraycopy(a, 0, joined, 0, a.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }

    @Test
    void aPacketThatArrivedDamagedIsSentAgain() throws IOException {
        Transport noisy = new Transport() {
            private int sent;

            @Override
            public void wake() {
                chip.wake();
            }

            @Override
            public byte[] execute(byte[] packet) {
                byte[] onTheWay = packet.clone();
                if (sent++ % 2 == 0) {
                    onTheWay[3] ^= 1;
                }
                return chip.execute(onTheWay);
            }

            @Override
            public void idle() {
                chip.idle();
            }

            @Override
            public void sleep() {
                chip.sleep();
            }

            @Override
            public void close() {}
        };
        try (Ecc608 driver = new Ecc608(noisy, random)) {
            assertThat(driver.serial()).isEqualTo(chip.serial());
        }
    }
}
