// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.endorsement.AttestationKey;
import dev.tegata.platform.endorsement.AttestationKeys;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Attestation keys of TPMs: credential activation, and what came of it.
final class AttestationKeyResource {
    private static final String PATH = "/api/v1/attestation-keys";

    private final AttestationKeys keys;

    AttestationKeyResource(AttestationKeys keys) {
        this.keys = keys;
    }

    /// @param attestationKey TPM2B_PUBLIC or TPMT_PUBLIC in base64
    /// @param endorsementCertificates the endorsement key's certificate and those above it, in PEM
    /// @param endorsementKey in PEM, where it was claimed with the device and there is no certificate
    record Body(
            String attestationKey,
            @Nullable String endorsementCertificates,
            @Nullable String endorsementKey,
            @Nullable String device,
            @Nullable String vendor,
            @Nullable String model) {}

    /// `credential` is both TPM structures in the file format of tpm2-tools.
    record ChallengeView(String id, String idObject, String encryptedSecret, String credential, Instant expiresAt) {}

    record Answer(String secret) {}

    record View(
            String fingerprint,
            String algorithm,
            @Nullable String device,
            @Nullable String vendor,
            @Nullable String model,
            String source,
            Instant activatedAt) {
        static View of(AttestationKey key) {
            DeviceId device = key.device();
            return new View(
                    key.publicKey().fingerprint().hex(),
                    key.publicKey().algorithm().id(),
                    device == null ? null : device.toString(),
                    key.environment().vendor(),
                    key.environment().model(),
                    key.source(),
                    key.activatedAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_APPRAISALS, this::list),
                gate.route("POST", PATH + "/activations", Permission.VERIFY_EVIDENCE, this::begin),
                gate.route("POST", PATH + "/activations/{activation}/answer", Permission.VERIFY_EVIDENCE, this::answer),
                gate.route("DELETE", PATH + "/{fingerprint}", Permission.MANAGE_APPRAISAL, this::remove));
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(keys.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response begin(Call call) {
        Body body = call.request().json(Body.class);
        AttestationKeys.Challenge challenge = keys.begin(
                call.tenant(),
                new AttestationKeys.Request(
                        base64("attestationKey", body.attestationKey()),
                        body.endorsementCertificates() == null
                                ? List.of()
                                : certificates(body.endorsementCertificates()),
                        body.endorsementKey() == null
                                ? null
                                : EndorsementResource.key("endorsementKey", body.endorsementKey()),
                        body.device() == null ? null : device(body.device()),
                        body.vendor() == null ? null : Fields.name("vendor", body.vendor()),
                        body.model() == null ? null : Fields.name("model", body.model())));
        return Response.json(
                201,
                new ChallengeView(
                        challenge.id().toString(),
                        challenge.credential().idObject().base64(),
                        challenge.credential().encryptedSecret().base64(),
                        challenge.credential().toolsFile().base64(),
                        challenge.expiresAt()));
    }

    private static DeviceId device(String text) {
        return new DeviceId(TimeOrderedIds.parse("device id", text));
    }

    private static List<Certificate> certificates(String pem) {
        try {
            return Certificate.parsePem(pem);
        } catch (InvalidCertificateException e) {
            throw Fields.invalid("endorsementCertificates", "cannot be read: " + e.getMessage());
        }
    }

    private Response answer(Call call) {
        Answer answer = call.request().json(Answer.class);
        AttestationKey key = keys.answer(
                call.tenant(),
                call.actor(),
                TimeOrderedIds.parse("activation id", call.path("activation")),
                base64("secret", answer.secret()));
        return Response.json(View.of(key));
    }

    private static Bytes base64(String field, String text) {
        try {
            return Bytes.ofBase64(text);
        } catch (IllegalArgumentException e) {
            throw Fields.invalid(field, "must be base64");
        }
    }

    private Response remove(Call call) {
        keys.remove(call.tenant(), call.actor(), EndorsementResource.fingerprint(call));
        return Response.nothing();
    }
}
