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
import dev.tegata.server.RunningServer;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.Setting;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("A server whose keys are all in an HSM")
final class HsmTest {
    private static final Path LIBRARY = Path.of("/usr/lib/softhsm/libsofthsm2.so");
    private static final Path P11_KIT = Path.of("/usr/libexec/p11-kit/p11-kit-server");
    private static final Path CLIENT = Path.of(
            "/usr/lib",
            (System.getProperty("os.arch").equals("aarch64") ? "aarch64" : "x86_64") + "-linux-gnu",
            "pkcs11/p11-kit-client.so");
    private static final int PATIENCE = 600;

    @Test
    @DisplayName("makes a tenant's authorities in a token of its own, and enrols a device under them")
    void enrol(@TempDir Path directory) throws Throwable {
        assertThat(LIBRARY).as("install the package softhsm2").exists();
        configure(directory);
        try (RunningServer server = new RunningServer(data -> config(directory, data, Map.of()))) {
            NewDevice device = new NewDevice(server);

            Answer answer = device.enrol();

            assertThat(answer).isInstanceOf(Answer.Enrolled.class);
            Certificate certificate = ((Answer.Enrolled) answer).certificate();
            assertThat(device.tenant.authorities())
                    .anyMatch(authority -> authority.subject().equals(certificate.issuer()));
            JsonNode vault = RunningServer.body(server.get(server.operatorKey(), "/api/v1/vault"));
            assertThat(vault.path("kind").asString()).isEqualTo("pkcs11");
            assertThat(vault.at("/modules/0/tokens").valueStream())
                    .anyMatch(token -> token.path("label").asString().equals(device.tenant.tenant.id())
                            && token.path("used").asBoolean());
        }
    }

    @Test
    @DisplayName("goes on with the rest, and says so, while the HSM is silent, and issues when it talks again")
    void silence(@TempDir Path directory) throws Throwable {
        assertThat(P11_KIT).as("install the package p11-kit").exists();
        assertThat(CLIENT).as("install the package p11-kit-modules").exists();
        configure(directory);
        Path socket = directory.resolve("hsm.socket");
        setEnvironment("P11_KIT_SERVER_ADDRESS", "unix:path=" + socket);
        Process hsm = remoteHsm(directory, socket);
        Map<Setting, String> settings = Map.of(
                Setting.PKCS11_LIBRARY, CLIENT.toString(), Setting.PKCS11_SESSIONS, "2", Setting.PKCS11_TIMEOUT, "5");
        try (RunningServer server = new RunningServer(data -> config(directory, data, settings))) {
            NewDevice device = new NewDevice(server);
            signal(hsm, "STOP");

            awaitReadiness(
                    server,
                    "nothing is issued\n",
                    () -> assertThat(device.enrol()).as("503 with Retry-After").isInstanceOf(Answer.Later.class));

            assertThat(server.get(device.tenant.tenant.ownerKey(), "/api/v1/devices")
                            .statusCode())
                    .isEqualTo(200);
            JsonNode module = RunningServer.body(server.get(server.operatorKey(), "/api/v1/vault"))
                    .at("/modules/0");
            assertThat(module.path("answers").asBoolean()).isFalse();
            assertThat(module.path("hangingCalls").asInt()).isPositive();
            signal(hsm, "CONT");
            device.awaitEnrolled();
            awaitReadiness(server, "ready\n", device::awaitEnrolled);
        } finally {
            hsm.descendants().forEach(ProcessHandle::destroyForcibly);
            hsm.destroyForcibly().waitFor();
        }
    }

    @Test
    @DisplayName("says whose token is gone, everywhere where an operator looks, until it is back")
    void tokenRemoved(@TempDir Path directory) throws Throwable {
        assertThat(LIBRARY).as("install the package softhsm2").exists();
        configure(directory);
        try (RunningServer server = new RunningServer(data -> config(directory, data, Map.of()))) {
            NewDevice other = new NewDevice(server);
            List<Path> tokens = tokens(directory);
            NewDevice device = new NewDevice(server);
            String tenant = device.tenant.tenant.id();
            Path token = tokens(directory).stream()
                    .filter(each -> !tokens.contains(each))
                    .findFirst()
                    .orElseThrow();
            Path away = Files.move(token, directory.resolve("away"));

            awaitReadiness(
                    server,
                    "no signatures for 1 tenant: nothing is issued there\n",
                    () -> assertThat(device.enrol()).isNotNull());

            other.awaitEnrolled();
            assertThat(metrics(server)).contains("tegata_vault_answers 0.0\n", "tegata_vault_failing_tenants 1.0\n");
            JsonNode signing = signing(server, device);
            assertThat(signing.path("works").asBoolean()).isFalse();
            assertThat(signing.path("problem").asString()).contains("vault");
            assertThat(signing.has("failedAt")).isTrue();
            assertThat(signing(server, other).path("works").asBoolean()).isTrue();
            assertThat(findings(server, device)).contains("vault-failing");
            assertThat(findings(server, other)).doesNotContain("vault-failing");
            JsonNode vault = RunningServer.body(server.get(server.operatorKey(), "/api/v1/vault"));
            assertThat(vault.path("failingTenants").asInt()).isOne();
            assertThat(vault.at("/failing/0/tenant").asString()).isEqualTo(tenant);
            assertThat(vault.at("/failing/0/problem").asString()).isNotBlank();

            Files.move(away, token);
            device.awaitEnrolled();
            assertThat(signing(server, device).path("works").asBoolean()).isTrue();
            assertThat(findings(server, device)).doesNotContain("vault-failing");
            awaitReadiness(server, "ready\n", device::awaitEnrolled);
            assertThat(metrics(server)).contains("tegata_vault_answers 1.0\n");
        }
    }

