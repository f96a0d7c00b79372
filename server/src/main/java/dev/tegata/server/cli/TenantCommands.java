// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Tenants: made and listed by the installation's operator, seen by themselves.
@Command
final class TenantCommands {
    private final Session session;

    TenantCommands(Session session) {
        this.session = session;
    }

    /// What the operator adds to a command.
    static final class Operator {
        @Option(
                names = "--data",
                paramLabel = "DIR",
                description = "The server's data folder, which holds the operator key; otherwise TEGATA_DATA, or"
                        + " tegata-data. On another machine, set TEGATA_OPERATOR_KEY.")
        @Nullable
        Path data;
    }

    static final class NewTenant {
        @Option(
                names = "--organization",
                paramLabel = "NAME",
                required = true,
                description = "The company's registered name, as certificates will say it.")
        String organization = "";

        @Option(
                names = "--country",
                paramLabel = "CC",
                required = true,
                description = "Its country, in two letters (ISO 3166), such as DE.")
        String country = "";

        @Option(names = "--name", paramLabel = "NAME", description = "What people call it; otherwise the organization.")
        @Nullable
        String name;

        @Option(names = "--unit", paramLabel = "NAME", description = "Organizational unit, for the certificates.")
        @Nullable
        String unit;

        @Option(names = "--locality", paramLabel = "NAME", description = "City, for the certificates.")
        @Nullable
        String locality;

        @Option(names = "--state", paramLabel = "NAME", description = "State or province, for the certificates.")
        @Nullable
        String state;

        @Option(
                names = "--authorities",
                paramLabel = "LAYOUT",
                description =
                        "two-tier: a root and an issuing authority (default). one-tier: a root that signs devices."
                                + " own-root: an issuing authority whose request you sign elsewhere. imported: none yet.")
        @Nullable
        String authorities;

        @Option(
                names = "--algorithm",
                paramLabel = "ALG",
                description = "Of the authorities' keys: ec-p256 (default), ec-p384, ed25519, rsa-2048, rsa-3072,"
                        + " rsa-4096, ml-dsa-44, ml-dsa-65, ml-dsa-87.")
        @Nullable
        String algorithm;

        @Option(
                names = "--root-lifetime",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long the root's certificate is valid, such as 40y, or unlimited (default: 25y).")
        @Nullable
        String rootLifetime;

        @Option(
                names = "--issuing-lifetime",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long the issuing authority's certificate is valid (default: 10y).")
        @Nullable
        String issuingLifetime;

        @Option(
                names = "--save",
                description = "Store the server and the new key in the profile, even if there is one.")
        boolean save;

        ObjectNode body() {
            ObjectNode body = ApiClient.object().put("name", name == null ? organization : name);
            ObjectNode subject =
                    body.putObject("subject").put("organization", organization).put("country", country);
            Bodies.put(subject, "organizationalUnit", unit);
            Bodies.put(subject, "locality", locality);
            Bodies.put(subject, "state", state);
            Bodies.put(body, "authorities", authorities);
            Bodies.put(body, "algorithm", algorithm);
            Bodies.put(body, "rootLifetime", rootLifetime);
            Bodies.put(body, "issuingLifetime", issuingLifetime);
            return body;
        }
    }

    @Command(
            description = "Make a tenant with its authorities and its first API key, which is shown once.",
            footer = "  tegata tenant create --organization \"Example GmbH\" --country DE")
    void create(@Mixin NewTenant wanted, @Mixin Operator operator) {
        JsonNode created;
        try (ApiClient api = session.operatorApi(operator.data)) {
            created = api.create("/tenants", wanted.body());
        }
        // Shown before it is stored: where the profile cannot be written, the key must not be lost.
        tell(created);
        Output output = session.output();
        Path file = session.profileFile();
        if (!wanted.save && Files.exists(file)) {
            output.say("The profile " + file + " speaks for somebody else and stays as it is. To speak for this tenant,"
                    + " set TEGATA_API_KEY.");
        } else {
            Access access = session.access(operator.data);
            new Profile(
                            Optional.of(access.url().value()),
                            Optional.of(created.at("/apiKey/secret").asString()),
                            access.ca().map(Access.Found::value))
                    .save(file);
            output.say("It is stored in " + file + ": commands speak for this tenant from now on.");
        }
        output.say(next(created));
    }

    private void tell(JsonNode created) {
        Output output = session.output();
        if (output.isJson()) {
            output.print(created);
            return;
        }
        output.fields(ApiClient.object()
                .put("tenant", created.at("/tenant/name").asString())
                .put("id", created.at("/tenant/id").asString()));
        output.say("");
        if (!created.path("authorities").isEmpty()) {
            output.rows(
                    created.path("authorities"), "AUTHORITY=name", "id", "state", "VALID UNTIL=certificate.notAfter");
            output.say("");
        }
        output.say("API key of an owner, shown this once:");
        output.say("  " + created.at("/apiKey/secret").asString());
        output.say("");
    }

    private String next(JsonNode created) {
        String program = session.program();
        return switch (created.at("/authorities/0/state").asString("")) {
            case "active" -> "Next: %s fleet create --name \"My first product\"".formatted(program);
            case "" -> "Next: %s authority import --help".formatted(program);
            default ->
                "Next: have the request signed: %s authority csr %s"
                        .formatted(program, created.at("/authorities/0/id").asString());
        };
    }

    @Command(
            description = "List all tenants of the installation. Needs the operator key.",
            footer = "  tegata tenant list --data /srv/tegata")
    void list(@Mixin Paging paging, @Mixin Operator operator) {
        try (ApiClient api = session.operatorApi(operator.data)) {
            session.output()
                    .table(
                            api.get("/tenants", paging.query()),
                            "There are no tenants yet. Make one: %s tenant create --help".formatted(session.program()),
                            "id",
                            "name",
                            "subject.organization",
                            "subject.country",
                            "createdAt");
        }
    }

    @Command(
            description = "Show a tenant: the API key's own, or with the operator key any other.",
            footer = {"  tegata tenant show", "  tegata tenant show example-4kq7zd --data /srv/tegata"})
    void show(
            @Parameters(
                            paramLabel = "TENANT",
                            arity = "0..1",
                            description = "Its id; without it, the tenant that the API key belongs to.")
                    @Nullable
                    String tenant,
            @Mixin Operator operator) {
        if (tenant == null) {
            try (ApiClient api = session.api()) {
                session.output().fields(api.get("/tenant"));
            }
        } else {
            try (ApiClient api = session.operatorApi(operator.data)) {
                session.output().fields(api.get("/tenants/" + ApiClient.segment(tenant)));
            }
        }
    }
}
