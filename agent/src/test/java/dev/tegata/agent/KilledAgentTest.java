// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.store.CutDisk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.agent.tpm.Swtpm;
import dev.tegata.agent.tpm.Tpm;
import dev.tegata.agent.tpm.TpmPort;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.protocol.CheckIn.Status;
import dev.tegata.protocol.CheckInAnswer.State;
import dev.tegata.protocol.OrderContent;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("An agent with its keys in a TPM that is killed at any of its commands")
final class KilledAgentTest {
    private static final Path STATE = Path.of("/agent/state");
    private static final String SERIAL = "unit-4711";
    private static final long BIRTH = 0x81010001L;

    @TempDir
    Path folder;

    private final CutDisk disk = new CutDisk(new Random(1));
    private final List<AgentEvent> events = new ArrayList<>();
    private Swtpm swtpm;
    private DeviceServer server;

    @BeforeEach
    void start() throws Exception {
        swtpm = Swtpm.start();
        server = new DeviceServer(SERIAL);
        try (Tpm tpm = swtpm.connect()) {
            long primary = tpm.createPrimary(Tpm.OWNER, Tpm.Kind.SIGNING).handle();
            tpm.evict(primary, BIRTH);
        }
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
        swtpm.close();
    }

    /// A way to the TPM whose user is killed at a chosen command: before it is sent, or before it is answered.
    private final class CutPort implements TpmPort {
        private final TpmPort way = TpmPort.tcp(swtpm.address(), 30_000);
        private final int cutAt;
        private int sent;

        CutPort(int cutAt) {
            this.cutAt = cutAt;
        }

        @Override
        public boolean connect() throws IOException {
            return way.connect();
        }

        @Override
        public byte[] exchange(byte[] command) throws IOException {
            if (sent++ < cutAt) {
                return way.exchange(command);
            }
            if (sent - 1 == cutAt && cutAt % 2 == 1) {
                way.exchange(command);
            }
            disk.cutAt(0);
            throw new CutDisk.PowerCut();
        }

        @Override
        public void close() throws IOException {
            way.close();
        }
    }

    /// @return whether it was killed
    private boolean live(int cutAt) throws Exception {
        CutPort port = new CutPort(cutAt);
        try (Tpm tpm = new Tpm(port)) {
            Agent.start(new Agent.Setup(
                            TpmKeys.of(tpm, BIRTH, List.of()),
                            SERIAL,
                            server.home(),
                            List.of(),
                            Optional.empty(),
                            Agent.Habits.USUAL,
                            StateStore.inFile(disk, STATE),
                            Network.ofThisMachine(),
                            InstantSource.system(),
                            new Random(1),
                            Agent.Pace.USUAL,
                            events::add))
                    .step();
        } catch (CutDisk.PowerCut e) {
            // TLS may tell of it in its own way.
        }
        disk.restart();
        return port.sent > cutAt;
    }

    @Test
    @DisplayName("does what it was told after its next start, also where the TPM lost its power as well")
    void killedAtEachCommand() throws Exception {
        live(Integer.MAX_VALUE);
        int kills = 0;
        for (OrderContent turn : List.of(new OrderContent.RenewKey(), new OrderContent.Refurbish())) {
            boolean wipes = turn instanceof OrderContent.Refurbish;
            boolean killed = true;
            for (int at = 0; killed; at += wipes ? 3 : 1) {
                server.state = wipes ? State.REFURBISHING : State.ACTIVE;
                UUID order = server.place(turn);
                killed = live(at);
                kills += killed ? 1 : 0;
                if (at % 8 == 5) {
                    swtpm.powerCut();
                }
                events.clear();
                live(Integer.MAX_VALUE);
                assertThat(server.results.get(order))
                        .as("killed at command %s of %s: %s", at, turn, events)
                        .satisfies(result -> assertThat(
                                        Objects.requireNonNull(result).status())
                                .isEqualTo(Status.DONE));
                assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
            }
        }
        assertThat(kills).isGreaterThan(30);
    }

    /// Carries commands between an agent and the TPM, and kills the agent at one of them.
    private final class Killer implements AutoCloseable {
        private final ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        private final Process agent;
        private final Thread thread;

        Killer(Path config, int at) throws IOException {
            Files.writeString(
                    config,
                    Files.readString(config).replaceAll("tpm = .*", "tpm = 127.0.0.1:" + listener.getLocalPort()));
            agent = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:TieredStopAtLevel=1",
                            "-XX:+UseSerialGC",
                            "-cp",
                            System.getProperty("java.class.path"),
                            "dev.tegata.agent.run.Main",
                            "run",
                            "--once",
                            "--config",
                            config.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("log").toFile())
                    .start();
            thread = Thread.ofVirtual().start(() -> carry(at));
        }

        private void carry(int at) {
            try (Socket near = listener.accept();
                    Socket far = new Socket(
                            swtpm.address().getAddress(), swtpm.address().getPort())) {
                for (int sent = 0; ; sent++) {
                    byte[] command = packet(near);
                    if (sent == at) {
                        agent.destroyForcibly();
                    }
                    if (sent < at || at % 2 == 1) {
                        far.getOutputStream().write(command);
                        near.getOutputStream().write(packet(far));
                    }
                }
            } catch (IOException e) {
                // One of the two has gone.
            }
        }

        private static byte[] packet(Socket from) throws IOException {
            DataInputStream in = new DataInputStream(from.getInputStream());
            byte[] header = in.readNBytes(6);
            if (header.length < 6) {
                throw new IOException("closed");
            }
            int length = (header[4] & 0xFF) << 8 | header[5] & 0xFF;
            byte[] packet = Arrays.copyOf(header, length);
            in.readFully(packet, 6, length - 6);
            return packet;
        }

        /// @return its exit code and what it said
        String await() throws Exception {
            if (!agent.waitFor(120, TimeUnit.SECONDS)) {
                throw new IllegalStateException("the agent hangs: " + Files.readString(folder.resolve("log")));
            }
            return agent.exitValue() + " " + Files.readString(folder.resolve("log"));
        }

        @Override
        public void close() throws Exception {
            agent.destroyForcibly();
            listener.close();
            thread.join();
        }
    }

    @Test
    @DisplayName("is its old self or the new one also where the process was killed by the system")
    void killedProcess() throws Exception {
        Path anchors = Files.writeString(
                folder.resolve("anchors.pem"),
                Certificate.parse(server.tlsAnchor()).pem());
        Path config = Files.writeString(folder.resolve("agent.conf"), """
                server = %s
                fleet = %s
                trust-anchors = %s
                data = %s
                keys = tpm
                tpm = -
                tpm-birth-handle = 0x81010001
                serial = %s
                """.formatted(
                        server.home().url(), DeviceServer.FLEET, anchors, folder.resolve("data"), SERIAL));
        String ended = run(config, Integer.MAX_VALUE);
        assertThat(ended).startsWith("0 ").contains("enrolled");
        for (int at : List.of(1, 6, 8, 11, 15, 18, 21, 24)) {
            UUID order = server.place(new OrderContent.RenewKey());
            assertThat(run(config, at)).startsWith("137 ");
            assertThat(run(config, Integer.MAX_VALUE)).startsWith("0 ");
            assertThat(Objects.requireNonNull(server.results.get(order)).status())
                    .isEqualTo(Status.DONE);
            assertThat(server.lastShown()).isEqualTo(server.newest().encoded());
        }
    }

    private String run(Path config, int killedAt) throws Exception {
        try (Killer killer = new Killer(config, killedAt)) {
            return killer.await();
        }
    }
}
