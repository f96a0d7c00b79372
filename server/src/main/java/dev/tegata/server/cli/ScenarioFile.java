// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.agent.simulator.Scenario;
import dev.tegata.agent.simulator.Scenario.Firmware;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import picocli.CommandLine.TypeConversionException;

/// Reads a scenario from YAML. What it does not mention is as in [Scenario#USUAL]; what is unknown is
/// refused.
final class ScenarioFile {
    private static final long LARGEST = 64 * 1024;

    /// What has not been taken yet.
    private final Map<String, Object> values;

    private ScenarioFile(Map<String, Object> values) {
        this.values = values;
    }

    static Scenario read(Path file) {
        ScenarioFile read = new ScenarioFile(load(file));
        Scenario usual = Scenario.USUAL;
        try {
            Scenario scenario = new Scenario(
                    read.duration("duration", usual.duration()),
                    read.duration("check-in", usual.checkIn()),
                    read.duration("certificate-life", usual.certificateLife()),
                    read.firmware(usual.firmware()),
                    read.number("failures", usual.failures()),
                    read.number("power-cuts", usual.powerCuts()),
                    read.number("wrong-clocks", usual.wrongClocks()),
                    (int) read.number("clock-years", usual.clockYears()),
                    read.number("stolen", usual.stolen()),
                    read.number("refurbished", usual.refurbished()),
                    read.number("sold", usual.sold()));
            if (!read.values.isEmpty()) {
                throw new IllegalArgumentException(
                        "'" + read.values.keySet().iterator().next() + "' is unknown");
            }
            return scenario;
        } catch (IllegalArgumentException e) {
            throw CommandFailure.usage("the scenario " + file + " is wrong: " + e.getMessage());
        }
    }

    private static Map<String, Object> load(Path file) {
        try {
            if (Files.size(file) > LARGEST) {
                throw CommandFailure.usage("the scenario " + file + " is larger than " + LARGEST + " bytes");
            }
            Object content = new Load(LoadSettings.builder()
                            .setAllowDuplicateKeys(false)
                            .setMaxAliasesForCollections(0)
                            .build())
                    .loadFromString(Files.readString(file));
            Map<String, Object> values = new LinkedHashMap<>();
            if (content instanceof Map<?, ?> map) {
                map.forEach((key, value) -> values.put(String.valueOf(key), value == null ? "" : value));
            } else if (content != null) {
                throw CommandFailure.usage("the scenario " + file + " must hold lines of the form 'stolen: 0.01'");
            }
            return values;
        } catch (IOException e) {
            throw Inputs.unreadable(file);
        } catch (YamlEngineException e) {
            throw CommandFailure.usage("the scenario " + file + " is no YAML: " + e.getMessage());
        }
    }

    private Duration duration(String name, Duration otherwise) {
        Object value = values.remove(name);
        if (value == null) {
            return otherwise;
        }
        try {
            return Duration.parse(new Bodies.Length().convert(String.valueOf(value)));
        } catch (DateTimeParseException | TypeConversionException e) {
            throw new IllegalArgumentException("'" + name + "' must be a time such as 30s or 10m", e);
        }
    }

    private double number(String name, double otherwise) {
        return number(name, values.remove(name), otherwise);
    }

    private static double number(String name, @Nullable Object value, double otherwise) {
        if (value == null) {
            return otherwise;
        }
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw new IllegalArgumentException("'" + name + "' must be a number");
    }

    private List<Firmware> firmware(List<Firmware> otherwise) {
        Object value = values.remove("firmware");
        if (value == null) {
            return otherwise;
        }
        List<Firmware> firmware = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (Object each : list) {
                if (!(each instanceof Map<?, ?> map) || !map.containsKey("version")) {
                    throw new IllegalArgumentException("each 'firmware' has a component, a version and a share");
                }
                Object component = map.get("component");
                firmware.add(new Firmware(
                        component == null ? "app" : component.toString(),
                        String.valueOf(map.get("version")),
                        number("share", map.get("share"), 1)));
            }
            return firmware;
        }
        throw new IllegalArgumentException("'firmware' must be a list");
    }
}
