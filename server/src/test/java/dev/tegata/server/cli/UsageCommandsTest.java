// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstDevice;
import dev.tegata.server.est.EstTenant;
import dev.tegata.server.est.Tool;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalTime;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@DisplayName("A month's usage, as its operator sees it")
class UsageCommandsTest {
    private static final Path HOW_TO = Path.of("../docs/how-to/metering.md");
    private static final YearMonth MONTH =
            YearMonth.from(Instant.now().atOffset(ZoneOffset.UTC)).minusMonths(1);

    /// How far the server's clock is off. It begins in the middle of the last month.
    private static final AtomicReference<Duration> OFF = new AtomicReference<>(until(MONTH));

    private static final RunningServer SERVER =
            new RunningServer((InstantSource) () -> Instant.now().plus(OFF.get()));

    @TempDir
    Path home;

    @AfterAll
    static void stop() {
        SERVER.close();
    }

    private static Duration until(YearMonth month) {
        Instant middle = month.atDay(15).atTime(LocalTime.NOON).toInstant(ZoneOffset.UTC);
        return Duration.between(Instant.now(), middle);
    }

    private static void enrol(EstTenant tenant, String fleet, SoftwareKey key) {
        try (EstDevice device =
                EstDevice.showing(SERVER.server().authorityFile().orElseThrow(), key)) {
            var issued = device.post(tenant.est(fleet, "simpleenroll"), EstDevice.request(key));
            assertThat(issued.statusCode()).as(EstDevice.text(issued)).isEqualTo(200);
        }
    }

    private static JsonNode month(Shell shell) {
        return shell.run("usage", "show", "--json").json().at("/items/0");
    }

    /// What the script in the how-to makes of an export.
    private String digest(EstTenant tenant, String csv) throws Exception {
        String page = Files.readString(HOW_TO);
        int begin = page.indexOf("```bash\n") + 8;
        Path script = Files.writeString(home.resolve("digest.sh"), page.substring(begin, page.indexOf("```", begin)));
        Path export = Files.writeString(home.resolve("export.csv"), csv);
        return new Tool(home)
                .run("bash", script.toString(), tenant.tenant.id(), MONTH.toString(), export.toString())
                .strip();
    }

    /// Numbers of all tenants are folded every few seconds.
    private static void awaitGauges(String... lines) throws Exception {
        URI address = URI.create(SERVER.server().metricsUrl() + "/metrics");
        long patience = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        String metrics;
        do {
            try (InputStream in = address.toURL().openStream()) {
                metrics = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
            Thread.sleep(200);
        } while (!Stream.of(lines).allMatch(metrics::contains) && System.nanoTime() < patience);
        assertThat(metrics).contains(lines).doesNotContain("device=");
    }

    @Test
    @DisplayName("is counted, closed, exported, and its hash is made again by the how-to's script")
    void month() throws Exception {
        EstTenant tenant = new EstTenant(SERVER, "Metered");
        Shell shell = Shell.of(SERVER, home).with("TEGATA_API_KEY", tenant.tenant.ownerKey());
        Shell neighbour = Shell.of(SERVER, home)
                .with("TEGATA_API_KEY", SERVER.createTenant("Neighbour").ownerKey());
        String fleet = tenant.fleet("");
        List<String> devices = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            devices.add(tenant.claim(fleet, key));
            enrol(tenant, fleet, key);
        }
        SoftwareKey late = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        String lateDevice = tenant.claim(fleet, late);
        assertThat(month(shell).path("state").asString()).isEqualTo("open");
        assertThat(month(shell).path("devices").asInt()).as("claimed is free").isEqualTo(3);
        awaitGauges(
                "tegata_usage_devices 3.0",
                "tegata_devices{state=\"active\"} 3.0",
                "tegata_devices{state=\"claimed\"} 1.0");
        assertThat(shell.run("usage", "close", MONTH.toString()).exitCode())
                .as("it is not over")
                .isEqualTo(1);

        OFF.set(until(MONTH.plusMonths(1)));
        assertThat(shell.run("usage", "close", MONTH.toString()).exitCode()).isZero();
        assertThat(month(shell).path("state").asString()).isEqualTo("closed");
        assertThat(shell.run("job", "list").text()).contains("usage.close", "completed");
        String closed = month(shell).path("digest").asString();
        String csv = shell.run("usage", "export", MONTH.toString()).text();
        assertThat(csv.lines().skip(1).map(line -> line.split(",")[1])).containsExactlyInAnyOrderElementsOf(devices);
        assertThat(csv.lines().skip(1).map(line -> line.split(",")[5]))
                .as("serial numbers as they are shown everywhere")
                .containsExactlyInAnyOrderElementsOf(devices.stream()
                        .map(device ->
                                tenant.certificates(device).getFirst().serial().hex())
                        .toList());
        assertThat(digest(tenant, csv)).isEqualTo(closed);
        assertThat(digest(tenant, csv.replace("ENROL", "RENEW"))).isNotEqualTo(closed);
        assertThat(shell.run("usage", "close", MONTH.toString()).exitCode())
                .as("it is closed")
                .isEqualTo(1);

        // A node whose clock is late.
        OFF.set(until(MONTH));
        enrol(tenant, fleet, late);
        OFF.set(until(MONTH.plusMonths(1)));
        assertThat(month(shell).path("adjustments").asInt()).isEqualTo(1);
        assertThat(month(shell).path("digest").asString()).isEqualTo(closed);
        String adjusted = shell.run("usage", "export", MONTH.toString()).text();
        assertThat(adjusted.lines().filter(line -> line.endsWith(",true")))
                .singleElement()
                .asString()
                .contains(lateDevice);
        assertThat(digest(tenant, adjusted)).isEqualTo(closed);
        assertThat(shell.run("usage", "show", MONTH.toString()).text()).contains(lateDevice);

        List<JsonNode> events = shell.run("usage", "export", MONTH.toString(), "--format", "cloudevents")
                .text()
                .lines()
                .map(line -> JsonMapper.shared().readTree(line))
                .toList();
        assertThat(events)
                .extracting(event -> event.path("id").asString())
                .hasSize(4)
                .doesNotHaveDuplicates();
        assertThat(events).allSatisfy(event -> {
            assertThat(event.path("specversion").asString()).isEqualTo("1.0");
            assertThat(event.path("type").asString()).isEqualTo("dev.tegata.usage.counted");
            assertThat(event.path("source").asString()).isEqualTo("/tenants/" + tenant.tenant.id());
            assertThat(event.at("/data/month").asString()).isEqualTo(MONTH.toString());
        });

        assertThat(neighbour.run("usage", "show").text()).contains("claimed devices are free");
        assertThat(neighbour.run("usage", "show", MONTH.toString()).text())
                .doesNotContain(devices.getFirst(), lateDevice);
        assertThat(neighbour.run("usage", "export", MONTH.toString()).text().lines())
                .as("the names of the columns alone")
                .hasSize(1);
    }
}
