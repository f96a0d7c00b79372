// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import picocli.CommandLine.Command;

/// What runs, who asks, and how many devices there are.
@Command(footer = "  tegata status")
final class StatusCommand implements Runnable {
    private final Session session;

    StatusCommand(Session session) {
        this.session = session;
    }

    @Override
    public void run() {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get("/status"));
        }
    }
}
