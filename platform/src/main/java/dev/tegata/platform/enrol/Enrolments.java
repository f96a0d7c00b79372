// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.GeneralName;
import dev.tegata.pki.certificate.GrantedRequest;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.ProvenRequest;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.AttestationPolicy.Action;
import dev.tegata.platform.fleet.EvidencePolicy;
import dev.tegata.platform.fleet.IssuerChoice;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.status.CrlPartitions;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Gives devices their certificates: one service behind every protocol.
///
/// The order of things, and what is on disk when:
///
/// 1. The fleet is found by its public id; the request is read.
/// 2. The credential leads to a device ([Identification]). Nothing is written.
/// 3. State, fleet and key are judged. A refusal goes to the audit in the background.
/// 4. The request's own signature is verified: no certificate for a key that was not proven.
/// 5. Where the fleet wants approval, the wish is stored and the device told to come back.
/// 6. The certificate is made, linted, and signed in the vault. It exists in memory only; a crash here
///     loses nothing that anybody has seen.
/// 7. [IssuanceJournal] stores certificate, device state and audit record in one transaction.
/// 8. Only then it is answered.
public final class Enrolments {
    /// A device that lost our answer asks again with the same key; within this time it gets the same
    /// certificate.
    static final Duration REPEAT_WINDOW = Duration.ofHours(1);

    /// Vendors' issuing certificates whose signatures are remembered as good.
    static final int SIGNATURE_CACHE = 1024;

    private final IssuingFleets fleets;
    private final Identification identification;
    private final IssuerChoice issuers;
    private final DeviceLookup lookup;
    private final Approvals approvals;
    private final CrlPartitions partitions;
    private final IssuanceJournal journal;
    private final OwnRevocations revocations;
    private final ParallelChains parallel;
    private final EvidenceGate gate;
    private final Standing standing;
    private final Vault vault;
    private final RefusalLog refusals;
    private final InstantSource clock;
    private final SecureRandom random;

    /// Where each fleet's own authority issues.
    public Enrolments(
            Database database,
            Vault vault,
            IssuingFleets fleets,
            Function<TenantId, TrustAnchors> birthCas,
            AuditLog auditLog,
            Outbox outbox,
            RefusalLog refusals,
            InstantSource clock,
            SecureRandom random) {
        this(
                database,
                vault,
                fleets,
                IssuerChoice.FLEET,
                birthCas,
                auditLog,
                outbox,
                (_, _, _, _, _) -> {},
                EvidenceGate.shut(),
                (_, _) -> Optional.empty(),
                refusals,
                clock,
                random);
    }

    /// @param issuers which authority issues for a device
    /// @param birthCas the CAs whose birth certificates a tenant trusts
    /// @param issued hears of certificates that are stored
    /// @param gate judges evidence, for fleets that ask for it
    /// @param standing of devices that want another certificate
    public Enrolments(
            Database database,
            Vault vault,
            IssuingFleets fleets,
            IssuerChoice issuers,
            Function<TenantId, TrustAnchors> birthCas,
            AuditLog auditLog,
            Outbox outbox,
            IssuedListener issued,
            EvidenceGate gate,
            Standing standing,
            RefusalLog refusals,
            InstantSource clock,
            SecureRandom random) {
        this.fleets = fleets;
        this.issuers = issuers;
        this.lookup = new DeviceLookup(database);
        this.identification = new Identification(lookup, birthCas, new PathCheck(SIGNATURE_CACHE));
        this.approvals = new Approvals(database, auditLog, clock, random);
        this.partitions = new CrlPartitions(database);
        this.revocations = new OwnRevocations(database, auditLog);
        this.journal = new IssuanceJournal(database, auditLog, outbox, issued);
        this.parallel = new ParallelChains(database, fleets, issuers, auditLog, outbox);
        this.gate = gate;
        this.standing = standing;
        this.vault = vault;
        this.refusals = refusals;
        this.clock = clock;
        this.random = random;
    }

    /// The fleet with its chain, for what a protocol tells devices before they enrol.
    ///
    /// @throws RefusedException where there is no such fleet, or its authority is not ready
    public IssuingFleet fleet(FleetId fleet) {
        return fleets.get(fleet);
    }

