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
import tools.jackson.databind.node.ObjectNode;

/// The manifest signers and CAs that a tenant trusts, each for one purpose.
@Command
final class TrustCommands {
    private static final String PATH = "/trusted-certificates";

    private final Session session;

    TrustCommands(Session session) {
        this.session = session;
    }

    /// What a certificate is trusted for.
    static final class Purpose {
        @Option(
                names = "--purpose",
                paramLabel = "PURPOSE",
                required = true,
                description = "manifest-signer: its key signs manifests. birth-ca: it issues birth certificates. "
                        + "attestation-ca: it certifies keys that sign evidence. tpm-vendor-ca: it certifies TPMs. "
                        + "dice-root: chains of DICE layers begin with it.")
        String purpose = "";
    }

    @Command(
            description = "Trust a certificate.",
            footer = "  tegata trust add --purpose birth-ca --name \"Factory CA\" factory-ca.pem")
    void add(
            @Parameters(paramLabel = "FILE", description = "One certificate in PEM; - reads it from the input.")
                    Path file,
            @Mixin Purpose purpose,
            @Option(names = "--name", paramLabel = "NAME", description = "What people call it; otherwise its subject.")
                    @Nullable
                    String name) {
        ObjectNode body = ApiClient.object()
                .put("purpose", purpose.purpose)
                .put("certificate", new String(Inputs.bytes(file, session.terminal()), StandardCharsets.UTF_8));
        Bodies.put(body, "name", name);
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(PATH, body));
        }
    }

    @Command(description = "List the certificates that the tenant trusts.", footer = "  tegata trust list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "Beside the built-in manifest signers, nothing is trusted. Add a certificate: %s trust add --help"
                                    .formatted(session.program()),
                            "purpose",
                            "name",
                            "VALID UNTIL=certificate.notAfter",
                            "FINGERPRINT=certificate.fingerprint");
        }
    }

    @Command(
            description = "End the trust in a certificate. What was claimed through it stays claimed.",
            footer = "  tegata trust remove --purpose birth-ca FINGERPRINT")
    void remove(
            @Parameters(paramLabel = "FINGERPRINT", description = "SHA-256 of the certificate in hex, as listed.")
                    String fingerprint,
            @Mixin Purpose purpose) {
        try (ApiClient api = session.api()) {
            api.delete(PATH + "/" + ApiClient.segment(purpose.purpose) + "/" + ApiClient.segment(fingerprint));
            session.output().done("It is trusted no more.");
        }
    }
}
