// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Releases: firmware versions, how far they are certified, and what is wrong with them.
@Command
final class ReleaseCommands {
    private static final String PATH = "/releases";
    private static final String[] COLUMNS = {
        "id", "fleet", "version", "status", "scheme", "certificate", "VALID UNTIL=validUntil", "minimum", "below"
    };

    private final Session session;

    ReleaseCommands(Session session) {
        this.session = session;
    }

    /// Which release a command is about.
    static final class Target {
        @Parameters(paramLabel = "RELEASE", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    /// What is known of a release.
    static final class Certification {
        @Option(
                names = "--status",
                paramLabel = "STATUS",
                description = "uncertified (the default), provisional, certified, outdated or revoked.")
        @Nullable
        String status;

        @Option(names = "--scheme", paramLabel = "SCHEME", description = "Of the certification, such as PSA.")
        @Nullable
        String scheme;

        @Option(names = "--certificate", paramLabel = "NUMBER", description = "The certificate's number.")
        @Nullable
        String certificate;

        @Option(
                names = "--valid-until",
                paramLabel = "TIME",
                description = "When the certification ends; otherwise it does not.")
        @Nullable
        String validUntil;

        @Option(
                names = "--vulnerability",
                paramLabel = "NAME",
                description = "One that is known, such as CVE-2026-1234. Can be given several times.")
        List<String> vulnerabilities = List.of();

        ObjectNode body() {
            ObjectNode body = ApiClient.object();
            Bodies.put(body, "status", status);
            Bodies.put(body, "scheme", scheme);
            Bodies.put(body, "certificate", certificate);
            Bodies.put(body, "validUntil", validUntil);
            ArrayNode names = body.putArray("vulnerabilities");
            vulnerabilities.forEach(names::add);
            return body;
        }
    }

    @Command(
            description = "Add a release. What matches its digests is recognized from then on.",
            footer = {
                "  tegata release add --fleet FLEET --version 1.4.0 --product aabb... --component PRoT=1122...",
                "  tegata release add --fleet FLEET --version 1.4.0 --component app=1122... --status certified"
            })
    void add(
            @Option(names = "--fleet", paramLabel = "FLEET", required = true, description = "The fleet it is for.")
                    String fleet,
            @Option(names = "--version", paramLabel = "VERSION", required = true, description = "Its version.")
                    String version,
            @Option(
                            names = "--product",
                            paramLabel = "HEX",
                            description =
                                    "What evidence calls the product: a PSA implementation id. Without it, the names of"
                                            + " the tenant and the fleet.")
                    @Nullable
                    String product,
            @Option(
                            names = "--component",
                            paramLabel = "NAME=DIGEST",
                            required = true,
                            description = "A component and its digest in hex. Can be given several times.")
                    Map<String, String> components,
            @Option(names = "--security-counter", paramLabel = "NUMBER", description = "Its security counter.")
                    @Nullable
                    Integer counter,
            @Mixin Certification certification) {
        ObjectNode body = ApiClient.object().put("fleet", fleet).put("version", version);
        if (product != null) {
            body.putObject("product").put("id", product);
        }
        ArrayNode parts = body.putArray("components");
        components.forEach((name, digest) -> parts.addObject().put("name", name).put("digest", digest));
        if (counter != null) {
            body.put("securityCounter", counter);
        }
        body.set("certification", certification.body());
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(PATH, body));
        }
    }

    @Command(
            name = "import",
            description =
                    "Add the releases that a manifest describes: one that was submitted as an endorsement, or a SUIT"
                            + " manifest that an allowed signer of endorsements has signed. Or the one that a device"
                            + " runs: what its evidence has measured.",
            footer = {
                "  tegata release import --fleet FLEET ENDORSEMENT",
                "  tegata release import --fleet FLEET --suit update.suit --version 1.4.0",
                "  tegata release import --fleet FLEET --appraisal ID --registers 0,2,4,7 --version 1.4.0"
            })
    void addFrom(
            @Option(names = "--fleet", paramLabel = "FLEET", required = true, description = "The fleet they are for.")
                    String fleet,
            @Option(names = "--version", paramLabel = "VERSION", description = "Where the manifest does not tell it.")
                    @Nullable
                    String version,
            @Option(
                            names = "--suit",
                            paramLabel = "FILE",
                            description = "A SUIT envelope, without the firmware in it; - reads it from the input.")
                    @Nullable
                    Path suit,
            @Option(
                            names = "--product",
                            paramLabel = "HEX",
                            description = "With --suit: what evidence calls the product, as with 'release add'.")
                    @Nullable
                    String product,
            @Option(
                            names = "--appraisal",
                            paramLabel = "ID",
                            description = "The evidence of a device that runs it, as listed by 'attest list'.")
                    @Nullable
                    String appraisal,
            @Option(
                            names = "--registers",
                            paramLabel = "NUMBER",
                            split = ",",
                            description = "With --appraisal: which of a TPM's registers count; otherwise all.")
                    @Nullable
                    List<Integer> registers,
            @Parameters(paramLabel = "ENDORSEMENT", arity = "0..1", description = "The manifest's id, as listed.")
                    @Nullable
                    String endorsement) {
        if (Stream.of(suit, appraisal, endorsement).filter(Objects::nonNull).count() != 1) {
            throw CommandFailure.usage("Name an endorsement, a file with --suit, or evidence with --appraisal.");
        }
        if (suit == null) {
            ObjectNode body = ApiClient.object().put("fleet", fleet);
            Bodies.put(body, "version", version);
            Bodies.put(body, "endorsement", endorsement);
            Bodies.put(body, "appraisal", appraisal);
            if (registers != null) {
                ArrayNode numbers = body.putArray("registers");
                registers.forEach(numbers::add);
            }
            addFrom(body);
            return;
        }
        Map<String, Object> query = new HashMap<>(Map.of("fleet", fleet));
        Paging.filter(query, "version", version);
        Paging.filter(query, "product", product);
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.createFrom(
                            PATH + "/suit",
                            query,
                            "application/suit-envelope+cose",
                            Inputs.bytes(suit, session.terminal())));
        }
    }

    private void addFrom(ObjectNode body) {
        try (ApiClient api = session.api()) {
            session.output().table(api.create(PATH + "/import", body), "It has none.", COLUMNS);
        }
    }

    @Command(description = "List releases.", footer = "  tegata release list --fleet FLEET")
    void list(
            @Option(names = "--fleet", paramLabel = "FLEET", description = "Of this fleet only.") @Nullable
                    String fleet,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "fleet", fleet);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, query),
                            "There are none. Add one: %s release add --help".formatted(session.program()),
                            COLUMNS);
        }
    }

    @Command(description = "Show a release.", footer = "  tegata release show RELEASE")
    void show(@Mixin Target release) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(release.path()));
        }
    }

    @Command(
            description =
                    "Say how far a release is certified, and what is wrong with it. All stored evidence that it touches"
                            + " is judged again.",
            footer = {
                "  tegata release certify RELEASE --status certified --scheme PSA --certificate \"0716053549952 - 10010\"",
                "  tegata release certify RELEASE --status revoked"
            })
    void certify(@Mixin Target release, @Mixin Certification certification) {
        try (ApiClient api = session.api()) {
            session.output()
                    .fields(api.put(
                            release.path() + "/certification",
                            "application/json",
                            certification.body().toString().getBytes(StandardCharsets.UTF_8)));
        }
    }

    @Command(
            description = "Make a release the oldest that is acceptable in its fleet.",
            footer = "  tegata release minimum RELEASE")
    void minimum(@Mixin Target release) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(release.path() + "/minimum"));
        }
    }
}