    /// The CA certificates that a fleet's devices are handed out, those of a second chain too.
    ///
    /// @throws RefusedException where there is no such fleet, or its authority is not ready
    public List<Certificate> published(FleetId fleet) {
        return fleets.published(fleets.get(fleet));
    }

    /// Carries out one enrolment. Blocks until the certificate is durable.
    ///
    /// @throws dev.tegata.platform.UnavailableException where database or vault cannot be used; asking
    ///     again is safe
    public EnrolmentOutcome enrol(EnrolmentRequest request) {
        IssuingFleet fleet;
        try {
            fleet = fleets.get(request.fleet());
        } catch (RefusedException e) {
            return new EnrolmentOutcome.Refused(e.code(), e.detail());
        }
        return outcome(fleet, request, Attempt::run);
    }

    /// What an attempt does until it ends or is refused.
    private interface Course {
        EnrolmentOutcome run(Attempt attempt) throws Refusal;
    }

    private EnrolmentOutcome outcome(IssuingFleet fleet, EnrolmentRequest request, Course course) {
        try {
            return course.run(new Attempt(fleet, request, clock.instant()));
        } catch (Refusal refusal) {
            return refused(request, refusal);
        }
    }

    private EnrolmentOutcome.Refused refused(EnrolmentRequest request, Refusal refusal) {
        refusals.add(
                request.fleet().tenant(),
                new RefusalLog.Refusal(
                        refusal.device == null ? Actor.system("unknown-device") : Actor.device(refusal.device),
                        request.source(),
                        refusal.code,
                        refusal.device == null ? "fleet:" + request.fleet() : "device:" + refusal.device,
                        refusal.detail));
        return new EnrolmentOutcome.Refused(refusal.code, refusal.detail);
    }

    /// Revokes a certificate at the wish of the device that it was issued to.
    ///
    /// @param reason of RFC 5280 §5.3.1
    /// @return empty where it is revoked now
    public Optional<EnrolmentOutcome.Refused> revoke(
            FleetId fleetId, DeviceCredential credential, SerialNumber serial, int reason, String source) {
        IssuingFleet fleet = fleets.get(fleetId);
        EnrolmentRequest request =
                new EnrolmentRequest(fleetId, credential, Bytes.EMPTY, EnrolmentRequest.Purpose.RE_ENROL, source);
        try {
            new Attempt(fleet, request, clock.instant()).revoke(serial, reason);
            return Optional.empty();
        } catch (Refusal refusal) {
            return Optional.of(refused(request, refusal));
        }
    }

    /// Makes the device's key pair here and enrols it (RFC 7030 §4.4): for devices that cannot make good
    /// keys, where the fleet's policy allows it. The private key is in the answer and nowhere else.
    ///
    /// @param request whose own key is not used
    /// @throws RefusedException where there is no such fleet, or it does not offer this
    public ServerKeyOutcome enrolWithServerKey(EnrolmentRequest request) {
        IssuingFleet fleet = fleets.get(request.fleet());
        if (!fleet.fleet().policy().serverKeyGeneration()) {
            throw new RefusedException(ErrorCode.NOT_ENABLED, "the fleet does not make keys for its devices");
        }
        AtomicReference<@Nullable SoftwareKey> made = new AtomicReference<>();
        EnrolmentOutcome outcome = outcome(fleet, request, attempt -> {
            Identification.Result.Found found = attempt.identify();
            // Not before the device is known: keys cost time to make, and strangers have none of ours.
            SoftwareKey key = SoftwareKey.generate(
                    fleet.issuance().profile().keyAlgorithms().getFirst());
            made.set(key);
            return attempt.certify(found, requestFor(key));
        });
        return new ServerKeyOutcome(outcome, made.get());
    }

    private static CertificateRequest requestFor(SoftwareKey key) {
        KeyAlgorithm algorithm = key.publicKey().algorithm();
        return CertificateRequest.create(
                Name.EMPTY, key.publicKey(), List.of(), data -> key.sign(algorithm.signatureAlgorithm(), data));
    }

