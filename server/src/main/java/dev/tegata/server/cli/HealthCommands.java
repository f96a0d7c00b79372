// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// What is wrong with the chains of a tenant.
@Command
final class HealthCommands {
    private static final String PATH = "/health/findings";

    private final Session session;

    HealthCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "List what is wrong with the chains of authorities and devices, or will be.",
            footer = "  tegata health findings")
    void findings(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "Nothing is wrong, as far as has been looked.",
                            "severity",
                            "code",
                            "subject",
                            "affected",
                            "detail",
                            "TO DO=next");
        }
    }

    @Command(
            description = "List the devices that a finding affects.",
            footer = "  tegata health devices certificate-ends-soon AUTHORITY")
    void devices(
            @Parameters(paramLabel = "CODE", description = "Of the finding.") String code,
            @Parameters(paramLabel = "AUTHORITY", description = "The one in the finding's subject.") String authority,
            @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(
                                    PATH + "/" + ApiClient.segment(code) + "/" + ApiClient.segment(authority)
                                            + "/devices",
                                    paging.query()),
                            "It affects no device.",
                            "device");
        }
    }
}
