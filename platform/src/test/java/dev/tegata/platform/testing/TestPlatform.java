// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import dev.tegata.pki.key.Vault;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.ApiKeys;
import dev.tegata.platform.access.Caller;
import dev.tegata.platform.access.LoginThrottle;
import dev.tegata.platform.access.Role;
import dev.tegata.platform.audit.AuditExport;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.fleet.Fleets;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.tenant.NewTenant;
import dev.tegata.platform.tenant.TenantSubject;
import dev.tegata.platform.tenant.Tenants;
import java.security.SecureRandom;
import java.time.InstantSource;

/// The services around tenants, wired as a node wires them. Two of them on one database are two nodes.
public final class TestPlatform implements AutoCloseable {
    public final Database database;
    public final Vault vault;
    public final AuditLog audit;
    public final AuditExport export;
    public final Outbox outbox;
    public final Jobs jobs;
    public final RefusalLog refusals;
    public final ApiKeys apiKeys;
    public final Authorities authorities;
    public final Tenants tenants;
    public final IssuingFleets issuingFleets;
    public final Fleets fleets;

    public TestPlatform(Database database, Vault vault, InstantSource clock) {
        SecureRandom random = new SecureRandom();
        this.database = database;
        this.vault = vault;
        audit = new AuditLog(database, vault, clock);
        export = new AuditExport(database, audit);
        outbox = new Outbox(database, clock, random);
        jobs = new Jobs(database, audit, outbox, clock, random);
        refusals = new RefusalLog(audit, database, clock);
        apiKeys = new ApiKeys(database, audit, refusals, new LoginThrottle(clock), clock, random);
        AuthorityMaker maker = new AuthorityMaker(vault, clock, random);
        authorities = new Authorities(database, audit, maker, clock);
        tenants = new Tenants(database, vault, audit, apiKeys, maker, authorities, clock, random);
        issuingFleets = new IssuingFleets(database, authorities, clock);
        fleets = new Fleets(database, audit, authorities, issuingFleets, clock, random);
    }

    /// On the software vault.
    public static TestPlatform software(Database database, InstantSource clock) {
        return new TestPlatform(database, TestVault.SOFTWARE.open(database), clock);
    }

    /// A tenant with a root and an issuing authority.
    public CreatedTenant tenant() {
        return tenants.create(
                Actor.OPERATOR, NewTenant.of("Example", new TenantSubject("Example S.p.A.", "IT", null, null, null)));
    }

    /// Somebody who may do everything in `tenant`.
    public static Caller owner(TenantId tenant) {
        return new Caller(tenant, "00000000", Role.OWNER);
    }

    /// Ends the background work; the database is the caller's.
    @Override
    public void close() {
        apiKeys.close();
        refusals.close();
        outbox.close();
        audit.close();
        vault.close();
    }
}