    /// @param key the key pair of the certificate that `outcome` issues; worth nothing where it issues
    ///     none
    public record ServerKeyOutcome(
            EnrolmentOutcome outcome, @Nullable SoftwareKey key) {}

    /// Ends an attempt. Caught in [#outcome], never seen outside.
    private static final class Refusal extends Exception {
        private static final long serialVersionUID = 1L;
        final transient ErrorCode code;
        final transient String detail;
        final transient @Nullable DeviceId device;

        Refusal(ErrorCode code, String detail, @Nullable DeviceId device) {
            super(detail, null, false, false);
            this.code = code;
            this.detail = detail;
            this.device = device;
        }
    }

    /// One enrolment on its way through the steps.
    private final class Attempt {
        private final IssuingFleet fleet;
        private final TenantId tenant;
        private final EnrolmentRequest request;
        private final Instant now;

        Attempt(IssuingFleet fleet, EnrolmentRequest request, Instant now) {
            this.fleet = fleet;
            this.tenant = fleet.tenant();
            this.request = request;
            this.now = now;
        }

        EnrolmentOutcome run() throws Refusal {
            CertificateRequest wanted = read();
            return certify(identify(), wanted);
        }

        EnrolmentOutcome certify(Identification.Result.Found found, CertificateRequest wanted) throws Refusal {
            refuseForeignKey(found, wanted);
            Optional<IssuingFleet> second =
                    parallel.of(fleet, found.device(), wanted.publicKey().algorithm());
            if (second.isPresent()) {
                return certifyBeside(found, wanted, second.get());
            }
            Optional<EnrolmentOutcome> repeated = repeat(found.device(), wanted);
            if (repeated.isPresent()) {
                return repeated.get();
            }
            ProvenRequest proven = prove(found, wanted);
            if (needsApproval(found)) {
                return new EnrolmentOutcome.Pending(fleet.fleet().policy().retryAfter());
            }
            UUID appraisal = evidence(found.device(), wanted);
            return issue(found, proven, appraisal, longestLife(found.device(), appraisal != null));
        }

        /// How long the certificate may live; zero leaves it to the profile. A device that is not good may
        /// have none.
        private Duration longestLife(Candidate device, boolean proven) throws Refusal {
            Duration life = fleet.fleet().policy().evidence().certificateLife();
            AttestationPolicy policy = fleet.fleet().policy().attestation();
            boolean matters = policy.grace(Action.SHORTEN_LIFE).isPresent()
                    || policy.grace(Action.REFUSE_RENEWAL).isPresent();
            if (proven || device.state() != DeviceState.ACTIVE || !matters) {
                return life;
            }
            Standing.NotGood bad = standing.of(tenant, device.id()).orElse(null);
            if (bad == null) {
                return life;
            }
            if (policy.draws(Action.REFUSE_RENEWAL, bad.since(), now)) {
                throw new Refusal(
                        ErrorCode.POSTURE_NOT_GOOD,
                        "posture-" + bad.word() + ": the device has not been good since " + bad.since(),
                        device.id());
            }
            boolean shorter = life.isZero() || policy.freshness().compareTo(life) < 0;
            return shorter && policy.draws(Action.SHORTEN_LIFE, bad.since(), now) ? policy.freshness() : life;
        }

        /// A certificate of the second chain, for a device that shows the one that it has.
        private EnrolmentOutcome certifyBeside(
                Identification.Result.Found found, CertificateRequest wanted, IssuingFleet issuing) throws Refusal {
            Candidate device = found.device();
            if (found.basis() != Identification.Basis.OPERATIONAL_CERTIFICATE || device.state() != DeviceState.ACTIVE) {
                throw new Refusal(
                        ErrorCode.OPERATIONAL_IDENTITY_REQUIRED,
                        "a certificate of the second chain is given to whoever shows one of the first",
                        device.id());
            }
            if (lookup.isSpent(tenant, device.id(), wanted.publicKey().fingerprint())) {
                throw new Refusal(ErrorCode.KEY_MISMATCH, "the key had a certificate of an earlier owner", device.id());
            }
            ProvenRequest proven = prove(found, wanted);
            UUID appraisal = evidence(device, wanted);
            IssuingAuthority authority = issuing.authority();
            int partition = partition(issuing);
            Certificate certificate = sign(found, proven, issuing, partition, longestLife(device, appraisal != null));
            AuditEvent event = audit(found, certificate, authority, appraisal);
            AuditEvent marked = new AuditEvent(
                    event.actor(),
                    "certificate.issued-in-parallel",
                    event.subject(),
                    ParallelChains.mark(new LinkedHashMap<>(event.detail())));
            if (!parallel.store(
                    tenant, device, certificate, authority.id(), new ParallelChains.Issued(now, partition, marked))) {
                throw new Refusal(
                        ErrorCode.ENROLMENT_IN_PROGRESS,
                        "the device was changed by another request at the same moment",
                        device.id());
            }
            return new EnrolmentOutcome.Issued(device.id(), certificate, authority.shown());
        }

