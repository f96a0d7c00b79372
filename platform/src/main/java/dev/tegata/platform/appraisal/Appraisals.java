// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.Appraiser;
import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.appraisal.EvidenceVerifier;
import dev.tegata.attestation.appraisal.Trust;
import dev.tegata.attestation.appraisal.Verdict;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Subjects;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.result.Appraisal;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.result.TrustVector;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.claim.StatusLook;
import dev.tegata.platform.endorsement.AppraisalBasis;
import dev.tegata.platform.endorsement.AttestationKeys;
import dev.tegata.platform.endorsement.AttestationTrust;
import dev.tegata.platform.endorsement.EndorsementIndex;
import dev.tegata.platform.store.Database;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.BiConsumer;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Appraises evidence: verifies it by what the tenant knows and trusts, judges it by endorsements and
/// policy, links it to the device it is of, and keeps what came of it.
///
/// Whatever is wrong with the evidence ends in a result that says so. Only what is wrong with the
/// request is refused.
public final class Appraisals {
    /// How long a result holds.
    public static final Duration RESULT_LIFE = Duration.ofHours(24);

    private static final Endorsements NONE = Endorsements.of(List.of(), Instant.EPOCH);

    private final Database database;
    private final Policies policies;
    private final EndorsementIndex index;
    private final AttestationKeys attestationKeys;
    private final AttestationTrust trust;
    private final PathCheck paths;
    private final ResultKeys resultKeys;
    private final AppraisalLog log;
    private final Ear.VerifierId verifier;
    private final InstantSource clock;
    private final SecureRandom random;
    private volatile Listener listener = (_, _, _) -> {};
    private volatile StatusLook statusLook = _ -> {};

    /// What appraising rests on.
    public record Foundations(
            Policies policies,
            EndorsementIndex index,
            AttestationKeys attestationKeys,
            AttestationTrust trust,
            PathCheck paths,
            ResultKeys resultKeys) {}

    /// @param build the version of this program, as results name it
    public Appraisals(
            Database database,
            AuditLog audit,
            Foundations foundations,
            String build,
            InstantSource clock,
            SecureRandom random) {
        this.database = database;
        this.policies = foundations.policies();
        this.index = foundations.index();
        this.attestationKeys = foundations.attestationKeys();
        this.trust = foundations.trust();
        this.paths = foundations.paths();
        this.resultKeys = foundations.resultKeys();
        this.log = new AppraisalLog(audit);
        this.verifier = new Ear.VerifierId("Tegata", build);
        this.clock = clock;
        this.random = random;
    }

    /// On which way evidence came in.
    public enum Origin {
        SESSION,
        API,
        CHECK_IN,
        ENROLMENT
    }

    /// Evidence to appraise.
    ///
    /// @param nonce what it must contain; null where its freshness is known otherwise
    /// @param device who sent it, where the channel proves that: evidence of another device is
    ///     refused. Null where
    ///     anybody may have
    public record Request(
            Evidence evidence,
            @Nullable Bytes nonce,
            Origin origin,
            @Nullable DeviceId device) {}

    /// Appraises evidence and keeps what came of it.
    public Appraised appraiseAndKeep(TenantId tenant, Request request) {
        return appraiseAndKeep(tenant, request, (_, _) -> {});
    }

    /// As the other does, and `noted` in the same transaction; all of it again where what evidence is
    /// judged by has changed meanwhile. Nothing is kept of what a device sends at a check-in while nobody
    /// can tell whether its certificate is revoked: that says nothing of the device, which can be asked
    /// again.
    public Appraised appraiseAndKeep(TenantId tenant, Request request, BiConsumer<Handle, Appraised> noted) {
        while (true) {
            Appraised appraised = appraise(tenant, request);
            if (request.origin == Origin.CHECK_IN && isOfUnknownStatus(appraised)) {
                return appraised;
            }
            database.inTenant(tenant, tx -> {
                keep(tx, tenant, appraised);
                noted.accept(tx, appraised);
                return null;
            });
            if (!isOutdated(tenant, appraised)) {
                return appraised;
            }
        }
    }

    private static boolean isOfUnknownStatus(Appraised appraised) {
        return appraised.stored().outcomes().stream()
                .anyMatch(outcome -> outcome instanceof Rejected rejected
                        && rejected.reason() == EvidenceOutcome.Reason.UNKNOWN_REVOCATION);
    }

    /// Whether evidence would be judged otherwise by now. To be asked once an appraisal is kept: who
    /// changes what evidence is judged by has what is stored judged again, and does not see what is being
    /// stored at that moment.
    boolean isOutdated(TenantId tenant, Appraised appraised) {
        StoredAppraisal kept = appraised.stored();
        AppraisalBasis basis = database.inTenant(tenant, tx -> AppraisalBasis.read(tx, tenant));
        if (basis.endorsementVersion() == kept.endorsementVersion()
                && policies.of(tenant, basis).reference().equals(kept.policy())) {
            return false;
        }
        DeviceId device = kept.device();
        Map<String, Object> facts = device == null
                ? Map.of()
                : database.inTenant(tenant, tx -> DeviceFacts.of(tx, tenant, device))
                        .map(DeviceFacts::forPolicy)
                        .orElse(Map.of());
        Verdict verdict = judge(tenant, basis, kept.outcomes(), facts);
        return verdict.status() != kept.status() || !worst(verdict).equals(kept.vector());
    }

