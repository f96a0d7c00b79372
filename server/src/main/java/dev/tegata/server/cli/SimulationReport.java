// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.agent.simulator.Report;
import dev.tegata.server.demo.SimulatedFleet.Aftermath;
import dev.tegata.server.demo.SimulatedFleet.Verdicts;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// What a simulation was like: for the devices, and for the server.
record SimulationReport(Report devices, Aftermath server) {
    ObjectNode json() {
        ObjectNode json = ApiClient.object()
                .put("seconds", devices.elapsed().toMillis() / 1000.0)
                .put("wholeSeconds", devices.whole().toMillis() / 1000.0)
                .put("devices", devices.devices())
                .put("withIdentity", devices.withIdentity())
                .put("wrongClocks", devices.wrongClocks())
                .put("wrongClocksWithIdentity", devices.wrongClocksWithIdentity())
                .put("medianStepMillis", devices.medianStep().toNanos() / 1e6)
                .put("p99StepMillis", devices.slowestOfHundred().toNanos() / 1e6)
                .put("latestStepSeconds", devices.latest().toMillis() / 1000.0);
        ObjectNode lacks = json.putObject("withoutIdentity");
        devices.lacks().forEach((why, serials) -> serials.forEach(lacks.putArray(why)::add));
        numbers(json.putObject("counts"), devices.counts());
        numbers(json.putObject("fates"), devices.fates());
        numbers(json.putObject("firmware"), devices.firmware());
        numbers(json.putObject("proofs"), devices.proofs());
        numbers(json.putObject("reasons"), devices.reasons());
        ObjectNode states = json.putObject("server");
        server.fates().forEach((fate, byState) -> numbers(states.putObject(fate), byState));
        numbers(json.putObject("states"), server.states());
        numbers(json.putObject("audit"), server.acts());
        ArrayNode verdicts = json.putArray("verdicts");
        for (Verdicts sample : server.verdicts()) {
            ObjectNode at = verdicts.addObject().put("seconds", sample.at().toMillis() / 1000.0);
            numbers(at.putObject("devices"), sample.devices());
        }
        return json;
    }

    private static void numbers(ObjectNode object, Map<String, Long> numbers) {
        numbers.forEach((name, number) -> object.put(name, number.longValue()));
    }

    String text() {
        Text text = new Text();
        text.heading("The fleet");
        text.line(
                "Devices", "%,d, of which %,d have an identity in the end", devices.devices(), devices.withIdentity());
        devices.lacks().forEach((why, serials) -> text.line("Without one", "%,d: %s", serials.size(), why));
        text.line("For the server they are", "%s", list(server.states()));
        text.line("They run", "%s", list(devices.firmware()));
        text.line("They prove themselves by", "%s", list(devices.proofs()));
        whatHappened(text);
        whatBefell(text);
        verdicts(text);
        text.heading("What the server did, by its audit chain");
        server.acts().forEach((act, number) -> text.line(act, "%,d", number));
        if (!devices.reasons().isEmpty()) {
            text.heading("Why something was refused or failed, as devices saw it");
            devices.reasons().forEach((reason, number) -> text.line(reason, "%,d", number));
        }
        return text.toString();
    }

    private void whatHappened(Text text) {
        text.heading("What happened in %d s, after %d s in which they were switched on"
                .formatted(
                        devices.elapsed().toSeconds(),
                        devices.whole().minus(devices.elapsed()).toSeconds()));
        text.line("Enrolments", "%,d (%.1f per second)", count("enrolled"), devices.rate("enrolled"));
        text.line("Renewals", "%,d, and %,d with a new key", count("renewed"), count("renewedWithNewKey"));
        text.line("Check-ins", "%,d (%.1f per second)", count("checkIns"), devices.rate("checkIns"));
        text.line(
                "A step took",
                "%.1f ms in the middle, %.1f ms at most for 99 of 100; the latest came %.1f s late",
                devices.medianStep().toNanos() / 1e6,
                devices.slowestOfHundred().toNanos() / 1e6,
                devices.latest().toMillis() / 1000.0);
        text.line(
                "Power cuts",
                "%,d in the middle of a change; after %,d of them the device was seen to go on",
                count("powerCuts"),
                count("powerCutsSurvived"));
        text.line(
                "Wrong clocks",
                "%,d devices, years off; %,d of them have an identity",
                devices.wrongClocks(),
                devices.wrongClocksWithIdentity());
        text.line("Updates of firmware", "%,d", count("updated"));
        devices.counts().forEach((what, number) -> {
            if (what.startsWith("order.")) {
                text.line("Order " + what.substring(6).replace('.', ' '), "%,d", number);
            }
        });
        text.line("Failures", "%,d connections or answers, %,d refusals", count("failed"), count("refused"));
    }

    private void whatBefell(Text text) {
        text.heading("What befell single devices, and what became of them");
        server.fates()
                .forEach((fate, states) -> text.line(
                        fate.substring(0, 1).toUpperCase(Locale.ROOT) + fate.substring(1),
                        "%,d; the server has them as %s",
                        states.values().stream().mapToLong(Long::longValue).sum(),
                        list(states)));
        text.line(
                "Thieves",
                "refused %,d times, and told %,d times that the device is revoked",
                count("thievesRefused"),
                count("toldRevoked"));
        text.line("Let in after revocation", "%,d", count("letInAfterRevocation"));
        text.line("Asleep", "%,d", devices.fates().getOrDefault("asleep", 0L));
        text.line(
                "Certificate ended asleep",
                "%,d; %,d came back by their birth key",
                count("overslept"),
                count("cameBack"));
        text.line(
                "Clones",
                "%,d made, which checked in %,d times; the server suspected %,d devices",
                count("clonesMade"),
                count("cloneCheckIns"),
                server.acts().getOrDefault("device.clone-suspected", 0L));
        text.line("Told to be suspended", "%,d times", count("toldSuspended"));
    }

    /// A row for each moment, a column for each release and verdict that ever was.
    private void verdicts(Text text) {
        if (server.verdicts().isEmpty()) {
            return;
        }
        text.heading("Verdicts over time");
        SortedSet<String> columns = new TreeSet<>();
        server.verdicts().forEach(sample -> columns.addAll(sample.devices().keySet()));
        StringBuilder head = new StringBuilder();
        columns.forEach(column -> head.append("  ").append(column));
        text.line("", "%s", head);
        for (Verdicts sample : server.verdicts()) {
            StringBuilder row = new StringBuilder();
            for (String column : columns) {
                long number = sample.devices().getOrDefault(column, 0L);
                row.append(("  %," + column.length() + "d").formatted(number));
            }
            text.line(sample.at().toSeconds() + " s", "%s", row);
        }
    }

    private long count(String what) {
        return devices.count(what);
    }

    private static String list(SortedMap<String, Long> numbers) {
        StringBuilder list = new StringBuilder();
        numbers.forEach(
                (name, number) -> list.append(list.isEmpty() ? "" : ", ").append("%s %,d".formatted(name, number)));
        return list.toString();
    }

    private static final class Text {
        private final StringBuilder text = new StringBuilder();

        void heading(String heading) {
            text.append(text.isEmpty() ? "" : "\n").append(heading).append('\n');
        }

        void line(String what, String form, Object... values) {
            text.append("  %-40s %s%n".formatted(what, form.formatted(values)));
        }

        @Override
        public String toString() {
            return text.toString().stripTrailing();
        }
    }
}
