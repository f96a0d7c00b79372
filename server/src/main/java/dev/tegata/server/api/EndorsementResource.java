// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.endorsement.Endorsement;
import dev.tegata.platform.endorsement.EndorsementId;
import dev.tegata.platform.endorsement.EndorsementSigner;
import dev.tegata.platform.endorsement.EndorsementState;
import dev.tegata.platform.endorsement.StatementText;
import dev.tegata.server.http.Json;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// Endorsements and who may sign them.
final class EndorsementResource {
    private static final String PATH = "/api/v1/endorsements";
    private static final String SIGNERS = "/api/v1/endorsement-signers";
    private static final String PROVISIONING_TYPE = "application/vnd.veraison.provisioning-session+json";
    private static final long BODY_LIMIT = 5L << 20;
    private static final Set<String> TYPES = Set.of(
            "application/rim+cbor",
            "application/rim+cose",
            "application/corim-unsigned+cbor",
            "application/corim-signed+cbor",
            "application/octet-stream");

    private final Verification verification;

    EndorsementResource(Verification verification) {
        this.verification = verification;
    }

    record TagView(String kind, String name, long version) {}

    record View(
            String id,
            String name,
            @Nullable String profile,
            String digest,
            @Nullable String signer,
            @Nullable Instant notBefore,
            @Nullable Instant notAfter,
            String state,
            @Nullable String supersededBy,
            Instant submittedAt,
            String submittedBy,
            @Nullable Instant endedAt,
            List<TagView> tags,
            @Nullable JsonNode content) {
        static View of(Endorsement endorsement) {
            return of(endorsement, null);
        }

        static View of(Endorsement endorsement, @Nullable JsonNode content) {
            EndorsementId supersededBy = endorsement.supersededBy();
            return new View(
                    endorsement.id().toString(),
                    endorsement.name(),
                    endorsement.profile(),
                    endorsement.digest().hex(),
                    endorsement.signer().isEmpty() ? null : endorsement.signer(),
                    endorsement.notBefore(),
                    endorsement.notAfter(),
                    Names.of(endorsement.state()),
                    supersededBy == null ? null : supersededBy.toString(),
                    endorsement.submittedAt(),
                    endorsement.submittedBy(),
                    endorsement.endedAt(),
                    endorsement.tags().stream()
                            .map(tag -> new TagView(tag.kind(), tag.name(), tag.version()))
                            .toList(),
                    content);
        }
    }

    record SignerBody(String name, String key) {}

    record SignerView(String name, String fingerprint, String algorithm, Instant createdAt) {
        static SignerView of(EndorsementSigner signer) {
            return new SignerView(
                    signer.name(),
                    signer.publicKey().fingerprint().hex(),
                    signer.publicKey().algorithm().id(),
                    signer.createdAt());
        }
    }

