// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.JobId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.Authority.Kind;
import dev.tegata.platform.authority.Authority.State;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.event.Event;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.job.Job;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.rollover.Rollover.Cause;
import dev.tegata.platform.rollover.Rollover.Readmission;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.rollover.Rollover.Waves;
import dev.tegata.platform.rollover.RolloverState.Action;
import dev.tegata.platform.rollover.Successors.Made;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Campaigns that move the devices of one authority to another.
///
/// Who issues for a device meanwhile is for [CampaignIssuers] to say, what is done with it for
/// [RolloverSteps].
public final class Rollovers {
    /// The jobs that work on campaigns.
    public static final String JOB = "rollover";

    // spec| RFC 5280 §5.3.1
    private static final int CA_COMPROMISE = 2;

    /// How many devices a refusal names.
    private static final int NAMED = 5;

    private final Database database;
    private final AuditLog audit;
    private final Outbox outbox;
    private final Jobs jobs;
    private final Authorities authorities;
    private final Fleets fleets;
    private final Successors successors;
    private final Supplier<List<Certificate>> serverAnchors;
    private final InstantSource clock;
    private final SecureRandom random;

    /// What campaigns work with.
    ///
    /// @param serverAnchors what devices verify this server's TLS certificate with, as far as that is known
    public record Ground(
            Database database,
            AuditLog audit,
            Outbox outbox,
            Jobs jobs,
            Authorities authorities,
            Fleets fleets,
            AuthorityMaker maker,
            Supplier<List<Certificate>> serverAnchors) {}

    public Rollovers(Ground ground, InstantSource clock, SecureRandom random) {
        this.database = ground.database();
        this.audit = ground.audit();
        this.outbox = ground.outbox();
        this.jobs = ground.jobs();
        this.authorities = ground.authorities();
        this.fleets = ground.fleets();
        this.successors = new Successors(ground.maker());
        this.serverAnchors = ground.serverAnchors();
        this.clock = clock;
        this.random = random;
    }

    /// What a job is for.
    record Parameters(String rollover) {}

    /// Makes the new authorities and whatever joins them to the old ones. Devices are told nothing yet.
    ///
    /// @throws RefusedException where there is no such authority, it cannot be replaced, or that is being
    /// done already
    public Rollover prepare(TenantId tenant, Actor actor, RolloverPlan plan) {
        Authority old = authorities.get(tenant, plan.authority());
        requireActive(old);
        IssuingAuthority signer = old.kind() == Kind.ROOT ? authorities.issuing(tenant, old.id()) : null;
        Made made = plan.replacement() == null
                ? make(tenant, old, plan.algorithm(), signer)
                : given(tenant, old, plan.replacement());
        try {
            return store(tenant, actor, old, plan, made);
        } catch (UnavailableException e) {
            throw e;
        } catch (RuntimeException e) {
            successors.discard(made);
            throw e;
        }
    }