        /// The appraisal of the device's evidence; null where the fleet asks for none.
        private @Nullable UUID evidence(Candidate device, CertificateRequest wanted) throws Refusal {
            EvidencePolicy policy = fleet.fleet().policy().evidence();
            boolean asked = device.state() == DeviceState.ACTIVE ? policy.atRenewal() : policy.atEnrolment();
            if (!asked) {
                return null;
            }
            try {
                return gate.pass(tenant, policy, new EvidenceGate.Shown(device.id(), wanted, request.nonce()));
            } catch (RefusedException e) {
                throw new Refusal(e.code(), e.detail(), device.id());
            }
        }

        private CertificateRequest read() throws Refusal {
            try {
                return switch (request.form()) {
                    case PKCS10 -> CertificateRequest.parse(request.request());
                    case CRMF -> CertificateRequest.parseCrmf(request.request());
                };
            } catch (InvalidRequestException e) {
                throw new Refusal(ErrorCode.REQUEST_INVALID, e.getMessage(), null);
            }
        }

        /// The device, which may have a certificate.
        Identification.Result.Found identify() throws Refusal {
            boolean operationalFirst = request.purpose() == EnrolmentRequest.Purpose.RE_ENROL;
            Identification.Result.Found found = switch (identification.identify(
                    fleet, request.credential(), operationalFirst, now)) {
                case Identification.Result.Found known -> known;
                case Identification.Result.NotFound(ErrorCode code, String detail, Candidate device, boolean _) -> {
                    if (device == null || code != ErrorCode.CERTIFICATE_REVOKED || !readmits(device)) {
                        throw new Refusal(code, detail, null);
                    }
                    yield new Identification.Result.Found(
                            device, Identification.Basis.OPERATIONAL_CERTIFICATE, null, null, null);
                }
                case Identification.Result.Unclaimed(Certificate birthCertificate) -> adopt(birthCertificate);
            };
            judge(found);
            return found;
        }

        /// Whether the device shows the certificate that it lost together with its authority.
        private boolean readmits(Candidate device) {
            if (!(request.credential() instanceof DeviceCredential.TlsCertificate(List<Bytes> chain))) {
                return false;
            }
            try {
                Bytes serial = Certificate.parse(chain.getFirst()).serial().content();
                return device.state() == DeviceState.ACTIVE && issuers.readmits(fleet, device.id(), serial);
            } catch (InvalidCertificateException e) {
                return false;
            }
        }

        /// The fleet takes any device of a birth CA: it is claimed now, and found as if it had been
        /// claimed before.
        private Identification.Result.Found adopt(Certificate birthCertificate) throws Refusal {
            boolean adopted = approvals.adopt(tenant, fleet.fleet().id(), birthCertificate);
            Bytes fingerprint = birthCertificate.publicKeyEncoded().sha256();
            // A device that asks twice at once is claimed by one of its requests, and found by the other.
            Candidate device = lookup.byBirthKey(tenant, fingerprint)
                    .orElseThrow(() -> new Refusal(
                            ErrorCode.DEVICE_UNKNOWN,
                            adopted
                                    ? "the device was claimed and taken away again"
                                    : "the birth certificate '" + birthCertificate.subject()
                                            + "' names no serial number, or one that is taken",
                            null));
            return new Identification.Result.Found(
                    device, Identification.Basis.BIRTH_CERTIFICATE, fingerprint, null, null);
        }

