// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/// Moving devices from one authority to another.
@Command
final class RolloverCommands {
    private static final String PATH = "/rollovers";

    private final Session session;

    RolloverCommands(Session session) {
        this.session = session;
    }

    /// Which rollover a command is about.
    static final class Target {
        @Parameters(paramLabel = "ROLLOVER", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    /// Whether devices may be left where they are.
    static final class LeaveBehind {
        @Option(names = "--leave-behind", description = "Though devices have not moved. They keep what they have.")
        boolean leaveBehind;

        ObjectNode body() {
            return ApiClient.object().put("leaveBehind", leaveBehind);
        }
    }

    @Command(
            description = "Make the authorities that are to take the place of others. No device is told anything yet.",
            footer = {
                "  tegata rollover prepare AUTHORITY",
                "  tegata rollover prepare ROOT --algorithm ec-p384 --wave-size 5000"
            })
    void prepare(
            @Parameters(
                            paramLabel = "AUTHORITY",
                            description = "One that issues for devices, or a root with all below it.")
                    String authority,
            @Option(
                            names = "--replacement",
                            paramLabel = "AUTHORITY",
                            description = "One that was made ahead; otherwise one like it is made.")
                    @Nullable
                    String replacement,
            @Option(
                            names = "--algorithm",
                            paramLabel = "ALG",
                            description = "Of the new key; otherwise that of the old one.")
                    @Nullable
                    String algorithm,
            @Option(names = "--wave-size", paramLabel = "DEVICES", description = "Devices of a wave (default: 1000).")
                    @Nullable
                    Integer waveSize,
            @Option(
                            names = "--wave-share",
                            paramLabel = "PERCENT",
                            description = "How many of a wave must have moved before the next one opens (default: 90).")
                    @Nullable
                    Integer waveShare,
            @Option(
                            names = "--wave-longest",
                            paramLabel = "TIME",
                            converter = Bodies.Length.class,
                            description = "How long until the next wave opens all the same (default: 7d).")
                    @Nullable
                    String waveLongest,
            @Option(
                            names = "--failure-limit",
                            paramLabel = "PERCENT",
                            description = "More failures pause the rollover (default: 5).")
                    @Nullable
                    Integer failureLimit) {
        ObjectNode body = ApiClient.object().put("authority", authority);
        Bodies.put(body, "replacement", replacement);
        Bodies.put(body, "algorithm", algorithm);
        Bodies.put(body, "waveLongest", waveLongest);
        put(body, "waveSize", waveSize);
        put(body, "waveShare", waveShare);
        put(body, "failureLimit", failureLimit);
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(PATH, body));
        }
    }

    private static void put(ObjectNode body, String field, @Nullable Integer value) {
        if (value != null) {
            body.put(field, value);
        }
    }

    @Command(description = "List rollovers, newest first.", footer = "  tegata rollover list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "There are no rollovers.",
                            "id",
                            "cause",
                            "state",
                            "wave",
                            "listed",
                            "outstanding",
                            "FROM=oldAuthority",
                            "TO=newAuthority");
        }
    }

    @Command(
            description = "Show a rollover and how many devices stand where.",
            footer = "  tegata rollover show ROLLOVER")
    void show(@Mixin Target rollover) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(rollover.path()));
        }
    }

    @Command(
            description = "List the devices of a rollover.",
            footer = "  tegata rollover devices ROLLOVER --step failed")
    void devices(
            @Mixin Target rollover,
            @Option(
                            names = "--step",
                            paramLabel = "STEP",
                            description =
                                    "waiting, anchors, renewal, own-renewal, moved, ended, failed, gone, returning or"
                                            + " returned; otherwise all.")
                    @Nullable
                    String step,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "step", step);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(rollover.path() + "/devices", query),
                            "There are no such devices.",
                            "device",
                            "wave",
                            "step",
                            "attempts",
                            "SINCE=changedAt",
                            "renewsBy",
                            "detail");
        }
    }

    @Command(description = "Begin to move devices, wave after wave.", footer = "  tegata rollover start ROLLOVER")
    void start(@Mixin Target rollover) {
        act(rollover, "/start");
    }

    @Command(description = "Begin with no further device.", footer = "  tegata rollover pause ROLLOVER")
    void pause(@Mixin Target rollover) {
        act(rollover, "/pause");
    }

    @Command(description = "Go on after a pause.", footer = "  tegata rollover resume ROLLOVER")
    void resume(@Mixin Target rollover) {
        act(rollover, "/resume");
    }

    @Command(
            name = "roll-back",
            description = "Move the devices back that have moved.",
            footer = "  tegata rollover roll-back ROLLOVER")
    void rollBack(@Mixin Target rollover) {
        act(rollover, "/roll-back");
    }

    @Command(
            description = "Give the fleets to the new authorities, once the devices have moved.",
            footer = "  tegata rollover finish ROLLOVER")
    void finish(@Mixin Target rollover, @Mixin LeaveBehind leave) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(rollover.path() + "/finish", leave.body()));
        }
    }

    @Command(
            description = "End the overlap: the old root is handed out no more.",
            footer = "  tegata rollover close ROLLOVER")
    void close(@Mixin Target rollover, @Mixin LeaveBehind leave) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(rollover.path() + "/close", leave.body()));
        }
    }

    private void act(Target rollover, String what) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(rollover.path() + what));
        }
    }
}