    record Submitted(
            String status,
            Instant expiry,

            @JsonProperty("failure-reason") @Nullable String failureReason) {}

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_APPRAISALS, this::list),
                gate.route("POST", PATH, Permission.MANAGE_APPRAISAL, this::submit)
                        .withBodyLimit(BODY_LIMIT),
                gate.route("GET", PATH + "/{endorsement}", Permission.READ_APPRAISALS, this::show),
                gate.route("GET", PATH + "/{endorsement}/document", Permission.READ_APPRAISALS, this::document),
                gate.route("POST", PATH + "/{endorsement}/withdraw", Permission.MANAGE_APPRAISAL, this::withdraw),
                gate.route("GET", SIGNERS, Permission.READ_APPRAISALS, this::signers),
                gate.creating(SIGNERS, Permission.MANAGE_APPRAISAL, this::addSigner),
                gate.route("DELETE", SIGNERS + "/{fingerprint}", Permission.MANAGE_APPRAISAL, this::removeSigner),
                gate.route("POST", "/endorsement-provisioning/v1/submit", Permission.MANAGE_APPRAISAL, this::provision)
                        .withBodyLimit(BODY_LIMIT));
    }

    private Response list(Call call) {
        EndorsementState state = call.request()
                .query("state")
                .map(text -> Names.constant(EndorsementState.class, "state", text))
                .orElse(null);
        return Response.json(Queries.Listing.of(
                verification.endorsements().list(call.tenant(), state, Queries.page(call.request(), "state")),
                View::of));
    }

    private Response submit(Call call) {
        return Response.json(201, View.of(store(call)));
    }

    private Endorsement store(Call call) {
        if (!TYPES.contains(call.request().contentType())) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send application/rim+cbor or application/rim+cose");
        }
        return verification
                .endorsements()
                .submit(call.tenant(), call.actor(), Bytes.of(call.request().body()));
    }

    /// As clients of the known open verifier expect it: what is wrong with the manifest is told with
    /// status 200.
    private Response provision(Call call) {
        Submitted submitted;
        try {
            Endorsement stored = store(call);
            submitted = new Submitted("success", stored.submittedAt(), null);
        } catch (RefusedException e) {
            if (e.code() != ErrorCode.ENDORSEMENT_REFUSED && e.code() != ErrorCode.CONFLICT) {
                throw e;
            }
            submitted = new Submitted("failed", Instant.EPOCH, e.detail());
        }
        return Response.of(200, PROVISIONING_TYPE, Json.write(submitted));
    }

    private Response show(Call call) {
        EndorsementId id = id(call);
        Endorsement endorsement = verification.endorsements().get(call.tenant(), id);
        try {
            return Response.json(View.of(
                    endorsement, StatementText.of(verification.endorsements().document(call.tenant(), id))));
        } catch (MalformedException e) {
            throw new IntegrityException("a stored manifest cannot be read", e);
        }
    }

    private Response document(Call call) {
        return Response.of(
                200,
                "application/octet-stream",
                verification.endorsements().document(call.tenant(), id(call)).toArray());
    }

    private Response withdraw(Call call) {
        return Response.json(View.of(verification.endorsements().withdraw(call.tenant(), call.actor(), id(call))));
    }

    private static EndorsementId id(Call call) {
        return EndorsementId.parse(call.path("endorsement"));
    }

    private Response signers(Call call) {
        return Response.json(new Queries.Listing<>(
                verification.signers().list(call.tenant()).stream()
                        .map(SignerView::of)
                        .toList(),
                null));
    }

    private Response addSigner(Call call) {
        SignerBody body = call.request().json(SignerBody.class);
        EndorsementSigner signer =
                verification.signers().add(call.tenant(), call.actor(), body.name(), key("key", body.key()));
        return Response.json(201, SignerView.of(signer));
    }

    /// A public key in PEM, alone or in a certificate.
    static PublicKeyInfo key(String field, String pem) {
        try {
            if (pem.contains("BEGIN CERTIFICATE")) {
                List<Certificate> certificates = Certificate.parsePem(pem);
                if (certificates.size() == 1) {
                    return certificates.getFirst().publicKey();
                }
            } else {
                List<Bytes> keys = Pem.contents(pem, Pem.PUBLIC_KEY);
                if (keys.size() == 1) {
                    return PublicKeyInfo.parse(keys.getFirst());
                }
            }
        } catch (InvalidCertificateException | InvalidKeyInfoException | EncodingException e) {
            throw Fields.invalid(field, "cannot be read: " + e.getMessage());
        }
        throw Fields.invalid(field, "must be one public key or one certificate in PEM");
    }

    private Response removeSigner(Call call) {
        verification.signers().remove(call.tenant(), call.actor(), fingerprint(call));
        return Response.nothing();
    }

    static Bytes fingerprint(Call call) {
        try {
            return Bytes.ofHex(call.path("fingerprint"));
        } catch (IllegalArgumentException e) {
            throw Fields.invalid("fingerprint", "must be the SHA-256 of the public key in hex");
        }
    }
}
