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
import java.io.InputStream;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChipServerTest {
    private static final int PATIENCE_MILLIS = 60_000;
    private static final int SHORT_SILENCE_MILLIS = 300;

    private final VirtualChip chip = VirtualChip.create(Preset.TRUST_GO, new SecureRandom());
    private ChipServer server;

    @BeforeEach
    void start() throws IOException {
        start(PATIENCE_MILLIS);
    }

    private void start(int silenceMillis) throws IOException {
        server = ChipServer.start(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), chip, silenceMillis);
    }

    private void restartImpatiently() throws IOException {
        server.close();
        start(SHORT_SILENCE_MILLIS);
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    private Socket connect() throws IOException {
        Socket socket =
                new Socket(server.address().getAddress(), server.address().getPort());
        socket.setSoTimeout(PATIENCE_MILLIS);
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
    void aDriverInCDrivesIt(@TempDir Path folder) throws Exception {
        Path source = folder.resolve("client.c");
        try (InputStream text = ChipServerTest.class.getResourceAsStream("client.c")) {
            Files.copy(Objects.requireNonNull(text), source);
        }
        Path client = folder.resolve("client");
        run("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", client.toString(), source.toString());
        Map<String, String> said = new HashMap<>();
        run(client.toString(), Integer.toString(server.address().getPort()))
                .lines()
                .map(line -> line.split(" ", 2))
                .forEach(line -> said.put(line[0], line[1]));

        HexFormat hex = HexFormat.of();
        String serial = hex.formatHex(chip.serial());
        assertThat(said)
                .containsEntry("info", "00006003")
                .containsEntry("nonce", "00")
                .containsEntry("private", "0f")
                .containsEntry("internal-only", "0f")
                .containsEntry("unknown", "03")
                .containsEntry("sleeping", "asleep")
                .containsEntry("public", hex.formatHex(chip.publicKey(0)));
        assertThat(said.get("configuration")).startsWith(serial.substring(0, 8)).contains(serial.substring(8));
        assertThat(said.get("random")).hasSize(64);
        byte[] digest = new byte[32];
        for (int i = 0; i < digest.length; i++) {
            digest[i] = (byte) i;
        }
        assertThat(verifies(chip.publicKey(0), digest, hex.parseHex(said.get("signature"))))
                .isTrue();
    }

    private static String run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    private static boolean verifies(byte[] point, byte[] digest, byte[] signature) throws Exception {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        PublicKey key = KeyFactory.getInstance("EC")
                .generatePublic(new ECPublicKeySpec(
                        new ECPoint(
                                new BigInteger(1, Arrays.copyOf(point, 32)),
                                new BigInteger(1, Arrays.copyOfRange(point, 32, 64))),
                        curve.getParameterSpec(ECParameterSpec.class)));
        Signature verifier = Signature.getInstance("NONEwithECDSAinP1363Format");
        verifier.initVerify(key);
        verifier.update(digest);
        return verifier.verify(signature);
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
        restartImpatiently();
        try (Socket socket = connect()) {
            send(socket, "0307300000");
            assertThat(socket.getInputStream().read()).isEqualTo(-1);
        }
        assertStillServes();
    }

    @Test
    void aFloodOfConnectionsIsBounded() throws IOException {
        restartImpatiently();
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
        server.close();
        start(PATIENCE_MILLIS);
        assertStillServes();
    }

    @Test
    void manyClientsTakeTurns() throws Exception {
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> results = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                results.add(clients.submit(() -> {
                    try (Transport transport = Transport.tcp(server.address(), PATIENCE_MILLIS)) {
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
        try (Ecc608 driver = new Ecc608(Transport.tcp(server.address(), PATIENCE_MILLIS), new SecureRandom())) {
            assertThat(driver.serial()).isEqualTo(chip.serial());
        }
    }
}
