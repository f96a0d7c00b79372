// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstDevice;
import dev.tegata.server.est.EstTenant;
import dev.tegata.server.est.Tool;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Debian's Mosquitto with the plugin and tegata mqtt-guard")
final class MosquittoTest {
    private static final EstTenant TENANT = new EstTenant("Mosquitto");
    private static final EstTenant BORROWER = new EstTenant("Holiday flats");
    private static final Path SOURCE = Path.of("../connectors/mosquitto/tegata_auth.c");

    /// Seconds. No test takes so long.
    private static final int LONG_LEASE = 600;

    @TempDir
    Path folder;

    private final List<Process> processes = new ArrayList<>();
    private final List<Thread> guards = new ArrayList<>();
    private Tool tool;
    private String fleet;
    private int port;
    private Path log;

    /// A device with its operational certificate in files.
    private record Device(String id, String name) {}

    @BeforeEach
    void start() throws IOException {
        Tool.require("gcc", "gcc");
        Tool.require("mosquitto_sub", "mosquitto-clients");
        assertThat(Path.of("/usr/sbin/mosquitto")).isExecutable();
        tool = new Tool(folder);
        fleet = TENANT.fleet("");
        Path source = Files.exists(SOURCE) ? SOURCE : Path.of("connectors/mosquitto/tegata_auth.c");
        tool.run(
                "gcc",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O2",
                "-fPIC",
                "-shared",
                "-o",
                "tegata_auth.so",
                source.toAbsolutePath().toString(),
                "-lcrypto");
        tool.run(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                "broker.key",
                "-out",
                "broker.pem",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost");
        tool.write(
                "devices.pem",
                TENANT.authorities().stream().map(Certificate::pem).collect(Collectors.joining()));
        port = Tool.freePort();
        guard("mqtt", 1, LONG_LEASE);
        broker();
    }

    @AfterEach
    void stop() throws InterruptedException {
        stopGuard();
        for (Process process : processes) {
            process.destroy();
            process.waitFor(10, TimeUnit.SECONDS);
        }
    }

    private void guard(String service, int every, int lease) {
        guard(TENANT, service, every, lease);
    }

    private void guard(EstTenant whose, String service, int every, int lease) {
        Shell shell = Shell.of(TENANT.running, folder)
                .with("TEGATA_API_KEY", auditorKey(whose))
                .with(
                        "TEGATA_CA",
                        String.valueOf(TENANT.running.server().authorityFile().orElseThrow()));
        Path socket = folder.resolve("guard.sock");
        guards.add(Thread.ofVirtual()
                .start(() -> shell.run(
                        "mqtt-guard",
                        "--socket",
                        socket.toString(),
                        "--service",
                        service,
                        "--every",
                        Integer.toString(every),
                        "--lease",
                        Integer.toString(lease))));
        await("the guard", () -> Files.exists(socket));
    }

    @Test
    @DisplayName("is not begun by a guard whose key may not ask: it would refuse everybody")
    void keyThatMayNotAsk() {
        HttpResponse<String> made = TENANT.running.post(
                TENANT.tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"import\",\"role\":\"device-import\"}");
        Shell.Result ended = Shell.of(TENANT.running, folder)
                .with("TEGATA_API_KEY", RunningServer.body(made).path("secret").asString())
                .with(
                        "TEGATA_CA",
                        String.valueOf(TENANT.running.server().authorityFile().orElseThrow()))
                .run("mqtt-guard", "--socket", folder.resolve("other.sock").toString());
        assertThat(ended.exitCode()).as(ended.err()).isEqualTo(1);
        assertThat(ended.err()).contains("(forbidden)");
        assertThat(folder.resolve("other.sock")).doesNotExist();
    }

    private static String auditorKey(EstTenant whose) {
        HttpResponse<String> made = whose.running.post(
                whose.tenant.ownerKey(), "/api/v1/api-keys", "{\"name\":\"broker\",\"role\":\"auditor\"}");
        assertThat(made.statusCode()).as(made.body()).isEqualTo(201);
        return RunningServer.body(made).path("secret").asString();
    }

    private void stopGuard() throws InterruptedException {
        for (Thread guard : guards) {
            guard.interrupt();
            guard.join();
        }
        guards.clear();
    }

    private void broker() throws IOException {
        Path config = tool.write("mosquitto.conf", """
                listener %d 127.0.0.1
                user root
                cafile %2$s/devices.pem
                certfile %2$s/broker.pem
                keyfile %2$s/broker.key
                require_certificate true
                allow_anonymous false
                plugin %2$s/tegata_auth.so
                plugin_opt_guard %2$s/guard.sock
                log_dest stderr
                log_type all
                """.formatted(port, folder));
        Process broker = begin("broker.log", "/usr/sbin/mosquitto", "-c", config.toString());
        log = folder.resolve("broker.log");
        await("the broker", () -> text(log).contains("running") && broker.isAlive());
    }

    private Process begin(String output, String... command) {
        try {
            Process process = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve(output).toFile())
                    .start();
            process.getOutputStream().close();
            processes.add(process);
            return process;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Device device(String name) {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        String id = TENANT.claim(fleet, key);
        try (EstDevice device =
                EstDevice.showing(TENANT.running.server().authorityFile().orElseThrow(), key)) {
            HttpResponse<byte[]> issued = device.post(TENANT.est(fleet, "simpleenroll"), EstDevice.request(key));
            assertThat(issued.statusCode()).as(EstDevice.text(issued)).isEqualTo(200);
            tool.write(name + ".pem", EstDevice.certificates(issued).getFirst().pem());
            tool.write(
                    name + ".key",
                    "-----BEGIN PRIVATE KEY-----\n"
                            + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key.pkcs8())
                            + "\n-----END PRIVATE KEY-----\n");
        }
        return new Device(id, name);
    }

    private List<String> client(String program, Device device, String clientId, String... more) {
        List<String> words = new ArrayList<>(List.of(
                "stdbuf",
                "-oL",
                program,
                "-h",
                "localhost",
                "-p",
                Integer.toString(port),
                "--cafile",
                "broker.pem",
                "--cert",
                device.name + ".pem",
                "--key",
                device.name + ".key",
                "-i",
                clientId,
                "-d"));
        words.addAll(List.of(more));
        return words;
    }

    private Process subscribe(Device device, String output) {
        String[] command = client("mosquitto_sub", device, device.id, "-q", "1", "-t", "devices/" + device.id + "/#")
                .toArray(String[]::new);
        AtomicReference<Process> process = new AtomicReference<>(begin(output, command));
        await("a subscription", () -> {
            if (text(folder.resolve(output)).contains("Subscribed")) {
                return true;
            }
            if (!process.get().isAlive()) {
                process.set(begin(output, command)); // the guard may not have been here yet
            }
            return false;
        });
        return process.get();
    }

    private Tool.Result publish(Device device, String clientId, String topic, String message) {
        return tool.tryRun(client("mosquitto_pub", device, clientId, "-q", "1", "-t", topic, "-m", message)
                .toArray(String[]::new));
    }

    /// Nobody comes in whom the guard says nothing about in time, on a slow machine, too.
    private void awaitPublished(Device device, String clientId, String topic, String message) {
        await(message, () -> publish(device, clientId, topic, message).status() == 0);
    }

    private void await(String what, BooleanSupplier here) {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!here.getAsBoolean()) {
            assertThat(System.nanoTime())
                    .as(() -> "waiting for " + what + "; the broker says:\n" + text(folder.resolve("broker.log")))
                    .isLessThan(end);
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
    }

    private static String text(Path file) {
        try {
            return Files.exists(file) ? Files.readString(file) : "";
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    @DisplayName("a device that is suspended is cut and refused, by the event; resumed, it is in again")
    void suspended() throws IOException, InterruptedException {
        stopGuard();
        // The next round comes long after the test is over.
        guard("mqtt", 1_000, 3_000);
        Device a = device("a");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "x");
        Process subscriber = subscribe(a, "a.log");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "first");
        await("the message", () -> text(folder.resolve("a.log")).contains("first"));

        TENANT.change(a.id, "suspend");
        await("the cut", () -> text(log).contains("cutting device " + a.id));
        // It comes back by itself, and is refused.
        assertThat(subscriber.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(text(folder.resolve("a.log"))).contains("not authorised");
        assertThat(publish(a, a.id, "devices/" + a.id + "/up", "second").output())
                .contains("not authorised");
        assertThat(text(log)).contains("is let in no more: device-suspended");

        TENANT.change(a.id, "resume");
        subscribe(a, "again.log");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "third");
        await("the message", () -> text(folder.resolve("again.log")).contains("third"));
    }

    @Test
    @DisplayName("where a relying party has the service's name, its policy decides, for those who are in too")
    void decided() throws IOException, InterruptedException {
        stopGuard();
        party("none");
        guard("strict", 1_000, 3_000);
        Device a = device("a");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "x");
        subscribe(a, "a.log");
        party("affirming");
        await("the cut", () -> text(log).contains("is let in no more: never-attested"));
        assertThat(publish(a, a.id + "-up", "devices/" + a.id + "/up", "y").output())
                .contains("not authorised");
    }

