// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.Trust;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Subjects;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.ecc608.ChipPreset;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.endorsement.AttestationKeys;
import dev.tegata.platform.endorsement.DeviceEnvironments;
import dev.tegata.platform.endorsement.EndorsementIndex;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.store.Database;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// The keys that a tenant knows: those of claimed chips, activated ones, endorsed ones, and those in
/// certificates of ours.
final class TenantKeys implements Trust.KnownKeys {
    private static final int CHIP_SERIAL = 9;
    private static final String CHIP_VENDOR = "Microchip";

    private final Database database;
    private final EndorsementIndex index;
    private final AttestationKeys attestationKeys;
    private final TenantId tenant;
    private final long version;

    TenantKeys(
            Database database, EndorsementIndex index, AttestationKeys attestationKeys, TenantId tenant, long version) {
        this.database = database;
        this.index = index;
        this.attestationKeys = attestationKeys;
        this.tenant = tenant;
        this.version = version;
    }

    @Override
    public List<Trust.KnownKey> ofInstance(Environment environment) {
        Cbor instance = environment.instance();
        if (instance == null) {
            return List.of();
        }
        if (instance instanceof Cbor.Tagged(long tag, Cbor.ByteString(Bytes serial))
                && tag == Environment.BYTES_TAG
                && serial.size() == CHIP_SERIAL) {
            return ofChip(instance, serial);
        }
        List<Trust.KnownKey> keys = new ArrayList<>();
        for (Endorsements.EndorsedKey key : index.find(tenant, version, Set.of(Subjects.ofInstance(instance)))
                .keys(instance)) {
            if (key.environment().covers(environment)) {
                keys.add(known(key));
            }
        }
        return keys;
    }

    private static Trust.KnownKey known(Endorsements.EndorsedKey key) {
        return new Trust.KnownKey(
                key.key(),
                key.environment(),
                "endorsed by " + key.origin().signer() + " in " + key.origin().corim());
    }

    /// The key of a claimed chip's signing slot. Which preset the chip has is found out by its signature,
    /// which covers its configuration.
    private List<Trust.KnownKey> ofChip(Cbor instance, Bytes serial) {
        List<Trust.KnownKey> keys = new ArrayList<>();
        for (ChipPreset preset : List.of(ChipPreset.TRUST_GO, ChipPreset.TRUST_MANAGER)) {
            Environment chip = new Environment(null, CHIP_VENDOR, preset.name(), null, null, instance, null);
            for (Bytes key : signingKeys(serial, preset.signingSlot())) {
                keys.add(new Trust.KnownKey(
                        CoseKey.of(key(key)), chip, "the one that the chip's manifest lists for its signing slot"));
            }
        }
        return keys;
    }

    private List<Bytes> signingKeys(Bytes serial, int slot) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT k.public_key FROM device d
                        JOIN device_key k ON k.tenant_id = d.tenant_id AND k.device_id = d.device_id
                        WHERE d.tenant_id = :tenant AND d.serial = :serial AND d.chip = 'microchip' AND k.slot = :slot""")
                        .bind("tenant", tenant)
                        .bind("serial", serial.hex())
                        .bind("slot", slot)
                        .mapTo(Bytes.class)
                        .list());
    }

    @Override
    public Optional<Trust.KnownKey> ofFingerprint(Bytes fingerprint) {
        return attestationKeys
                .find(tenant, fingerprint)
                .map(key -> new Trust.KnownKey(CoseKey.of(key.publicKey()), key.environment(), key.source()))
                .or(() -> index.find(tenant, version, Set.of(Subjects.ofKey(fingerprint)))
                        .attestationKey(fingerprint)
                        .map(TenantKeys::known))
                .or(() -> claimed(fingerprint));
    }

    private Optional<Trust.KnownKey> claimed(Bytes fingerprint) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT device_id, public_key FROM device_key WHERE tenant_id = :tenant AND fingerprint = :key")
                        .bind("tenant", tenant)
                        .bind("key", fingerprint)
                        .map((row, context) -> new ClaimedKey(
                                new DeviceId(row.getObject("device_id", UUID.class)),
                                Bytes.of(row.getBytes("public_key"))))
                        .findOne()
                        .flatMap(claimed -> DeviceEnvironments.of(tx, tenant, claimed.device)
                                .map(environment -> new Trust.KnownKey(
                                        CoseKey.of(key(claimed.publicKey)), environment, "claimed with the device"))));
    }

    private record ClaimedKey(DeviceId device, Bytes publicKey) {}

    @Override
    public Optional<Environment> ofCertificate(Certificate certificate) {
        return database.inTenant(
                tenant, tx -> device(tx, certificate).flatMap(device -> DeviceEnvironments.of(tx, tenant, device)));
    }

    @Override
    public Optional<Environment> ofIdentity(Bytes fingerprint) {
        return index.find(tenant, version, Set.of(Subjects.ofKey(fingerprint))).instanceWithKey(fingerprint);
    }

    /// The device that we issued the certificate to, or that was claimed with its key, or whose serial
    /// number another CA has put into it.
    private Optional<DeviceId> device(Handle tx, Certificate certificate) {
        return ofOurs(tx, certificate).or(() -> named(tx, certificate));
    }

    private Optional<DeviceId> named(Handle tx, Certificate certificate) {
        List<String> serials = Identification.serialsIn(certificate);
        // In certificates of our own, the subject may be what the device has asked for.
        if (serials.isEmpty() || isIssuedHere(tx, certificate)) {
            return Optional.empty();
        }
        List<DeviceId> devices = tx.createQuery("SELECT device_id FROM device"
                        + " WHERE tenant_id = :tenant AND serial = ANY (:serials) LIMIT 2")
                .bind("tenant", tenant)
                .bindArray("serials", String.class, serials)
                .mapTo(DeviceId.class)
                .list();
        return devices.size() == 1 ? Optional.of(devices.getFirst()) : Optional.empty();
    }

    private boolean isIssuedHere(Handle tx, Certificate certificate) {
        List<Bytes> authorities = tx.createQuery(
                        "SELECT certificate FROM authority WHERE tenant_id = :tenant AND certificate IS NOT NULL")
                .bind("tenant", tenant)
                .mapTo(Bytes.class)
                .list();
        for (Bytes authority : authorities) {
            try {
                if (Certificate.parse(authority).subject().equals(certificate.issuer())) {
                    return true;
                }
            } catch (InvalidCertificateException e) {
                throw new IntegrityException("a stored certificate cannot be read", e);
            }
        }
        return false;
    }

    private Optional<DeviceId> ofOurs(Handle tx, Certificate certificate) {
        return tx.createQuery("""
                        SELECT device_id FROM certificate
                        WHERE tenant_id = :tenant AND serial_number = :serial AND encoded = :encoded
                            AND device_id IS NOT NULL
                        UNION
                        SELECT device_id FROM certificate_archive
                        WHERE tenant_id = :tenant AND serial_number = :serial AND fingerprint = sha256(:encoded)
                        UNION
                        SELECT device_id FROM device_key WHERE tenant_id = :tenant AND fingerprint = :key
                        LIMIT 1""")
                .bind("tenant", tenant)
                .bind("serial", certificate.serial().content())
                .bind("encoded", certificate.encoded())
                .bind("key", certificate.publicKeyEncoded().sha256())
                .mapTo(DeviceId.class)
                .findOne();
    }

    private static PublicKeyInfo key(Bytes encoded) {
        try {
            return PublicKeyInfo.parse(encoded);
        } catch (InvalidKeyInfoException e) {
            throw new IntegrityException("a stored key cannot be read", e);
        }
    }
}
