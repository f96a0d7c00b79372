// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class TransferCommandsTest {
    private static final RunningServer SERVER = RunningServer.shared();

    @TempDir
    Path home;

    private Shell seller = Shell.in(Path.of("."));
    private Shell buyer = Shell.in(Path.of("."));
    private String buyerId = "";
    private String buyerFleet = "";
    private String serial = "";
    private String device = "";

    @BeforeEach
    void open() throws Exception {
        TestTenant selling = SERVER.createTenant("Seller");
        TestTenant buying = SERVER.createTenant("Buyer");
        seller = Shell.of(SERVER, home).with("TEGATA_API_KEY", selling.ownerKey());
        buyer = Shell.of(SERVER, home).with("TEGATA_API_KEY", buying.ownerKey());
        buyerId = buying.id();
        buyerFleet = fleet(buyer);
        serial = "0123%016x".formatted(ThreadLocalRandom.current().nextLong());
        Path list = Files.writeString(home.resolve("list.csv"), "serial\n" + serial + "\n");
        seller.run("manifest", "import", list.toString(), "--fleet", fleet(seller), "--statement")
                .text();
        device = seller.run("device", "list", "--json").json().at("/items/0/id").asString();
    }

    private static String fleet(Shell shell) {
        return shell.run("fleet", "create", "--name", "Locks", "--json")
                .json()
                .at("/id")
                .asString();
    }

    @Test
    void aDeviceIsOfferedAcceptedAndItsCustodyVerifiesOffline() {
        String transfer = seller.run("transfer", "offer", "--device", device, "--to", buyerId, "--json")
                .json()
                .at("/id")
                .asString();
        assertThat(buyer.run("transfer", "incoming").text()).contains(transfer, "offered");
        assertThat(buyer.run("transfer", "accept", transfer, "--fleet", buyerFleet, "--json")
                        .json()
                        .at("/state")
                        .asString())
                .isEqualTo("completed");
        for (Shell side : List.of(seller, buyer)) {
            assertThat(side.run("transfer", "show", transfer).text()).contains(transfer, "completed");
        }

        assertThat(seller.run("device", "show", device).exitCode()).isEqualTo(1);
        assertThat(buyer.run("device", "show", device).text()).contains(serial);
        assertThat(seller.run("transfer", "devices", transfer).text()).contains("arrived");

        Path file = home.resolve("lock.json");
        buyer.run("custody", "export", device, "--out", file.toString()).text();
        Shell nobody = Shell.in(home);
        assertThat(nobody.run("custody", "verify", file.toString()).text()).contains("handed-over", "Buyer");
        JsonNode result =
                nobody.run("custody", "verify", file.toString(), "--json").json();
        assertThat(result.at("/intact").asBoolean()).isTrue();
        assertThat(result.at("/exportedBy").asString()).isEqualTo(buyerId);
        assertThat(result.at("/steps").size()).isEqualTo(3);
    }

    @Test
    void aChangedExportIsRefused() throws Exception {
        String export = seller.run("custody", "export", device).text();
        String changed = export.replaceFirst("\"entries\":\\[\"0", "\"entries\":[\"1");
        assertThat(changed).isNotEqualTo(export);
        Path file = Files.writeString(home.resolve("forged.json"), changed);

        assertThat(Shell.in(home).run("custody", "verify", file.toString()).exitCode())
                .isEqualTo(1);
    }

    @Test
    void aCodeIsRedeemedFromTheInput() {
        String code = seller.run("transfer", "offer", "--device", device, "--json")
                .json()
                .at("/code")
                .asString();
        String transfer = buyer.runWith(code + "\n", "transfer", "redeem", "--json")
                .json()
                .at("/id")
                .asString();
        seller.run("transfer", "cancel", transfer, "--reason", "not now").text();
        assertThat(buyer.run("transfer", "accept", transfer, "--fleet", buyerFleet)
                        .exitCode())
                .isEqualTo(1);
    }

    @Test
    void labelsOfManyDevicesAreMadeAtOnce() throws Exception {
        JsonNode shown = seller.run("device", "show", device, "--json").json();
        String rules = shown.at("/fleet").asString();
        assertThat(seller.run("fleet", "update", rules, "--consent", "possession", "--cool-down", "0d", "--json")
                        .json()
                        .at("/policy/transfer/consent")
                        .asString())
                .isEqualTo("possession");
        Path list = Files.writeString(home.resolve("labels.txt"), "serial\n" + serial + "\nno-such-device\n");
        Path codes = home.resolve("codes.csv");
        Shell.Result made =
                seller.run("transfer", "label-codes", "--from-file", list.toString(), "--out", codes.toString());
        assertThat(made.exitCode()).isEqualTo(1);
        List<String> lines = Files.readAllLines(codes);
        assertThat(lines).hasSize(2).first().isEqualTo("device,serial,code");
        assertThat(lines.getLast()).startsWith(device + "," + serial + ",");
        assertThat(buyer.run("transfer", "label-codes", "--from-file", list.toString(), "--out", codes + ".2")
                        .exitCode())
                .as("a neighbour's devices")
                .isEqualTo(1);
    }

    @Test
    void aGuestSeesTheDeviceUntilTheGrantEnds() {
        String grant = seller.run("grant", "give", device, "--to", buyerId, "--until", "2029-01-01T00:00:00Z", "--json")
                .json()
                .at("/id")
                .asString();
        assertThat(buyer.run("grant", "held").text()).contains(device);
        assertThat(buyer.run("grant", "show", device).text()).contains(serial);
        assertThat(whyNot("--device", device))
                .as("its owner has never enrolled it")
                .contains("device-claimed");
        seller.run("grant", "revoke", device, grant).text();
        assertThat(buyer.run("grant", "show", device).exitCode()).isEqualTo(1);
        assertThat(whyNot("--device", device)).containsExactly("unknown-device");
    }

    private List<String> whyNot(String... subject) {
        List<String> arguments = new ArrayList<>(List.of("decision", "ask", "--json"));
        arguments.addAll(List.of(subject));
        return buyer.run(arguments.toArray(String[]::new))
                .json()
                .at("/reasons")
                .valueStream()
                .map(reason -> reason.at("/code").asString())
                .toList();
    }
}