    private String lend(Device device, Instant until) {
        HttpResponse<String> given = TENANT.running.post(
                TENANT.tenant.ownerKey(),
                "/api/v1/devices/" + device.id + "/grants",
                "{\"to\":\"" + BORROWER.tenant.id() + "\",\"until\":\"" + until + "\"}");
        assertThat(given.statusCode()).as(given.body()).isEqualTo(201);
        return RunningServer.body(given).path("id").asString();
    }

    private boolean awaitSubscribed(Instant end) throws InterruptedException {
        while (Instant.now().isBefore(end)) {
            if (text(folder.resolve("a.log")).contains("Subscribed")) {
                return true;
            }
            Thread.sleep(20);
        }
        return false;
    }

    private void awaitCut(Device device, String reason) {
        await("the cut", () -> text(log).contains("device " + device.id + " is let in no more: " + reason));
        assertThat(publish(device, device.id + "-up", "devices/" + device.id + "/up", "later")
                        .output())
                .contains("not authorised");
    }

    @Test
    @DisplayName(
            "at the broker of a tenant that borrows, a device is in until its owner ends the grant, or shuts it out")
    void lent() throws IOException, InterruptedException {
        stopGuard();
        guard(BORROWER, "flat", 1_000, 3_000);
        Device a = device("a");
        Device kept = device("kept");
        assertThat(publish(a, a.id, "devices/" + a.id + "/up", "early").output())
                .contains("not authorised");
        String grant = lend(a, Instant.now().plus(Duration.ofDays(1)));
        subscribe(a, "a.log");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "guest");
        await("the message", () -> text(folder.resolve("a.log")).contains("guest"));
        assertThat(publish(kept, kept.id, "devices/" + kept.id + "/up", "x").output())
                .contains("not authorised");

