// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Jobs: long work that the server does, and how far it is.
@Command
final class JobCommands {
    private static final String PATH = "/jobs";

    private final Session session;

    JobCommands(Session session) {
        this.session = session;
    }

    /// Which job a command is about.
    static final class Target {
        @Parameters(paramLabel = "JOB", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    @Command(description = "List jobs, newest first.", footer = "  tegata job list --state running")
    void list(
            @Option(
                            names = "--state",
                            paramLabel = "STATE",
                            description = "Only jobs that are running, completed, failed or cancelled.")
                    @Nullable
                    String state,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "state", state);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, query),
                            "There are no jobs.",
                            "id",
                            "kind",
                            "state",
                            "done",
                            "refused",
                            "total",
                            "STARTED=createdAt",
                            "BY=startedBy");
        }
    }

    @Command(
            description = "Show a job, while it runs or after.",
            footer = {"  tegata job show JOB", "  tegata job show JOB --json"})
    void show(@Mixin Target job) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(job.path()));
        }
    }

    @Command(description = "List what a job refused, and why.", footer = "  tegata job issues JOB")
    void issues(@Mixin Target job, @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(job.path() + "/issues", paging.query()),
                            "It has refused nothing.",
                            JobProgress.ISSUE_COLUMNS);
        }
    }

    @Command(
            description = "End a job before its time. What it has done stays done.",
            footer = "  tegata job cancel JOB")
    void cancel(@Mixin Target job) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(job.path() + "/cancel"));
        }
    }

    @Command(
            description = "Wait until a job is over. The exit code is 0 where it has done all of its work.",
            footer = "  tegata job wait JOB")
    int wait(@Mixin Target job) {
        try (ApiClient api = session.api()) {
            return new JobProgress(session, api).follow(api.get(job.path()));
        }
    }
}
