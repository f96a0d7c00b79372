// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.rollover.Dependents;
import dev.tegata.platform.rollover.Rollover;
import dev.tegata.platform.rollover.Rollover.Readmission;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.rollover.Rollover.Waves;
import dev.tegata.platform.rollover.RolloverDevice;
import dev.tegata.platform.rollover.RolloverId;
import dev.tegata.platform.rollover.RolloverPlan;
import dev.tegata.platform.rollover.Rollovers;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Rollovers of authorities, and who depends on one.
final class RolloverResource {
    private static final String PATH = "/api/v1/rollovers";
    private static final String AUTHORITY = "/api/v1/authorities/{authority}";

    private final Rollovers rollovers;
    private final Dependents dependents;

    RolloverResource(Rollovers rollovers, Dependents dependents) {
        this.rollovers = rollovers;
        this.dependents = dependents;
    }

    record Body(
            String authority,
            @Nullable String replacement,
            @Nullable String algorithm,
            @Nullable String furtherAnchors,
            @Nullable Integer waveSize,
            @Nullable Integer waveShare,
            @Nullable String waveLongest,
            @Nullable Integer failureLimit) {
        RolloverPlan plan() {
            Waves usual = Waves.standard();
            return new RolloverPlan(
                    AuthorityId.parse(authority),
                    replacement == null ? null : AuthorityId.parse(replacement),
                    algorithm == null ? null : algorithm(algorithm),
                    furtherAnchors == null ? List.of() : certificates(furtherAnchors),
                    new Waves(
                            waveSize == null ? usual.size() : waveSize,
                            waveShare == null ? usual.share() : waveShare,
                            waveLongest == null ? usual.longest() : duration(waveLongest),
                            failureLimit == null ? usual.failureLimit() : failureLimit));
        }

        private static KeyAlgorithm algorithm(String text) {
            return Names.algorithm("algorithm", text);
        }

        private static List<Certificate> certificates(String pem) {
            try {
                return Certificate.parsePem(pem);
            } catch (InvalidCertificateException e) {
                throw Fields.invalid("furtherAnchors", "cannot be read: " + e.getMessage());
            }
        }

        private static Duration duration(String text) {
            try {
                return Duration.parse(text);
            } catch (DateTimeParseException e) {
                throw Fields.invalid("waveLongest", "must be a duration such as P7D or PT12H");
            }
        }
    }

    record CompromiseBody(
            @Nullable String readmission, @Nullable String replacement) {}

    record EndBody(@Nullable Boolean leaveBehind) {
        boolean leaves() {
            return Boolean.TRUE.equals(leaveBehind);
        }
    }

    record View(
            String id,
            String cause,
            String state,
            String oldAuthority,
            String newAuthority,
            Map<String, String> authorities,
            @Nullable String newAnchor,
            @Nullable String readmission,
            int waveSize,
            int waveShare,
            String waveLongest,
            int failureLimit,
            int wave,
            long listed,
            long outstanding,
            boolean settled,
            Map<String, Long> progress,
            @Nullable Instant ownRenewalsBy,
            @Nullable String note,
            @Nullable String job,
            String createdBy,
            Instant createdAt,
            Instant updatedAt) {
        static View of(Rollover rollover) {
            Map<String, String> authorities = new TreeMap<>();
            rollover.authorities().forEach((old, fresh) -> authorities.put(old.toString(), fresh.toString()));
            Map<String, Long> progress = new TreeMap<>();
            rollover.progress().forEach((step, devices) -> progress.put(Names.of(step), devices));
            return new View(
                    rollover.id().toString(),
                    Names.of(rollover.cause()),
                    Names.of(rollover.state()),
                    rollover.oldAuthority().toString(),
                    rollover.newAuthority().toString(),
                    authorities,
                    rollover.newAnchor() == null ? null : rollover.newAnchor().hex(),
                    rollover.readmission() == null ? null : Names.of(rollover.readmission()),
                    rollover.waves().size(),
                    rollover.waves().share(),
                    rollover.waves().longest().toString(),
                    rollover.waves().failureLimit(),
                    rollover.wave(),
                    rollover.listed(),
                    rollover.outstanding(),
                    rollover.settled(),
                    progress,
                    rollover.ownRenewalsBy(),
                    rollover.note(),
                    rollover.job() == null ? null : rollover.job().toString(),
                    rollover.createdBy(),
                    rollover.createdAt(),
                    rollover.updatedAt());
        }
    }

    record DeviceView(
            String device,
            int wave,
            String step,
            int attempts,
            @Nullable String detail,
            @Nullable Instant renewsBy,
            Instant changedAt) {
        static DeviceView of(RolloverDevice device) {
            return new DeviceView(
                    device.device().toString(),
                    device.wave(),
                    Names.of(device.step()),
                    device.attempts(),
                    device.detail(),
                    device.renewsBy(),
                    device.changedAt());
        }
    }

