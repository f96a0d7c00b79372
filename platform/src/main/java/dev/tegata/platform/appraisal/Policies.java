// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.policy.PolicyDocument;
import dev.tegata.attestation.policy.PolicyTests;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.endorsement.AppraisalBasis;
import dev.tegata.platform.endorsement.Reappraisals;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The appraisal policies of a tenant, their versions, and which one is in force.
///
/// A policy comes with its tests, and one that fails any of them is not taken in: whatever is stored
/// can be activated.
public final class Policies {
    private static final int MAX_VERSIONS = 1_000;
    private static final int COMPILED = 500;
    private static final Duration REMEMBERED = Duration.ofHours(1);

    private final Database database;
    private final AuditLog audit;
    private final Reappraisals reappraisals;
    private final InstantSource clock;
    private final Policy builtIn = Policy.defaultPolicy();
    /// A version never changes, so neither does what was compiled of it.
    private final RecentValues<Key, Policy> compiled;

    public Policies(Database database, AuditLog audit, Reappraisals reappraisals, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.reappraisals = reappraisals;
        this.clock = clock;
        this.compiled = new RecentValues<>(clock, REMEMBERED, COMPILED, this::load);
    }

    private record Key(TenantId tenant, String id, int version) {}

    /// A version of a policy. The built-in one has no `createdAt`.
    ///
    /// @param document the policy and its tests, in JSON
    public record PolicyVersion(
            String id,
            int version,
            boolean active,
            String document,
            @Nullable Instant createdAt,
            @Nullable String createdBy) {}

    /// When a policy was put in force.
    public record Activation(int number, String id, int version, Instant at, String by) {}

    /// The policy that `basis` names.
    public Policy of(TenantId tenant, AppraisalBasis basis) {
        String id = basis.policyId();
        return id == null ? builtIn : compiled.get(new Key(tenant, id, basis.policyVersion()));
    }

    private Policy load(Key key) {
        PolicyVersion version = get(key.tenant, key.id, key.version);
        try {
            return PolicyDocument.parse(bytes(version.document())).policy();
        } catch (MalformedException e) {
            throw new IntegrityException("a stored policy cannot be read", e);
        }
    }

    /// Takes in a version of a policy, after its tests have passed.
    ///
    /// @throws RefusedException where it is wrong, a test fails, there are none, or the version is
    ///     there already
    public PolicyVersion add(TenantId tenant, Actor actor, Bytes document) {
        PolicyDocument parsed = check(document);
        Policy policy = parsed.policy();
        if (policy.id().equals(builtIn.id())) {
            throw new RefusedException(
                    ErrorCode.POLICY_INVALID, "the id '" + policy.id() + "' is the built-in policy's");
        }
        int version = Math.toIntExact(policy.version());
        return database.inTenant(tenant, tx -> {
            audit.takeTurn(tx, tenant);
            int added = tx.createUpdate("""
                            INSERT INTO appraisal_policy (tenant_id, policy_id, version, document, created_at, created_by)
                            SELECT :tenant, :id, :version, :document, :now, :actor
                            WHERE (SELECT count(*) FROM appraisal_policy WHERE tenant_id = :tenant) < :limit
                            ON CONFLICT DO NOTHING""")
                    .bind("tenant", tenant)
                    .bind("id", policy.id())
                    .bind("version", version)
                    .bind("document", text(document))
                    .bind("now", clock.instant())
                    .bind("actor", actor.toString())
                    .bind("limit", MAX_VERSIONS)
                    .execute();
            if (added == 0) {
                throw new RefusedException(
                        ErrorCode.CONFLICT,
                        "the policy " + policy.reference()
                                + " is there already, or there are too many: count the version up");
            }
            audit.append(
                    tx,
                    tenant,
                    List.of(event(
                            actor,
                            "policy.added",
                            policy.id(),
                            version,
                            document.sha256().hex())));
            return require(tx, tenant, policy.id(), version);
        });
    }