    /// @param algorithm of the new keys; null for that of the old ones
    /// @param signer the old root where it may certify the new one, and be certified by it
    private Made make(
            TenantId tenant, Authority old, @Nullable KeyAlgorithm algorithm, @Nullable IssuingAuthority signer) {
        if (old.kind() == Kind.ROOT) {
            List<Authority> below = database.inTenant(tenant, tx -> authorities.below(tx, tenant, old.id()));
            return successors.tree(tenant, old, below, algorithm, signer, authorities.names(tenant));
        }
        AuthorityId parent = old.parent();
        if (parent == null) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "whoever signed the authority is not one of yours: have them certify another one, and name it as its"
                            + " replacement");
        }
        return successors.issuing(
                tenant, old, algorithm, authorities.issuing(tenant, parent), authorities.names(tenant));
    }

    private Made given(TenantId tenant, Authority old, AuthorityId replacement) {
        Authority fresh = authorities.get(tenant, replacement);
        requireActive(fresh);
        if (fresh.id().equals(old.id()) || fresh.isForAuthorities() || old.isForAuthorities()) {
            throw new RefusedException(
                    ErrorCode.CONFLICT, "an authority for devices can be replaced by another one for devices");
        }
        List<Certificate> before = authorities.chain(tenant, old.id());
        List<Certificate> after = authorities.chain(tenant, replacement);
        return new Made(
                List.of(),
                Map.of(old.id(), replacement),
                List.of(),
                after.getLast().equals(before.getLast()) ? null : after.getLast());
    }

    private static void requireActive(Authority authority) {
        if (authority.state() != State.ACTIVE) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "authority " + authority.id() + " is " + Texts.word(authority.state()) + ", not active");
        }
    }

    private Rollover store(TenantId tenant, Actor actor, Authority old, RolloverPlan plan, Made made) {
        List<Certificate> chain = authorities.chain(tenant, old.id());
        Set<Bytes> anchors = new LinkedHashSet<>();
        serverAnchors.get().forEach(anchor -> anchors.add(anchor.encoded()));
        plan.furtherAnchors().forEach(anchor -> anchors.add(anchor.encoded()));
        otherRoots(tenant, made.places().keySet()).forEach(other -> anchors.add(other.encoded()));
        anchors.add(chain.getLast().encoded());
        Certificate root = made.root();
        if (root != null) {
            anchors.add(root.encoded());
        }
        return database.inTenant(tenant, tx -> {
            requireFree(tx, tenant, made.places());
            made.authorities().forEach(fresh -> authorities.insert(tx, tenant, actor, fresh));
            made.crosses()
                    .forEach(cross -> authorities.insertCross(
                            tx, tenant, actor, cross.subject(), cross.issuer(), cross.certificate()));
            Rollover rollover = rollover(
                    tenant,
                    actor,
                    Cause.RENEWAL,
                    RolloverState.PREPARED,
                    old.id(),
                    made,
                    List.copyOf(anchors),
                    null,
                    plan.waves());
            RolloverRows.insert(tx, tenant, rollover);
            tell(tx, tenant, rollover, actor, "prepared", Map.of());
            return RolloverRows.find(tx, tenant, rollover.id());
        });
    }

    /// Of the chains that devices have beside these.
    private List<Certificate> otherRoots(TenantId tenant, Set<AuthorityId> authoritiesOfOne) {
        return database.inTenant(
                tenant,
                tx -> tx
                        .createQuery("""
                                SELECT DISTINCT CASE WHEN authority_id = ANY (:these) THEN parallel_authority_id
                                    ELSE authority_id END AS other
                                FROM fleet WHERE tenant_id = :tenant AND parallel_authority_id IS NOT NULL
                                    AND (authority_id = ANY (:these)) <> (parallel_authority_id = ANY (:these))
                                ORDER BY other LIMIT 4""")
                        .bind("tenant", tenant)
                        .bindArray(
                                "these",
                                java.util.UUID.class,
                                authoritiesOfOne.stream()
                                        .map(AuthorityId::value)
                                        .toList())
                        .mapTo(AuthorityId.class)
                        .list()
                        .stream()
                        .map(other -> authorities.chain(tx, tenant, other).getLast())
                        .distinct()
                        .toList());
    }

    private Rollover rollover(
            TenantId tenant,
            Actor actor,
            Cause cause,
            RolloverState state,
            AuthorityId old,
            Made made,
            List<Bytes> anchors,
            @Nullable Readmission readmission,
            Waves waves) {
        Certificate root = made.root();
        AuthorityId fresh = made.places().get(old);
        if (fresh == null) {
            throw new IllegalStateException("authority " + old + " of " + tenant + " has no successor");
        }
        return new Rollover(
                new RolloverId(TimeOrderedIds.next(clock.instant(), random)),
                cause,
                state,
                old,
                fresh,
                made.places(),
                root == null ? null : root.fingerprint(),
                anchors,
                readmission,
                waves,
                0,
                null,
                0,
                false,
                null,
                null,
                actor.toString(),
                clock.instant(),
                clock.instant(),
                Map.of(),
                null);
    }

    private static void requireFree(Handle tx, TenantId tenant, Map<AuthorityId, AuthorityId> places) {
        List<AuthorityId> all = new java.util.ArrayList<>(places.keySet());
        all.addAll(places.values());
        boolean taken = tx.createQuery("""
                        SELECT EXISTS (SELECT FROM rollover_authority WHERE tenant_id = :tenant AND open
                            AND (old_authority = ANY (:all) OR new_authority = ANY (:all)))""")
                .bind("tenant", tenant)
                .bindArray(
                        "all",
                        java.util.UUID.class,
                        all.stream().map(AuthorityId::value).toList())
                .mapTo(Boolean.class)
                .one();
        if (taken) {
            throw new RefusedException(
                    ErrorCode.CONFLICT, "the authority is part of another rollover; close it or roll it back first");
        }
    }

    /// Takes an authority for compromised: fleets are given another one at once, and a job revokes all that
    /// it has issued. Devices come back as `readmission` says.
    ///
    /// @param replacement an authority for devices that was made ahead; null to have one made like it
    /// @throws RefusedException where there is no such authority, or nothing can take its place
    public Rollover compromise(
            TenantId tenant, Actor actor, AuthorityId id, Readmission readmission, @Nullable AuthorityId replacement) {
        Authority old = authorities.get(tenant, id);
        old.requireCertificate();
        Made made = replacement == null ? make(tenant, old, null, null) : given(tenant, old, replacement);
        try {
            return storeCompromise(tenant, actor, old, made, readmission);
        } catch (UnavailableException e) {
            throw e;
        } catch (RuntimeException e) {
            successors.discard(made);
            throw e;
        }
    }

    private Rollover storeCompromise(TenantId tenant, Actor actor, Authority old, Made made, Readmission readmission) {
        Certificate root = made.root();
        return database.inTenant(tenant, tx -> {
            requireFree(tx, tenant, made.places());
            made.authorities().forEach(fresh -> authorities.insert(tx, tenant, actor, fresh));
            made.places().forEach((from, to) -> fleets.move(tx, tenant, actor, from, to));
            Rollover rollover = rollover(
                    tenant,
                    actor,
                    Cause.COMPROMISE,
                    RolloverState.FINISHED,
                    old.id(),
                    made,
                    root == null ? List.of() : List.of(root.encoded()),
                    readmission,
                    Waves.standard());
            RolloverRows.insert(tx, tenant, rollover);
            for (AuthorityId lost : made.places().keySet()) {
                authorities.end(tx, tenant, actor, lost, CA_COMPROMISE);
            }
            tell(tx, tenant, rollover, actor, "compromise-declared", Map.of("readmission", readmission.name()));
            return work(tx, tenant, rollover.id(), actor);
        });
    }

    public Rollover get(TenantId tenant, RolloverId id) {
        return database.inTenant(tenant, tx -> RolloverRows.find(tx, tenant, id));
    }

    /// Campaigns, newest first.
    public Page<Rollover> list(TenantId tenant, Page.Request page) {
        List<Rollover> rows = database.inTenant(tenant, tx -> RolloverRows.list(tx, tenant, page));
        return Page.of(rows, page, rollover -> rollover.id().toString());
    }

    /// The devices of a campaign.
    public Page<RolloverDevice> devices(TenantId tenant, RolloverId id, @Nullable Step step, Page.Request page) {
        List<RolloverDevice> rows = database.inTenant(tenant, tx -> RolloverRows.devices(tx, tenant, id, step, page));
        return Page.of(rows, page, device -> device.device().toString());
    }

    /// Begins to move devices.
    public Rollover start(TenantId tenant, Actor actor, RolloverId id) {
        return change(tenant, actor, id, Action.START);
    }

    /// Begins with no further device.
    public Rollover pause(TenantId tenant, Actor actor, RolloverId id) {
        return change(tenant, actor, id, Action.PAUSE);
    }

    public Rollover resume(TenantId tenant, Actor actor, RolloverId id) {
        return change(tenant, actor, id, Action.RESUME);
    }

    /// Moves the devices back that have moved.
    ///
    /// @throws RefusedException where that cannot be done any more, or the old authority is compromised
    public Rollover rollBack(TenantId tenant, Actor actor, RolloverId id) {
        return change(tenant, actor, id, Action.ROLL_BACK);
    }

    private Rollover change(TenantId tenant, Actor actor, RolloverId id, Action action) {
        return database.inTenant(tenant, tx -> {
            Rollover before = RolloverRows.lock(tx, tenant, id);
            if (action == Action.ROLL_BACK) {
                requireReturn(tx, tenant, before);
                if (before.state() == RolloverState.FINISHED) {
                    before.authorities().forEach((old, fresh) -> fleets.move(tx, tenant, actor, fresh, old));
                }
            }
            RolloverState after = after(before, action);
            RolloverRows.state(tx, tenant, id, after, null, clock.instant());
            tell(tx, tenant, before, actor, after.name().toLowerCase(java.util.Locale.ROOT), Map.of());
            return after.isWorkedOn() ? work(tx, tenant, id, actor) : RolloverRows.find(tx, tenant, id);
        });
    }

    private void requireReturn(Handle tx, TenantId tenant, Rollover rollover) {
        if (rollover.cause() == Cause.COMPROMISE) {
            throw new RefusedException(ErrorCode.CONFLICT, "nobody goes back to a compromised authority");
        }
        for (AuthorityId old : rollover.authorities().keySet()) {
            if (authorities
                    .find(tx, tenant, old)
                    .filter(it -> it.state() == State.ACTIVE)
                    .isEmpty()) {
                throw new RefusedException(ErrorCode.CONFLICT, "authority " + old + " signs nothing any more");
            }
        }
    }

    private static RolloverState after(Rollover rollover, Action action) {
        return rollover.state()
                .after(action)
                .orElseThrow(() -> new RefusedException(
                        ErrorCode.CONFLICT,
                        "the rollover is " + Texts.word(rollover.state()) + ": " + Texts.word(action)
                                + " is not possible"));
    }

    /// Gives the fleets to the new authorities. Devices that have not moved keep what they have, and are
    /// moved still; those that renew by themselves need not be waited for.
    ///
    /// @param leaveBehind whether to do so though other devices have not moved
    public Rollover finish(TenantId tenant, Actor actor, RolloverId id, boolean leaveBehind) {
        return database.inTenant(tenant, tx -> {
            Rollover before = RolloverRows.lock(tx, tenant, id);
            RolloverState after = after(before, Action.FINISH);
            if (!leaveBehind) {
                requireAllMoved(tx, tenant, before, before.devices(Step.OWN_RENEWAL));
            }
            before.authorities().forEach((old, fresh) -> fleets.move(tx, tenant, actor, old, fresh));
            RolloverRows.state(tx, tenant, id, after, null, clock.instant());
            tell(tx, tenant, before, actor, "finished", Map.of("leaveBehind", leaveBehind));
            return work(tx, tenant, id, actor);
        });
    }

    /// @param later so many are not waited for
    private void requireAllMoved(Handle tx, TenantId tenant, Rollover rollover, long later) {
        boolean through = later == 0 ? rollover.settled() : rollover.outstanding() == later;
        if (!through || rollover.devices(Step.FAILED) > 0) {
            Instant by = rollover.ownRenewalsBy();
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    (rollover.outstanding() == 1 ? "1 device has" : rollover.outstanding() + " devices have")
                            + " not moved yet"
                            + (by == null
                                    ? ""
                                    : " (those among them that do not check in move when they renew, by " + by + ")")
                            + ", " + rollover.devices(Step.FAILED)
                            + " could not; wait for them, or leave them behind (--leave-behind, 'leaveBehind')");
        }
        Set<DeviceState> mayCome = Set.of(DeviceState.ACTIVE, DeviceState.SUSPENDED);
        List<UUID> suspended = RolloverRows.gone(
                tx, tenant, rollover.id(), mayCome, rollover.authorities().keySet(), clock.instant(), NAMED);
        if (!suspended.isEmpty()) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "devices that are or were suspended have not moved, such as "
                            + suspended.stream().map(UUID::toString).collect(Collectors.joining(", "))
                            + "; resume them and wait for them, or leave them behind (--leave-behind, 'leaveBehind')");
        }
    }

    /// Ends the overlap: the old root and what joins it to the new one are handed out no more.
    ///
    /// @param leaveBehind whether to do so though devices have not moved
    public Rollover close(TenantId tenant, Actor actor, RolloverId id, boolean leaveBehind) {
        return database.inTenant(tenant, tx -> {
            Rollover before = RolloverRows.lock(tx, tenant, id);
            RolloverState after = after(before, Action.CLOSE);
            if (!leaveBehind) {
                requireAllMoved(tx, tenant, before, 0);
            }
            RolloverRows.state(tx, tenant, id, after, null, clock.instant());
            authorities.withdrawCross(tx, tenant, actor, before.oldAuthority(), before.newAuthority());
            tell(tx, tenant, before, actor, "closed", Map.of("leaveBehind", leaveBehind));
            return RolloverRows.find(tx, tenant, id);
        });
    }

    /// Sees to it that a job works on the campaign.
    private Rollover work(Handle tx, TenantId tenant, RolloverId id, Actor actor) {
        Rollover rollover = RolloverRows.find(tx, tenant, id);
        JobId job = rollover.job();
        if (job == null || jobs.get(tx, tenant, job).state() != Job.State.RUNNING) {
            JobId started = jobs.start(tx, tenant, JOB, new Parameters(id.toString()), actor);
            tx.createUpdate("UPDATE rollover SET job_id = :job WHERE tenant_id = :tenant AND rollover_id = :id")
                    .bind("job", started)
                    .bind("tenant", tenant)
                    .bind("id", id.value())
                    .execute();
        } else {
            jobs.hasten(tx, tenant, job);
        }
        return RolloverRows.find(tx, tenant, id);
    }

    /// The last device is back, or the campaign pauses by itself.
    void tell(Handle tx, TenantId tenant, Rollover rollover, Actor actor, String what, Map<String, Object> more) {
        Map<String, Object> detail = new LinkedHashMap<>(more);
        detail.put("oldAuthority", rollover.oldAuthority().toString());
        detail.put("newAuthority", rollover.newAuthority().toString());
        detail.put("cause", rollover.cause().name());
        String subject = "rollover:" + rollover.id();
        audit.append(tx, tenant, List.of(new AuditEvent(actor, "rollover." + what, subject, detail)));
        outbox.append(tx, tenant, new Event("dev.tegata.rollover." + what, subject, detail));
    }

    Authorities authorities() {
        return authorities;
    }
}