    private static List<Path> tokens(Path directory) throws IOException {
        try (Stream<Path> tokens = Files.list(directory.resolve("tokens"))) {
            return tokens.toList();
        }
    }

    private static JsonNode signing(RunningServer server, NewDevice device) {
        return RunningServer.body(server.get(device.tenant.tenant.ownerKey(), "/api/v1/status"))
                .path("signing");
    }

    private static List<String> findings(RunningServer server, NewDevice device) {
        return RunningServer.body(server.get(device.tenant.tenant.ownerKey(), "/api/v1/health/findings"))
                .path("items")
                .valueStream()
                .map(finding -> finding.path("code").asString())
                .toList();
    }

    private static String metrics(RunningServer server) throws IOException, InterruptedException {
        URI metrics = URI.create(server.server().metricsUrl() + "/metrics");
        return server.client()
                .send(HttpRequest.newBuilder(metrics).build(), HttpResponse.BodyHandlers.ofString())
                .body();
    }

    private interface Step {
        void run() throws IOException, InterruptedException;
    }

    /// Takes the step until the server says of itself what is waited for.
    private static void awaitReadiness(RunningServer server, String expected, Step step)
            throws IOException, InterruptedException {
        URI readyz = URI.create(server.server().publicUrl() + "/readyz");
        String said = "";
        for (int i = 0; i < PATIENCE && !said.endsWith(expected); i++) {
            step.run();
            said = server.client()
                    .send(HttpRequest.newBuilder(readyz).build(), HttpResponse.BodyHandlers.ofString())
                    .body();
        }
        assertThat(said).startsWith("ready\n").contains(expected);
    }

    private static Process remoteHsm(Path directory, Path socket) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                P11_KIT.toString(),
                "--foreground",
                "--provider",
                LIBRARY.toString(),
                "--name",
                socket.toString(),
                "pkcs11:");
        builder.environment()
                .put("SOFTHSM2_CONF", directory.resolve("softhsm2.conf").toString());
        Process hsm = builder.redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        for (int i = 0; i < PATIENCE && !listens(socket); i++) {
            TimeUnit.MILLISECONDS.sleep(100);
        }
        return hsm;
    }

    /// The socket's file is there before the HSM listens on it.
    private static boolean listens(Path socket) {
        try (SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static void signal(Process hsm, String name) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("kill", "-" + name, Long.toString(hsm.pid())));
        hsm.descendants().map(each -> Long.toString(each.pid())).forEach(command::add);
        new ProcessBuilder(command).start().waitFor();
    }

    /// A claimed chip that has never enrolled, of a tenant of its own.
    private static final class NewDevice {
        private final EstTenant tenant;
        private final VirtualChip chip;
        private final EstClient client;

        NewDevice(RunningServer server) {
            tenant = new EstTenant(server, "In an HSM");
            ChipFactory factory = new ChipFactory(new SecureRandom());
            chip = factory.make(Preset.TRUST_GO, 1, Instant.now()).getFirst();
            String fleet = tenant.fleet("");
            tenant.claim(fleet, factory, List.of(chip));
            String uri = tenant.est(fleet, "").toString();
            client = new EstClient(URI.create(uri.substring(0, uri.length() - 1)), List.of(tenant.tlsAuthority()));
        }

        Answer enrol() throws IOException {
            DeviceIdentity birth = DeviceIdentity.of(
                    DeviceKey.inChip(chip, 0),
                    chip.certificateChain().stream().map(Bytes::of).toList());
            return client.enrol(birth, DeviceKey.inChip(chip, 2));
        }

        void awaitEnrolled() throws IOException, InterruptedException {
            Answer answer = enrol();
            for (int i = 0; i < PATIENCE && !(answer instanceof Answer.Enrolled); i++) {
                TimeUnit.MILLISECONDS.sleep(100);
                answer = enrol();
            }
            assertThat(answer).isInstanceOf(Answer.Enrolled.class);
        }
    }

    private static ServerConfig config(Path directory, Path data, Map<Setting, String> more) {
        Map<Setting, String> settings = new EnumMap<>(Map.of(
                Setting.DATA, data.toString(),
                Setting.API_PORT, "0",
                Setting.DEVICE_PORT, "0",
                Setting.PUBLIC_PORT, "0",
                Setting.METRICS_PORT, "0",
                Setting.VAULT, "pkcs11",
                Setting.PKCS11_LIBRARY, LIBRARY.toString(),
                Setting.PKCS11_SECRET_FILE, directory.resolve("secret").toString()));
        settings.putAll(more);
        return ServerConfig.read(settings, Map.of(), null);
    }

    private static void configure(Path directory) throws Throwable {
        Path tokens = Files.createDirectory(directory.resolve("tokens"));
        Path config = Files.writeString(
                directory.resolve("softhsm2.conf"),
                "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n");
        Path secret = Files.createFile(
                directory.resolve("secret"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(secret, "a secret of the module's own");
        setEnvironment("SOFTHSM2_CONF", config.toString());
    }

    /// The module reads its environment by getenv(3), which knows nothing of Java's copy.
    private static void setEnvironment(String name, String value) throws Throwable {
        Linker linker = Linker.nativeLinker();
        var setenv = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("setenv"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            assertThat((int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1))
                    .isZero();
        }
    }
}