    /// Appraises evidence; whoever calls this keeps it with [#keep].
    public Appraised appraise(TenantId tenant, Request request) {
        Instant now = clock.instant();
        AppraisalBasis basis = database.inTenant(tenant, tx -> AppraisalBasis.read(tx, tenant));
        List<EvidenceOutcome> outcomes = verify(tenant, basis, request, now);
        Optional<DeviceFacts> found = database.inTenant(tenant, tx -> DeviceFacts.find(tx, tenant, outcomes));
        DeviceId sender = request.device();
        if (sender != null && found.map(DeviceFacts::id).filter(sender::equals).isEmpty()) {
            outcomes.replaceAll(Appraisals::ofAnother);
            found = database.inTenant(tenant, tx -> DeviceFacts.of(tx, tenant, sender));
        }
        Optional<DeviceFacts> device = found;
        Verdict verdict = judge(
                tenant, basis, outcomes, device.map(DeviceFacts::forPolicy).orElse(Map.of()));
        ResultKeys.ResultKey key = resultKeys.current(tenant);
        Ear result = verdict.toEar(
                new Verdict.Issue(EarProfile.DRAFT_04, verifier, now, now.plus(RESULT_LIFE), request.nonce()), null);
        StoredAppraisal stored = new StoredAppraisal(
                new AppraisalId(TimeOrderedIds.next(now, random)),
                device.map(facts -> facts.id().value()).orElseGet(() -> attester(outcomes)),
                device.map(DeviceFacts::id).orElse(null),
                now,
                request.origin(),
                scheme(outcomes),
                verdict.status(),
                worst(verdict),
                outcomes,
                request.evidence().mediaType(),
                request.evidence().content().sha256(),
                policies.of(tenant, basis).reference(),
                basis.endorsementVersion(),
                now.plus(RESULT_LIFE),
                result.toJson());
        return new Appraised(stored, verdict, result, key, resultKeys.signer(tenant, key));
    }

    private List<EvidenceOutcome> verify(TenantId tenant, AppraisalBasis basis, Request request, Instant now) {
        Trust known = new Trust(
                NONE,
                new TenantKeys(database, index, attestationKeys, tenant, basis.endorsementVersion()),
                trust.of(tenant).attesters(),
                paths,
                new KnownRevocation(
                        database, tenant, now, policies.of(tenant, basis).acceptsUnknownRevocation(), statusLook));
        return new ArrayList<>(new EvidenceVerifier(known, request.nonce(), now).verify(request.evidence()));
    }

    /// What a device sends that is not of itself, or of nobody known, proves nothing.
    private static EvidenceOutcome ofAnother(EvidenceOutcome outcome) {
        return switch (outcome) {
            case Verified verified ->
                new Rejected(
                        verified.label(),
                        EvidenceOutcome.Reason.WRONG_DEVICE,
                        "the evidence is not of the device that sent it, as far as is known");
            case Rejected rejected -> rejected;
        };
    }

    /// Judges verified evidence by what is endorsed and by the policy in force: no cryptography, and of the
    /// device no more than `device` says. For stored evidence too.
    public Verdict judge(
            TenantId tenant,
            AppraisalBasis basis,
            List<? extends EvidenceOutcome> outcomes,
            Map<String, Object> device) {
        Set<Bytes> subjects = subjects(outcomes, index.speaksOfSingleDevices(tenant, basis.endorsementVersion()));
        Endorsements endorsements = index.find(tenant, basis.endorsementVersion(), subjects);
        Policy policy = policies.of(tenant, basis);
        return new Appraiser(endorsements, policy).appraise(outcomes, device);
    }

    /// The claims of a result in JSON, for stored evidence that was judged again.
    ///
    /// @param at when the evidence came: the result holds no longer than the first one did
    public String resultOf(Verdict verdict, Instant at, @Nullable Bytes nonce) {
        Ear ear =
                verdict.toEar(new Verdict.Issue(EarProfile.DRAFT_04, verifier, at, at.plus(RESULT_LIFE), nonce), null);
        return new String(ear.toJson().toArray(), StandardCharsets.UTF_8);
    }

    /// Under what the statements stand that can touch these outcomes.
    static Set<Bytes> subjects(List<? extends EvidenceOutcome> outcomes, boolean instances) {
        List<Endorsements.Claim> claims = new ArrayList<>();
        Set<Bytes> subjects = new LinkedHashSet<>();
        for (EvidenceOutcome outcome : outcomes) {
            if (outcome instanceof Verified verified) {
                claims.addAll(verified.measured());
                subjects.addAll(Subjects.ofClasses(verified.environment()));
                Cbor instance = verified.environment().instance();
                if (instances) {
                    verified.keys().forEach(key -> subjects.add(Subjects.ofKey(key)));
                    if (instance != null) {
                        subjects.add(Subjects.ofInstance(instance));
                    }
                }
            }
        }
        subjects.addAll(Subjects.ofClasses(claims));
        if (instances) {
            claims.stream()
                    .map(claim -> claim.environment().instance())
                    .filter(instance -> instance != null)
                    .forEach(instance -> subjects.add(Subjects.ofInstance(instance)));
        }
        return subjects;
    }

