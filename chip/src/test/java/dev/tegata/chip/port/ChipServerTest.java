// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.port;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.chip.Opcode;
import dev.tegata.chip.Packet;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ChipServerTest {
    private static final int SILENCE_MILLIS = 300;

    private final VirtualChip chip = VirtualChip.create(Preset.TRUST_GO, new SecureRandom());
    private ChipServer server;

    @BeforeEach
    void start() throws IOException {
        server = ChipServer.start(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), chip, SILENCE_MILLIS);
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    private Socket connect() throws IOException {
        Socket socket =
                new Socket(server.address().getAddress(), server.address().getPort());
        socket.setSoTimeout(5_000);
        return socket;
    }

    private static void send(Socket socket, String hex) throws IOException {
        socket.getOutputStream().write(HexFormat.of().parseHex(hex));
    }

    private static String receive(Socket socket, int length) throws IOException {
        return HexFormat.of().formatHex(socket.getInputStream().readNBytes(length));
    }

    @Test
    void theWireIsThatOfTheChip() throws IOException {
        try (Socket socket = connect()) {
            send(socket, "030730000000035d");
            assertThat(receive(socket, 1)).as("a chip asleep").isEqualTo("00");
            send(socket, "00");
            assertThat(receive(socket, 4)).isEqualTo("04113343");
            send(socket, "030730000000035d");
            assertThat(receive(socket, 7)).startsWith("0700006003");
            send(socket, "030730000000035c");
            assertThat(receive(socket, 4)).as("a wrong checksum").startsWith("04ff");
            send(socket, "02" + "00" + "01" + "00");
            assertThat(receive(socket, 8)).isEqualTo("0411334304113343");
        }
    }

    @Test
    void garbageEndsTheConnectionAndNothingElse() throws IOException {
        Random random = new Random(5);
        for (int i = 0; i < 60; i++) {
            try (Socket socket = connect()) {
                byte[] garbage = new byte[1 + random.nextInt(300)];
                random.nextBytes(garbage);
                if (i % 3 == 0) {
                    garbage[0] = 3;
                }
                socket.getOutputStream().write(garbage);
                socket.shutdownOutput();
                socket.getInputStream().readAllBytes();
            } catch (IOException e) {
                // a reset is an end too
            }
        }
        assertStillServes();
    }

    @Test
    void halfAPacketTimesOut() throws IOException {
        try (Socket socket = connect()) {
            send(socket, "0307300000");
            assertThat(socket.getInputStream().read()).isEqualTo(-1);
        }
        assertStillServes();
    }

    @Test
    void aFloodOfConnectionsIsBounded() throws IOException {
        List<Socket> sockets = new ArrayList<>();
        try {
            int closed = 0;
            for (int i = 0; i < 200; i++) {
                Socket socket = connect();
                sockets.add(socket);
            }
            for (Socket socket : sockets) {
                closed += socket.getInputStream().read() < 0 ? 1 : 0;
            }
            assertThat(closed)
                    .as("the flood is turned away, the rest falls silent")
                    .isEqualTo(200);
        } finally {
            for (Socket socket : sockets) {
                socket.close();
            }
        }
        assertStillServes();
    }

    @Test
    void manyClientsTakeTurns() throws Exception {
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> results = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                results.add(clients.submit(() -> {
                    try (Transport transport = Transport.tcp(server.address(), 5_000)) {
                        int answered = 0;
                        for (int j = 0; j < 50; j++) {
                            transport.wake();
                            byte[] answer = transport.execute(
                                    Packet.of(Opcode.RANDOM, 0, 0).encode());
                            answered += Packet.content(answer).isPresent() ? 1 : 0;
                        }
                        return answered;
                    }
                }));
            }
            for (Future<Integer> result : results) {
                assertThat(result.get()).isEqualTo(50);
            }
        }
    }

    @Test
    void closingEndsAllConnections() throws IOException {
        Socket socket = connect();
        send(socket, "00");
        receive(socket, 4);
        server.close();
        assertThatThrownBy(() -> {
                    if (socket.getInputStream().read() < 0) {
                        throw new IOException("closed");
                    }
                })
                .isInstanceOf(IOException.class);
        assertThatThrownBy(this::connect).isInstanceOf(IOException.class);
        socket.close();
    }

    private void assertStillServes() throws IOException {
        try (Ecc608 driver = new Ecc608(Transport.tcp(server.address(), 5_000), new SecureRandom())) {
            assertThat(driver.serial()).isEqualTo(chip.serial());
        }
    }
}
