// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.CheckInPolicy;
import dev.tegata.platform.fleet.EvidencePolicy;
import dev.tegata.platform.fleet.Fleet;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.fleet.LifePolicy;
import dev.tegata.platform.fleet.TransferPolicy;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The fleets of a tenant. A change names the version that it was decided on (`If-Match`).
final class FleetResource {
    static final String PATH = "/api/v1/fleets";
    private static final int NAMED_AUTHORITIES = 5;

    private final Fleets fleets;
    private final Authorities authorities;

    FleetResource(Fleets fleets, Authorities authorities) {
        this.fleets = fleets;
        this.authorities = authorities;
    }

    /// The part of a policy that is about the life of certificates.
    record LifeBody(
            @Nullable Duration renewalOverlap,
            @Nullable Duration orderRenewalBefore,
            @Nullable Boolean renewOutdated,
            @Nullable Boolean birthKeyEndsRefurbishment) {
        static LifeBody of(LifePolicy policy) {
            return new LifeBody(
                    policy.renewalOverlap(),
                    policy.orderRenewalBefore(),
                    policy.renewOutdated(),
                    policy.birthKeyEndsRefurbishment());
        }

        LifePolicy over(LifePolicy base) {
            return new LifePolicy(
                    renewalOverlap == null ? base.renewalOverlap() : renewalOverlap,
                    orderRenewalBefore == null ? base.orderRenewalBefore() : orderRenewalBefore,
                    renewOutdated == null ? base.renewOutdated() : renewOutdated,
                    birthKeyEndsRefurbishment == null ? base.birthKeyEndsRefurbishment() : birthKeyEndsRefurbishment);
        }
    }

    /// The part of a policy that is about evidence for certificates.
    record EvidenceBody(
            @Nullable Boolean atEnrolment,
            @Nullable Boolean atRenewal,
            @Nullable Boolean acceptWarnings,
            @Nullable Duration certificateLife) {
        static EvidenceBody of(EvidencePolicy policy) {
            return new EvidenceBody(
                    policy.atEnrolment(), policy.atRenewal(), policy.acceptWarnings(), policy.certificateLife());
        }

        EvidencePolicy over(EvidencePolicy base) {
            return new EvidencePolicy(
                    atEnrolment == null ? base.atEnrolment() : atEnrolment,
                    atRenewal == null ? base.atRenewal() : atRenewal,
                    acceptWarnings == null ? base.acceptWarnings() : acceptWarnings,
                    certificateLife == null ? base.certificateLife() : certificateLife);
        }
    }

    /// What is left out stays as it is, or as [FleetPolicy#standard()] has it.
    record PolicyBody(
            @Nullable Boolean approvalRequired,
            @Nullable Boolean serverKeyGeneration,
            @Nullable Boolean acceptAnyOfBirthCa,
            @Nullable Duration graceAfterExpiry,
            @Nullable Duration retryAfter,
            @Nullable CheckInBody checkIn,
            @Nullable TransferBody transfer,
            @Nullable LifeBody life,
            @Nullable AttestationBody attestation,
            @Nullable EvidenceBody evidence) {
        static PolicyBody of(FleetPolicy policy) {
            return new PolicyBody(
                    policy.approvalRequired(),
                    policy.serverKeyGeneration(),
                    policy.acceptAnyOfBirthCa(),
                    policy.graceAfterExpiry(),
                    policy.retryAfter(),
                    CheckInBody.of(policy.checkIn()),
                    new TransferBody(
                            Names.of(policy.transfer().consent()),
                            policy.transfer().coolDown()),
                    LifeBody.of(policy.life()),
                    AttestationBody.of(policy.attestation()),
                    EvidenceBody.of(policy.evidence()));
        }

        FleetPolicy over(FleetPolicy base) {
            return new FleetPolicy(
                    approvalRequired == null ? base.approvalRequired() : approvalRequired,
                    serverKeyGeneration == null ? base.serverKeyGeneration() : serverKeyGeneration,
                    acceptAnyOfBirthCa == null ? base.acceptAnyOfBirthCa() : acceptAnyOfBirthCa,
                    graceAfterExpiry == null ? base.graceAfterExpiry() : graceAfterExpiry,
                    retryAfter == null ? base.retryAfter() : retryAfter,
                    checkIn == null ? base.checkIn() : checkIn.over(base.checkIn()),
                    transfer == null ? base.transfer() : transfer.over(base.transfer()),
                    life == null ? base.life() : life.over(base.life()),
                    attestation == null ? base.attestation() : attestation.over(base.attestation()),
                    evidence == null ? base.evidence() : evidence.over(base.evidence()));
        }
    }

