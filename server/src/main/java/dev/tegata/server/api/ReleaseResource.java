// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus.Status;
import dev.tegata.attestation.eat.MeasuredComponent;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.appraisal.AppraisalId;
import dev.tegata.platform.appraisal.Appraisals;
import dev.tegata.platform.endorsement.EndorsementId;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.release.Release;
import dev.tegata.platform.release.ReleaseContent;
import dev.tegata.platform.release.Releases;
import dev.tegata.platform.tenant.Tenants;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Firmware releases, their certification and their flaws.
final class ReleaseResource {
    private static final String PATH = "/api/v1/releases";
    private static final String SUIT_TYPE = "application/suit-envelope+cose";
    private static final long SUIT_LIMIT = 4L << 20;

    private final Releases releases;
    private final Fleets fleets;
    private final Tenants tenants;
    private final Appraisals appraisals;

    ReleaseResource(Releases releases, Fleets fleets, Tenants tenants, Appraisals appraisals) {
        this.releases = releases;
        this.fleets = fleets;
        this.tenants = tenants;
        this.appraisals = appraisals;
    }

    /// What evidence calls the class of devices: an id in hex, or vendor and model.
    record ProductBody(
            @Nullable String id,
            @Nullable String vendor,
            @Nullable String model) {}

    /// @param digest SHA-256, SHA-384 or SHA-512 in hex
    /// @param signer of a PSA component, in hex
    /// @param element the measurement's key, where it is not the usual one
    record ComponentBody(
            @Nullable String name,
            @Nullable String version,
            String digest,
            @Nullable String signer,
            @Nullable String element) {}

    record CertificationBody(
            @Nullable String status,
            @Nullable String scheme,
            @Nullable String certificate,
            @Nullable Instant validUntil,
            @Nullable List<String> vulnerabilities) {
        Status state() {
            return status == null ? Status.UNCERTIFIED : Names.constant(Status.class, Status::word, "status", status);
        }

        List<String> flaws() {
            return vulnerabilities == null ? List.of() : vulnerabilities;
        }
    }

    record NewBody(
            String fleet,
            String version,
            @Nullable ProductBody product,
            List<ComponentBody> components,
            @Nullable Integer securityCounter,
            @Nullable CertificationBody certification) {}

    /// @param registers of a TPM that count, with an appraisal
    record ImportBody(
            String fleet,
            @Nullable String endorsement,
            @Nullable String appraisal,
            @Nullable Set<Integer> registers,
            @Nullable String version) {}

    record View(
            String id,
            String fleet,
            String version,
            String status,
            @Nullable String scheme,
            @Nullable String certificate,
            @Nullable Instant validUntil,
            List<String> vulnerabilities,
            int components,
            @Nullable Integer variants,
            @Nullable Integer securityCounter,
            boolean minimum,
            @Nullable String below,
            int revision,
            @Nullable String endorsement,
            Instant createdAt,
            Instant updatedAt) {
        static View of(Release release) {
            ReleaseContent content = release.content();
            UUID endorsement = release.endorsement();
            return new View(
                    release.id().toString(),
                    release.fleet().toString(),
                    content.version(),
                    release.withdrawn()
                            ? "withdrawn"
                            : release.effectiveStatus().word(),
                    content.scheme(),
                    content.certificate(),
                    content.validUntil(),
                    content.vulnerabilities(),
                    content.components().size(),
                    content.variants().isEmpty() ? null : content.variants().size(),
                    content.securityCounter(),
                    release.minimum(),
                    release.below(),
                    release.revision(),
                    endorsement == null ? null : endorsement.toString(),
                    release.createdAt(),
                    release.updatedAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_APPRAISALS, this::list),
                gate.creating(PATH, Permission.MANAGE_APPRAISAL, this::add),
                gate.creating(PATH + "/import", Permission.MANAGE_APPRAISAL, this::addFrom),
                gate.creating(PATH + "/suit", Permission.MANAGE_APPRAISAL, this::addFromSuit)
                        .withBodyLimit(SUIT_LIMIT),
                gate.route("GET", PATH + "/{release}", Permission.READ_APPRAISALS, this::show),
                gate.route("PUT", PATH + "/{release}/certification", Permission.MANAGE_APPRAISAL, this::certify),
                gate.route("POST", PATH + "/{release}/minimum", Permission.MANAGE_APPRAISAL, this::minimum));
    }

    private Response list(Call call) {
        FleetId fleet = call.request().query("fleet").map(FleetId::new).orElse(null);
        return Response.json(Queries.Listing.of(
                releases.list(call.tenant(), fleet, Queries.page(call.request(), "fleet")), View::of));
    }

    private Response show(Call call) {
        return Response.json(View.of(releases.get(call.tenant(), id(call))));
    }

