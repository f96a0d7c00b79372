// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// The authorities of a tenant.
@Command
final class AuthorityCommands {
    private static final String PATH = "/authorities";

    private final Session session;

    AuthorityCommands(Session session) {
        this.session = session;
    }

    /// Which authority a command is about.
    static final class Target {
        @Parameters(index = "0", paramLabel = "AUTHORITY", description = "Its id, as listed.")
        String id = "";

        String path() {
            return PATH + "/" + ApiClient.segment(id);
        }
    }

    @Command(description = "List the authorities.", footer = "  tegata authority list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "There are no authorities yet. Make one or bring one: %1$s authority create --help, %1$s authority import --help"
                                    .formatted(session.program()),
                            "id",
                            "name",
                            "kind",
                            "state",
                            "algorithm",
                            "VALID UNTIL=certificate.notAfter");
        }
    }

    @Command(description = "Show an authority and its certificate.", footer = "  tegata authority show AUTHORITY")
    void show(@Mixin Target target) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(target.path()));
        }
    }

    @Command(
            description = "Print an authority's certificate and all above it, in PEM.",
            footer = "  tegata authority chain AUTHORITY > chain.pem")
    void chain(@Mixin Target target) {
        try (ApiClient api = session.api()) {
            session.output().document("chain", api.text(target.path() + "/chain"));
        }
    }

    @Command(
            description = "Print the request for an authority's certificate, to be signed by your own root.",
            footer = "  tegata authority csr AUTHORITY > request.pem")
    void csr(@Mixin Target target) {
        try (ApiClient api = session.api()) {
            session.output().document("request", api.text(target.path() + "/request"));
        }
    }

    @Command(
            description = "Upload the certificate that your own root has signed, with all above it.",
            footer = "  tegata authority upload AUTHORITY chain.pem")
    void upload(
            @Mixin Target target,
            @Parameters(
                            index = "1",
                            paramLabel = "FILE",
                            description = "The certificates in PEM, in any order; - reads them from the input.")
                    Path file) {
        byte[] certificates = Inputs.bytes(file, session.terminal());
        try (ApiClient api = session.api()) {
            JsonNode authority =
                    api.put(target.path() + "/certificate", "application/pem-certificate-chain", certificates);
            session.output().fields(authority);
        }
    }

    @Command(
            name = "import",
            description = "Take in an authority that you have run elsewhere, with its key.",
            footer = "  tegata authority import --name \"Old CA\" --certificates chain.pem --key key.pem")
    void importAuthority(
            @Option(names = "--name", paramLabel = "NAME", required = true, description = "What people call it.")
                    String name,
            @Option(
                            names = "--certificates",
                            paramLabel = "FILE",
                            required = true,
                            description = "Its certificate and all above it, in PEM.")
                    Path certificates,
            @Option(
                            names = "--key",
                            paramLabel = "FILE",
                            required = true,
                            description =
                                    "Its private key in PEM (PKCS#8, not encrypted); - reads it from the input, so"
                                            + " that it touches no disk.")
                    Path key) {
        Terminal terminal = session.terminal();
        ObjectNode body = ApiClient.object()
                .put("name", name)
                .put("certificates", new String(Inputs.bytes(certificates, terminal), StandardCharsets.UTF_8))
                .put("privateKey", new String(Inputs.bytes(key, terminal), StandardCharsets.UTF_8));
        try (ApiClient api = session.api()) {
            JsonNode authority = api.create(PATH + "/import", body);
            session.output().fields(authority);
        }
    }

    static final class NewAuthority {
        @Option(names = "--name", paramLabel = "NAME", required = true, description = "What people call it.")
        String name = "";

        @Option(
                names = "--subject",
                paramLabel = "DN",
                required = true,
                description = "Its distinguished name, such as 'CN=Example Factory 2 CA,O=Example GmbH,C=DE'.")
        String subject = "";

        @Option(
                names = "--parent",
                paramLabel = "AUTHORITY",
                description = "The authority that signs it. Without one, a request is made for you to have signed.")
        @Nullable
        String parent;

        @Option(
                names = "--algorithm",
                paramLabel = "ALG",
                description = "Of its key: ec-p256 (default), ec-p384, ed25519, rsa-2048, rsa-3072, rsa-4096,"
                        + " ml-dsa-44, ml-dsa-65, ml-dsa-87.")
        @Nullable
        String algorithm;

        @Option(
                names = "--lifetime",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long its certificate is valid, such as 15y (default: 10y, a root's 25y).")
        @Nullable
        String lifetime;

        @Option(names = "--root", description = "Make a root, which signs itself and authorities below it.")
        boolean root;

        ObjectNode body() {
            ObjectNode body = ApiClient.object().put("name", name).put("subject", subject);
            Bodies.put(body, "parent", parent);
            Bodies.put(body, "algorithm", algorithm);
            Bodies.put(body, "lifetime", lifetime);
            if (root) {
                body.put("root", true);
            }
            return body;
        }
    }

    @Command(
            description = "Make an authority that signs devices.",
            footer = "  tegata authority create --name \"Factory 2\" --subject \"CN=Factory 2 CA,O=Example GmbH,C=DE\""
                    + " --parent AUTHORITY")
    void create(@Mixin NewAuthority wanted) {
        try (ApiClient api = session.api()) {
            JsonNode authority = api.create(PATH, wanted.body());
            Output output = session.output();
            output.fields(authority);
            if (wanted.parent == null && !wanted.root) {
                String id = authority.path("id").asString();
                output.say(
                        "Next: %1$s authority csr %2$s > request.pem, have it signed, and %1$s authority upload %2$s chain.pem"
                                .formatted(session.program(), id));
            }
        }
    }

    @Command(
            description = "Show how an authority's revocation lists and its OCSP responder stand.",
            footer = "  tegata authority status AUTHORITY")
    void status(@Mixin Target target) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(target.path() + "/status"));
        }
    }

    @Command(
            name = "publish-crl",
            description = "Make an authority's revocation lists anew, now.",
            footer = "  tegata authority publish-crl AUTHORITY")
    void publishCrl(@Mixin Target target) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(target.path() + "/crl"));
        }
    }

    static final class StatusChange {
        @Option(
                names = "--crl-lifetime",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long a list is valid; it is renewed at half of it (at first 4d).")
        @Nullable
        String crlLifetime;

        @Option(
                names = "--partition-size",
                paramLabel = "N",
                description = "How many certificates share a list at the most (at first 10000).")
        @Nullable
        Integer partitionSize;

        @Option(
                names = "--publish-at-once",
                arity = "1",
                paramLabel = "true|false",
                description = "Whether a revocation makes new lists at once (at first true).")
        @Nullable
        Boolean publishAtOnce;

        @Option(
                names = "--ocsp-lifetime",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long an OCSP answer may be believed (at first 1h).")
        @Nullable
        String ocspLifetime;

        ObjectNode body() {
            ObjectNode body = ApiClient.object();
            Bodies.put(body, "crlLifetime", crlLifetime);
            Bodies.put(body, "ocspLifetime", ocspLifetime);
            Bodies.put(body, "publishAtOnce", publishAtOnce);
            if (partitionSize != null) {
                body.put("partitionSize", partitionSize.intValue());
            }
            return body;
        }
    }

    @Command(
            name = "set-status",
            description = "Choose how an authority's status is published; what is left out stays as it is.",
            footer = "  tegata authority set-status AUTHORITY --crl-lifetime 7d --publish-at-once false")
    void setStatus(@Mixin Target target, @Mixin StatusChange change) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.patch(target.path() + "/status", change.body()));
        }
    }

    @Command(
            description = "End an authority's work: it issues nothing any more; what it has issued stays valid.",
            footer = "  tegata authority retire AUTHORITY")
    void retire(
            @Mixin Target target,
            @Option(names = "--leave-behind", description = "Do so though fleets, authorities or devices depend on it.")
                    boolean leaveBehind) {
        ObjectNode body = ApiClient.object().put("leaveBehind", leaveBehind);
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(target.path() + "/retire", body));
        }
    }

    @Command(
            description = "Take an authority for compromised: put another in its place, revoke all that it has issued,"
                    + " and let the devices back in.",
            footer = "  tegata authority compromise AUTHORITY --readmission birth-key")
    void compromise(
            @Mixin Target target,
            @Option(
                            names = "--readmission",
                            paramLabel = "KEY",
                            description = "Which key lets a device back in: birth-key (default), or old-key too.")
                    @Nullable
                    String readmission,
            @Option(
                            names = "--replacement",
                            paramLabel = "AUTHORITY",
                            description = "One that was made ahead; otherwise one like it is made.")
                    @Nullable
                    String replacement) {
        ObjectNode body = ApiClient.object();
        Bodies.put(body, "readmission", readmission);
        Bodies.put(body, "replacement", replacement);
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(target.path() + "/compromise", body));
        }
    }

    @Command(
            description = "Say who breaks if an authority ends today.",
            footer = "  tegata authority dependents AUTHORITY")
    void dependents(@Mixin Target target) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(target.path() + "/dependents"));
        }
    }

    @Command(
            name = "dependent-devices",
            description = "List the devices that live by certificates of an authority.",
            footer = "  tegata authority dependent-devices AUTHORITY")
    void dependentDevices(@Mixin Target target, @Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(target.path() + "/dependents/devices", paging.query()),
                            "No device on this page lives by it.",
                            "device",
                            "fleet",
                            "VALID UNTIL=notAfter",
                            "reported",
                            "LAST SEEN=lastSeenAt");
        }
    }

    @Command(
            description = "Revoke the certificate of an issuing authority, and with it all that it has issued.",
            footer = "  tegata authority revoke AUTHORITY --reason caCompromise")
    void revoke(
            @Mixin Target target,
            @Option(
                            names = "--reason",
                            paramLabel = "REASON",
                            description = "unspecified (default), caCompromise (or cACompromise), affiliationChanged,"
                                    + " superseded, cessationOfOperation.")
                    @Nullable
                    String reason) {
        ObjectNode body = ApiClient.object();
        Bodies.put(body, "reason", reason);
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(target.path() + "/revoke", body));
        }
    }
}
