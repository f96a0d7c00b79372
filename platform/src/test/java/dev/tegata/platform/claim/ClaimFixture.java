// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyEncryptionKey;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.SoftwareVault;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.Devices;
import dev.tegata.platform.event.Outbox;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.PostgresSealedKeyStore;
import dev.tegata.platform.testing.RecordedOrders;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.UUID;
import java.util.random.RandomGenerator;

/// What a claim needs and other features make.
final class ClaimFixture implements AutoCloseable {
    static final Actor ACTOR = Actor.apiKey("test");
    private static final RandomGenerator RANDOM = RandomGenerator.getDefault();

    final Database database;
    final AuditLog audit;
    private final Vault vault;

    ClaimFixture(Database database, InstantSource clock) {
        KeyEncryptionKey kek =
                KeyEncryptionKey.of(Secret.of(Bytes.of(new byte[32]).base64()), Bytes.EMPTY);
        this.database = database;
        this.vault = new SoftwareVault(new PostgresSealedKeyStore(database), kek, new SecureRandom(), 100);
        this.audit = new AuditLog(database, vault, clock);
    }

    StatedChips stated(InstantSource clock) {
        Outbox outbox = new Outbox(database, clock, RANDOM);
        return new StatedChips(
                database,
                new Devices(
                        database,
                        audit,
                        outbox,
                        new RecordedOrders(),
                        List.of(),
                        (tx, tenant, turned, turn, at) -> {},
                        clock),
                audit,
                outbox);
    }

    /// A fleet in a tenant of its own.
    FleetId newFleet() {
        TenantId tenant = TenantId.random(RANDOM);
        FleetId fleet = FleetId.random(tenant, RANDOM);
        UUID authority = UUID.randomUUID();
        vault.createSpace(tenant.keySpace());
        KeyHandle key = vault.generate(tenant.keySpace(), KeyAlgorithm.EC_P256);
        PublicKeyInfo publicKey = vault.publicKey(tenant.keySpace(), key);
        return database.inTenant(tenant, tx -> {
            tx.execute("INSERT INTO tenant VALUES (?, 'Test', '{}', now())", tenant.value());
            audit.begin(tx, tenant, ACTOR, key, publicKey);
            tx.execute("""
                    INSERT INTO authority (tenant_id, authority_id, kind, state, name, algorithm, key_handle, created_at)
                    VALUES (?, ?, 'ROOT', 'PENDING_CERTIFICATE', 'Root', 'ec-p256', '-', now())""", tenant.value(), authority);
            tx.execute("""
                    INSERT INTO fleet (tenant_id, fleet_id, name, authority_id, profile, policy, created_at)
                    VALUES (?, ?, 'Fleet', ?, '{}', '{}', now())""", tenant.value(), fleet.value(), authority);
            return fleet;
        });
    }

    /// The row of an import that runs.
    void insertManifest(FleetId fleet, Instant now) {
        database.inTenant(
                fleet.tenant(),
                tx -> tx.createUpdate("""
                        INSERT INTO manifest (tenant_id, manifest_id, fleet_id, file_name, state, started_at, updated_at)
                        VALUES (:tenant, :id, :fleet, 'file', 'RUNNING', :now, :now)""")
                        .bind("tenant", fleet.tenant())
                        .bind("id", TimeOrderedIds.next(now, RANDOM))
                        .bind("fleet", fleet)
                        .bind("now", now)
                        .execute());
    }

    @Override
    public void close() {
        audit.close();
    }
}
