// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.server.RunningServer;
import java.io.OutputStream;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ManifestCommandsTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static final Instant MADE = Instant.parse("2026-01-01T00:00:00Z");

    @TempDir
    Path home;

    private Shell shell = Shell.in(Path.of("."));
    private String fleet = "";

    @BeforeEach
    void open() {
        shell = Shell.of(SERVER, home)
                .with("TEGATA_API_KEY", SERVER.createTenant("Manifests").ownerKey());
        fleet = shell.run("fleet", "create", "--name", "Locks", "--json")
                .json()
                .at("/id")
                .asString();
    }

    private Path manifest(ChipFactory factory, int count) throws Exception {
        Path file = home.resolve("reel.json");
        try (OutputStream out = Files.newOutputStream(file)) {
            factory.manifestSigner().write(factory.make(Preset.TRUST_GO, count, MADE), ManifestVersion.FULL, MADE, out);
        }
        return file;
    }

    private Path signer(ChipFactory factory) throws Exception {
        String pem = Certificate.parse(Bytes.of(factory.manifestSigner().certificate()))
                .pem();
        return Files.writeString(home.resolve("signer.pem"), pem);
    }

    private String firstDevice() {
        return shell.run("device", "list", "--json").json().at("/items/0/id").asString();
    }

    @Test
    void chipsAreClaimedOnceTheirSignerIsTrusted() throws Exception {
        ChipFactory factory = new ChipFactory(new SecureRandom());
        Path file = manifest(factory, 3);

        Shell.Result refused = shell.run("manifest", "import", file.toString(), "--fleet", fleet);
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.out()).contains("Not claimed:", "unknown-signer", "trust add --purpose manifest-signer");
        assertThat(shell.run("device", "list").text()).contains("manifest import");

        shell.run("trust", "add", signer(factory).toString(), "--purpose", "manifest-signer", "--name", "Our vendor")
                .text();
        Shell.Result claimed = shell.watched().run("manifest", "import", file.toString(), "--fleet", fleet);
        assertThat(claimed.text()).contains("claimed", "device list --fleet " + fleet);
        assertThat(claimed.err()).contains("100 %");
        Shell.Result again = shell.run("manifest", "import", file.toString(), "--fleet", fleet, "--json");
        assertThat(again.json().at("/alreadyClaimed").asInt()).isEqualTo(3);
        assertThat(shell.runWith(Files.readString(file), "manifest", "import", "-", "--fleet", fleet)
                        .text())
                .contains("standard input");
        assertThat(shell.run("device", "list", "--fleet", fleet, "--state", "claimed", "--json")
                        .json()
                        .at("/items")
                        .size())
                .isEqualTo(3);
    }

    @Test
    void aFileWithItsCasIsClaimedOnceTheyAreTrustedFromThatFile() throws Exception {
        ChipFactory factory = new ChipFactory(new SecureRandom());
        StringBuilder pem = new StringBuilder();
        for (VirtualChip chip : factory.make(Preset.TRUST_GO, 2, MADE)) {
            for (byte[] certificate : chip.certificateChain()) {
                pem.append(Certificate.parse(Bytes.of(certificate)).pem());
            }
        }
        Path file = Files.writeString(home.resolve("reel.pem"), pem);
        Shell.Result refused = shell.run("manifest", "import", file.toString(), "--fleet", fleet);
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.out()).contains("trust add --purpose birth-ca FILE, with this very file");

        shell.run("trust", "add", "--purpose", "birth-ca", file.toString()).text();

        assertThat(shell.run("trust", "list", "--json").json().at("/items").size())
                .isPositive();
        Shell.Result claimed = shell.run("manifest", "import", file.toString(), "--fleet", fleet, "--json");
        assertThat(JsonMapper.shared().readTree(claimed.out()).at("/claimed").asInt())
                .isEqualTo(2);
        Path none = Files.writeString(home.resolve("none.pem"), "no certificate");
        assertThat(shell.run("trust", "add", "--purpose", "birth-ca", none.toString())
                        .err())
                .contains("holds no certificate in PEM");
    }

    @Test
    void theIdOfAnImportIsToldAtOnceAndIsTheSendersToChoose() throws Exception {
        Path list = Files.writeString(home.resolve("list.csv"), "serial\n0a0b0c0d01\n");
        Shell.Result imported =
                shell.run("manifest", "import", list.toString(), "--fleet", fleet, "--statement", "--json");
        String id = imported.json().at("/id").asString();
        assertThat(imported.err()).startsWith("Import " + id + " begins. How far it is: ");

        String key = shell.run("apikey", "create", "--name", "importer", "--role", "operator", "--json")
                .json()
                .at("/secret")
                .asString();
        String path = "/api/v1/fleets/" + fleet + "/manifests?fileName=x&id=";
        for (String taken : List.of(id, "00000000-0000-4000-8000-000000000000", "not-an-id")) {
            HttpResponse<String> answer = SERVER.send(SERVER.to(key, path + taken)
                    .header("Content-Type", "application/octet-stream")
                    .POST(BodyPublishers.ofString("serial\n0a0b0c0d02\n")));
            assertThat(answer.body())
                    .containsAnyOf(
                            "there is an import " + taken + " already",
                            "must be a UUID of version 7, made now",
                            "'not-an-id' is no manifest id");
        }
    }

    @Test
    void aFleetIsDeletedUnlessItHasDevices() throws Exception {
        Path list = Files.writeString(home.resolve("list.csv"), "serial\n0a0b0c0d05\n");
        shell.run("manifest", "import", list.toString(), "--fleet", fleet);
        String used = shell.run("fleet", "create", "--name", "Used", "--json")
                .json()
                .at("/id")
                .asString();
        shell.run("manifest", "import", list.toString(), "--fleet", used, "--statement");

        assertThat(shell.run("fleet", "delete", fleet).text()).contains("The fleet is gone");

        assertThat(shell.run("fleet", "show", fleet).exitCode()).isEqualTo(1);
        assertThat(shell.run("fleet", "delete", fleet).exitCode()).isEqualTo(1);
        Shell.Result refused = shell.run("fleet", "delete", used);
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("cannot be deleted: it has devices");
        assertThat(shell.run("audit", "list").text()).contains("fleet.deleted");
    }

    @Test
    void importsAreListedShownAndTheirIssuesExplained() throws Exception {
        assertThat(shell.run("manifest", "list").text()).contains("Nothing has been imported yet");
        Path file = manifest(new ChipFactory(new SecureRandom()), 25);
        String id = shell.run("manifest", "import", file.toString(), "--fleet", fleet, "--json")
                .out()
                .replaceAll("(?s).*\"id\" : \"([^\"]+)\".*", "$1");

        assertThat(shell.run("manifest", "list").text()).contains(id, "reel.json", "REJECTED");
        assertThat(shell.run("manifest", "show", id).text()).contains("rejected");
        Shell.Result issues = shell.run("manifest", "issues", id, "--limit", "5");
        assertThat(issues.text()).contains("POSITION", "unknown-signer", "--cursor", "trust add");
        assertThat(shell.run("manifest", "cancel", id).exitCode()).isEqualTo(1);
        assertThat(shell.run("manifest", "import", file.toString(), "--fleet", fleet)
                        .out())
                .contains("All 25: tegata manifest issues");
    }

    @Test
    void whatIsNoManifestIsRefused() throws Exception {
        Path nonsense = Files.writeString(home.resolve("note.txt"), "Dear vendor,\nplease send the file.\n");

        assertThat(shell.run("manifest", "import", nonsense.toString(), "--fleet", fleet)
                        .err())
                .contains("manifest-unreadable");
        assertThat(shell.run("manifest", "import", home.resolve("absent").toString(), "--fleet", fleet)
                        .exitCode())
                .isEqualTo(2);
        Path empty = Files.createFile(home.resolve("empty.json"));
        assertThat(shell.run("manifest", "import", empty.toString(), "--fleet", fleet)
                        .exitCode())
                .isEqualTo(2);
        assertThat(shell.run("manifest", "import", nonsense.toString(), "--fleet", "nosuch-fleet")
                        .exitCode())
                .isEqualTo(1);
    }

    @Test
    void devicesWithoutKeysGetTokens() throws Exception {
        Path list = Files.writeString(home.resolve("list.csv"), "serial,model\n0a0b0c0d0e,Lock 1\n0a0b0c0d0f,Lock 1\n");
        Shell.Result unproven = shell.run("manifest", "import", list.toString(), "--fleet", fleet);
        assertThat(unproven.exitCode()).isEqualTo(1);
        assertThat(unproven.out()).contains("--statement");
        JsonNode report = shell.run("manifest", "import", list.toString(), "--fleet", fleet, "--statement", "--json")
                .json();
        assertThat(report.at("/claimed").asInt()).isEqualTo(2);

        JsonNode tokens = shell.run(
                        "token", "create", "--manifest", report.at("/id").asString(), "--json")
                .json();
        assertThat(tokens.at("/items").size()).isEqualTo(2);
        assertThat(tokens.at("/items/0/secret").asString()).startsWith("tgc_");
        assertThat(shell.run("token", "create", "--device", firstDevice(), "--validity", "30d")
                        .text())
                .contains("TOKEN", "tgc_");
        assertThat(shell.run("token", "create").exitCode()).isEqualTo(2);
        assertThat(shell.run("token", "create", "--device", firstDevice(), "--validity", "0d")
                        .exitCode())
                .isEqualTo(1);
    }

    @Test
    void aDeviceIsShownAndShutOut() throws Exception {
        Path list = Files.writeString(home.resolve("list.csv"), "serial\n0a1b2c3d4e\n");
        shell.run("manifest", "import", list.toString(), "--fleet", fleet, "--statement")
                .text();
        String id = firstDevice();

        assertThat(shell.run("device", "list", "--text", "0a1b").text()).contains(id);
        assertThat(shell.run("device", "list", "--serial", "ffff").text()).contains("no such devices");
        assertThat(shell.run("device", "show", id).text()).contains("claimed at", "statement");
        assertThat(shell.run("device", "certificates", id).text()).contains("no certificate yet");
        assertThat(shell.run("device", "approve", id).exitCode()).isEqualTo(1);
        assertThat(shell.run("device", "reject", id).exitCode()).isEqualTo(1);
        assertThat(shell.run("device", "suspend", id, "--reason", "test").exitCode())
                .isEqualTo(1);
        assertThat(shell.run("device", "resume", id, "--reason", "test").exitCode())
                .isEqualTo(1);
        assertThat(shell.run("device", "revoke", id).exitCode()).isEqualTo(2);
        assertThat(shell.run("device", "revoke", id, "--reason", "stolen").text())
                .contains("revoked");
        assertThat(shell.run("device", "history", id).text()).contains("device.revoke", "stolen");
    }

    @Test
    void trustIsGivenAndEnded() throws Exception {
        assertThat(shell.run("trust", "list").text()).contains("built-in");
        Path ca = OwnRoot.make(home).certificate();
        JsonNode added = shell.run("trust", "add", ca.toString(), "--purpose", "birth-ca", "--name", "Plant", "--json")
                .json();
        String fingerprint = added.at("/certificate/fingerprint").asString();

        assertThat(shell.run("trust", "list").text()).contains("birth-ca", "Plant", fingerprint);
        assertThat(shell.run("trust", "remove", fingerprint, "--purpose", "birth-ca")
                        .text())
                .contains("no more");
        assertThat(shell.run("trust", "remove", fingerprint, "--purpose", "birth-ca")
                        .exitCode())
                .isEqualTo(1);
        assertThat(shell.run("trust", "add", ca.toString(), "--purpose", "paper")
                        .exitCode())
                .isEqualTo(1);
    }
}
