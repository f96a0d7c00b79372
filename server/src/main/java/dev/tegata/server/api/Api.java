// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.key.WatchedVault;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.OperatorKey;
import dev.tegata.platform.acme.AcmeSettings;
import dev.tegata.platform.admission.Admissions;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.approval.Approvals;
import dev.tegata.platform.audit.AuditExport;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.backup.Backups;
import dev.tegata.platform.checkin.DeviceReports;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.platform.claim.FetchedLists;
import dev.tegata.platform.claim.Manifests;
import dev.tegata.platform.claim.RevocationLists;
import dev.tegata.platform.claim.SharedSecrets;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.custody.CustodyLog;
import dev.tegata.platform.custody.Grants;
import dev.tegata.platform.custody.Transfers;
import dev.tegata.platform.decision.Decisions;
import dev.tegata.platform.decision.Passports;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.device.BulkChanges;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.health.HealthSweep;
import dev.tegata.platform.health.Readiness;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.metering.Usage;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.posture.Postures;
import dev.tegata.platform.release.Releases;
import dev.tegata.platform.repeat.Answers;
import dev.tegata.platform.rollover.Dependents;
import dev.tegata.platform.rollover.Rollovers;
import dev.tegata.platform.status.AuthorityStatuses;
import dev.tegata.platform.tenant.KeyRotation;
import dev.tegata.platform.tenant.Tenants;
import dev.tegata.platform.webhook.Webhooks;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import dev.tegata.server.verify.Discovery;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// All operations of the REST API, and their description.
public final class Api {
    private final List<Route> routes = new ArrayList<>();

    /// The services of the domain that the API is a door to.
    ///
    /// @param version of the program
    public record Services(
            Tenants tenants,
            Authorities authorities,
            AuthorityStatuses authorityStatuses,
            Rollovers rollovers,
            Dependents dependents,
            HealthSweep health,
            Readiness readiness,
            Fleets fleets,
            Manifests manifests,
            TrustedCertificates trustedCertificates,
            RevocationLists revocationLists,
            FetchedLists fetchedLists,
            ClaimTokens claimTokens,
            SharedSecrets sharedSecrets,
            AcmeSettings acme,
            Devices devices,
            Admissions admissions,
            DeviceReports deviceReports,
            Orders orders,
            CustodyLog custody,
            Transfers transfers,
            Grants grants,
            DeviceCounts deviceCounts,
            BulkChanges bulkChanges,
            Jobs jobs,
            Webhooks webhooks,
            Usage usage,
            ApiKeys apiKeys,
            OperatorKey operatorKey,
            AuditLog auditLog,
            AuditExport auditExport,
            RefusalLog refusals,
            Answers answers,
            Verification verification,
            Postures postures,
            Releases releases,
            Decisions decisions,
            RelyingParties relyingParties,
            String version,
            WatchedVault vault,
            Optional<KeyRotation> keyRotation,
            Approvals approvals,
            Backups backups) {}

    public Api(Services services, InstantSource clock, SecureRandom random) {
        Gate gate = new Gate(
                services.apiKeys(),
                services.operatorKey(),
                services.refusals(),
                new Repetition(services.answers(), new AnswerSeal(random)),
                new SecondPerson(services.approvals()));
        byte[] contract = contract();
        routes.add(Route.get("/openapi.yaml", _ -> Response.of(200, "application/yaml", contract)));
        routes.addAll(new TenantResource(services.tenants()).routes(gate));
        routes.addAll(new AuthorityResource(services.authorities(), services.authorityStatuses(), services.dependents())
                .routes(gate));
        routes.addAll(new HealthResource(services.health(), services.readiness(), services.fleets()).routes(gate));
        routes.addAll(new RolloverResource(services.rollovers(), services.dependents()).routes(gate));
        routes.addAll(new FleetResource(services.fleets(), services.authorities()).routes(gate));
        routes.addAll(new ManifestResource(services.manifests()).routes(gate));
        routes.addAll(
                new TrustResource(services.trustedCertificates(), services.revocationLists(), services.fetchedLists())
                        .routes(gate));
        routes.addAll(new ClaimTokenResource(services.claimTokens(), services.sharedSecrets()).routes(gate));
        routes.addAll(new AcmeResource(services.acme()).routes(gate));
        routes.addAll(
                new DeviceResource(services.devices(), services.deviceReports(), services.fleets(), services.auditLog())
                        .routes(gate));
        routes.addAll(new AdmissionResource(services.admissions()).routes(gate));
        routes.addAll(new OrderResource(services.orders(), random).routes(gate));
        Discovery discovery = new Discovery(services.verification().resultKeys(), services.version());
        routes.addAll(discovery.routes());
        routes.addAll(new VerificationResource(services.verification(), discovery).routes(gate));
        routes.addAll(new EndorsementResource(services.verification()).routes(gate));
        routes.addAll(new AppraisalPolicyResource(services.verification().policies()).routes(gate));
        routes.addAll(new PostureResource(services.postures(), clock).routes(gate));
        routes.addAll(new ReleaseResource(
                        services.releases(),
                        services.fleets(),
                        services.tenants(),
                        services.verification().appraisals())
                .routes(gate));
        routes.addAll(new DecisionResource(new DecisionResource.Services(
                        services.decisions(),
                        services.relyingParties(),
                        new Passports(services.verification().resultKeys(), clock)))
                .routes(gate));
        routes.addAll(new AttestationKeyResource(services.verification().attestationKeys()).routes(gate));
        routes.addAll(new TransferResource(services.transfers()).routes(gate));
        routes.addAll(new CustodyResource(services.custody(), services.transfers(), services.grants()).routes(gate));
        routes.addAll(new BulkResource(services.bulkChanges(), services.jobs()).routes(gate));
        routes.addAll(new ForecastResource(services.deviceCounts()).routes(gate));
        routes.addAll(new JobResource(services.jobs()).routes(gate));
        routes.addAll(new WebhookResource(services.webhooks()).routes(gate));
        routes.addAll(new UsageResource(services.usage(), services.jobs()).routes(gate));
        routes.addAll(new ApiKeyResource(services.apiKeys()).routes(gate));
        routes.addAll(new ApprovalResource(services.approvals()).routes(gate));
        routes.addAll(new VaultResource(services.vault(), services.keyRotation()).routes(gate));
        routes.addAll(new BackupResource(services.backups()).routes(gate));
        routes.addAll(new AuditResource(services.auditLog(), services.auditExport()).routes(gate));
        routes.addAll(new StatusResource(
                        services.deviceCounts(),
                        clock,
                        new StatusResource.Installation(services.version(), services.vault()))
                .routes(gate));
    }

    public List<Route> routes() {
        return List.copyOf(routes);
    }

    private static byte[] contract() {
        try (InputStream in = Objects.requireNonNull(Api.class.getResourceAsStream("/openapi.yaml"))) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