    /// Whose evidence it is, where it is of no device of ours.
    private static UUID attester(List<EvidenceOutcome> outcomes) {
        for (EvidenceOutcome outcome : outcomes) {
            if (outcome instanceof Verified verified) {
                Cbor instance = verified.environment().instance();
                if (instance != null) {
                    return uuid(Subjects.ofInstance(instance));
                }
                for (Endorsements.Claim claim : verified.measured()) {
                    for (Bytes key : claim.authorities()) {
                        return uuid(Subjects.ofKey(key));
                    }
                }
            }
        }
        return StoredAppraisal.UNKNOWN;
    }

    private static UUID uuid(Bytes subject) {
        ByteBuffer buffer = ByteBuffer.wrap(subject.toArray());
        return new UUID(buffer.getLong(), buffer.getLong());
    }

    private static String scheme(List<EvidenceOutcome> outcomes) {
        if (outcomes.size() > 1) {
            return "composite";
        }
        return switch (outcomes.getFirst()) {
            case Verified verified -> verified.scheme();
            case Rejected _ -> "none";
        };
    }

    /// The worst value of each claim over all attesters.
    public static Map<String, Integer> worst(Verdict verdict) {
        Map<String, Integer> worst = new LinkedHashMap<>();
        for (Appraisal appraisal : verdict.appraisals().values()) {
            TrustVector vector = appraisal.vector();
            if (vector != null) {
                for (Map.Entry<TrustClaim, Integer> entry : vector.values().entrySet()) {
                    worst.merge(entry.getKey().claimName(), entry.getValue(), Appraisals::worse);
                }
            }
        }
        return worst;
    }

    private static int worse(int left, int right) {
        return Tier.ofValue(right).compareTo(Tier.ofValue(left)) > 0 ? right : left;
    }

    /// Whoever is told of appraisals that are kept.
    @FunctionalInterface
    public interface Listener {
        /// Draws consequences, as part of the transaction `tx` that keeps the appraisal.
        void kept(Handle tx, TenantId tenant, Appraised appraised);
    }

    /// Has `told` hear of each appraisal that is kept from now on.
    public void whenKept(Listener told) {
        listener = told;
    }

    /// Has `look` called for certificates that come with evidence, where their status is not known.
    public void whenStatusUnknown(StatusLook look) {
        statusLook = look;
    }

    /// Keeps an appraisal, as part of the transaction `tx`.
    public void keep(Handle tx, TenantId tenant, Appraised appraised) {
        log.insert(tx, tenant, appraised.stored());
        listener.kept(tx, tenant, appraised);
    }

    /// Forgets the appraisals of devices, as part of the transaction `tx`.
    public void forget(Handle tx, TenantId tenant, List<DeviceId> devices) {
        AppraisalLog.forget(tx, tenant, devices);
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public StoredAppraisal get(TenantId tenant, AppraisalId id) {
        return database.inTenant(tenant, tx -> AppraisalLog.find(tx, tenant, id))
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no appraisal " + id));
    }

    /// The appraisals that are kept, the newest first.
    ///
    /// @param device those of this device only; null for all
    public Page<StoredAppraisal> list(TenantId tenant, @Nullable DeviceId device, Page.Request page) {
        return database.inTenant(tenant, tx -> AppraisalLog.list(tx, tenant, device, page));
    }

    /// The result of an appraisal again, signed by the current key. It holds no longer than it did.
    ///
    /// @throws RefusedException where there is no such appraisal, or its result is over
    public Appraised again(TenantId tenant, AppraisalId id) {
        return again(tenant, get(tenant, id));
    }

    /// The last result of a device, for it to show to others.
    ///
    /// @throws RefusedException where the device was not appraised, or too long ago
    public Appraised passport(TenantId tenant, DeviceId device) {
        StoredAppraisal last = database.inTenant(tenant, tx -> AppraisalLog.last(tx, tenant, device.value()))
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "the device was not appraised yet"));
        return again(tenant, last);
    }

    /// Whether the result of a stored appraisal still holds.
    public boolean holds(StoredAppraisal stored) {
        return clock.instant().isBefore(stored.expiresAt());
    }

    private Appraised again(TenantId tenant, StoredAppraisal stored) {
        if (!holds(stored)) {
            throw new RefusedException(ErrorCode.EXCHANGE_OVER, "the result ended at " + stored.expiresAt());
        }
        ResultKeys.ResultKey key = resultKeys.current(tenant);
        Ear result = AppraisalLog.result(stored);
        Verdict verdict = new Verdict(result.submodules(), Map.of());
        return new Appraised(stored, verdict, result, key, resultKeys.signer(tenant, key));
    }
}
