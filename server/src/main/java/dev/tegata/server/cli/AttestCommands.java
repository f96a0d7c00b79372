// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Nonces, appraisals, the keys of results, and attestation keys of TPMs.
@Command
final class AttestCommands {
    private static final String APPRAISALS = "/appraisals";
    private static final String KEYS = "/attestation-keys";

    private final Session session;

    AttestCommands(Session session) {
        this.session = session;
    }

    @Command(
            description = "Make a nonce, good for one piece of evidence within five minutes.",
            footer = "  tegata attest nonce --size 32")
    void nonce(
            @Option(names = "--size", paramLabel = "BYTES", description = "8 to 64; otherwise 32.") @Nullable
                    Integer size) {
        Map<String, Object> query = new LinkedHashMap<>();
        Paging.filter(query, "size", size == null ? null : size.toString());
        try (ApiClient api = session.api()) {
            session.output().fields(api.send("/nonces", query, "application/json", new byte[0]));
        }
    }

    @Command(
            description = "Have evidence appraised. A result that is not affirming is exit code 1.",
            footer = "  tegata attest appraise token.cbor --type application/psa-attestation-token --nonce NONCE")
    int appraise(
            @Parameters(paramLabel = "FILE", description = "The evidence; - reads it from the input.") Path file,
            @Option(names = "--type", paramLabel = "TYPE", required = true, description = "Its media type.")
                    String type,
            @Option(
                            names = "--nonce",
                            paramLabel = "NONCE",
                            description = "The nonce that it was made for, in base64url.")
                    @Nullable
                    String nonce,
            @Option(names = "--result", paramLabel = "FILE", description = "Write the signed result, a JWT, to a file.")
                    @Nullable
                    Path result) {
        Map<String, Object> query = new LinkedHashMap<>();
        Paging.filter(query, "nonce", nonce);
        try (ApiClient api = session.api()) {
            JsonNode appraisal = api.send(APPRAISALS, query, type, Inputs.bytes(file, session.terminal()));
            if (result != null) {
                write(result, appraisal.path("result").asString("").getBytes(StandardCharsets.US_ASCII));
            }
            session.output().fields(session.output().isJson() ? appraisal : brief(appraisal));
            return appraisal.path("status").asString("").equals("affirming") ? 0 : 1;
        }
    }

    private static JsonNode brief(JsonNode appraisal) {
        return ((ObjectNode) appraisal.deepCopy()).without("claims").without("result");
    }