        private void judge(Identification.Result.Found found) throws Refusal {
            Candidate device = found.device();
            if (!device.fleet().equals(fleet.fleet().id())) {
                throw new Refusal(
                        ErrorCode.WRONG_FLEET,
                        "the device belongs to fleet " + device.fleet() + " and asked at "
                                + fleet.fleet().id(),
                        device.id());
            }
            boolean birth = found.basis() == Identification.Basis.BIRTH_KEY
                    || found.basis() == Identification.Basis.BIRTH_CERTIFICATE;
            boolean readmits = birth && fleet.fleet().policy().life().birthKeyEndsRefurbishment();
            boolean wipedYetOld = device.state() == DeviceState.CLAIMED
                    && found.basis() == Identification.Basis.OPERATIONAL_CERTIFICATE;
            if (!device.state().mayEnrol(readmits) || wipedYetOld) {
                throw new Refusal(
                        ErrorCode.DEVICE_NOT_ACTIVE, "the device is " + Texts.word(device.state()), device.id());
            }
            Candidate.CurrentCertificate current = device.current();
            if (device.state() == DeviceState.ACTIVE
                    && found.basis() == Identification.Basis.CLAIM_TOKEN
                    && (current == null || !current.revoked())) {
                throw new Refusal(
                        ErrorCode.TOKEN_INVALID, "the device has a certificate without the token", device.id());
            }
            // Past the grace period nobody knows any more whose hands the device is in.
            if (current != null
                    && device.state() == DeviceState.ACTIVE
                    && now.isAfter(
                            current.notAfter().plus(fleet.fleet().policy().graceAfterExpiry()))) {
                throw new Refusal(
                        ErrorCode.CERTIFICATE_EXPIRED,
                        "the last certificate ended on " + current.notAfter() + ", the grace period is over",
                        device.id());
            }
        }

        void revoke(SerialNumber serial, int reason) throws Refusal {
            Candidate device = identify().device();
            switch (revocations.revoke(tenant, device.id(), serial, reason, request.source(), now)) {
                case DONE -> {}
                case ALREADY ->
                    throw new Refusal(
                            ErrorCode.CERTIFICATE_REVOKED,
                            "certificate " + serial.hex() + " is revoked already",
                            device.id());
                case NOT_ITS_OWN ->
                    throw new Refusal(
                            ErrorCode.NOT_FOUND, "the device has no certificate " + serial.hex(), device.id());
            }
        }

        /// A key that was claimed for one device is never certified for another.
        private void refuseForeignKey(Identification.Result.Found found, CertificateRequest wanted) throws Refusal {
            Bytes fingerprint = wanted.publicKey().fingerprint();
            if (found.birthKey() != null && found.birthKey().equals(fingerprint)) {
                return;
            }
            Optional<Candidate> owner = lookup.byBirthKey(tenant, fingerprint);
            if (owner.isPresent() && !owner.get().id().equals(found.device().id())) {
                throw new Refusal(
                        ErrorCode.KEY_MISMATCH,
                        "the request carries the birth key of device "
                                + owner.get().id(),
                        found.device().id());
            }
        }

        /// What lives for minutes is not given twice when there is little left of it.
        private boolean isHalfOver(Candidate.CurrentCertificate current) {
            Duration life = Duration.between(current.issuedAt(), current.notAfter());
            return !now.isBefore(current.issuedAt().plus(life.dividedBy(2)));
        }

        private Optional<EnrolmentOutcome> repeat(Candidate device, CertificateRequest wanted) {
            Candidate.CurrentCertificate current = device.current();
            if (request.purpose() != EnrolmentRequest.Purpose.ENROL
                    || device.state() != DeviceState.ACTIVE
                    || current == null
                    || current.revoked()
                    || current.issuedAt().plus(REPEAT_WINDOW).isBefore(now)
                    || isHalfOver(current)
                    || !current.publicKeyFingerprint().equals(wanted.publicKey().fingerprint())) {
                return Optional.empty();
            }
            Certificate certificate = stored(current.encoded());
            IssuingAuthority authority = issuers.of(fleet, device.id()).authority();
            if (!namesTheHosts(certificate)
                    || !certificate.issuer().equals(authority.certificate().subject())
                    || !certificate
                            .authorityKeyIdentifier()
                            .equals(authority.certificate().subjectKeyIdentifier())) {
                return Optional.empty();
            }
            return Optional.of(new EnrolmentOutcome.Issued(device.id(), certificate, authority.shown()));
        }

