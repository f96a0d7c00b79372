// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import tools.jackson.databind.JsonNode;

/// Follows a job to its end, on one line that is written over.
final class JobProgress {
    static final String[] ISSUE_COLUMNS = {"subject", "reason", "detail"};

    private static final int WIDTH = 30;
    private static final int SHOWN_ISSUES = 20;
    private static final long FIRST_PAUSE_NANOS = 50_000_000;
    private static final long LONGEST_PAUSE_NANOS = 1_000_000_000;

    private final Session session;
    private final ApiClient api;

    JobProgress(Session session, ApiClient api) {
        this.session = session;
        this.api = api;
    }

    /// Waits for the job, and says what came of it.
    ///
    /// @return the exit code: whether all of it was done
    int follow(JsonNode started) {
        Terminal terminal = session.terminal();
        boolean watched = terminal.interactive() && !session.json;
        String path = "/jobs/" + ApiClient.segment(started.path("id").asString());
        JsonNode job = started;
        for (long pause = FIRST_PAUSE_NANOS; isRunning(job); pause = Math.min(2 * pause, LONGEST_PAUSE_NANOS)) {
            if (pause == 2 * FIRST_PAUSE_NANOS) {
                // Whoever stops waiting, or loses the server, finds it again.
                terminal.err()
                        .printf(
                                "The server works on it, also without this command. How far it is: %s job show %s%n",
                                session.program(), job.path("id").asString());
            }
            if (watched) {
                show(terminal.err(), job);
            }
            LockSupport.parkNanos(pause);
            job = api.get(path);
        }
        if (watched) {
            terminal.err().print("\r" + " ".repeat(WIDTH + 60) + "\r");
            terminal.err().flush();
        }
        return report(path, job);
    }

    private static boolean isRunning(JsonNode job) {
        return job.path("state").asString().equals("running");
    }

    private static void show(PrintWriter err, JsonNode job) {
        long over = job.path("done").asLong() + job.path("refused").asLong();
        long total = job.path("total").asLong(0);
        int filled = total == 0 ? 0 : (int) (WIDTH * Math.min(over, total) / total);
        err.print(String.format(
                Locale.ROOT,
                "\r[%s%s] %d of %s, %d refused",
                "#".repeat(filled),
                ".".repeat(WIDTH - filled),
                over,
                total == 0 ? "…" : total,
                job.path("refused").asLong()));
        err.flush();
    }

    private int report(String path, JsonNode job) {
        Output output = session.output();
        output.fields(job);
        long refused = job.path("refused").asLong();
        if (refused > 0 && !output.isJson()) {
            output.say("");
            output.say("Refused:");
            output.rows(api.get(path + "/issues", Map.of("limit", SHOWN_ISSUES)).path("items"), ISSUE_COLUMNS);
            if (refused > SHOWN_ISSUES) {
                output.say("All %d: %s job issues %s"
                        .formatted(refused, session.program(), job.path("id").asString()));
            }
        }
        return job.path("state").asString().equals("completed") && refused == 0 ? 0 : CommandFailure.REFUSED;
    }
}
