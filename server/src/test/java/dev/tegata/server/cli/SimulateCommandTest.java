// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

@DisplayName("tegata simulate and tegata chip")
final class SimulateCommandTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static final TestTenant TENANT = SERVER.createTenant("Simulated");

    @TempDir
    Path folder;

    private Shell shell() {
        return Shell.of(SERVER, folder).with("TEGATA_API_KEY", TENANT.ownerKey());
    }

    private String fleet() {
        return shell().run("fleet", "create", "--name", "Simulated", "--json")
                .json()
                .path("id")
                .asString();
    }

    private Shell.Result simulate(String... more) {
        String[] arguments = new String[more.length + 3];
        arguments[0] = "simulate";
        arguments[1] = "--server";
        arguments[2] = SERVER.server().devicesUrl();
        System.arraycopy(more, 0, arguments, 3, more.length);
        return shell().run(arguments);
    }

    /// The report of a life in which all of this happened. A slow machine gets there in a longer one.
    private JsonNode live(int seconds, List<String> happened, String... more) {
        String[] arguments = Arrays.copyOf(more, more.length + 3);
        arguments[more.length] = "--json";
        arguments[more.length + 1] = "--duration";
        JsonNode report;
        boolean all;
        int length = seconds;
        do {
            arguments[more.length + 2] = length + "s";
            report = simulate(arguments).json();
            all = happened.stream().map(report::at).allMatch(count -> count.asInt() > 0);
            length *= 3;
        } while (!all && length < 20 * seconds);
        assertThat(all).as(happened + " in " + report).isTrue();
        return report;
    }

    @Test
    @DisplayName("lets a fleet live, lose power and be stolen, and no thief is let in")
    void lives() throws Exception {
        Path scenario = Files.writeString(folder.resolve("scenario.yaml"), """
                        check-in: 1s
                        certificate-life: 4s
                        firmware:
                          - {component: app, version: 2.0.0, share: 1}
                        failures: 0.02
                        power-cuts: 0.3
                        wrong-clocks: 0.3
                        stolen: 0.3
                        refurbished: 0
                        sold: 0
                        """);
        JsonNode report = live(
                12,
                List.of("/counts/enrolled", "/counts/checkIns", "/server/stolen/revoked", "/wrongClocks"),
                "--devices",
                "30",
                "--fleet",
                fleet(),
                "--scenario",
                scenario.toString(),
                "--seed",
                "5",
                "--threads",
                "8");
        assertThat(report.path("devices").asInt()).isEqualTo(30);
        int without = report.path("withoutIdentity")
                .valueStream()
                .mapToInt(JsonNode::size)
                .sum();
        assertThat(report.path("withIdentity").asInt() + without).isEqualTo(30);
        assertThat(report.at("/counts/letInAfterRevocation").asInt()).isZero();
        assertThat(report.at("/firmware/app 2.0.0").asInt()).isEqualTo(30);
    }

    @Test
    @DisplayName("sells devices to another tenant, where they enrol for a new key")
    void sales() throws Exception {
        TestTenant buyer = SERVER.createTenant("Buyer");
        Path key = Files.writeString(folder.resolve("buyer.key"), buyer.ownerKey());
        String buyersFleet = Shell.of(SERVER, folder)
                .with("TEGATA_API_KEY", buyer.ownerKey())
                .run("fleet", "create", "--name", "Used", "--json")
                .json()
                .path("id")
                .asString();
        Path scenario = Files.writeString(folder.resolve("scenario.yaml"), """
                        check-in: 1s
                        stolen: 0
                        refurbished: 0.3
                        sold: 0.3
                        """);
        live(
                20,
                List.of("/server/sold/active", "/counts/moved", "/server/refurbished/active"),
                "--devices",
                "12",
                "--fleet",
                fleet(),
                "--scenario",
                scenario.toString(),
                "--buyer-fleet",
                buyersFleet,
                "--buyer-key-file",
                key.toString(),
                "--threads",
                "8");
    }

    @Test
    @DisplayName(
            "in a fleet of its own lets devices prove themselves, oversleep, and be two, and asks the server about it")
    void provesAndOversleeps() throws Exception {
        Path scenario = Files.writeString(folder.resolve("scenario.yaml"), """
                        check-in: 2s
                        certificate-life: 6s
                        firmware:
                          - {version: 1.3.9, share: 1}
                        updates:
                          - {from: 1.3.9, to: "2.0", share: 0.5, at: 0.2}
                        failures: 0
                        power-cuts: 0
                        clock-drift: 0.05
                        stolen: 0
                        refurbished: 0
                        asleep: 0.4
                        cloned: 0.3
                        attestation:
                          psa: 0.8
                          chip: 0.2
                          stolen-keys: 0.2
                          vulnerable: {version: 1.3.9, at: 0.5}
                        """);
        JsonNode report = live(
                30,
                List.of(
                        "/counts/order.ATTEST.DONE",
                        "/counts/overslept",
                        "/counts/clonesMade",
                        "/verdicts/5/seconds",
                        "/audit/device.activated",
                        "/audit/appraisal.status-changed"),
                "--devices",
                "16",
                "--scenario",
                scenario.toString(),
                "--seed",
                "3",
                "--threads",
                "4");
        assertThat(report.at("/server/cloned").properties().stream()
                        .mapToInt(state -> state.getValue().asInt())
                        .sum())
                .isEqualTo(report.at("/counts/clonesMade").asInt());
        assertThat(report.path("states").properties().stream()
                        .mapToInt(state -> state.getValue().asInt())
                        .sum())
                .isEqualTo(16);
        assertThat(report.path("fleet").asString()).isNotEmpty();
    }

    @Test
    @DisplayName("lets chips like TrustMANAGER live, that come with a claim token, renew, lose power and are set back")
    void trustManagers() throws Exception {
        Path scenario = Files.writeString(folder.resolve("scenario.yaml"), """
                        check-in: 1s
                        certificate-life: 4s
                        trust-manager: 1
                        failures: 0.02
                        power-cuts: 0.2
                        wrong-clocks: 0
                        stolen: 0
                        refurbished: 0.5
                        sold: 0
                        asleep: 0
                        cloned: 0
                        attestation: {}
                        """);
        JsonNode report = live(
                15,
                List.of("/counts/renewed", "/server/refurbished/active"),
                "--devices",
                "12",
                "--fleet",
                fleet(),
                "--scenario",
                scenario.toString(),
                "--threads",
                "8");
        assertThat(report.path("devices").asInt()).isEqualTo(12);
        assertThat(report.at("/counts/letInAfterRevocation").asInt()).isZero();
    }

    @Test
    @DisplayName("produces load and nothing else")
    void load() {
        Shell.Result result = simulate("--devices", "5", "--fleet", fleet(), "--load", "--duration", "4s");
        assertThat(result.text()).containsPattern("Check-ins +[1-9]").containsPattern("Let in after revocation +0\\b");
        assertThat(result.text()).doesNotContain("Stolen");
    }

    @Test
    @DisplayName("says which authorities there are to choose from, where several could sign for a fleet of their own")
    void severalAuthorities() {
        TestTenant tenant = SERVER.createTenant("Several CAs");
        Shell shell = Shell.of(SERVER, folder).with("TEGATA_API_KEY", tenant.ownerKey());
        String root = shell.run("authority", "list", "--json")
                .json()
                .path("items")
                .valueStream()
                .filter(authority -> authority.path("parent").isMissingNode()
                        || authority.path("parent").isNull())
                .findFirst()
                .orElseThrow()
                .path("id")
                .asString();
        String second = shell.run(
                        "authority", "create", "--name", "Second", "--subject", "CN=Second", "--parent", root, "--json")
                .json()
                .path("id")
                .asString();
        String[] simulate = {
            "simulate", "--server", SERVER.server().devicesUrl(), "--devices", "2", "--load", "--duration", "1s"
        };
        Shell.Result undecided = shell.run(simulate);
        assertThat(undecided.exitCode()).isEqualTo(1);
        assertThat(undecided.err()).contains("authority must be given", second, "(Second)");

        List<String> decided = new ArrayList<>(Arrays.asList(simulate));
        decided.addAll(List.of("--authority", second, "--json"));
        String fleet =
                shell.run(decided.toArray(String[]::new)).json().path("fleet").asString();
        assertThat(shell.run("fleet", "show", fleet, "--json")
                        .json()
                        .path("authority")
                        .asString())
                .isEqualTo(second);
        decided.addAll(List.of("--fleet", fleet));
        assertThat(shell.run(decided.toArray(String[]::new)).exitCode()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "stolen: 2",
                "colour: blue",
                "duration: long",
                "firmware: []",
                "firmware: [1]",
                "stolen: x",
                "[1]",
                "a: &a [*a]",
                "updates: [{from: 9.9.9, to: 2.0.0}]",
                "updates: [{share: 1}]",
                "updates: [{to: 1.10}]",
                "firmware: [{version: 1.0.0, colour: blue}]",
                "attestation: none",
                "attestation: {psa: 0.8, chip: 0.3}",
                "attestation: {vulnerable: {version: 9.9.9}}",
                "attestation: {vulnerable: {version: 1.3.9, when: 0.2}}",
                "clock-drift: 2",
                "trust-manager: 1.1",
                "stolen: 0.5\nstolen: 0.5"
            })
    @DisplayName("refuses a scenario that is wrong")
    void wrongScenario(String content) throws Exception {
        Path scenario = Files.writeString(folder.resolve("scenario.yaml"), content);
        Shell.Result result = simulate("--fleet", "f", "--scenario", scenario.toString());
        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("scenario").doesNotContain("Exception");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    @DisplayName("makes chips whose manifest, of any version, can be claimed")
    void chips(int version) {
        Path chips = folder.resolve("chips");
        assertThat(shell().run(
                                "chip",
                                "make",
                                "--count",
                                "3",
                                "--manifest-version",
                                String.valueOf(version),
                                "--out",
                                chips.toString(),
                                "--json")
                        .json()
                        .path("serials"))
                .hasSize(3);
        shell().run(
                        "trust",
                        "add",
                        "--purpose",
                        "manifest-signer",
                        chips.resolve("manifest-signer.pem").toString())
                .text();
        assertThat(shell().run(
                                "manifest",
                                "import",
                                chips.resolve("manifest.json").toString(),
                                "--fleet",
                                fleet(),
                                "--json")
                        .json()
                        .path("claimed")
                        .asInt())
                .isEqualTo(3);
        assertThat(shell().run("chip", "make", "--manifest-version", "4", "--out", chips.toString())
                        .exitCode())
                .isEqualTo(2);
        assertThat(shell().run("chip", "make", "--preset", "gold", "--out", chips.toString())
                        .exitCode())
                .isEqualTo(2);
        assertThat(shell().run("chip", "serve", "--port", "70000").exitCode()).isEqualTo(2);
    }
}
