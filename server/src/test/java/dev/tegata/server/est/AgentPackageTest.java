// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.certificate.Certificate;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The agent's Debian package")
final class AgentPackageTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final EstTenant TENANT = new EstTenant("Packaged agent");
    private static final ChipFactory FACTORY = new ChipFactory(new SecureRandom());

    @TempDir
    Path folder;

    @Test
    @DisplayName("is built and unpacked; its unit holds, and its agent gets a device its certificate")
    void installed() throws Exception {
        assertThat(ROOT.resolve("agent/target/app/tegata-agent.jar"))
                .as("build the agent first: scripts/build agent")
                .exists();
        Tool tool = new Tool(folder);
        String deb = tool.run(ROOT.resolve("scripts/agent-deb").toString(), folder.toString(), "--built")
                .strip();
        assertThat(tool.run("dpkg-deb", "--field", deb, "Package", "Depends", "Architecture"))
                .contains("tegata-agent", "adduser", "all");
        assertThat(tool.run("dpkg-deb", "--contents", deb))
                .contains("./usr/bin/tegata-agent", "./etc/tegata-agent/agent.conf")
                .doesNotContain("./var/lib");

        Path installed = folder.resolve("installed");
        tool.run("dpkg-deb", "--extract", deb, installed.toString());
        tool.run("dpkg-deb", "--control", deb, folder.resolve("control").toString());
        for (String script : List.of("postinst", "prerm", "postrm")) {
            tool.run("sh", "-n", folder.resolve("control/" + script).toString());
        }
        Path program = installed.resolve("usr/bin/tegata-agent");
        // What the unit starts is not at its place on this machine.
        Path unit = Files.writeString(
                folder.resolve("tegata-agent.service"),
                Files.readString(installed.resolve("usr/lib/systemd/system/tegata-agent.service"))
                        .replace("/usr/bin/tegata-agent", program.toString()));
        tool.run("systemd-analyze", "verify", "--man=no", unit.toString());

        live(tool, program);
    }

    private void live(Tool tool, Path program) throws Exception {
        VirtualChip chip = FACTORY.make(Preset.TRUST_GO, Instant.now());
        chip.keepIn(folder.resolve("device.chip"));
        String fleet = TENANT.fleet("");
        TENANT.claim(fleet, FACTORY, List.of(chip));
        Path anchors = tool.write(
                "anchors.pem", Certificate.parse(TENANT.tlsAuthority()).pem());
        Path config = tool.write("agent.conf", """
                server = %s
                fleet = %s
                trust-anchors = %s
                data = %s
                keys = chip-file
                chip-file = %s
                """.formatted(
                        TENANT.running.server().devicesUrl(),
                        fleet,
                        anchors,
                        folder.resolve("data"),
                        folder.resolve("device.chip")));
        String java = "JAVA_HOME=" + System.getProperty("java.home");
        assertThat(tool.run("env", java, program.toString(), "run", "--once", "--config", config.toString()))
                .contains("enrolled: certificate");
        assertThat(tool.run("env", java, program.toString(), "status", "--config", config.toString()))
                .contains(fleet);
        assertThat(TENANT.state(TENANT.deviceOf(HexFormat.of().formatHex(chip.serial()))))
                .isEqualTo("active");
    }
}
