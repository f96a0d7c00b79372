// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    enum Colour {
        RED
    }

    record Inner(boolean on, List<String> names) {}

    record Sample(
            TenantId tenant,
            FleetId fleet,
            DeviceId device,
            Bytes digest,
            Instant at,
            Duration every,
            int count,
            Colour colour,
            Inner inner) {}

    private static final Sample SAMPLE = new Sample(
            new TenantId("taaaaaaaaa"),
            new FleetId("taaaaaaaaa-bbbbbb"),
            new DeviceId(new UUID(1, 2)),
            Bytes.ofHex("00ff"),
            Instant.parse("2026-07-01T12:00:00Z"),
            Duration.ofHours(36),
            7,
            Colour.RED,
            new Inner(true, List.of("a", "b")));

    @Test
    void readsWhatItWrites() {
        String json = Json.write(SAMPLE);
        assertThat(Json.read(json, Sample.class)).isEqualTo(SAMPLE);
        assertThat(json)
                .contains(
                        "\"tenant\":\"taaaaaaaaa\"",
                        "\"digest\":\"AP8=\"",
                        "\"at\":\"2026-07-01T12:00:00Z\"",
                        "\"PT36H\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "{\"on\":true,\"names\":[],\"more\":1}",
                "{\"on\":true,\"on\":false,\"names\":[]}",
                "{\"on\":true,\"names\":[]} {}",
                "{\"on\":true,\"names\":[]",
                "{\"on\":\"true\",\"names\":[]}",
                "{\"on\":1,\"names\":[]}",
                "{\"on\":null,\"names\":[]}",
                "{\"on\":true,\"names\":\"a\"}",
                "{\"on\":true,\"names\":[7]}",
                "{'on':true,'names':[]}",
                "{\"on\":true,/* */\"names\":[]}",
            })
    void refusesWhatIsNotExactlyThat(String json) {
        assertThatThrownBy(() -> Json.read(json, Inner.class)).isInstanceOf(IntegrityException.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"T\"", "7", "{}", "[\"taaaaaaaaa\"]", "\"\"", "true"})
    void refusesWhatIsNoIdentifier(String json) {
        assertThatThrownBy(() -> Json.read(json, TenantId.class)).isInstanceOf(IntegrityException.class);
    }

    @Test
    void refusesDeepNesting() {
        String json = "[".repeat(100_000);
        assertThatThrownBy(() -> Json.read(json, Object.class)).isInstanceOf(IntegrityException.class);
    }

    @Test
    void whateverIsReadIsReadOrRefused() {
        Random random = new Random(20260701);
        byte[] good = Json.write(SAMPLE).getBytes(StandardCharsets.ISO_8859_1);
        for (int i = 0; i < 20_000; i++) {
            byte[] mutated = good.clone();
            for (int change = random.nextInt(4); change >= 0; change--) {
                mutated[random.nextInt(mutated.length)] = (byte) random.nextInt(256);
            }
            try {
                assertThat(Json.read(new String(mutated, StandardCharsets.ISO_8859_1), Sample.class))
                        .isNotNull();
            } catch (IntegrityException e) {
                assertThat(e).hasMessageContaining("Sample");
            }
        }
    }
}
