// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Orders: what devices were told to do. They are placed with `device order`.
@Command
final class OrderCommands {
    static final String PATH = "/orders";
    static final String[] COLUMNS = {
        "id", "device", "kind", "state", "PLACED=placedAt", "TOLD=deliveredAt", "ENDED=endedAt", "detail"
    };

    private final Session session;

    OrderCommands(Session session) {
        this.session = session;
    }

    /// Which order a command is about.
    static final class Target {
        @Parameters(paramLabel = "ORDER", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    static final class State {
        @Option(
                names = "--state",
                paramLabel = "STATE",
                description = "Only orders that are placed, delivered, done, failed, expired or withdrawn.")
        @Nullable
        String state;
    }

    @Command(
            description = "List what devices were told to do, oldest first.",
            footer = "  tegata order list --state delivered")
    void list(@Mixin State state, @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "state", state.state);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, query),
                            "There are no such orders. Place one: %s device order DEVICE renew-key"
                                    .formatted(session.program()),
                            COLUMNS);
        }
    }

    @Command(description = "Show an order.", footer = "  tegata order show ORDER")
    void show(@Mixin Target order) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(order.path()));
        }
    }

    @Command(
            description = "Take an order back. A device that has it already may still carry it out.",
            footer = "  tegata order withdraw ORDER")
    void withdraw(@Mixin Target order) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(order.path() + "/withdraw", ApiClient.object()));
        }
    }
}