    /// Reads a policy and runs its tests.
    ///
    /// @throws RefusedException naming what is wrong, or the first tests that fail
    private static PolicyDocument check(Bytes document) {
        try {
            PolicyDocument parsed = PolicyDocument.parseNew(document);
            if (parsed.policy().version() < 1 || parsed.policy().version() > Integer.MAX_VALUE) {
                throw new MalformedException("the version must be from 1 to " + Integer.MAX_VALUE);
            }
            if (!parsed.policy().id().matches("[a-z0-9][a-z0-9._-]{0,63}")) {
                throw new MalformedException("the id must be 1 to 64 of a-z, 0-9, '.', '_' and '-'");
            }
            List<PolicyTests.Outcome> outcomes = parsed.test();
            if (outcomes.isEmpty()) {
                throw new MalformedException("the policy has no tests");
            }
            String failed = outcomes.stream()
                    .filter(outcome -> !outcome.passed())
                    .limit(5)
                    .map(outcome -> "'" + Texts.quoted(outcome.name()) + "': " + outcome.difference())
                    .collect(Collectors.joining("; "));
            if (!failed.isEmpty()) {
                throw new MalformedException("tests fail: " + failed);
            }
            return parsed;
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.POLICY_INVALID, String.valueOf(e.getMessage()));
        }
    }

    /// Reads a policy and runs its tests, without keeping it.
    ///
    /// @throws RefusedException where it cannot be read; a test that fails is an outcome
    public static List<PolicyTests.Outcome> test(Bytes document) {
        try {
            return PolicyDocument.parseNew(document).test();
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.POLICY_INVALID, String.valueOf(e.getMessage()));
        }
    }

    /// All versions of all policies, the built-in one first.
    public List<PolicyVersion> list(TenantId tenant) {
        return database.inTenant(tenant, tx -> {
            AppraisalBasis basis = AppraisalBasis.read(tx, tenant);
            List<PolicyVersion> versions = tx.createQuery("""
                            SELECT * FROM appraisal_policy WHERE tenant_id = :tenant ORDER BY policy_id, version DESC""")
                    .bind("tenant", tenant)
                    .map((row, context) -> version(row, basis))
                    .list();
            versions.addFirst(builtIn(basis));
            return versions;
        });
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public PolicyVersion get(TenantId tenant, String id, int version) {
        return database.inTenant(tenant, tx -> require(tx, tenant, id, version));
    }

    /// Puts a policy in force, and has all stored evidence judged by it.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public PolicyVersion activate(TenantId tenant, Actor actor, String id, int version) {
        return database.inTenant(tenant, tx -> activate(tx, tenant, actor, id, version));
    }

    /// Puts that policy in force which was before the present one.
    ///
    /// @throws RefusedException where there was none but the built-in one
    public PolicyVersion rollBack(TenantId tenant, Actor actor) {
        return database.inTenant(tenant, tx -> {
            AppraisalBasis.lock(tx, tenant);
            List<Activation> last = activations(tx, tenant, 2);
            if (last.isEmpty()) {
                throw new RefusedException(ErrorCode.CONFLICT, "no policy was ever activated");
            }
            return last.size() == 2
                    ? activate(tx, tenant, actor, last.get(1).id(), last.get(1).version())
                    : activate(tx, tenant, actor, builtIn.id(), 1);
        });
    }

    private PolicyVersion activate(Handle tx, TenantId tenant, Actor actor, String id, int version) {
        boolean isBuiltIn = id.equals(builtIn.id());
        AppraisalBasis.changePolicy(tx, tenant, isBuiltIn ? null : id, version);
        PolicyVersion active = require(tx, tenant, id, version);
        tx.createUpdate("""
                        INSERT INTO policy_activation
                            (tenant_id, number, policy_id, policy_version, activated_at, activated_by)
                        SELECT :tenant, coalesce(max(number), 0) + 1, :id, :version, :now, :actor
                        FROM policy_activation WHERE tenant_id = :tenant""")
                .bind("tenant", tenant)
                .bind("id", isBuiltIn ? null : id)
                .bind("version", isBuiltIn ? null : version)
                .bind("now", clock.instant())
                .bind("actor", actor.toString())
                .execute();
        reappraisals.request(tx, tenant, actor, List.of());
        audit.append(tx, tenant, List.of(event(actor, "policy.activated", id, version, "")));
        return active;
    }

    /// What was in force when, the last first.
    public List<Activation> activations(TenantId tenant) {
        return database.inTenant(tenant, tx -> activations(tx, tenant, 100));
    }

    private List<Activation> activations(Handle tx, TenantId tenant, int limit) {
        return tx.createQuery("""
                        SELECT * FROM policy_activation WHERE tenant_id = :tenant ORDER BY number DESC LIMIT :limit""")
                .bind("tenant", tenant)
                .bind("limit", limit)
                .map((row, context) -> {
                    String id = row.getString("policy_id");
                    return new Activation(
                            row.getInt("number"),
                            id == null ? builtIn.id() : id,
                            id == null ? 1 : row.getInt("policy_version"),
                            row.getTimestamp("activated_at").toInstant(),
                            row.getString("activated_by"));
                })
                .list();
    }

    private PolicyVersion require(Handle tx, TenantId tenant, String id, int version) {
        AppraisalBasis basis = AppraisalBasis.read(tx, tenant);
        if (id.equals(builtIn.id()) && version == builtIn.version()) {
            return builtIn(basis);
        }
        Optional<PolicyVersion> found = tx.createQuery("""
                        SELECT * FROM appraisal_policy
                        WHERE tenant_id = :tenant AND policy_id = :id AND version = :version""")
                .bind("tenant", tenant)
                .bind("id", id)
                .bind("version", version)
                .map((row, context) -> version(row, basis))
                .findOne();
        return found.orElseThrow(() ->
                new RefusedException(ErrorCode.NOT_FOUND, "there is no policy " + Texts.quoted(id) + "/" + version));
    }

    private PolicyVersion builtIn(AppraisalBasis basis) {
        return new PolicyVersion(builtIn.id(), 1, basis.policyId() == null, text(Policy.defaultDocument()), null, null);
    }

    private static PolicyVersion version(ResultSet row, AppraisalBasis basis) throws SQLException {
        String id = row.getString("policy_id");
        int version = row.getInt("version");
        return new PolicyVersion(
                id,
                version,
                id.equals(basis.policyId()) && version == basis.policyVersion(),
                row.getString("document"),
                row.getTimestamp("created_at").toInstant(),
                row.getString("created_by"));
    }

    private static AuditEvent event(Actor actor, String action, String id, int version, String digest) {
        return new AuditEvent(
                actor,
                action,
                "policy:" + id,
                digest.isEmpty() ? Map.of("version", version) : Map.of("version", version, "digest", digest));
    }

    private static String text(Bytes document) {
        return new String(document.toArray(), StandardCharsets.UTF_8);
    }

    private static Bytes bytes(String document) {
        return Bytes.of(document.getBytes(StandardCharsets.UTF_8));
    }
}
