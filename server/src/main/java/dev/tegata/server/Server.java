// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.key.WatchedVault;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.access.OperatorKey;
import dev.tegata.platform.acme.AcmeAccounts;
import dev.tegata.platform.acme.AcmeNonces;
import dev.tegata.platform.acme.AcmeOrders;
import dev.tegata.platform.acme.AcmeSettings;
import dev.tegata.platform.acme.TpmAttestation;
import dev.tegata.platform.admission.Admissions;
import dev.tegata.platform.appraisal.DeviceCertificates;
import dev.tegata.platform.appraisal.DeviceIntroductions;
import dev.tegata.platform.appraisal.EnrolmentEvidence;
import dev.tegata.platform.appraisal.Verification;
import dev.tegata.platform.appraisal.VerificationUpkeep;
import dev.tegata.platform.approval.Approvals;
import dev.tegata.platform.audit.AuditExport;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.authority.PublicAddresses;
import dev.tegata.platform.backup.Backups;
import dev.tegata.platform.checkin.CheckIns;
import dev.tegata.platform.checkin.DeviceReports;
import dev.tegata.platform.checkin.RelayedEnrolments;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.platform.claim.FetchedLists;
import dev.tegata.platform.claim.Manifests;
import dev.tegata.platform.claim.OcspAnswers;
import dev.tegata.platform.claim.RevocationLists;
import dev.tegata.platform.claim.SharedSecrets;
import dev.tegata.platform.claim.StatedChips;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.cmp.CmpTransactions;
import dev.tegata.platform.custody.CustodyLog;
import dev.tegata.platform.custody.Grants;
import dev.tegata.platform.custody.HandedOverDevices;
import dev.tegata.platform.custody.Mover;
import dev.tegata.platform.custody.Transfers;
import dev.tegata.platform.decision.DecisionDoor;
import dev.tegata.platform.decision.Decisions;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.device.BulkChanges;
import dev.tegata.platform.device.DeviceCounts;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.endorsement.ReappraisalRequests;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.enrol.ParallelChains;
import dev.tegata.platform.enrol.Renewals;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.health.AlgorithmPolicy;
import dev.tegata.platform.health.HealthRules;
import dev.tegata.platform.health.HealthSweep;
import dev.tegata.platform.health.Readiness;
import dev.tegata.platform.job.JobHandler;
import dev.tegata.platform.job.JobWorkers;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.metering.Usage;
import dev.tegata.platform.metering.UsageRow.Operation;
import dev.tegata.platform.order.OrderSigners;
import dev.tegata.platform.order.Orders;
import dev.tegata.platform.posture.AttestationOrders;
import dev.tegata.platform.posture.PostureWatch;
import dev.tegata.platform.posture.Postures;
import dev.tegata.platform.posture.ReappraisalJob;
import dev.tegata.platform.release.Releases;
import dev.tegata.platform.repeat.Answers;
import dev.tegata.platform.rollover.CampaignIssuers;
import dev.tegata.platform.rollover.Dependents;
import dev.tegata.platform.rollover.RolloverSteps;
import dev.tegata.platform.rollover.Rollovers;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.status.AuthorityStatuses;
import dev.tegata.platform.status.CrlPublisher;
import dev.tegata.platform.status.Crls;
import dev.tegata.platform.status.Ocsp;
import dev.tegata.platform.status.Responders;
import dev.tegata.platform.status.Retention;
import dev.tegata.platform.status.StatusKeeper;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.store.EmbeddedPostgres;
import dev.tegata.platform.tenant.KeyRotation;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.tenant.Tenants;
import dev.tegata.platform.tenant.VaultKeys;
import dev.tegata.platform.webhook.RetryRules;
import dev.tegata.platform.webhook.WebhookWorkers;
import dev.tegata.platform.webhook.Webhooks;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.OrderKind;
import dev.tegata.server.acme.AcmeEndpoint;
import dev.tegata.server.api.Api;
import dev.tegata.server.cmp.CmpEndpoint;
import dev.tegata.server.coap.CoapListener;
import dev.tegata.server.device.DeviceEndpoint;
import dev.tegata.server.est.EstEndpoint;
import dev.tegata.server.http.HttpStack;
import dev.tegata.server.http.Listener;
import dev.tegata.server.http.ListenerOptions;
import dev.tegata.server.http.ListenerOptions.Transport;
import dev.tegata.server.http.LocalTlsIdentity;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import dev.tegata.server.http.SuppliedTlsIdentity;
import dev.tegata.server.http.TlsIdentity;
import dev.tegata.server.verify.ChallengeResponse;
import dev.tegata.server.verify.DeviceVerification;
import dev.tegata.server.webhook.HttpDocuments;
import dev.tegata.server.webhook.HttpMessenger;
import dev.tegata.server.webhook.HttpProbe;
import dev.tegata.server.webhook.OutboundHttp;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLSocketFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The whole of Tegata in one process, wired together here and nowhere else.
public final class Server implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Server.class);
    private static final int CACHED_KEYS = 10_000;
    private static final int TENANTS_REMEMBERED = 1_000;
    private static final Duration RELEASES_KEPT = Duration.ofMinutes(1);
    private static final Duration STATUS_PATIENCE = Duration.ofSeconds(3);
    private static final Duration ROLLOVER_PAUSE = Duration.ofSeconds(15);
    private static final Duration TRUST_REMEMBERED = Duration.ofSeconds(2);

    /// What is open, in the order of opening; closed in the other one.
    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    private final ServerConfig config;
    private final InstantSource clock;
    private final SecureRandom random = new SecureRandom();
    private final TlsIdentity identity;
    private final Listener api;
    private final Listener devices;
    private final Optional<CoapListener> coap;
    private final Listener publicPki;
    private final Listener metrics;
    private final boolean firstStart;
    private final List<Route> apiRoutes;

    private Server(ServerConfig config, InstantSource clock) {
        this.config = config;
        this.clock = clock;
        ListenAddresses.requireFree(config);
        Optional<SuppliedTlsIdentity> supplied = supplied(config, clock);
        makeDataFolder(config.data());
        boolean complete = false;
        try {
            PrometheusMeterRegistry registry = meters();
            Database database = opened(openDatabase());
            measure(registry, database);
            PostgresSealedKeyStore sealedKeys = new PostgresSealedKeyStore(database);
            Optional<VaultKeys> vaultKeys = vaultKeys(config, sealedKeys, random);
            WatchedVault vault =
                    opened(new WatchedVault(openVault(config.vault(), sealedKeys, vaultKeys, random), clock));
            measure(registry, vault);
            AuditLog auditLog = opened(new AuditLog(database, vault, clock));
            Optional<KeyRotation> rotation =
                    vaultKeys.map(keys -> opened(new KeyRotation(database, sealedKeys, keys, auditLog)));
            Outbox outbox = opened(new Outbox(database, clock, random));
            Jobs jobs = new Jobs(database, auditLog, outbox, clock, random);
            RefusalLog refusals = opened(new RefusalLog(auditLog, database, clock));
            LoginThrottle throttle = new LoginThrottle(clock);
            ApiKeys apiKeys = opened(new ApiKeys(database, auditLog, refusals, throttle, clock, random));
            OperatorKey operatorKey = new OperatorKey(database, throttle, clock, random);
            this.firstStart = keepOperatorKey(operatorKey.ensure());
            PublicAddresses addresses = new PublicAddresses(this::publicBase);
            AuthorityMaker maker = new AuthorityMaker(vault, addresses, clock, random);
            Authorities authorities = new Authorities(database, auditLog, maker, clock);
            IssuingFleets issuingFleets = new IssuingFleets(database, authorities, clock);
            TrustedCertificates trusted = new TrustedCertificates(database, auditLog, clock);
            RecentValues<TenantId, TrustAnchors> birthCas = new RecentValues<>(
                    clock,
                    TRUST_REMEMBERED,
                    TENANTS_REMEMBERED,
                    tenant -> TrustAnchors.of(trusted.birthAuthorities(tenant)));
            Usage usage = opened(new Usage(database, auditLog, outbox, jobs, clock));
            Gauge.builder("tegata.usage.devices", usage, Usage::devicesThisMonth)
                    .description("Devices that count in the present month, of all tenants")
                    .register(registry);
            CampaignIssuers issuers = new CampaignIssuers(database, issuingFleets, clock);
            Verification verification = Verification.of(
                    new Verification.Ground(database, vault, auditLog, jobs, trusted, version()), clock, random);
            Postures postures = new Postures(database, outbox, clock);
            Enrolments enrolments = new Enrolments(
                    database,
                    vault,
                    issuingFleets,
                    issuers,
                    birthCas::get,
                    auditLog,
                    outbox,
                    (tx, tenant, issued, renewed, at) ->
                            usage.count(tx, tenant, issued, renewed ? Operation.RENEW : Operation.ENROL, at),
                    new EnrolmentEvidence(verification.nonces(), verification.appraisals()),
                    postures,
                    refusals,
                    clock,
                    random);
            ParallelChains parallelChains = new ParallelChains(database, issuingFleets, issuers, auditLog, outbox);
            Orders orders = new Orders(database, auditLog, outbox, clock, random);
            Devices devices = new Devices(
                    database,
                    auditLog,
                    outbox,
                    orders::place,
                    List.of(orders::forget, postures::forget, verification.appraisals()::forget, Grants::forget),
                    CustodyLog::noteTurn,
                    clock);
            DeviceCounts counts = opened(new DeviceCounts(database, clock));
            measure(registry, counts);
            BulkChanges bulk = new BulkChanges(database, jobs, devices);
            opened(new Renewals(database, auditLog, outbox, clock));
            Tenants tenants = new Tenants(database, vault, auditLog, apiKeys, maker, authorities, clock, random);
            verification.appraisals().whenKept(postures::note);
            PostureWatch watch = opened(
                    new PostureWatch(new PostureWatch.Services(database, tenants, devices, outbox, auditLog), clock));
            AttestationOrders attestation =
                    new AttestationOrders(database, verification.appraisals(), postures, watch, random);
            CheckIns.Services checkInServices = new CheckIns.Services(
                    database,
                    issuingFleets,
                    new Identification(database, birthCas::get),
                    orders,
                    new OrderSigners(database, vault, auditLog, clock, random),
                    devices,
                    auditLog,
                    outbox,
                    refusals);
            CheckIns checkIns = new CheckIns(
                    checkInServices,
                    new CheckIns.Hooks(
                                    Map.of(
                                            OrderKind.REFURBISH,
                                            (tx, tenant, ended) -> ended.status() == CheckIn.Status.DONE
                                                    ? devices.refurbished(
                                                            tx,
                                                            tenant,
                                                            ended.device(),
                                                            ended.order().value(),
                                                            ended.receipt())
                                                    : Optional.empty()),
                                    (fleet, device, _, now) -> {
                                        List<OrderContent> due =
                                                Renewals.due(issuers.of(fleet, device.id()), device, now);
                                        return due.isEmpty() ? parallelChains.due(fleet, device, now) : due;
                                    },
                                    (_, _, _, _, _) -> {},
                                    (tx, tenant, seen, at) -> usage.count(tx, tenant, seen, Operation.CHECK_IN, at))
                            .with(attestation, attestation, Map.of(OrderKind.ATTEST, attestation))
                            .with(new HandedOverDevices(database, issuingFleets, this::portForDevices)),
                    clock,
                    random);
            ClaimTokens claimTokens = new ClaimTokens(database, auditLog, clock, random);
            TenantSeals seals = new TenantSeals(database, vault, clock, random);
            SharedSecrets sharedSecrets = new SharedSecrets(database, claimTokens, seals, clock, random);
            CmpEndpoint cmp = new CmpEndpoint(
                    enrolments, sharedSecrets, new CmpTransactions(database, clock), refusals, vault, clock, random);
            Releases releases = new Releases(database, verification.endorsements(), auditLog, clock, random);
            verification.signers().whenRemoved(releases::signerRemoved);
            opened(PeriodicWork.start("releases", RELEASES_KEPT, () -> tenants.forEachId(releases::keep)));
            RelyingParties parties = new RelyingParties(database, auditLog, clock);
            Decisions decisions = new Decisions(database, parties, clock);
            opened(new VerificationUpkeep(database, tenants, verification.endorsements(), clock));
            CustodyLog custody = new CustodyLog(database, vault, clock);
            Mover mover = opened(new Mover(database, auditLog, outbox, custody, clock));
            Transfers transfers =
                    new Transfers(database, auditLog, outbox, jobs, mover, new LoginThrottle(clock), clock, random);
            Crls crls = new Crls(database, clock);
            CrlPublisher crlPublisher = new CrlPublisher(database, authorities, vault, crls, clock);
            Responders responders = new Responders(database, authorities, auditLog, vault, clock, random);
            Ocsp ocsp = new Ocsp(database, responders, clock, Ocsp.CAPACITY);
            AcmeSettings acmeSettings = new AcmeSettings(database, auditLog, seals, clock, random);
            OutboundHttp outbound = opened(
                    new OutboundHttp((SSLSocketFactory) SSLSocketFactory.getDefault(), config.webhookPrivateTargets()));
            HttpMessenger messenger = new HttpMessenger(outbound, clock);
            RevocationLists revocationLists = new RevocationLists(database, trusted, auditLog, clock);
            HttpDocuments documents = new HttpDocuments(outbound);
            FetchedLists fetchedLists = opened(new FetchedLists(database, tenants, revocationLists, documents, clock));
            OcspAnswers ocspAnswers = opened(new OcspAnswers(database, tenants, auditLog, documents::ask, clock));
            verification.appraisals().whenStatusUnknown(tenant -> {
                fetchedLists.look(tenant, STATUS_PATIENCE);
                ocspAnswers.look(tenant, STATUS_PATIENCE);
            });
            Webhooks webhooks =
                    new Webhooks(new Webhooks.Ground(database, auditLog, outbox, seals), messenger, clock, random);
            opened(WebhookWorkers.start(database, outbox, webhooks, RetryRules.STANDARD, random));
            AcmeEndpoint acme = new AcmeEndpoint(new AcmeEndpoint.Services(
                    enrolments,
                    acmeSettings,
                    new AcmeAccounts(database, auditLog, clock, random),
                    new AcmeOrders(database, clock, random),
                    new AcmeNonces(database, seals, clock, random),
                    refusals,
                    new TpmAttestation(verification.attestationKeys())));
            Fleets fleets = new Fleets(database, auditLog, authorities, issuingFleets, clock, random);
            Rollovers rollovers = new Rollovers(
                    new Rollovers.Ground(
                            database, auditLog, outbox, jobs, authorities, fleets, maker, this::anchorsOfThisServer),
                    clock,
                    random);
            Api routes = new Api(
                    new Api.Services(
                            tenants,
                            authorities,
                            new AuthorityStatuses(database, authorities, crlPublisher, responders, auditLog),
                            rollovers,
                            new Dependents(database, authorities, clock),
                            opened(new HealthSweep(
                                    database,
                                    authorities,
                                    new HealthRules(AlgorithmPolicy.standard()),
                                    new HttpProbe(this::publicBase, config.webhookPrivateTargets()),
                                    vault,
                                    clock)),
                            new Readiness(database),
                            fleets,
                            opened(new Manifests(
                                    database,
                                    auditLog,
                                    trusted,
                                    new StatedChips(database, devices, auditLog, outbox),
                                    clock,
                                    random)),
                            trusted,
                            revocationLists,
                            fetchedLists,
                            claimTokens,
                            sharedSecrets,
                            acmeSettings,
                            devices,
                            new Admissions(database, new DecisionDoor(decisions, parties), clock),
                            new DeviceReports(database),
                            orders,
                            custody,
                            transfers,
                            new Grants(database, devices, auditLog, outbox, clock, random),
                            counts,
                            bulk,
                            jobs,
                            webhooks,
                            usage,
                            apiKeys,
                            operatorKey,
                            auditLog,
                            new AuditExport(database, auditLog),
                            refusals,
                            new Answers(database, clock),
                            verification,
                            postures,
                            releases,
                            decisions,
                            parties,
                            version(),
                            vault,
                            rotation,
                            new Approvals(database, auditLog, clock, random),
                            new Backups(
                                    new Backups.Ground(database, vault, vaultKeys, auditLog, version()),
                                    clock,
                                    random)),
                    clock,
                    random);
            Map<String, JobHandler> handlers = new HashMap<>(bulk.handlers());
            handlers.putAll(usage.handlers());
            handlers.put(Transfers.OFFER_JOB, transfers::offerStep);
            handlers.put(
                    ReappraisalRequests.JOB_KIND,
                    new ReappraisalJob(database, verification.appraisals(), outbox, auditLog, clock));
            handlers.put(Rollovers.JOB, new RolloverSteps(rollovers, auditLog, orders, clock, ROLLOVER_PAUSE)::step);
            opened(JobWorkers.start(database, jobs, handlers));
            this.apiRoutes = routes.routes();
            this.identity = supplied.isPresent() ? supplied.get() : localIdentity();
            HttpStack http = opened(new HttpStack(registry, identity));
            this.metrics = listen(
                    http,
                    Setting.METRICS_PORT,
                    options("metrics", config.ports().metrics(), Transport.PLAIN),
                    List.of(Route.get(
                            "/metrics", _ -> Response.text(200, "text/plain; version=0.0.4", registry.scrape()))));
            this.publicPki = listen(
                    http,
                    Setting.PUBLIC_PORT,
                    options("public", config.ports().publicPki(), Transport.PLAIN),
                    publicRoutes(
                            new PublicPki(
                                    authorities, crls, ocsp, clock, new PublicPki.Health(database::isReady, vault)),
                            cmp));
            this.devices = listen(
                    http,
                    Setting.DEVICE_PORT,
                    options("devices", config.ports().devices(), Transport.MUTUAL_TLS),
                    Stream.of(
                                    new EstEndpoint(enrolments, verification.nonces()).routes(),
                                    new DeviceEndpoint(
                                                    checkIns,
                                                    new RelayedEnrolments(checkInServices, enrolments, clock, random),
                                                    new DeviceIntroductions(
                                                            database,
                                                            issuingFleets,
                                                            checkInServices.identification(),
                                                            verification.attestationKeys(),
                                                            clock))
                                            .routes(),
                                    deviceVerification(database, verification).routes(),
                                    cmp.routes(),
                                    acme.routes())
                            .flatMap(List::stream)
                            .toList());
            this.coap = config.waysIn().coapPort().isPresent()
                    ? Optional.of(opened(CoapListener.start(
                            config.ports().listen(), config.waysIn().coapPort().getAsInt(), identity, enrolments)))
                    : Optional.empty();
            this.api =
                    listen(http, Setting.API_PORT, options("api", config.ports().api(), Transport.TLS), apiRoutes);
            measure(
                    registry,
                    opened(new StatusKeeper(
                            database,
                            authorities,
                            crlPublisher,
                            responders,
                            ocsp,
                            new Retention(database, clock),
                            clock)),
                    ocsp);
            complete = true;
        } finally {
            if (!complete) {
                close();
            }
        }
    }

    /// Starts a server; when this returns it answers on all its ports.
    ///
    /// @throws dev.tegata.platform.UnavailableException where something that it needs cannot be used
    /// @throws dev.tegata.pki.key.VaultException where the vault cannot be opened
    /// @throws InvalidConfigException where an address, a port or the operator's own TLS identity cannot be
    /// used
    /// @throws UncheckedIOException where the data folder cannot be used
    public static Server start(ServerConfig config) {
        return start(config, InstantSource.system());
    }

    /// Starts a server that lives in another time.
    public static Server start(ServerConfig config, InstantSource clock) {
        long begun = System.nanoTime();
        Server server = new Server(config, clock);
        if (config.statusIsOutOfReach()) {
            LOG.warn(
                    "Certificates say that their status is at {}, which others cannot reach: set public-url.",
                    server.publicBase());
        }
        LOG.info(
                "Ready after {} ms: API {}, devices {}, public {}, metrics {}",
                Duration.ofNanos(System.nanoTime() - begun).toMillis(),
                server.apiUrl(),
                server.devicesUrl(),
                server.publicUrl(),
                server.metricsUrl());
        server.coapUrl().ifPresent(url -> LOG.info("EST over CoAP: {}", url));
        return server;
    }

    /// Makes a new operator key in place of one that was lost or has leaked, and writes it into the data
    /// folder. With the embedded database, the server must not run.
    ///
    /// @return the file with the key
    public static Path replaceOperatorKey(ServerConfig config) {
        InstantSource clock = InstantSource.system();
        if (config.database().isEmpty()) {
            try (EmbeddedPostgres postgres = EmbeddedPostgres.start(config.data())) {
                return replaceOperatorKey(config.data(), postgres.config(), clock);
            }
        }
        return replaceOperatorKey(config.data(), config.database().get(), clock);
    }

    private static Path replaceOperatorKey(Path data, DatabaseConfig where, InstantSource clock) {
        try (Database database = Database.open(where)) {
            LoginThrottle throttle = new LoginThrottle(clock);
            return writeOperatorKey(data, new OperatorKey(database, throttle, clock, new SecureRandom()).replace());
        }
    }

    public String apiUrl() {
        return api.url();
    }

    public String devicesUrl() {
        return devices.url();
    }

    /// Where EST over CoAP is; empty where it is off.
    public Optional<String> coapUrl() {
        return coap.map(CoapListener::url);
    }

    /// As devices elsewhere write it: by the first name that the server's certificate is made for.
    /// Where devices find this server, and what they know it by.
    private List<Certificate> anchorsOfThisServer() {
        try {
            return List.of(Certificate.parse(portForDevices().anchor()));
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException("the server's own certificate cannot be read", e);
        }
    }

    private HandedOverDevices.Port portForDevices() {
        String url = config.tlsNames().isEmpty()
                ? devicesUrl()
                : "https://" + config.tlsNames().getFirst() + ":" + devices.port();
        try {
            Optional<Path> authority = identity.authorityFile();
            String pem = authority.isPresent()
                    ? Files.readString(authority.get())
                    : new String(identity.material().chain(), StandardCharsets.US_ASCII);
            return new HandedOverDevices.Port(
                    url, Certificate.parsePem(pem).getLast().encoded());
        } catch (IOException | InvalidCertificateException e) {
            throw new IllegalStateException("the server's own certificate cannot be read", e);
        }
    }

    public String publicUrl() {
        return publicPki.url();
    }

    public String metricsUrl() {
        return metrics.url();
    }

    /// The certificate that clients must trust; empty where the operator brought their own identity.
    public Optional<Path> authorityFile() {
        return identity.authorityFile();
    }

    /// Whether this start has made the installation.
    public boolean firstStart() {
        return firstStart;
    }

    /// The file with the operator's key, which this installation's first start wrote.
    public Path operatorKeyFile() {
        return config.data().resolve("operator.key");
    }

    /// All operations of the API listener.
    public List<Route> apiRoutes() {
        return apiRoutes;
    }

    /// Lets running requests finish, then stops everything.
    @Override
    public void close() {
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                LOG.error("A part of the server could not be closed.", e);
            }
        }
    }

    private <T extends AutoCloseable> T opened(T part) {
        open.push(part);
        return part;
    }

    private Database openDatabase() {
        DatabaseConfig where = config.database()
                .orElseGet(() -> opened(EmbeddedPostgres.start(config.data())).config());
        return Database.open(where.withPoolSize(config.databasePool()));
    }

    /// Empty where keys are in an HSM.
    static Optional<VaultKeys> vaultKeys(ServerConfig config, PostgresSealedKeyStore store, SecureRandom random) {
        if (!(config.vault() instanceof ServerConfig.Software software)) {
            return Optional.empty();
        }
        List<KeyEncryptionKey> keys = new ArrayList<>();
        keys.add(software.passphrase()
                .map(passphrase -> KeyEncryptionKey.of(passphrase, store.passphraseSalt(random)))
                .orElseGet(() -> KeyEncryptionKey.ofFile(config.data().resolve("vault.key"), random)));
        software.next().ifPresent(next -> keys.add(KeyEncryptionKey.of(next, store.passphraseSalt(random))));
        return Optional.of(new VaultKeys(store, keys, random));
    }

    static Vault openVault(
            ServerConfig.VaultConfig config,
            PostgresSealedKeyStore store,
            Optional<VaultKeys> keys,
            SecureRandom random) {
        return switch (config) {
            case ServerConfig.Software _ -> new SoftwareVault(store, keys.orElseThrow(), random, CACHED_KEYS);
            case ServerConfig.Hsm hsm -> VaultInspection.open(hsm, random);
        };
    }

    private static Optional<SuppliedTlsIdentity> supplied(ServerConfig config, InstantSource clock) {
        try {
            return config.tls().map(files -> new SuppliedTlsIdentity(files.certificate(), files.key(), clock));
        } catch (UncheckedIOException e) {
            throw new InvalidConfigException(List.of(e.getMessage() + "."));
        }
    }

    private TlsIdentity localIdentity() {
        return new LocalTlsIdentity(config.data().resolve("tls"), config.tlsNames(), clock);
    }

    /// CMP protects its messages itself; over plain HTTP it is offered where the operator wants that.
    private List<Route> publicRoutes(PublicPki pki, CmpEndpoint cmp) {
        return config.waysIn().cmpOverHttp()
                ? Stream.of(pki.routes(), cmp.routes()).flatMap(List::stream).toList()
                : pki.routes();
    }

    private Listener listen(HttpStack http, Setting setting, ListenerOptions options, List<Route> routes) {
        return ListenAddresses.open(config.ports(), setting, options.port(), () -> http.listen(options, routes));
    }

    private ListenerOptions options(String name, int port, Transport transport) {
        return ListenerOptions.of(name, config.ports().listen(), port, transport);
    }

    private PrometheusMeterRegistry meters() {
        PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        open.push(registry::close);
        new JvmMemoryMetrics().bindTo(registry);
        opened(new JvmGcMetrics()).bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        new ProcessorMetrics().bindTo(registry);
        return registry;
    }

    private DeviceVerification deviceVerification(Database database, Verification verification) {
        return new DeviceVerification(
                new DeviceCertificates(database, clock),
                new ChallengeResponse(verification.sessions()),
                verification.appraisals());
    }

    private static void measure(PrometheusMeterRegistry registry, Database database) {
        Gauge.builder("tegata.database.active", database, d -> d.poolUsage().active())
                .register(registry);
        Gauge.builder("tegata.database.waiting", database, d -> d.poolUsage().waiting())
                .register(registry);
    }

    private static void measure(PrometheusMeterRegistry registry, DeviceCounts counts) {
        for (DeviceState state : DeviceState.values()) {
            Gauge.builder("tegata.devices", counts, c -> c.everywhere(state))
                    .tag("state", Texts.word(state))
                    .description("Devices of all tenants")
                    .register(registry);
        }
    }

    private static void measure(PrometheusMeterRegistry registry, WatchedVault vault) {
        Gauge.builder(
                        "tegata.vault.answers",
                        vault,
                        v -> v.condition().answers() && v.failing().isEmpty() ? 1 : 0)
                .description("0 where calls hang in the vault, or a tenant's last signature failed")
                .register(registry);
        Gauge.builder("tegata.vault.failing.tenants", vault, v -> v.failing().size())
                .description("Tenants whose last signature failed")
                .register(registry);
        Gauge.builder("tegata.vault.hanging", vault, v -> v.condition().hangingCalls())
                .description("Calls into the PKCS#11 library that were given up and have not come back")
                .register(registry);
    }

    private static void measure(PrometheusMeterRegistry registry, StatusKeeper keeper, Ocsp ocsp) {
        Gauge.builder("tegata.crl.seconds.left", keeper, StatusKeeper::crlSecondsLeft)
                .description("Until the first published revocation list ends")
                .register(registry);
        Gauge.builder("tegata.ocsp.responder.days.left", keeper, k -> k.responderSecondsLeft() / 86_400)
                .description("Until the first authority is without an OCSP responder")
                .register(registry);
        Gauge.builder("tegata.ocsp.ready", ocsp, Ocsp::ready)
                .description("OCSP answers that are kept ready")
                .register(registry);
    }

    /// What stands in certificates as the address of the public port. Work in the background may ask for it
    /// before the port is open, or where it could not be opened.
    private String publicBase() {
        return config.publicUrl().orElseGet(() -> {
            if (publicPki == null) {
                throw new UnavailableException("the public port is not open");
            }
            return publicUrl();
        });
    }

    private boolean keepOperatorKey(Optional<String> made) {
        made.ifPresent(key -> writeOperatorKey(config.data(), key));
        return made.isPresent();
    }

    private static Path writeOperatorKey(Path data, String key) {
        Path file = data.resolve("operator.key");
        try {
            Files.deleteIfExists(file);
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.writeString(file, key + "\n");
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException("the operator key cannot be written to " + file, e);
        }
    }

    static void makeDataFolder(Path data) {
        try {
            Files.createDirectories(data);
        } catch (IOException e) {
            throw new UncheckedIOException("the data folder " + data + " cannot be made: " + Texts.reason(e), e);
        }
    }

    static String version() {
        String version = Server.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }
}