    private static void write(Path file, byte[] content) {
        try {
            Files.write(file, content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Command(description = "List the appraisals, the newest first.", footer = "  tegata attest list --device DEVICE")
    void list(
            @Option(names = "--device", paramLabel = "DEVICE", description = "Those of this device only.") @Nullable
                    String device,
            @Mixin Paging paging) {
        Map<String, Object> query = paging.query();
        Paging.filter(query, "device", device);
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(APPRAISALS, query),
                            "Nothing was appraised yet.",
                            "id",
                            "appraisedAt",
                            "device",
                            "scheme",
                            "status",
                            "policy");
        }
    }

    @Command(
            description = "Show an appraisal: each claim with its rule, its origin, and what would make it affirming.",
            footer = "  tegata attest show ID")
    void show(@Parameters(paramLabel = "ID", description = "The appraisal, as listed.") String id) {
        try (ApiClient api = session.api()) {
            session.output().print(api.get(APPRAISALS + "/" + ApiClient.segment(id)));
        }
    }

    @Command(
            name = "result-keys",
            description = "List the keys that results are checked with.",
            footer = "  tegata attest result-keys")
    void resultKeys() {
        try (ApiClient api = session.api()) {
            session.output().table(api.get("/result-keys"), "There are none.", "id", "createdAt", "retiredAt");
        }
    }

    @Command(
            name = "rotate-key",
            description = "Make a new key for results. The one before is published for two days more.",
            footer = "  tegata attest rotate-key")
    void rotateKey() {
        try (ApiClient api = session.api()) {
            session.output().fields(api.create("/result-keys", ApiClient.object()));
        }
    }

    @Command(description = "List the attestation keys that TPMs have proven.", footer = "  tegata attest keys")
    void keys(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(KEYS, paging.query()),
                            "There are none. Activate one: %s attest activate --help".formatted(session.program()),
                            "fingerprint",
                            "device",
                            "vendor",
                            "model",
                            "source",
                            "activatedAt");
        }
    }

    @Command(
            description = "Challenge a TPM to prove an attestation key.",
            footer = {
                "  tegata attest activate ak.pub --ek-cert ek.pem --vendor Example --model Gateway --out credential",
                "  tpm2_activatecredential -c ak.ctx -C ek.ctx -i credential -o secret -P session:policy.ctx",
                "  tegata attest answer ID secret"
            })
    void activate(
            @Parameters(paramLabel = "FILE", description = "The attestation key's public area, as TPMs write it.")
                    Path file,
            @Option(
                            names = "--ek-cert",
                            paramLabel = "FILE",
                            description = "The endorsement key's certificate and those above it, in PEM.")
                    @Nullable
                    Path certificates,
            @Option(
                            names = "--ek",
                            paramLabel = "FILE",
                            description = "The endorsement key in PEM, where it was claimed with the device.")
                    @Nullable
                    Path endorsementKey,
            @Option(names = "--device", paramLabel = "DEVICE", description = "Whose key it is.") @Nullable
                    String device,
            @Option(names = "--vendor", paramLabel = "NAME", description = "As reference values have it.") @Nullable
                    String vendor,
            @Option(names = "--model", paramLabel = "NAME", description = "As reference values have it.") @Nullable
                    String model,
            @Option(
                            names = "--out",
                            paramLabel = "FILE",
                            required = true,
                            description = "Where to write the credential, in the file format of tpm2-tools.")
                    Path out) {
        ObjectNode body = ApiClient.object()
                .put("attestationKey", Base64.getEncoder().encodeToString(Inputs.bytes(file, session.terminal())));
        Bodies.put(body, "endorsementCertificates", text(certificates));
        Bodies.put(body, "endorsementKey", text(endorsementKey));
        Bodies.put(body, "device", device);
        Bodies.put(body, "vendor", vendor);
        Bodies.put(body, "model", model);
        try (ApiClient api = session.api()) {
            JsonNode challenge = api.act(KEYS + "/activations", body);
            write(out, Base64.getDecoder().decode(challenge.path("credential").asString("")));
            session.output()
                    .fields(ApiClient.object()
                            .put("id", challenge.path("id").asString(""))
                            .put("expiresAt", challenge.path("expiresAt").asString(""))
                            .put("credential", out.toString()));
        }
    }

    private @Nullable String text(@Nullable Path file) {
        return file == null ? null : new String(Inputs.bytes(file, session.terminal()), StandardCharsets.UTF_8);
    }

    @Command(description = "Say the secret that the TPM told.", footer = "  tegata attest answer ID secret")
    void answer(
            @Parameters(paramLabel = "ID", description = "The activation.") String id,
            @Parameters(paramLabel = "FILE", description = "The secret as the TPM wrote it.") Path file) {
        ObjectNode body = ApiClient.object()
                .put("secret", Base64.getEncoder().encodeToString(Inputs.bytes(file, session.terminal())));
        try (ApiClient api = session.api()) {
            session.output().fields(api.act(KEYS + "/activations/" + ApiClient.segment(id) + "/answer", body));
        }
    }

    @Command(
            name = "forget",
            description = "Forget an attestation key: what it signs proves nothing now.",
            footer = "  tegata attest forget FINGERPRINT")
    void forget(
            @Parameters(paramLabel = "FINGERPRINT", description = "SHA-256 of the public key in hex, as listed.")
                    String fingerprint) {
        try (ApiClient api = session.api()) {
            api.delete(KEYS + "/" + ApiClient.segment(fingerprint));
            session.output().done("It is forgotten.");
        }
    }
}
