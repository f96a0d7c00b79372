// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.seal;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Optional;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.jdbi.v3.core.Handle;

/// Seals shared secrets, which the verifier of a MAC must have again, for storage.
///
/// Every vault signs, and an RSA signature of PKCS #1 v1.5 is the same each time. So a tenant's
/// sealing key is SHA-256 over one signature of one RSA key in the vault: it is stored nowhere, and
/// whoever has the database without the vault has nothing. Sealing keys are remembered for [#LIFETIME].
public final class TenantSeals {
    static final Duration LIFETIME = Duration.ofMinutes(5);

    private static final int CAPACITY = 1000;

    private final Database database;
    private final Vault vault;
    private final InstantSource clock;
    private final SecureRandom random;
    private final RecentValues<TenantId, Seal> recent;

    public TenantSeals(Database database, Vault vault, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.vault = vault;
        this.clock = clock;
        this.random = random;
        this.recent = new RecentValues<>(clock, LIFETIME, CAPACITY, this::load);
    }

    /// The tenant's seal. Not to be called inside a transaction; what it returns may be used in one.
    public Seal of(TenantId tenant) {
        return recent.get(tenant);
    }

    private Seal load(TenantId tenant) {
        KeyHandle key = database.inTenant(tenant, tx -> find(tx, tenant)).orElseGet(() -> create(tenant));
        byte[] label = ("tegata secret seal of " + tenant.value()).getBytes(StandardCharsets.US_ASCII);
        byte[] signature = vault.sign(tenant.keySpace(), key, SignatureAlgorithm.RSA_SHA256, label);
        byte[] sealing = Bytes.sha256("tegata sealing key".getBytes(StandardCharsets.US_ASCII), signature)
                .toArray();
        return new Seal(new SecretKeySpec(sealing, "AES"), random);
    }

    private KeyHandle create(TenantId tenant) {
        KeyHandle made = vault.generate(tenant.keySpace(), KeyAlgorithm.RSA_3072);
        KeyHandle kept = database.inTenant(tenant, tx -> {
            tx.createUpdate("""
                            INSERT INTO secret_seal (tenant_id, key_handle, created_at) VALUES (:tenant, :key, :now)
                            ON CONFLICT DO NOTHING""")
                    .bind("tenant", tenant.value())
                    .bind("key", made.id())
                    .bind("now", clock.instant())
                    .execute();
            return find(tx, tenant).orElseThrow();
        });
        if (!kept.equals(made)) {
            // Another node was faster.
            vault.destroy(tenant.keySpace(), made);
        }
        return kept;
    }

    private static Optional<KeyHandle> find(Handle tx, TenantId tenant) {
        return tx.createQuery("SELECT key_handle FROM secret_seal WHERE tenant_id = :tenant")
                .bind("tenant", tenant.value())
                .mapTo(String.class)
                .findOne()
                .map(KeyHandle::new);
    }

    /// One tenant's seal.
    public static final class Seal {
        private static final int NONCE = 12;
        private static final int TAG_BITS = 128;

        private final SecretKeySpec key;
        private final SecureRandom random;

        private Seal(SecretKeySpec key, SecureRandom random) {
            this.key = key;
            this.random = random;
        }

        /// @param name what the secret is, which [#open] must say again: a sealed secret cannot be
        ///     taken for another
        public Bytes seal(String name, byte[] secret) {
            byte[] nonce = new byte[NONCE];
            random.nextBytes(nonce);
            try {
                return Bytes.of(nonce)
                        .concat(Bytes.of(
                                cipher(Cipher.ENCRYPT_MODE, nonce, name).doFinal(secret)));
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("every JDK has AES-GCM", e);
            }
        }

        /// @throws IntegrityException where it was sealed with another key or name, or was changed
        public byte[] open(String name, Bytes sealed) {
            byte[] all = sealed.toArray();
            try {
                return cipher(Cipher.DECRYPT_MODE, Arrays.copyOf(all, NONCE), name)
                        .doFinal(all, NONCE, all.length - NONCE);
            } catch (GeneralSecurityException | IllegalArgumentException e) {
                throw new IntegrityException("a stored secret does not open with the tenant's sealing key", e);
            }
        }

        /// A MAC that only this tenant's seal makes.
        ///
        /// @param name what it is for
        public Bytes mac(String name, byte[] data) {
            try {
                Mac function = Mac.getInstance("HmacSHA256");
                function.init(new SecretKeySpec(key.getEncoded(), "HmacSHA256"));
                function.update(("mac " + name + "\n").getBytes(StandardCharsets.UTF_8));
                return Bytes.of(function.doFinal(data));
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
            }
        }

        private Cipher cipher(int mode, byte[] nonce, String name) throws GeneralSecurityException {
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
            cipher.init(mode, key, new GCMParameterSpec(TAG_BITS, nonce));
            cipher.updateAAD(name.getBytes(StandardCharsets.UTF_8));
            return cipher;
        }
    }
}
