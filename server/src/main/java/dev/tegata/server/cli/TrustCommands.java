// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
    private static final String LISTS = "/revocation-lists";

    private final Session session;

    private static final Pattern PEM =
            Pattern.compile("-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]{1,100000}-----END CERTIFICATE-----");

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
            description = {
                "Trust a certificate, or the CA certificates of a file that holds many.",
                "A list from a vendor, in PEM or as CSV with certificates, often has the certificates of its CAs among"
                        + " those of its chips: these are found and trusted, the others are passed over. Compare the"
                        + " fingerprints that are shown with what the vendor publishes."
            },
            footer = {
                "  tegata trust add --purpose birth-ca --name \"Factory CA\" factory-ca.pem",
                "  tegata trust add --purpose birth-ca reel-0815.pem"
            })
    void add(
            @Parameters(paramLabel = "FILE", description = "Certificates in PEM; - reads them from the input.")
                    Path file,
            @Mixin Purpose purpose,
            @Option(
                            names = "--name",
                            paramLabel = "NAME",
                            description = "What people call it; otherwise its subject. For one certificate only.")
                    @Nullable
                    String name,
            @Option(
                            names = "--require-status",
                            description =
                                    "Of a birth CA or TPM vendor: refuse certificates while it is not known whether"
                                            + " they are revoked; of a manifest signer, itself.")
                    boolean statusRequired) {
        Set<String> wanted = certificates(file);
        if (wanted.size() > 1 && name != null) {
            throw CommandFailure.usage(file + " has " + wanted.size() + " certificates to trust: leave --name out");
        }
        try (ApiClient api = session.api()) {
            for (String certificate : wanted) {
                ObjectNode body =
                        ApiClient.object().put("purpose", purpose.purpose).put("certificate", certificate);
                Bodies.put(body, "name", name);
                if (statusRequired) {
                    body.put("statusRequired", true);
                }
                session.output().fields(api.create(PATH, body));
            }
        }
    }

    /// The one certificate of the file; where there are more, those of CAs, each once.
    private Set<String> certificates(Path file) {
        Set<String> all = new LinkedHashSet<>();
        Set<String> authorities = new LinkedHashSet<>();
        String content = Inputs.largeText(file, session.terminal());
        // Some exporters write the ends of lines as two characters.
        Matcher pem = PEM.matcher(content.replace("\\n", "\n").replace("\\r", ""));
        while (pem.find()) {
            try {
                Certificate certificate = Certificate.parsePem(pem.group()).getFirst();
                all.add(certificate.pem());
                if (certificate.isAuthority()) {
                    authorities.add(certificate.pem());
                }
            } catch (InvalidCertificateException e) {
                throw CommandFailure.refused("a certificate in " + file + " cannot be read: " + e.getMessage());
            }
        }
        if (all.isEmpty()) {
            throw CommandFailure.usage(file + " holds no certificate in PEM");
        }
        if (all.size() > 1 && authorities.isEmpty()) {
            throw CommandFailure.refused(
                    "none of the " + all.size() + " certificates in " + file + " is a CA's: ask the vendor for its CA");
        }
        return all.size() == 1 ? all : authorities;
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

    @Command(
            description = "Bring in the revocation list of a trusted CA, or of one below it.",
            footer = {
                "  tegata trust crl iak-ca.crl",
                "  curl -s http://ca.example/iak.crl | tegata trust crl --issuer issuing-ca.pem -"
            })
    void crl(
            @Parameters(paramLabel = "FILE", description = "The list in DER or PEM; - reads it from the input.")
                    Path file,
            @Option(
                            names = "--issuer",
                            paramLabel = "FILE",
                            description = "The CA's certificate in PEM, and those up to a trusted one, where it is not"
                                    + " trusted itself.")
                    @Nullable
                    Path issuer) {
        byte[] content = Inputs.bytes(file, session.terminal());
        boolean pem = content.length > 0 && content[0] == '-';
        ObjectNode body = ApiClient.object()
                .put(
                        "list",
                        pem
                                ? new String(content, StandardCharsets.UTF_8)
                                : Base64.getEncoder().encodeToString(content));
        if (issuer != null) {
            body.put("issuers", new String(Inputs.bytes(issuer, session.terminal()), StandardCharsets.UTF_8));
        }
        try (ApiClient api = session.api()) {
            session.output().fields(api.create(LISTS, body));
        }
    }

    @Command(description = "List the revocation lists that were brought in.", footer = "  tegata trust crls")
    void crls() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(LISTS),
                            "There are none. Bring one in: %s trust crl --help".formatted(session.program()),
                            "CA=issuerName",
                            "scope",
                            "entries",
                            "OF=thisUpdate",
                            "CURRENT UNTIL=nextUpdate",
                            "issuer");
        }
    }

    @Command(
            name = "crl-sources",
            description = "List where revocation lists are fetched from and OCSP responders asked, and how that goes.",
            footer = "  tegata trust crl-sources")
    void sources() {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get("/revocation-sources"),
                            "There are none: no certificate below a trusted CA has named one.",
                            "url",
                            "CA=issuerName",
                            "OCSP FOR=certificates",
                            "FETCHED=fetchedAt",
                            "CURRENT UNTIL=nextUpdate",
                            "NEXT=nextAt",
                            "problem");
        }
    }

    @Command(
            name = "forget-crl",
            description = "Remove the revocation lists of a CA: what it has revoked is not known any more.",
            footer = "  tegata trust forget-crl ISSUER")
    void forget(@Parameters(paramLabel = "ISSUER", description = "As listed.") String issuer) {
        try (ApiClient api = session.api()) {
            api.delete(LISTS + "/" + ApiClient.segment(issuer));
            session.output().done("Its lists are gone.");
        }
    }
}