    record CheckInBody(
            @Nullable Duration quick,
            @Nullable Duration settling,
            @Nullable Duration slow,
            @Nullable Boolean suspendClones) {
        static CheckInBody of(CheckInPolicy policy) {
            return new CheckInBody(policy.quick(), policy.settling(), policy.slow(), policy.suspendClones());
        }

        CheckInPolicy over(CheckInPolicy base) {
            return new CheckInPolicy(
                    quick == null ? base.quick() : quick,
                    settling == null ? base.settling() : settling,
                    slow == null ? base.slow() : slow,
                    suspendClones == null ? base.suspendClones() : suspendClones);
        }
    }

    record ConsequenceBody(String action, Duration after) {}

    record AttestationBody(
            @Nullable Duration freshness, @Nullable List<ConsequenceBody> consequences) {
        static AttestationBody of(AttestationPolicy policy) {
            return new AttestationBody(
                    policy.freshness(),
                    policy.consequences().stream()
                            .map(step -> new ConsequenceBody(Names.of(step.action()), step.after()))
                            .toList());
        }

        AttestationPolicy over(AttestationPolicy base) {
            return new AttestationPolicy(
                    freshness == null ? base.freshness() : freshness,
                    consequences == null
                            ? base.consequences()
                            : consequences.stream()
                                    .map(step -> new AttestationPolicy.Consequence(
                                            Names.constant(
                                                    AttestationPolicy.Action.class,
                                                    "policy.attestation.consequences.action",
                                                    step.action()),
                                            step.after()))
                                    .toList());
        }
    }

    record TransferBody(@Nullable String consent, @Nullable Duration coolDown) {
        TransferPolicy over(TransferPolicy base) {
            return new TransferPolicy(
                    consent == null
                            ? base.consent()
                            : Names.constant(TransferPolicy.Consent.class, "policy.transfer.consent", consent),
                    coolDown == null ? base.coolDown() : coolDown);
        }
    }

    record NewBody(
            String name,
            @Nullable String authority,
            @Nullable String parallelAuthority,
            @Nullable ProfileBody profile,
            @Nullable PolicyBody policy) {}

    /// An empty `parallelAuthority` takes the second chain away.
    ///
    /// @param leaveBehind whether to change it though devices lose their chain
    record UpdateBody(
            @Nullable String name,
            @Nullable String authority,
            @Nullable String parallelAuthority,
            @Nullable ProfileBody profile,
            @Nullable PolicyBody policy,
            @Nullable Boolean leaveBehind) {}

    record View(
            String id,
            String name,
            String authority,
            @Nullable String parallelAuthority,
            ProfileBody profile,
            PolicyBody policy,
            int version,
            Instant createdAt) {
        static View of(Fleet fleet) {
            AuthorityId parallel = fleet.parallelAuthority();
            return new View(
                    fleet.id().value(),
                    fleet.name(),
                    fleet.authority().toString(),
                    parallel == null ? null : parallel.toString(),
                    ProfileBody.of(fleet.profile()),
                    PolicyBody.of(fleet.policy()),
                    fleet.version(),
                    fleet.createdAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_FLEETS, this::list),
                gate.creating(PATH, Permission.MANAGE_FLEETS, this::create),
                gate.route("GET", PATH + "/{fleet}", Permission.READ_FLEETS, this::get),
                gate.guarded("PATCH", PATH + "/{fleet}", Permission.MANAGE_FLEETS, this::check, this::update),
                gate.route("DELETE", PATH + "/{fleet}", Permission.MANAGE_FLEETS, this::delete));
    }