    record SummaryView(List<String> authorities, List<String> fleets, long certificates, long suspended, boolean more) {
        static SummaryView of(Dependents.Summary summary) {
            return new SummaryView(
                    summary.authorities().stream().map(AuthorityId::toString).toList(),
                    summary.fleets().stream().map(FleetId::toString).toList(),
                    summary.certificates(),
                    summary.suspended(),
                    summary.more());
        }
    }

    record DependentView(
            String device,
            String fleet,
            String serialNumber,
            Instant notAfter,
            boolean reported,
            @Nullable Instant lastSeenAt) {
        static DependentView of(Dependents.Dependent dependent) {
            return new DependentView(
                    dependent.device().toString(),
                    dependent.fleet().toString(),
                    dependent.serialNumber().hex(),
                    dependent.notAfter(),
                    dependent.reported(),
                    dependent.lastSeenAt());
        }
    }

    private interface Change {
        Rollover of(Call call, RolloverId id);
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_TENANT, this::list),
                gate.creatingGuarded(PATH, Permission.MANAGE_AUTHORITIES, this::prepare),
                gate.route("GET", PATH + "/{rollover}", Permission.READ_TENANT, this::get),
                gate.route("GET", PATH + "/{rollover}/devices", Permission.READ_DEVICES, this::devices),
                change(gate, "start", (call, id) -> rollovers.start(call.tenant(), call.actor(), id)),
                change(gate, "pause", (call, id) -> rollovers.pause(call.tenant(), call.actor(), id)),
                change(gate, "resume", (call, id) -> rollovers.resume(call.tenant(), call.actor(), id)),
                change(gate, "roll-back", (call, id) -> rollovers.rollBack(call.tenant(), call.actor(), id)),
                change(gate, "finish", (call, id) -> rollovers.finish(call.tenant(), call.actor(), id, leaves(call))),
                change(gate, "close", (call, id) -> rollovers.close(call.tenant(), call.actor(), id, leaves(call))),
                gate.guarded("POST", AUTHORITY + "/compromise", Permission.MANAGE_AUTHORITIES, this::compromise),
                gate.route("GET", AUTHORITY + "/dependents", Permission.READ_DEVICES, this::summary),
                gate.route("GET", AUTHORITY + "/dependents/devices", Permission.READ_DEVICES, this::dependents));
    }

    private static Route change(Gate gate, String name, Change change) {
        return gate.guarded(
                "POST",
                PATH + "/{rollover}/" + name,
                Permission.MANAGE_AUTHORITIES,
                call -> Response.json(View.of(change.of(call, id(call)))));
    }

    private static boolean leaves(Call call) {
        return call.request().json(EndBody.class).leaves();
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(rollovers.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response prepare(Call call) {
        Rollover rollover = rollovers.prepare(
                call.tenant(), call.actor(), call.request().json(Body.class).plan());
        return Response.json(201, View.of(rollover)).with("Location", PATH + "/" + rollover.id());
    }

    private Response get(Call call) {
        return Response.json(View.of(rollovers.get(call.tenant(), id(call))));
    }

    private Response devices(Call call) {
        var page = Queries.page(call.request(), "step");
        Step step = call.request()
                .query("step")
                .map(text -> Names.constant(Step.class, "step", text))
                .orElse(null);
        return Response.json(
                Queries.Listing.of(rollovers.devices(call.tenant(), id(call), step, page), DeviceView::of));
    }

    private Response compromise(Call call) {
        CompromiseBody body = call.request().json(CompromiseBody.class);
        String readmission = body.readmission();
        Rollover rollover = rollovers.compromise(
                call.tenant(),
                call.actor(),
                authority(call),
                readmission == null
                        ? Readmission.BIRTH_KEY
                        : Names.constant(Readmission.class, "readmission", readmission),
                body.replacement() == null ? null : AuthorityId.parse(body.replacement()));
        return Response.json(202, View.of(rollover)).with("Location", PATH + "/" + rollover.id());
    }

    private Response summary(Call call) {
        return Response.json(SummaryView.of(dependents.summary(call.tenant(), authority(call))));
    }

    private Response dependents(Call call) {
        return Response.json(Queries.Listing.of(
                dependents.devices(call.tenant(), authority(call), Queries.page(call.request())), DependentView::of));
    }

    private static RolloverId id(Call call) {
        return RolloverId.parse(call.path("rollover"));
    }

    private static AuthorityId authority(Call call) {
        return AuthorityId.parse(call.path("authority"));
    }
}