    private Response add(Call call) {
        NewBody body = call.request().json(NewBody.class);
        FleetId fleet = new FleetId(body.fleet());
        Environment product = product(call.tenant(), fleet, body.product());
        Cbor element = element(product);
        CertificationBody certification = body.certification() == null
                ? new CertificationBody(null, null, null, null, null)
                : body.certification();
        ReleaseContent content = new ReleaseContent(
                body.version(),
                product,
                body.components().stream()
                        .map(component -> measurement(component, element))
                        .toList(),
                body.securityCounter(),
                certification.state(),
                certification.scheme(),
                certification.certificate(),
                certification.validUntil(),
                certification.flaws());
        return Response.json(201, View.of(releases.add(call.tenant(), call.actor(), fleet, content)));
    }

    /// A product that is not named is called as our own devices are: by the names of the tenant and the
    /// fleet.
    private Environment product(TenantId tenant, FleetId fleet, @Nullable ProductBody body) {
        if (body == null) {
            return Environment.ofModel(
                    tenants.get(tenant).name(), fleets.get(tenant, fleet).name());
        }
        String id = body.id();
        if (id != null) {
            return Environment.ofBytes(hex("product.id", id), null);
        }
        String vendor = body.vendor();
        String model = body.model();
        if (vendor == null || model == null) {
            throw Fields.invalid("product", "must have an id, or a vendor and a model");
        }
        return Environment.ofModel(vendor, model);
    }

    /// Under what evidence of such products usually measures its components.
    private static Cbor element(Environment product) {
        return product.classId() == null ? MeasuredComponent.MEASUREMENT_KEY : SoftwareComponent.MEASUREMENT_KEY;
    }

    private static Measurement measurement(ComponentBody body, Cbor usualElement) {
        Bytes digest = hex("components.digest", body.digest());
        if (digest.size() != 32 && digest.size() != 48 && digest.size() != 64) {
            throw Fields.invalid("components.digest", "must have 32, 48 or 64 bytes");
        }
        String signer = body.signer();
        String element = body.element();
        return new SoftwareComponent(
                        body.name(),
                        digest,
                        body.version(),
                        signer == null ? null : hex("components.signer", signer),
                        null)
                .toMeasurement(element == null ? usualElement : Cbor.of(element));
    }

    private static Bytes hex(String field, String text) {
        try {
            Bytes bytes = Bytes.ofHex(text);
            if (!bytes.isEmpty() && bytes.size() <= 256) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw Fields.invalid(field, "must be 1 to 256 bytes in hex");
    }

    private Response addFrom(Call call) {
        ImportBody body = call.request().json(ImportBody.class);
        FleetId fleet = new FleetId(body.fleet());
        String endorsement = body.endorsement();
        String appraisal = body.appraisal();
        List<Release> added;
        if (endorsement != null && appraisal == null) {
            added = releases.addFrom(
                    call.tenant(), call.actor(), fleet, EndorsementId.parse(endorsement), body.version());
        } else if (appraisal != null && endorsement == null) {
            Releases.Measured measured = measured(call.tenant(), AppraisalId.parse(appraisal), body.registers());
            added = List.of(releases.addFrom(call.tenant(), call.actor(), fleet, measured, body.version()));
        } else {
            throw Fields.invalid("endorsement", "or appraisal must be given, and not both");
        }
        return Response.json(
                201, new Queries.Listing<>(added.stream().map(View::of).toList(), null));
    }

    private Releases.Measured measured(TenantId tenant, AppraisalId id, @Nullable Set<Integer> registers) {
        return new Releases.Measured(
                appraisals.get(tenant, id).outcomes(),
                registers == null ? Set.of() : registers,
                Map.of("appraisal", id.toString()));
    }

    private Response addFromSuit(Call call) {
        Request request = call.request();
        if (!request.header("Content-Type").orElse("").strip().equalsIgnoreCase(SUIT_TYPE)) {
            throw new RefusedException(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "a SUIT manifest is of the type " + SUIT_TYPE);
        }
        FleetId fleet = new FleetId(request.query("fleet").orElseThrow(() -> Fields.invalid("fleet", "is missing")));
        ProductBody named = request.query("product")
                .map(id -> new ProductBody(id, null, null))
                .orElse(null);
        Environment product = product(call.tenant(), fleet, named);
        Release added = releases.addFromSuit(
                call.tenant(),
                call.actor(),
                fleet,
                new Releases.Update(Bytes.of(request.body()), product, element(product)),
                request.query("version").orElse(null));
        return Response.json(201, View.of(added));
    }

    private Response certify(Call call) {
        CertificationBody body = call.request().json(CertificationBody.class);
        return Response.json(View.of(releases.change(
                call.tenant(),
                call.actor(),
                id(call),
                content -> content.judged(
                        body.state(), body.scheme(), body.certificate(), body.validUntil(), body.flaws()))));
    }

    private Response minimum(Call call) {
        return Response.json(View.of(releases.makeMinimum(call.tenant(), call.actor(), id(call))));
    }

    private static UUID id(Call call) {
        return TimeOrderedIds.parse("release id", call.path("release"));
    }
}
