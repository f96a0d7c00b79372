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
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@DisplayName("A server whose keys are all in an HSM")
final class HsmTest {
    private static final Path LIBRARY = Path.of("/usr/lib/softhsm/libsofthsm2.so");

    @Test
    @DisplayName("makes a tenant's authorities in a token of its own, and enrols a device under them")
    void enrol(@TempDir Path directory) throws Throwable {
        assertThat(LIBRARY).as("install the package softhsm2").exists();
        configure(directory);
        try (RunningServer server = new RunningServer(data -> config(directory, data))) {
            enrolAt(server);
        }
    }

    private static void enrolAt(RunningServer server) throws IOException {
        EstTenant tenant = new EstTenant(server, "In an HSM");
        ChipFactory factory = new ChipFactory(new SecureRandom());
        VirtualChip chip = factory.make(Preset.TRUST_GO, 1, Instant.now()).getFirst();
        String fleet = tenant.fleet("");
        tenant.claim(fleet, factory, List.of(chip));
        String uri = tenant.est(fleet, "").toString();
        EstClient client =
                new EstClient(URI.create(uri.substring(0, uri.length() - 1)), List.of(tenant.tlsAuthority()));
        DeviceIdentity birth = DeviceIdentity.of(
                DeviceKey.inChip(chip, 0),
                chip.certificateChain().stream().map(Bytes::of).toList());

        Answer answer = client.enrol(birth, DeviceKey.inChip(chip, 2));

        assertThat(answer).isInstanceOf(Answer.Enrolled.class);
        Certificate certificate = ((Answer.Enrolled) answer).certificate();
        assertThat(tenant.authorities())
                .anyMatch(authority -> authority.subject().equals(certificate.issuer()));
        JsonNode vault = RunningServer.body(server.get(server.operatorKey(), "/api/v1/vault"));
        assertThat(vault.path("kind").asString()).isEqualTo("pkcs11");
        assertThat(vault.at("/modules/0/tokens").valueStream())
                .anyMatch(token -> token.path("label").asString().equals(tenant.tenant.id())
                        && token.path("used").asBoolean());
    }

    private static ServerConfig config(Path directory, Path data) {
        return ServerConfig.read(
                Map.of(
                        Setting.DATA, data.toString(),
                        Setting.API_PORT, "0",
                        Setting.DEVICE_PORT, "0",
                        Setting.PUBLIC_PORT, "0",
                        Setting.METRICS_PORT, "0",
                        Setting.VAULT, "pkcs11",
                        Setting.PKCS11_LIBRARY, LIBRARY.toString(),
                        Setting.PKCS11_SECRET_FILE, directory.resolve("secret").toString()),
                Map.of(),
                null);
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