        /// Whether a certificate for the same key is what this request wants: one for host names has these and
        /// no others.
        private boolean namesTheHosts(Certificate certificate) {
            if (request.hostNames().isEmpty()) {
                return true;
            }
            Set<String> hosts = new HashSet<>();
            for (GeneralName name : certificate.alternativeNames()) {
                if (name instanceof GeneralName.Dns(String host)) {
                    hosts.add(host);
                }
            }
            return hosts.equals(Set.copyOf(request.hostNames()));
        }

        private ProvenRequest prove(Identification.Result.Found found, CertificateRequest wanted) throws Refusal {
            try {
                return wanted.prove();
            } catch (InvalidRequestException e) {
                throw refusal(found, e);
            }
        }

        private boolean needsApproval(Identification.Result.Found found) throws Refusal {
            if (!fleet.fleet().policy().approvalRequired() || found.device().state() == DeviceState.ACTIVE) {
                return false;
            }
            Candidate.Approval approval = found.device().approval();
            if (approval == null) {
                approvals.ask(tenant, found.device().id(), request.source());
                return true;
            }
            return switch (approval) {
                case PENDING -> true;
                case APPROVED -> false;
                case REJECTED ->
                    throw new Refusal(
                            ErrorCode.DEVICE_NOT_ACTIVE,
                            "an operator rejected the device",
                            found.device().id());
            };
        }

        private EnrolmentOutcome issue(
                Identification.Result.Found found, ProvenRequest proven, @Nullable UUID appraisal, Duration longestLife)
                throws Refusal {
            Candidate device = found.device();
            IssuingFleet issuing = issuers.of(fleet, device.id());
            IssuingAuthority authority = issuing.authority();
            int partition = partition(issuing);
            Certificate certificate = sign(found, proven, issuing, partition, longestLife);
            boolean stored = journal.store(tenant, entry(found, proven, certificate, authority, partition, appraisal));
            if (stored) {
                return new EnrolmentOutcome.Issued(device.id(), certificate, authority.shown());
            }
            return answerOfTheWinner(found, proven);
        }

        private int partition(IssuingFleet issuing) {
            return issuing.issuance().profile().locations().spreadsOverPartitions()
                    ? partitions.next(tenant, issuing.authority().id())
                    : 0;
        }

        private Certificate sign(
                Identification.Result.Found found,
                ProvenRequest proven,
                IssuingFleet issuing,
                int partition,
                Duration longestLife)
                throws Refusal {
            try {
                GrantedRequest granted =
                        issuance(issuing).grant(proven, variables(found.device()), SerialNumber.random(random), now);
                if (!longestLife.isZero()) {
                    granted = granted.until(now.plus(longestLife));
                }
                return (partition == 0 ? granted : granted.inPartition(partition))
                        .lint()
                        .redeem(issuing.authority().signer(vault));
            } catch (InvalidRequestException e) {
                throw refusal(found, e);
            }
        }

        /// By the fleet's profile; for host names, with these and as a TLS server too.
        private Issuance issuance(IssuingFleet issuing) {
            if (request.hostNames().isEmpty()) {
                return issuing.issuance();
            }
            try {
                return Issuance.of(
                        issuing.authority().certificate(),
                        issuing.issuance().profile().withHostNames(request.hostNames()));
            } catch (InvalidCertificateException e) {
                throw new IntegrityException("the fleet's authority was good a moment ago", e);
            }
        }

        private Map<String, String> variables(Candidate device) {
            return Map.of(
                    "device.id", device.id().toString(),
                    "device.serial", device.serial(),
                    "fleet.id", fleet.fleet().id().value(),
                    "fleet.name", fleet.fleet().name(),
                    "tenant.id", tenant.value(),
                    "tenant.organization", fleet.organization());
        }