        TENANT.change(a.id, "suspend");
        awaitCut(a, "device-suspended");
        TENANT.change(a.id, "resume");
        subscribe(a, "again.log");
        assertThat(TENANT.running
                        .send(TENANT.running
                                .to(TENANT.tenant.ownerKey(), "/api/v1/devices/" + a.id + "/grants/" + grant)
                                .DELETE())
                        .statusCode())
                .isEqualTo(204);
        awaitCut(a, "unknown-certificate");
    }

    @Test
    @DisplayName("a grant that ends by itself cuts the device at the borrower's broker, and nobody does anything")
    void lentUntilADate() throws IOException, InterruptedException {
        stopGuard();
        guard(BORROWER, "flat", 1_000, 3_000);
        Device a = device("a");
        String[] subscriber =
                client("mosquitto_sub", a, a.id, "-t", "devices/" + a.id + "/#").toArray(String[]::new);
        boolean in = false;
        // However slow the machine is, it comes in while some grant lives.
        for (int seconds = 5; !in; seconds *= 2) {
            Instant end = Instant.now().plusSeconds(seconds);
            lend(a, end);
            Process process = begin("a.log", subscriber);
            in = awaitSubscribed(end);
            if (!in) {
                process.destroy();
                process.waitFor();
            }
        }
        await("the cut", () -> text(log).contains("cutting device " + a.id));
        // The plugin counts whole seconds, and cuts up to two too early.
        await(
                "the refusal",
                () -> publish(a, a.id + "-up", "devices/" + a.id + "/up", "later")
                        .output()
                        .contains("not authorised"));
    }

    private static void party(String tier) {
        HttpResponse<String> put = TENANT.running.post(
                TENANT.tenant.ownerKey(), "/api/v1/relying-parties", "{\"name\":\"strict\",\"tier\":\"" + tier + "\"}");
        assertThat(put.statusCode()).as(put.body()).isIn(200, 201);
    }

    @Test
    @DisplayName("a device has its own topics and its own client ids, and nobody else's")
    void own() throws IOException {
        Device a = device("a");
        Device b = device("b");
        subscribe(a, "a.log");
        awaitPublished(b, b.id, "devices/" + a.id + "/up", "foreign");
        assertThat(publish(b, a.id, "devices/" + b.id + "/up", "stolen").output())
                .contains("not authorised");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "own");
        await("the message", () -> text(folder.resolve("a.log")).contains("own"));
        assertThat(text(folder.resolve("a.log"))).doesNotContain("foreign").doesNotContain("Client disconnected");

        Tool.Result spying = tool.tryRun(client("mosquitto_sub", b, b.id, "-t", "devices/+/up", "-W", "60")
                .toArray(String[]::new));
        assertThat(spying.output()).contains("128");
    }

    @Test
    @DisplayName("a second connection with the client id takes the place of the first, and is guarded like it")
    void takenOver() throws IOException {
        Device a = device("a");
        subscribe(a, "first.log");
        subscribe(a, "second.log");
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "hello");
        await(
                "the message",
                () -> text(folder.resolve("first.log")).contains("hello")
                        || text(folder.resolve("second.log")).contains("hello"));
        TENANT.change(a.id, "revoke");
        await("the cut", () -> text(log).contains("cutting device " + a.id));
    }

    @Test
    @DisplayName("without the guard nobody comes in, and who is in stays no longer than the lease")
    void closed() throws IOException, InterruptedException {
        stopGuard();
        guard("mqtt", 1, 3);
        Device a = device("a");
        subscribe(a, "a.log");
        stopGuard();
        assertThat(publish(a, a.id + "-up", "devices/" + a.id + "/up", "x").output())
                .contains("not authorised");
        await("the cut", () -> text(log).contains("cutting device " + a.id));
        guard("mqtt", 1, LONG_LEASE);
        awaitPublished(a, a.id + "-up", "devices/" + a.id + "/up", "y");
    }
}
