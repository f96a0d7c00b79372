// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Broken;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.Authority.State;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;

/// The fleets of tenants.
public final class Fleets {
    private static final String COLUMNS =
            "fleet_id, name, authority_id, parallel_authority_id, profile, policy, version, created_at";

    private final Database database;
    private final AuditLog audit;
    private final Authorities authorities;
    private final IssuingFleets issuing;
    private final InstantSource clock;
    private final RandomGenerator random;

    /// @param issuing what is remembered of fleets, to be told of changes
    public Fleets(
            Database database,
            AuditLog audit,
            Authorities authorities,
            IssuingFleets issuing,
            InstantSource clock,
            RandomGenerator random) {
        this.database = database;
        this.audit = audit;
        this.authorities = authorities;
        this.issuing = issuing;
        this.clock = clock;
        this.random = random;
    }

    /// @throws RefusedException where the authority is not there, or cannot make certificates by that
    /// profile
    public Fleet create(TenantId tenant, Actor actor, FleetSettings settings) {
        FleetId id = FleetId.random(tenant, random);
        return database.inTenant(tenant, tx -> {
            checkAuthority(tx, tenant, settings, id);
            tx.createUpdate("""
                            INSERT INTO fleet (tenant_id, fleet_id, name, authority_id, parallel_authority_id, profile,
                                policy, created_at)
                            VALUES (:tenant, :fleet, :name, :authority, :parallel, :profile::jsonb, :policy::jsonb,
                                :now)""")
                    .bind("tenant", tenant)
                    .bind("fleet", id)
                    .bindMap(columns(settings))
                    .bindByType("parallel", settings.parallelAuthority(), AuthorityId.class)
                    .bind("now", clock.instant())
                    .execute();
            watch(tx, tenant, id, settings.policy().attestation());
            audit.append(tx, tenant, List.of(event(actor, "fleet.created", id, settings, List.of())));
            return require(tx, tenant, id);
        });
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Fleet get(TenantId tenant, FleetId id) {
        return database.inTenant(tenant, tx -> require(tx, tenant, id));
    }

    /// All fleets of a tenant, in the order of their ids.
    public Page<Fleet> list(TenantId tenant, Page.Request page) {
        List<Fleet> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT " + COLUMNS + """
                         FROM fleet
                        WHERE tenant_id = :tenant AND fleet_id > :after
                        ORDER BY fleet_id LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("after", page.after(id -> id, ""))
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> fleet(row))
                        .list());
        return Page.of(rows, page, fleet -> fleet.id().value());
    }

    /// Changes a fleet. Takes effect at once on this node, and within [IssuingFleets#LIFETIME] on others.
    ///
    /// @param version the one that the change was decided on
    /// @throws RefusedException [ErrorCode#PRECONDITION_FAILED] where the fleet has another version by now;
    ///     [ErrorCode#BREAKS_CHAINS], with whom, where devices would lose their chain
    public Fleet update(TenantId tenant, Actor actor, FleetId id, int version, FleetSettings settings) {
        return update(tenant, actor, id, version, settings, Fleets::refuse);
    }

    /// Refuses what [#update] would refuse now, and changes nothing.
    public void check(TenantId tenant, FleetId id, FleetSettings settings) {
        check(tenant, id, settings, Fleets::refuse);
    }

    /// As the other, whoever breaks.
    public void checkLeavingBehind(TenantId tenant, FleetId id, FleetSettings settings) {
        check(tenant, id, settings, broken -> {});
    }

    private void check(TenantId tenant, FleetId id, FleetSettings settings, Consumer<List<Broken>> whereBroken) {
        database.inTenant(tenant, tx -> requireFit(tx, tenant, require(tx, tenant, id), settings, whereBroken));
    }

    private static void refuse(List<Broken> broken) {
        throw new RefusedException(
                ErrorCode.BREAKS_CHAINS,
                "devices of the fleet would lose their chain: "
                        + broken.getFirst().detail(),
                broken);
    }

    /// @return who breaks, where `whereBroken` puts up with it
    private List<Broken> requireFit(
            Handle tx, TenantId tenant, Fleet before, FleetSettings settings, Consumer<List<Broken>> whereBroken) {
        checkAuthority(tx, tenant, settings, before.id());
        List<Broken> broken = ChainBreaks.of(tx, authorities, before, settings);
        if (!broken.isEmpty()) {
            whereBroken.accept(broken);
        }
        return broken;
    }

    /// As the other, whoever breaks; the audit says whom.
    public Fleet updateLeavingBehind(TenantId tenant, Actor actor, FleetId id, int version, FleetSettings settings) {
        return update(tenant, actor, id, version, settings, broken -> {});
    }

    private Fleet update(
            TenantId tenant,
            Actor actor,
            FleetId id,
            int version,
            FleetSettings settings,
            Consumer<List<Broken>> whereBroken) {
        Fleet changed = database.inTenant(tenant, tx -> {
            Fleet before = require(tx, tenant, id);
            List<Broken> broken = requireFit(tx, tenant, before, settings, whereBroken);
            int rows = tx.createUpdate("""
                            UPDATE fleet SET name = :name, authority_id = :authority,
                                parallel_authority_id = :parallel, profile = :profile::jsonb, policy = :policy::jsonb, version = version + 1
                            WHERE tenant_id = :tenant AND fleet_id = :fleet AND version = :version""")
                    .bindMap(columns(settings))
                    .bindByType("parallel", settings.parallelAuthority(), AuthorityId.class)
                    .bind("tenant", tenant)
                    .bind("fleet", id)
                    .bind("version", version)
                    .execute();
            // What was read may be older than what was changed: then nothing was decided on it.
            if (rows == 0 || before.version() != version) {
                throw new RefusedException(
                        ErrorCode.PRECONDITION_FAILED,
                        "the fleet has version " + before.version() + ", the change was made for version " + version);
            }
            if (!settings.policy().attestation().equals(before.policy().attestation())) {
                watch(tx, tenant, id, settings.policy().attestation());
            }
            audit.append(tx, tenant, List.of(event(actor, "fleet.updated", id, settings, broken)));
            return require(tx, tenant, id);
        });
        issuing.forget(id);
        return changed;
    }

    /// Has the devices of a fleet looked at (`V48__silent_devices.sql`) where its policy draws
    /// consequences, and no more where it draws none.
    private void watch(Handle tx, TenantId tenant, FleetId id, AttestationPolicy policy) {
        if (policy.consequences().isEmpty()) {
            tx.createUpdate("DELETE FROM posture_watch WHERE tenant_id = :tenant AND fleet_id = :fleet")
                    .bind("tenant", tenant)
                    .bind("fleet", id)
                    .execute();
            return;
        }
        tx.createUpdate("""
                        INSERT INTO posture_watch AS w (tenant_id, fleet_id, since, grace, walked)
                        VALUES (:tenant, :fleet, :now, make_interval(secs => :grace), :first)
                        ON CONFLICT (tenant_id, fleet_id) DO UPDATE SET grace = excluded.grace, walked = excluded.walked""")
                .bind("tenant", tenant)
                .bind("fleet", id)
                .bind("now", clock.instant())
                .bind("grace", policy.consequences().getFirst().after().toSeconds())
                .bind("first", new UUID(0, 0))
                .execute();
    }

    /// Deletes a fleet that has never had a device, with the reports of imports into it and its settings
    /// for ACME.
    ///
    /// @throws RefusedException where it has or had devices, has releases, or a manifest is being imported
    public void delete(TenantId tenant, Actor actor, FleetId id) {
        database.inTenant(tenant, tx -> {
            Fleet fleet = require(tx, tenant, id);
            // Whoever claims or enrols refers to the row, and so waits for this transaction, or this one for it.
            tx.createQuery("SELECT 1 FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet FOR UPDATE")
                    .bind("tenant", tenant)
                    .bind("fleet", id)
                    .mapTo(Integer.class)
                    .one();
            refuseWhile(
                    tx,
                    id,
                    "device",
                    "",
                    "it has devices, and what was issued to them needs it: devices that"
                            + " are gone for good count too. Give it another name, such as 'old', and leave it");
            refuseWhile(tx, id, "release", "", "releases stand under it: their evidence would be judged by nothing");
            refuseWhile(tx, id, "manifest", "AND state = 'RUNNING'", "a manifest is being imported into it");
            for (String sql : List.of(
                    """
                    DELETE FROM manifest_issue WHERE tenant_id = :tenant AND manifest_id IN
                        (SELECT manifest_id FROM manifest WHERE tenant_id = :tenant AND fleet_id = :fleet)""",
                    "DELETE FROM manifest WHERE tenant_id = :tenant AND fleet_id = :fleet",
                    "DELETE FROM acme_policy WHERE tenant_id = :tenant AND fleet_id = :fleet",
                    "DELETE FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet")) {
                tx.createUpdate(sql).bind("tenant", tenant).bind("fleet", id).execute();
            }
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(actor, "fleet.deleted", "fleet:" + id, Map.of("name", fleet.name()))));
            return fleet;
        });
        issuing.forget(id);
    }

    private static void refuseWhile(Handle tx, FleetId id, String table, String more, String why) {
        boolean there = tx.createQuery("SELECT EXISTS (SELECT FROM " + table
                        + " WHERE tenant_id = :tenant AND fleet_id = :fleet " + more + ")")
                .bind("tenant", id.tenant())
                .bind("fleet", id)
                .mapTo(Boolean.class)
                .one();
        if (there) {
            throw new RefusedException(ErrorCode.CONFLICT, "the fleet cannot be deleted: " + why);
        }
    }

    /// Gives all fleets of one authority to another, as part of the transaction `tx`.
    public void move(Handle tx, TenantId tenant, Actor actor, AuthorityId from, AuthorityId to) {
        List<FleetId> moved = tx.createQuery("""
                        UPDATE fleet SET version = version + 1,
                            authority_id = CASE WHEN authority_id = :from THEN :to ELSE authority_id END,
                            parallel_authority_id = CASE WHEN parallel_authority_id = :from THEN :to
                                ELSE parallel_authority_id END
                        WHERE tenant_id = :tenant AND (authority_id = :from OR parallel_authority_id = :from)
                        RETURNING fleet_id""")
                .bind("tenant", tenant)
                .bind("from", from)
                .bind("to", to)
                .mapTo(FleetId.class)
                .list();
        audit.append(
                tx,
                tenant,
                moved.stream()
                        .map(fleet ->
                                new AuditEvent(actor, "fleet.moved", "fleet:" + fleet, Map.of("from", from, "to", to)))
                        .toList());
        tx.afterCommit(() -> moved.forEach(issuing::forget));
    }

    /// A fleet may be made before its authority has its certificate, so that both can be prepared side by
    /// side.
    private void checkAuthority(Handle tx, TenantId tenant, FleetSettings settings, FleetId id) {
        Authority authority = authorities
                .find(tx, tenant, settings.authority())
                .orElseThrow(() ->
                        Fields.invalid("authority", "names no authority of this tenant: " + settings.authority()));
        if (authority.state() == State.RETIRED) {
            throw Fields.invalid("authority", "is retired and signs nothing any more");
        }
        if (authority.isForAuthorities()) {
            throw Fields.invalid("authority", "is a root for other authorities; use one of those below it");
        }
        requireUsable(tx, settings, id);
        if (authority.certificate() != null) {
            try {
                Issuance.of(authority.certificate(), settings.profile());
            } catch (InvalidCertificateException | IllegalArgumentException e) {
                throw unfit(tx, id, "does not fit the authority: " + e.getMessage());
            }
        }
        if (settings.parallelAuthority() != null) {
            checkParallel(tx, settings, settings.parallelAuthority(), id);
        }
    }

    /// An example stands for what differs from device to device.
    private static void requireUsable(Handle tx, FleetSettings settings, FleetId id) {
        String organization = tx.createQuery("SELECT subject->>'organization' FROM tenant WHERE tenant_id = :tenant")
                .bind("tenant", id.tenant())
                .mapTo(String.class)
                .one();
        Map<String, String> variables = Map.of(
                "device.id",
                "01900000-0000-7000-8000-000000000000",
                "device.serial",
                "0",
                "fleet.id",
                id.value(),
                "fleet.name",
                settings.name(),
                "tenant.id",
                id.tenant().value(),
                "tenant.organization",
                organization);
        try {
            settings.profile().requireUsable(variables);
            if (settings.parallelAuthority() != null) {
                IssuingFleets.parallel(settings.profile()).requireUsable(variables);
            }
        } catch (IllegalArgumentException e) {
            throw new RefusedException(ErrorCode.INVALID_FIELD, "profile." + e.getMessage());
        }
    }

    private void checkParallel(Handle tx, FleetSettings settings, AuthorityId id, FleetId fleet) {
        Authority authority = authorities
                .find(tx, fleet.tenant(), id)
                .orElseThrow(() -> Fields.invalid("parallelAuthority", "names no authority of this tenant: " + id));
        if (authority.state() != State.ACTIVE || authority.isForAuthorities()) {
            throw Fields.invalid("parallelAuthority", "must be an active authority for devices");
        }
        if (!authority.algorithm().isPostQuantum()) {
            throw Fields.invalid("parallelAuthority", "must have a post-quantum key, such as ml-dsa-65");
        }
        try {
            Issuance.of(authority.requireCertificate(), IssuingFleets.parallel(settings.profile()));
        } catch (InvalidCertificateException | IllegalArgumentException e) {
            throw unfit(tx, fleet, "does not fit the parallel authority: " + e.getMessage());
        }
    }

    /// A profile by which nobody could get a certificate.
    private static RefusedException unfit(Handle tx, FleetId fleet, String problem) {
        return new RefusedException(
                ErrorCode.INVALID_FIELD,
                "profile " + problem,
                ChainBreaks.everybody(tx, fleet, "profile-unfit", "they would get no certificates"));
    }

    private static Map<String, Object> columns(FleetSettings settings) {
        return Map.of(
                "name", settings.name(),
                "authority", settings.authority(),
                "profile", Json.write(settings.profile()),
                "policy", Json.write(settings.policy()));
    }

    private static AuditEvent event(
            Actor actor, String action, FleetId id, FleetSettings settings, List<Broken> leftBehind) {
        Map<String, Object> detail = new LinkedHashMap<>();
        detail.put("name", settings.name());
        detail.put("authority", settings.authority());
        if (settings.parallelAuthority() != null) {
            detail.put("parallelAuthority", settings.parallelAuthority());
        }
        detail.put("profile", Json.mapper().convertValue(settings.profile(), Map.class));
        detail.put("policy", Json.mapper().convertValue(settings.policy(), Map.class));
        if (!leftBehind.isEmpty()) {
            detail.put(
                    "leftBehind",
                    leftBehind.stream()
                            .map(broken -> Map.of("reason", broken.reason(), "devices", broken.count()))
                            .toList());
        }
        return new AuditEvent(actor, action, "fleet:" + id, detail);
    }

    private static Fleet require(Handle tx, TenantId tenant, FleetId id) {
        return find(tx, tenant, id)
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + id));
    }

    /// What a fleet asks of its devices' evidence; nothing where there is no such fleet.
    public static AttestationPolicy attestation(Handle tx, TenantId tenant, FleetId id) {
        return find(tx, tenant, id).map(fleet -> fleet.policy().attestation()).orElseGet(AttestationPolicy::none);
    }

    static Optional<Fleet> find(Handle tx, TenantId tenant, FleetId id) {
        return tx.createQuery("SELECT " + COLUMNS + " FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet")
                .bind("tenant", tenant)
                .bind("fleet", id)
                .map((row, context) -> fleet(row))
                .findOne();
    }

    private static Fleet fleet(ResultSet row) throws SQLException {
        Instant createdAt = row.getObject("created_at", OffsetDateTime.class).toInstant();
        UUID parallel = row.getObject("parallel_authority_id", UUID.class);
        return new Fleet(
                new FleetId(row.getString("fleet_id")),
                row.getString("name"),
                new AuthorityId(row.getObject("authority_id", UUID.class)),
                parallel == null ? null : new AuthorityId(parallel),
                Json.read(row.getString("profile"), CertificateProfile.class),
                Json.read(row.getString("policy"), FleetPolicy.class),
                row.getInt("version"),
                createdAt);
    }
}