    private Response delete(Call call) {
        fleets.delete(call.tenant(), call.actor(), new FleetId(call.path("fleet")));
        return Response.nothing();
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(fleets.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response create(Call call) {
        NewBody body = call.request().json(NewBody.class);
        FleetSettings settings = new FleetSettings(
                body.name(),
                body.authority() == null ? onlyAuthority(call) : AuthorityId.parse(body.authority()),
                body.parallelAuthority() == null ? null : AuthorityId.parse(body.parallelAuthority()),
                body.profile() == null ? ProfileBody.STANDARD : body.profile().over(ProfileBody.STANDARD),
                body.policy() == null ? FleetPolicy.standard() : body.policy().over(FleetPolicy.standard()));
        Fleet fleet = fleets.create(call.tenant(), call.actor(), settings);
        return Response.json(201, View.of(fleet))
                .with("Location", PATH + "/" + fleet.id())
                .with("ETag", etag(fleet));
    }

    /// The tenant's active authority for devices, where there is just one to choose from.
    private AuthorityId onlyAuthority(Call call) {
        List<Authority> candidates = authorities.list(call.tenant(), Page.Request.first()).items().stream()
                .filter(authority -> authority.state() == Authority.State.ACTIVE && !authority.isForAuthorities())
                .toList();
        if (candidates.isEmpty()) {
            throw Fields.invalid("authority", "must be given, and the tenant has none that signs devices: make one");
        }
        if (candidates.size() > 1) {
            throw Fields.invalid(
                    "authority",
                    "must be given, because several sign devices: "
                            + candidates.stream()
                                    .limit(NAMED_AUTHORITIES)
                                    .map(authority -> authority.id() + " (" + authority.name() + ")")
                                    .collect(Collectors.joining(", "))
                            + (candidates.size() > NAMED_AUTHORITIES ? ", …" : ""));
        }
        return candidates.getFirst().id();
    }

    private Response get(Call call) {
        return answer(fleets.get(call.tenant(), new FleetId(call.path("fleet"))));
    }

    private record Change(FleetId id, int version, FleetSettings settings, boolean leaveBehind) {}

    private Change change(Call call) {
        FleetId id = new FleetId(call.path("fleet"));
        UpdateBody body = call.request().json(UpdateBody.class);
        Fleet before = fleets.get(call.tenant(), id);
        requireVersion(call, before);
        FleetSettings settings = new FleetSettings(
                body.name() == null ? before.name() : body.name(),
                body.authority() == null ? before.authority() : AuthorityId.parse(body.authority()),
                parallel(body.parallelAuthority(), before),
                body.profile() == null ? before.profile() : body.profile().over(before.profile()),
                body.policy() == null ? before.policy() : body.policy().over(before.policy()));
        return new Change(id, before.version(), settings, Boolean.TRUE.equals(body.leaveBehind()));
    }

    private void check(Call call) {
        Change change = change(call);
        if (change.leaveBehind) {
            fleets.checkLeavingBehind(call.tenant(), change.id, change.settings);
        } else {
            fleets.check(call.tenant(), change.id, change.settings);
        }
    }

    private Response update(Call call) {
        Change change = change(call);
        return answer(
                change.leaveBehind
                        ? fleets.updateLeavingBehind(
                                call.tenant(), call.actor(), change.id, change.version, change.settings)
                        : fleets.update(call.tenant(), call.actor(), change.id, change.version, change.settings));
    }

    private static @Nullable AuthorityId parallel(@Nullable String given, Fleet before) {
        if (given == null) {
            return before.parallelAuthority();
        }
        return given.isEmpty() ? null : AuthorityId.parse(given);
    }

    private static void requireVersion(Call call, Fleet fleet) {
        String given = call.request()
                .header("If-Match")
                .orElseThrow(() -> new RefusedException(
                        ErrorCode.PRECONDITION_REQUIRED, "send 'If-Match' with the ETag of the fleet"));
        if (!given.equals(etag(fleet))) {
            throw new RefusedException(ErrorCode.PRECONDITION_FAILED, "the fleet has version " + fleet.version());
        }
    }

    private static Response answer(Fleet fleet) {
        return Response.json(View.of(fleet)).with("ETag", etag(fleet));
    }

    private static String etag(Fleet fleet) {
        return "\"" + fleet.version() + "\"";
    }
}