        private IssuanceJournal.Entry entry(
                Identification.Result.Found found,
                ProvenRequest proven,
                Certificate certificate,
                IssuingAuthority authority,
                int partition,
                @Nullable UUID appraisal) {
            Bytes publicKey = certificate.publicKeyEncoded();
            // The key that came with a token is all that will be known of a device whose manifest lists none.
            Bytes newBirthKey =
                    found.claimToken() != null && found.newBirthKey() == null ? publicKey : found.newBirthKey();
            return new IssuanceJournal.Entry(
                    found.device().id(),
                    found.device().version(),
                    certificate.serial().content(),
                    authority.id(),
                    publicKey.sha256(),
                    proven.publicKey().algorithm(),
                    certificate.validity().notBefore(),
                    certificate.validity().notAfter(),
                    now,
                    partition,
                    certificate.encoded(),
                    found.claimToken(),
                    newBirthKey,
                    appraisal,
                    audit(found, certificate, authority, appraisal));
        }

        private AuditEvent audit(
                Identification.Result.Found found,
                Certificate certificate,
                IssuingAuthority authority,
                @Nullable UUID appraisal) {
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("serialNumber", certificate.serial().hex());
            detail.put("authority", authority.id().toString());
            detail.put("notAfter", certificate.validity().notAfter().toString());
            detail.put("publicKey", certificate.publicKeyEncoded().sha256().hex());
            detail.put("basis", found.basis().name());
            detail.put("source", request.source());
            if (appraisal != null) {
                detail.put("appraisal", appraisal.toString());
            }
            return new AuditEvent(
                    Actor.device(found.device().id()),
                    switch (found.device().state()) {
                        case CLAIMED -> "device.activated";
                        case REFURBISHING -> "device.readmitted";
                        case ACTIVE, SUSPENDED, REVOKED, RETIRED -> "certificate.renewed";
                    },
                    found.device().subject(),
                    detail);
        }

        /// Another enrolment of the same device was stored first. Where it was for the same key, this is
        /// the same device asking twice, and both get the one certificate.
        private EnrolmentOutcome answerOfTheWinner(Identification.Result.Found found, ProvenRequest proven)
                throws Refusal {
            Candidate device = found.device();
            if (lookup.isSpent(tenant, device.id(), proven.publicKey().fingerprint())) {
                throw new Refusal(
                        ErrorCode.KEY_MISMATCH,
                        "the key had a certificate of an earlier owner; the device must make a new one",
                        device.id());
            }
            Candidate.CurrentCertificate current = currentAfterRace();
            if (current != null
                    && !current.revoked()
                    && current.publicKeyFingerprint().equals(proven.publicKey().fingerprint())
                    && namesTheHosts(stored(current.encoded()))) {
                return new EnrolmentOutcome.Issued(
                        device.id(),
                        stored(current.encoded()),
                        issuers.of(fleet, device.id()).authority().shown());
            }
            throw new Refusal(
                    ErrorCode.ENROLMENT_IN_PROGRESS,
                    "the device was changed by another request at the same moment",
                    device.id());
        }

        private Candidate.@Nullable CurrentCertificate currentAfterRace() {
            return identification.identify(fleet, request.credential(), false, now)
                                    instanceof Identification.Result.Found again
                            && again.device().state() == DeviceState.ACTIVE
                    ? again.device().current()
                    : null;
        }

        private Refusal refusal(Identification.Result.Found found, InvalidRequestException e) {
            ErrorCode code = switch (e.reason()) {
                case KEY_NOT_ALLOWED -> ErrorCode.KEY_NOT_ALLOWED;
                case ISSUER_NOT_VALID -> ErrorCode.AUTHORITY_NOT_READY;
                case MALFORMED,
                        TOO_LARGE,
                        UNSUPPORTED_KEY,
                        WEAK_KEY,
                        INVALID_KEY,
                        UNSUPPORTED_SIGNATURE,
                        BAD_SIGNATURE,
                        EXTENSIONS_REFUSED,
                        NAME_INVALID -> ErrorCode.REQUEST_INVALID;
            };
            return new Refusal(code, e.getMessage(), found.device().id());
        }
    }

    private static Certificate stored(Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }
}
