// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.DeviceClock;
import dev.tegata.agent.DeviceIdentity;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.server.mqtt.AdmissionQuestion;
import dev.tegata.server.mqtt.MqttGuard;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.net.ssl.SSLSocket;

/// Debian's Mosquitto with Tegata's plugin and a guard beside it, where all that is needed is there.
final class DemoBroker implements DemoDoor {
    /// What installs it.
    static final String NEEDED = "apt-get install mosquitto mosquitto-dev libmosquitto-dev libssl-dev gcc libc6-dev";

    private static final Path PROGRAM = Path.of("/usr/sbin/mosquitto");
    private static final Path SOURCE = Path.of("connectors/mosquitto/tegata_auth.c");
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final MqttGuard.Pace PACE = new MqttGuard.Pace(Duration.ofSeconds(1), Duration.ofSeconds(30));

    private final MqttGuard guard;
    private final Process process;
    private final int port;
    private final List<Certificate> anchors;
    private final Map<String, Session> sessions = new ConcurrentHashMap<>();

    private DemoBroker(MqttGuard guard, Process process, int port, List<Certificate> anchors) {
        this.guard = guard;
        this.process = process;
        this.port = port;
        this.anchors = anchors;
    }

    /// Builds the plugin and starts the broker; empty where that cannot be.
    ///
    /// @param folder for the plugin, the configuration and the socket
    /// @param authority PEM file of the server's own CA, beside which its TLS certificate and key lie
    /// @param devices the CAs of devices' certificates in PEM
    static Optional<DemoBroker> start(DemoApi api, String service, Path folder, Path authority, String devices)
            throws IOException, InterruptedException {
        Optional<Path> source = source();
        if (source.isEmpty() || !Files.isExecutable(PROGRAM)) {
            return Optional.empty();
        }
        Files.createDirectories(folder);
        Path plugin = folder.resolve("tegata_auth.so");
        if (!succeeds(
                folder,
                "gcc",
                "-O2",
                "-fPIC",
                "-shared",
                "-o",
                plugin.toString(),
                source.get().toString(),
                "-lcrypto")) {
            return Optional.empty();
        }
        int port = freePort();
        Path anchors = authority.toAbsolutePath();
        Files.writeString(folder.resolve("devices.pem"), devices);
        Path socket = folder.resolve("guard.sock");
        Path configuration = Files.writeString(folder.resolve("mosquitto.conf"), """
                listener %d 127.0.0.1
                user %s
                cafile %s
                certfile %s
                keyfile %s
                require_certificate true
                allow_anonymous false
                plugin %s
                plugin_opt_guard %s
                log_dest stderr
                """.formatted(
                        port,
                        System.getProperty("user.name"),
                        folder.resolve("devices.pem"),
                        anchors.resolveSibling("server.pem"),
                        anchors.resolveSibling("server.key"),
                        plugin,
                        socket));
        MqttGuard guard = MqttGuard.start(socket, judge(api, service), PACE, InstantSource.system());
        Process process = new ProcessBuilder(PROGRAM.toString(), "-c", configuration.toString())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("mosquitto.log").toFile())
                .start();
        DemoBroker broker = new DemoBroker(guard, process, port, certificates(authority));
        if (!broker.isReady()) {
            broker.close();
            return Optional.empty();
        }
        return Optional.of(broker);
    }

    private static MqttGuard.Judge judge(DemoApi api, String service) {
        return new MqttGuard.Judge() {
            @Override
            public Map<String, MqttGuard.Answer> judge(List<MqttGuard.Certificate> certificates) {
                String question = AdmissionQuestion.of(service, certificates).toString();
                return AdmissionQuestion.answers(certificates, api.post("/admissions", question));
            }

            @Override
            public MqttGuard.News news(String after) {
                String since = after.isEmpty() ? "" : "?after=" + URLEncoder.encode(after, StandardCharsets.UTF_8);
                return AdmissionQuestion.news(api.get("/admissions/changes" + since));
            }
        };
    }

    /// Beside the program that was called, or from where it was called.
    private static Optional<Path> source() {
        Path program = Path.of(System.getProperty("tegata.program", "tegata")).toAbsolutePath();
        Path here = Path.of("").toAbsolutePath();
        return Stream.of(program.resolveSibling(SOURCE), here.resolve(SOURCE), here.resolveSibling(SOURCE))
                .filter(Files::isReadable)
                .findFirst();
    }

    private static boolean succeeds(Path folder, String... command) throws InterruptedException {
        try {
            return new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(folder.resolve("gcc.log").toFile())
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false; // there is no compiler
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }

    private static List<Certificate> certificates(Path pem) throws IOException {
        try {
            return Certificate.parsePem(Files.readString(pem));
        } catch (InvalidCertificateException e) {
            throw new IOException("the server's CA in " + pem + " cannot be read", e);
        }
    }

    private boolean isReady() throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (process.isAlive() && System.nanoTime() < end) {
            try (Socket _ = new Socket(InetAddress.getLoopbackAddress(), port)) {
                return true;
            } catch (IOException e) {
                Thread.sleep(20);
            }
        }
        return false;
    }

    @Override
    public String name() {
        return "The MQTT broker (Mosquitto with Tegata's plugin)";
    }

    @Override
    public boolean lets(String device, DeviceIdentity identity) throws IOException {
        Session open = sessions.get(device);
        if (open != null && open.isOpen()) {
            return true;
        }
        Optional<Session> fresh = Session.open(new InetSocketAddress("localhost", port), device, identity, anchors);
        fresh.ifPresentOrElse(session -> sessions.put(device, session), () -> sessions.remove(device));
        return fresh.isPresent();
    }

    @Override
    public void close() throws IOException {
        for (Session session : sessions.values()) {
            session.close();
        }
        process.destroy();
        try {
            process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        guard.close();
    }

    /// A device's connection by MQTT 3.1.1, with a certificate for all its credentials, and nothing sent over it.
    private static final class Session implements AutoCloseable {
        private static final byte CONNECT = 0x10;
        private static final byte CLEAN_SESSION = 0x02;
        private static final byte LEVEL = 4;
        private static final int ANSWER = 4;

        private final SSLSocket socket;
        private volatile boolean ended;

        private Session(SSLSocket socket) {
            this.socket = socket;
        }

        /// Empty where the broker says no.
        static Optional<Session> open(
                InetSocketAddress broker, String clientId, DeviceIdentity identity, List<Certificate> anchors)
                throws IOException {
            Socket plain = new Socket();
            plain.connect(broker, (int) PATIENCE.toMillis());
            plain.setSoTimeout((int) PATIENCE.toMillis());
            DeviceClock clock = new DeviceClock(InstantSource.system(), Instant.EPOCH);
            SSLSocket socket = identity.secure(plain, broker.getHostString(), anchors, clock);
            Session session = new Session(socket);
            socket.getOutputStream().write(connect(clientId));
            byte[] answer = socket.getInputStream().readNBytes(ANSWER);
            if (answer.length < ANSWER || answer[3] != 0) {
                session.close();
                return Optional.empty();
            }
            socket.setSoTimeout(0);
            Thread.ofVirtual().start(session::watch);
            return Optional.of(session);
        }

        private static byte[] connect(String clientId) throws IOException {
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(body);
            out.writeUTF("MQTT");
            out.write(LEVEL);
            out.write(CLEAN_SESSION);
            out.writeShort(0); // no keep-alive
            out.writeUTF(clientId);
            byte[] bytes = body.toByteArray();
            ByteArrayOutputStream packet = new ByteArrayOutputStream();
            packet.write(CONNECT);
            packet.write(bytes.length); // below 128 with a device id
            packet.writeBytes(bytes);
            return packet.toByteArray();
        }

        /// Nothing comes, but the end.
        private void watch() {
            try (InputStream in = socket.getInputStream()) {
                in.readAllBytes();
            } catch (IOException e) {
                // The end, too.
            }
            ended = true;
        }

        boolean isOpen() {
            return !ended;
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
