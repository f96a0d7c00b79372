// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.tpm.CredentialActivation;
import dev.tegata.attestation.tpm.EndorsementCertificate;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.claim.ForeignStatus;
import dev.tegata.platform.store.Database;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The attestation keys of TPMs, made known by credential activation: nobody has to upload them.
///
/// A TPM says a secret only if it holds both the endorsement key, for which its maker or the tenant's
/// manifest vouches, and the attestation key. An activation is good for one answer, right or wrong.
public final class AttestationKeys {
    private static final Duration PATIENCE = Duration.ofMinutes(5);
    private static final int SECRET_SIZE = 32;

    private final Database database;
    private final AttestationTrust trust;
    private final PathCheck paths;
    private final AuditLog audit;
    private final InstantSource clock;
    private final SecureRandom random;

    public AttestationKeys(
            Database database,
            AttestationTrust trust,
            PathCheck paths,
            AuditLog audit,
            InstantSource clock,
            SecureRandom random) {
        this.database = database;
        this.trust = trust;
        this.paths = paths;
        this.audit = audit;
        this.clock = clock;
        this.random = random;
    }

    /// A request to activate a key.
    ///
    /// @param attestationKey TPMT_PUBLIC or TPM2B_PUBLIC
    /// @param certificates the endorsement key's certificate and the CAs above it; empty where
    ///     `endorsementKey` is
    /// given
    /// @param endorsementKey a key that was claimed with the device; null where the certificate tells
    ///     it
    /// @param device whose key it is; null where that is found by the endorsement key, or is not one
    ///     of ours
    /// @param vendor what reference values call its maker; null for the tenant's name
    /// @param model what reference values call its model; null for the fleet's name
    public record Request(
            Bytes attestationKey,
            List<Certificate> certificates,
            @Nullable PublicKeyInfo endorsementKey,
            @Nullable DeviceId device,
            @Nullable String vendor,
            @Nullable String model) {}

    /// What the device's TPM must solve.
    public record Challenge(UUID id, CredentialActivation.Challenge credential, Instant expiresAt) {}

    /// Why an endorsement key is believed.
    private record Believed(PublicKeyInfo key, @Nullable DeviceId device, String source) {}

