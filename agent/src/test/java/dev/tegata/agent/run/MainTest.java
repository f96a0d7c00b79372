// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.DeviceServer;
import dev.tegata.agent.SoftHsmEnvironment;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.protocol.OrderContent;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HexFormat;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("tegata-agent")
final class MainTest {
    private static final Path REFERENCE = Path.of("../docs/reference/agent-configuration.md");

    @TempDir
    Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... arguments) {
        out.reset();
        err.reset();
        return new Main(
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8))
                .run(arguments);
    }

    private String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    private String err() {
        return err.toString(StandardCharsets.UTF_8);
    }

    @Test
    @DisplayName("run --once enrols, obeys, publishes; status tells of it")
    void runs() throws Exception {
        VirtualChip chip =
                new ChipFactory(new SecureRandom()).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
        chip.keepIn(folder.resolve("device.chip"));
        try (DeviceServer server = new DeviceServer(HexFormat.of().formatHex(chip.serial()))) {
            Path anchors = folder.resolve("anchors.pem");
            Files.writeString(anchors, Certificate.parse(server.tlsAnchor()).pem());
            String config = Files.writeString(folder.resolve("agent.conf"), """
                            # a device
                            server = %s
                            fleet = fleet-1
                            trust-anchors = %s
                            data = %s
                            keys = chip-file
                            chip-file = %s
                            serial = %S
                            firmware.app = 1.2.3 sha256:%s
                            """.formatted(
                                    server.home().url(),
                                    anchors,
                                    folder.resolve("data"),
                                    folder.resolve("device.chip"),
                                    HexFormat.of().formatHex(chip.serial()),
                                    "ab".repeat(32)))
                    .toString();

            assertThat(run("status", "--config", config)).isOne();
            assertThat(run("run", "--config", config, "--once"))
                    .as(out() + err())
                    .isZero();
            assertThat(out()).contains("enrolled: certificate", "checked in: ACTIVE");
            server.place(new OrderContent.Store("settings.json", Bytes.of((byte) '{', (byte) '}')));
            assertThat(run("run", "--config", config, "--once")).isZero();
            assertThat(out()).contains("order STORE: DONE").doesNotContain("enrolled");

            Path published = folder.resolve("data/published");
            assertThat(Files.readString(published.resolve("objects/settings.json")))
                    .isEqualTo("{}");
            assertThat(Certificate.parsePem(Files.readString(published.resolve("certificate.pem")))
                            .getFirst())
                    .isEqualTo(server.newest());
            assertThat(run("status", "--config", config)).isZero();
            assertThat(out()).contains("settings.json", server.newest().serial().hex(), "Boots          2");
        }
    }

    @Test
    @DisplayName("a PIN that a token has refused is not offered after a restart, until it or the token is another")
    void refusedPin() throws Exception {
        Path library = Path.of("/usr/lib/softhsm/libsofthsm2.so");
        if (!Files.exists(library)) {
            throw new IllegalStateException("SoftHSM is not installed: apt-get install softhsm2");
        }
        SoftHsmEnvironment.configure(folder);
        makeToken("--free", "4321");
        String slot = slot();
        Path pin = Files.writeString(folder.resolve("pin"), "9999");
        try (DeviceServer server = new DeviceServer("01")) {
            Path anchors = folder.resolve("anchors.pem");
            Files.writeString(anchors, Certificate.parse(server.tlsAnchor()).pem());
            String config = Files.writeString(folder.resolve("agent.conf"), """
                            server = %s
                            fleet = fleet-1
                            trust-anchors = %s
                            data = %s
                            keys = pkcs11
                            pkcs11-library = %s
                            pkcs11-token = device
                            pkcs11-pin-file = %s
                            pkcs11-label = device-keys
                            pkcs11-birth-id = 00112233445566778899aabbccddeeff
                            birth-chain = %s
                            serial = 01
                            """.formatted(
                                    server.home().url(), anchors, folder.resolve("data"), library, pin, anchors))
                    .toString();
            Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-r--r--"));
            assertThat(run("run", "--config", config, "--once")).isNotZero();
            assertThat(err()).contains("chmod 600").doesNotContain("9999");
            Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-------"));
            assertThat(run("run", "--config", config, "--once")).isNotZero();
            assertThat(err()).contains("refuses the PIN");
            // The same token takes this PIN now, but it is not offered.
            makeToken("--slot=" + slot, "9999");
            assertThat(run("run", "--config", config, "--once")).isNotZero();
            assertThat(err()).contains("refuses the PIN");
            // Another PIN is, and so is this one to another token.
            makeToken("--slot=" + slot, "4321");
            Files.writeString(pin, "4321");
            assertThat(run("run", "--config", config, "--once")).isNotZero();
            assertThat(err()).contains("no key").doesNotContain("PIN");
            SoftHsmEnvironment.run(folder, "--delete-token", "--token", "device");
            makeToken("--free", "9999");
            Files.writeString(pin, "9999");
            assertThat(run("run", "--config", config, "--once")).isNotZero();
            assertThat(err()).contains("no key").doesNotContain("PIN");
        }
    }

    private void makeToken(String where, String pin) throws Exception {
        SoftHsmEnvironment.run(
                folder, "--init-token", where, "--label", "device", "--so-pin", "12345678", "--pin", pin);
    }

    /// Of the token that was just made: "The token has been initialized and is reassigned to slot 123".
    private String slot() throws Exception {
        return Files.readString(folder.resolve("log")).strip().replaceAll("(?s).* slot ", "");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "colour = blue | there is no setting 'colour'",
                "server = https://a:1\\nserver = https://b:1 | twice",
                "just words | key = value",
                "keys = abacus\\ndata = x | 'keys' must be",
                "keys = pkcs11 | is missing",
                "keys = file\\nkey-file = /nowhere\\ndata = x | cannot be read",
                "keys = chip-tcp\\ndata = x\\nchip-address = nowhere | host:port"
            })
    @DisplayName("says what is wrong with the settings")
    void wrongSettings(String content, String complaint) throws Exception {
        String data =
                content.contains("data = x") ? content.replace("data = x", "data = " + folder.resolve("d")) : content;
        Path file = Files.writeString(folder.resolve("agent.conf"), data.replace("\\n", "\n"));
        if (!data.contains("data =")) {
            Files.writeString(file, Files.readString(file) + "\ndata = " + folder.resolve("d"));
        }
        assertThat(run("run", "--config", file.toString(), "--once")).isEqualTo(2);
        assertThat(err()).contains(complaint).doesNotContain("Exception");
    }

    @Test
    @DisplayName("helps, and says no to what it does not know")
    void helps() {
        assertThat(run("--help")).isZero();
        assertThat(out()).contains("tegata-agent run --config FILE");
        assertThat(run()).isEqualTo(2);
        assertThat(run("dance", "--config", "x")).isEqualTo(2);
        assertThat(run("run")).isEqualTo(2);
        assertThat(run("run", "--config", "/nowhere/agent.conf")).isEqualTo(2);
        assertThat(run("--version")).isZero();
    }

    @Test
    @DisplayName("has each of its settings in the reference")
    void reference() throws Exception {
        String reference = Files.readString(REFERENCE);
        for (AgentSetting setting : AgentSetting.values()) {
            assertThat(reference).contains("| `" + setting.key() + "` | " + setting.description() + " |");
        }
    }
}
