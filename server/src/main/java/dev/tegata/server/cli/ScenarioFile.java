// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.agent.simulator.Scenario;
import dev.tegata.agent.simulator.Scenario.Attestation;
import dev.tegata.agent.simulator.Scenario.Fates;
import dev.tegata.agent.simulator.Scenario.Firmware;
import dev.tegata.agent.simulator.Scenario.Troubles;
import dev.tegata.agent.simulator.Scenario.Update;
import dev.tegata.agent.simulator.Scenario.Vulnerable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import picocli.CommandLine.TypeConversionException;

/// Reads a scenario from YAML. What it does not mention is as in [Scenario#USUAL]; what is unknown is
/// refused.
final class ScenarioFile {
    private static final long LARGEST = 64 * 1024;
    private static final double HALF = 0.5;

    /// What stands before the names, for messages.
    private final String where;

    /// What has not been taken yet.
    private final Map<String, Object> values;

    private ScenarioFile(String where, Map<?, ?> content) {
        this.where = where;
        this.values = new LinkedHashMap<>();
        content.forEach((key, value) -> values.put(String.valueOf(key), value == null ? "" : value));
    }

    static Scenario read(Path file) {
        try {
            return new ScenarioFile("", load(file)).scenario();
        } catch (IllegalArgumentException e) {
            throw CommandFailure.usage("the scenario " + file + " is wrong: " + e.getMessage());
        }
    }

    private static Map<?, ?> load(Path file) {
        try {
            if (Files.size(file) > LARGEST) {
                throw CommandFailure.usage("the scenario " + file + " is larger than " + LARGEST + " bytes");
            }
            Object content = new Load(LoadSettings.builder()
                            .setAllowDuplicateKeys(false)
                            .setMaxAliasesForCollections(0)
                            .build())
                    .loadFromString(Files.readString(file));
            if (content instanceof Map<?, ?> map) {
                return map;
            }
            if (content != null) {
                throw CommandFailure.usage("the scenario " + file + " must hold lines of the form 'stolen: 0.01'");
            }
            return Map.of();
        } catch (IOException e) {
            throw Inputs.unreadable(file);
        } catch (YamlEngineException e) {
            throw CommandFailure.usage("the scenario " + file + " is no YAML: " + e.getMessage());
        }
    }

    private Scenario scenario() {
        Scenario usual = Scenario.USUAL;
        List<Firmware> firmware = list("firmware", ScenarioFile::firmware).orElse(usual.firmware());
        // Other firmware has other updates, and other faults.
        boolean usualFirmware = firmware.equals(usual.firmware());
        List<Update> updates =
                list("updates", ScenarioFile::update).orElse(usualFirmware ? usual.updates() : List.of());
        Scenario scenario = new Scenario(
                duration("duration", usual.duration()),
                duration("check-in", usual.checkIn()),
                duration("certificate-life", usual.certificateLife()),
                firmware,
                updates,
                troubles(usual.troubles()),
                fates(usual.fates()),
                section("attestation")
                        .map(ScenarioFile::attestation)
                        .orElse(usualFirmware ? usual.attestation() : withoutFaults(usual.attestation())),
                number("trust-manager", usual.trustManager()));
        requireAllTaken();
        return scenario;
    }

    private Troubles troubles(Troubles usual) {
        return new Troubles(
                number("failures", usual.failures()),
                number("power-cuts", usual.powerCuts()),
                number("wrong-clocks", usual.wrongClocks()),
                (int) number("clock-years", usual.clockYears()),
                number("clock-drift", usual.clockDrift()));
    }

    private Fates fates(Fates usual) {
        return new Fates(
                number("stolen", usual.stolen()),
                number("refurbished", usual.refurbished()),
                number("sold", usual.sold()),
                number("asleep", usual.asleep()),
                number("cloned", usual.cloned()));
    }

    private static Attestation withoutFaults(Attestation usual) {
        return new Attestation(usual.psa(), usual.chip(), usual.stolenKeys(), usual.replayed(), Optional.empty());
    }

    /// A section that is there says everything; what it leaves out does not happen.
    private Attestation attestation() {
        Attestation attestation = new Attestation(
                number("psa", 0),
                number("chip", 0),
                number("stolen-keys", 0),
                number("replayed", 0),
                section("vulnerable").map(ScenarioFile::vulnerable));
        requireAllTaken();
        return attestation;
    }

    private Vulnerable vulnerable() {
        Vulnerable vulnerable = new Vulnerable(text("version"), number("at", HALF));
        requireAllTaken();
        return vulnerable;
    }

    private Firmware firmware() {
        String component = values.containsKey("component") ? text("component") : "app";
        Firmware firmware = new Firmware(component, text("version"), number("share", 1));
        requireAllTaken();
        return firmware;
    }

    private Update update() {
        Optional<String> from = values.containsKey("from") ? Optional.of(text("from")) : Optional.empty();
        Update update = new Update(from, text("to"), number("share", 1), number("at", HALF));
        requireAllTaken();
        return update;
    }

    private void requireAllTaken() {
        if (!values.isEmpty()) {
            throw new IllegalArgumentException(
                    "'" + where + values.keySet().iterator().next() + "' is unknown");
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
            throw new IllegalArgumentException("'" + where + name + "' must be a time such as 30s or 10m", e);
        }
    }

    private double number(String name, double otherwise) {
        Object value = values.remove(name);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw new IllegalArgumentException("'" + where + name + "' must be a number");
    }

    private String text(String name) {
        Object value = values.remove(name);
        if (value == null) {
            throw new IllegalArgumentException("'" + where + name + "' is missing");
        }
        // 1.10 without quotes would be the number 1.1.
        if (value instanceof String text && text.matches("[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")) {
            return text;
        }
        throw new IllegalArgumentException("'" + where + name
                + "' must be 1 to 64 letters, digits, '.', '_', '+' and '-', in quotes where it looks like a number");
    }

    private Optional<ScenarioFile> section(String name) {
        Object value = values.remove(name);
        if (value == null) {
            return Optional.empty();
        }
        if (value instanceof Map<?, ?> map) {
            return Optional.of(new ScenarioFile(where + name + ".", map));
        }
        throw new IllegalArgumentException("'" + where + name + "' must hold lines of the form 'name: value'");
    }

    private <T> Optional<List<T>> list(String name, Function<ScenarioFile, T> reader) {
        Object value = values.remove(name);
        if (value == null) {
            return Optional.empty();
        }
        if (!(value instanceof List<?> list)) {
            throw new IllegalArgumentException("'" + name + "' must be a list");
        }
        List<T> read = new ArrayList<>();
        for (Object each : list) {
            if (!(each instanceof Map<?, ?> map)) {
                throw new IllegalArgumentException("each of '" + name + "' must be of the form {name: value, …}");
            }
            read.add(reader.apply(new ScenarioFile(name + ".", map)));
        }
        return Optional.of(read);
    }
}