    /// The keys that were activated for the device, latest first, so many as a device has at most.
    public List<PublicKeyInfo> of(TenantId tenant, DeviceId device) {
        List<Bytes> encoded = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT public_key FROM attestation_key WHERE tenant_id = :tenant AND device_id = :device
                        ORDER BY activated_at DESC, fingerprint LIMIT 8""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .mapTo(Bytes.class)
                        .list());
        List<PublicKeyInfo> keys = new ArrayList<>();
        for (Bytes each : encoded) {
            try {
                keys.add(PublicKeyInfo.parse(each));
            } catch (InvalidKeyInfoException e) {
                throw new IllegalStateException("an attestation key was stored that cannot be read", e);
            }
        }
        return keys;
    }

    /// Begins an activation.
    ///
    /// @throws RefusedException where the key may not attest, or nobody vouches for the endorsement key
    public Challenge begin(TenantId tenant, Request request) {
        TpmPublic key = attestationKey(request.attestationKey());
        Believed believed = believed(tenant, request);
        if (believed.device != null && request.device() != null && !believed.device.equals(request.device())) {
            throw new RefusedException(
                    ErrorCode.ACTIVATION_FAILED, "the endorsement key was claimed for another device");
        }
        DeviceId device = believed.device != null ? believed.device : request.device();
        byte[] secret = new byte[SECRET_SIZE];
        random.nextBytes(secret);
        CredentialActivation.Challenge credential =
                CredentialActivation.challenge(believed.key, key.name(), secret, random);
        Instant now = clock.instant();
        UUID id = TimeOrderedIds.next(now, random);
        Instant expiresAt = now.plus(PATIENCE);
        database.inTenant(tenant, tx -> {
            Environment environment = environment(tx, tenant, device, request);
            return tx.createUpdate("""
                            INSERT INTO key_activation (tenant_id, activation_id, secret_hash, public_key, device_id,
                                environment, endorsement_key, source, expires_at)
                            VALUES (:tenant, :id, :hash, :key, :device::uuid, :environment, :endorsementKey, :source,
                                :expires)""")
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .bind("hash", Bytes.sha256(secret))
                    .bind("key", key.key().encoded())
                    .bind("device", device == null ? null : device.value())
                    .bind("environment", environment.toCbor().encode())
                    .bind("endorsementKey", believed.key.fingerprint())
                    .bind("source", believed.source)
                    .bind("expires", expiresAt)
                    .execute();
        });
        return new Challenge(id, credential, expiresAt);
    }

    private static TpmPublic attestationKey(Bytes encoded) {
        try {
            boolean sized = encoded.size() > 2
                    && (((encoded.at(0) & 0xff) << 8) | (encoded.at(1) & 0xff)) == encoded.size() - 2;
            TpmPublic key = sized ? TpmPublic.parseSized(encoded) : TpmPublic.parse(encoded);
            if (!key.isAttestationKey()) {
                throw Fields.invalid(
                        "attestationKey", "may sign what is not from the TPM, or may leave it: it cannot attest");
            }
            return key;
        } catch (MalformedException e) {
            throw Fields.invalid("attestationKey", "cannot be read: " + e.getMessage());
        }
    }

    private Believed believed(TenantId tenant, Request request) {
        PublicKeyInfo key = endorsementKey(request);
        Optional<DeviceId> claimed = database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT device_id FROM device_key WHERE tenant_id = :tenant AND fingerprint = :key")
                        .bind("tenant", tenant)
                        .bind("key", key.fingerprint())
                        .mapTo(DeviceId.class)
                        .findOne());
        if (claimed.isPresent()) {
            return new Believed(key, claimed.get(), "activated by the endorsement key of its claimed TPM");
        }
        if (request.certificates().isEmpty()) {
            throw new RefusedException(
                    ErrorCode.ACTIVATION_FAILED,
                    "no claimed device has this endorsement key, and there is no certificate");
        }
        try {
            EndorsementCertificate certificate =
                    EndorsementCertificate.of(request.certificates().getFirst());
            PathResult path = certificate.check(
                    request.certificates().subList(1, request.certificates().size()),
                    trust.of(tenant).tpmVendors(),
                    clock.instant(),
                    paths);
            if (path instanceof PathResult.Invalid(PathResult.Reason _, String sentence)) {
                throw new RefusedException(ErrorCode.ACTIVATION_FAILED, "the TPM's maker is not trusted: " + sentence);
            }
            if (path instanceof PathResult.Valid(List<Certificate> certificates)) {
                ForeignStatus.Fault fault =
                        database.inTenant(tenant, tx -> ForeignStatus.fault(tx, tenant, certificates, clock.instant()));
                if (fault != null) {
                    throw new RefusedException(fault.code(ErrorCode.ACTIVATION_FAILED), fault.sentence());
                }
            }
            return new Believed(
                    key,
                    null,
                    "activated by a TPM of " + certificate.manufacturer() + ", model " + certificate.model());
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.ACTIVATION_FAILED, String.valueOf(e.getMessage()));
        }
    }

    private static PublicKeyInfo endorsementKey(Request request) {
        try {
            PublicKeyInfo key = request.endorsementKey() != null
                    ? request.endorsementKey()
                    : request.certificates().isEmpty()
                            ? null
                            : request.certificates().getFirst().publicKey();
            if (key == null) {
                throw Fields.invalid("endorsementCertificates", "or endorsementKey must be given");
            }
            if (key.algorithm() == KeyAlgorithm.EC_P384 || key.algorithm() == KeyAlgorithm.ED25519) {
                throw Fields.invalid("the endorsement key", "must be of RSA or P-256");
            }
            return key;
        } catch (InvalidKeyInfoException e) {
            throw Fields.invalid("the endorsement key", "cannot be used: " + e.getMessage());
        }
    }

    private static Environment environment(Handle tx, TenantId tenant, @Nullable DeviceId device, Request request) {
        String vendor = request.vendor();
        String model = request.model();
        if (device == null) {
            if (vendor == null || model == null) {
                throw Fields.invalid("vendor and model", "must be given where the key is of no device");
            }
            return Environment.ofModel(vendor, model);
        }
        Environment usual = DeviceEnvironments.of(tx, tenant, device)
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device));
        return new Environment(
                null,
                vendor == null ? usual.vendor() : vendor,
                model == null ? usual.model() : model,
                null,
                null,
                usual.instance(),
                null);
    }

    private record Pending(
            Bytes secretHash,
            Bytes publicKey,
            @Nullable UUID device,
            Bytes environment,
            Bytes endorsementKey,
            String source,
            Instant expiresAt,
            boolean answered) {}

    /// Ends an activation with what the TPM said.
    ///
    /// @throws RefusedException where it is not the secret, comes too late, or was answered before
    public AttestationKey answer(TenantId tenant, Actor actor, UUID activation, Bytes secret) {
        Instant now = clock.instant();
        // A wrong answer is used up too, so the refusal comes after the transaction.
        Optional<AttestationKey> activated = database.inTenant(tenant, tx -> {
            Pending pending = take(tx, tenant, activation, now);
            if (!MessageDigest.isEqual(
                    pending.secretHash.toArray(), secret.sha256().toArray())) {
                return Optional.empty();
            }
            AppraisalBasis.change(tx, tenant);
            AttestationKey key = store(tx, tenant, pending, now);
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor,
                            "attestation-key.activated",
                            "attestation-key:" + key.publicKey().fingerprint().hex(),
                            Map.of("source", key.source(), "device", String.valueOf(key.device())))));
            return Optional.of(key);
        });
        return activated.orElseThrow(
                () -> new RefusedException(ErrorCode.ACTIVATION_FAILED, "this is not the secret that was asked for"));
    }

    private static Pending take(Handle tx, TenantId tenant, UUID activation, Instant now) {
        Pending pending = tx.createQuery("""
                        SELECT * FROM key_activation WHERE tenant_id = :tenant AND activation_id = :id FOR UPDATE""")
                .bind("tenant", tenant)
                .bind("id", activation)
                .map((row, context) -> new Pending(
                        Bytes.of(row.getBytes("secret_hash")),
                        Bytes.of(row.getBytes("public_key")),
                        row.getObject("device_id", UUID.class),
                        Bytes.of(row.getBytes("environment")),
                        Bytes.of(row.getBytes("endorsement_key")),
                        row.getString("source"),
                        row.getTimestamp("expires_at").toInstant(),
                        row.getTimestamp("answered_at") != null))
                .findOne()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no activation " + activation));
        if (pending.answered) {
            throw new RefusedException(ErrorCode.CONFLICT, "the activation has been answered");
        }
        if (!now.isBefore(pending.expiresAt)) {
            throw new RefusedException(ErrorCode.EXCHANGE_OVER, "the activation ended at " + pending.expiresAt);
        }
        tx.createUpdate("""
                        UPDATE key_activation SET answered_at = :now
                        WHERE tenant_id = :tenant AND activation_id = :id""")
                .bind("tenant", tenant)
                .bind("id", activation)
                .bind("now", now)
                .execute();
        return pending;
    }

    private static AttestationKey store(Handle tx, TenantId tenant, Pending pending, Instant now) {
        return tx.createQuery("""
                        INSERT INTO attestation_key (tenant_id, fingerprint, public_key, device_id, environment,
                            endorsement_key, source, activated_at)
                        VALUES (:tenant, :fingerprint, :key, :device::uuid, :environment, :endorsementKey, :source, :now)
                        ON CONFLICT (tenant_id, fingerprint) DO UPDATE
                        SET device_id = :device::uuid, environment = :environment, endorsement_key = :endorsementKey,
                            source = :source, activated_at = :now
                        RETURNING *""")
                .bind("tenant", tenant)
                .bind("fingerprint", pending.publicKey.sha256())
                .bind("key", pending.publicKey)
                .bind("device", pending.device)
                .bind("environment", pending.environment)
                .bind("endorsementKey", pending.endorsementKey)
                .bind("source", pending.source)
                .bind("now", now)
                .map((row, context) -> key(row))
                .one();
    }

    /// All keys, by their fingerprints.
    public Page<AttestationKey> list(TenantId tenant, Page.Request page) {
        List<AttestationKey> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT * FROM attestation_key
                        WHERE tenant_id = :tenant AND fingerprint > decode(:after, 'hex')
                        ORDER BY fingerprint LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind(
                                "after",
                                page.after(
                                        fingerprint -> Bytes.ofHex(fingerprint).hex(), ""))
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> key(row))
                        .list());
        return Page.of(rows, page, key -> key.publicKey().fingerprint().hex());
    }

    /// The key with this SHA-256 of its SubjectPublicKeyInfo.
    public Optional<AttestationKey> find(TenantId tenant, Bytes fingerprint) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT * FROM attestation_key WHERE tenant_id = :tenant AND fingerprint = :fingerprint")
                        .bind("tenant", tenant)
                        .bind("fingerprint", fingerprint)
                        .map((row, context) -> key(row))
                        .findOne());
    }

    /// Forgets a key: what it signs proves nothing from now on.
    ///
    /// @throws RefusedException where it is not known
    public void remove(TenantId tenant, Actor actor, Bytes fingerprint) {
        database.inTenant(tenant, tx -> {
            AppraisalBasis.change(tx, tenant);
            int removed = tx.createUpdate(
                            "DELETE FROM attestation_key WHERE tenant_id = :tenant AND fingerprint = :fingerprint")
                    .bind("tenant", tenant)
                    .bind("fingerprint", fingerprint)
                    .execute();
            if (removed == 0) {
                throw new RefusedException(ErrorCode.NOT_FOUND, "no such attestation key: " + fingerprint.hex());
            }
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor, "attestation-key.removed", "attestation-key:" + fingerprint.hex(), Map.of())));
            return null;
        });
    }

    private static AttestationKey key(ResultSet row) throws SQLException {
        UUID device = row.getObject("device_id", UUID.class);
        try {
            return new AttestationKey(
                    PublicKeyInfo.parse(Bytes.of(row.getBytes("public_key"))),
                    device == null ? null : new DeviceId(device),
                    Environment.of(Cbor.read(Bytes.of(row.getBytes("environment")), CborLimits.TOKEN)),
                    Objects.requireNonNull(row.getString("source")),
                    row.getTimestamp("activated_at").toInstant());
        } catch (InvalidKeyInfoException | MalformedException e) {
            throw new IntegrityException("a stored attestation key cannot be read", e);
        }
    }
}
