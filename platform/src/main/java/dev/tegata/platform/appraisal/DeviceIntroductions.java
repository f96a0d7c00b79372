// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.endorsement.AttestationKeys;
import dev.tegata.platform.enrol.Candidate;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.store.Database;
import java.time.InstantSource;
import java.util.List;
import java.util.UUID;

/// Lets devices make the key known that their TPM attests with, by credential activation.
///
/// A device that proves its birth key or its operational one says which TPM is in it, and is believed once:
/// where the endorsement key was not claimed with the device, the first one of a trusted maker counts, and
/// stays. An operator who wants another removes the attestation keys of the first.
public final class DeviceIntroductions {
    private final Database database;
    private final IssuingFleets fleets;
    private final Identification identification;
    private final AttestationKeys keys;
    private final InstantSource clock;

    public DeviceIntroductions(
            Database database,
            IssuingFleets fleets,
            Identification identification,
            AttestationKeys keys,
            InstantSource clock) {
        this.database = database;
        this.fleets = fleets;
        this.identification = identification;
        this.keys = keys;
        this.clock = clock;
    }

    /// Begins.
    ///
    /// @param chain that TLS has proven the first one's key of
    /// @param endorsement the endorsement key's certificate, and those above it
    /// @throws RefusedException where the device is not known, its fleet asks for no evidence, the key may
    /// not
    ///     attest, nobody vouches for the TPM, or it is another than the device has
    public AttestationKeys.Challenge begin(
            FleetId fleetId, List<Bytes> chain, Bytes attestationKey, List<Certificate> endorsement) {
        IssuingFleet fleet = fleets.get(fleetId);
        DeviceId device = device(fleet, chain);
        requireOwnTpm(fleet.tenant(), device, fingerprint(endorsement.getFirst()));
        requireUnknown(fleet.tenant(), device, attestationKey);
        return keys.begin(
                fleet.tenant(), new AttestationKeys.Request(attestationKey, endorsement, null, device, null, null));
    }

    /// Ends with what the TPM has read.
    ///
    /// @throws RefusedException where it is wrong, too late, or of another device
    public void answer(FleetId fleetId, List<Bytes> chain, UUID activation, Bytes secret) {
        IssuingFleet fleet = fleets.get(fleetId);
        TenantId tenant = fleet.tenant();
        DeviceId device = device(fleet, chain);
        Bytes endorsement = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT endorsement_key FROM key_activation
                        WHERE tenant_id = :tenant AND activation_id = :id AND device_id = :device""")
                        .bind("tenant", tenant)
                        .bind("id", activation)
                        .bind("device", device)
                        .mapTo(Bytes.class)
                        .findOne()
                        .orElseThrow(() ->
                                new RefusedException(ErrorCode.NOT_FOUND, "there is no activation " + activation)));
        requireOwnTpm(tenant, device, endorsement);
        keys.answer(tenant, Actor.device(device), activation, secret);
    }

    private DeviceId device(IssuingFleet fleet, List<Bytes> chain) {
        FleetPolicy policy = fleet.fleet().policy();
        if (!policy.attestation().asksForEvidence()
                && !policy.evidence().atEnrolment()
                && !policy.evidence().atRenewal()) {
            throw new RefusedException(ErrorCode.NOT_ENABLED, "the fleet asks for no evidence");
        }
        DeviceCredential credential =
                chain.isEmpty() ? new DeviceCredential.None() : new DeviceCredential.TlsCertificate(chain);
        return switch (identification.identify(fleet, credential, false, clock.instant())) {
            case Identification.Result.Found found -> known(fleet, found.device());
            case Identification.Result.NotFound notFound ->
                throw new RefusedException(notFound.code(), notFound.detail());
            case Identification.Result.Unclaimed _ ->
                throw new RefusedException(ErrorCode.DEVICE_UNKNOWN, "the device is not claimed yet");
        };
    }

    private static DeviceId known(IssuingFleet fleet, Candidate device) {
        if (!device.fleet().equals(fleet.fleet().id())) {
            throw new RefusedException(ErrorCode.WRONG_FLEET, "the device belongs to another fleet");
        }
        if (device.state() != DeviceState.CLAIMED && device.state() != DeviceState.ACTIVE) {
            throw new RefusedException(ErrorCode.DEVICE_NOT_ACTIVE, "the device is " + Texts.word(device.state()));
        }
        return device.id();
    }

    private static Bytes fingerprint(Certificate endorsement) {
        try {
            return endorsement.publicKey().fingerprint();
        } catch (InvalidKeyInfoException e) {
            throw new RefusedException(ErrorCode.ACTIVATION_FAILED, "the endorsement key cannot be used");
        }
    }

    /// What an operator has said of the key stays.
    private void requireUnknown(TenantId tenant, DeviceId device, Bytes attestationKey) {
        Bytes fingerprint;
        try {
            fingerprint = TpmPublic.parse(attestationKey).key().fingerprint();
        } catch (MalformedException e) {
            throw Fields.invalid("the attestation key", "cannot be read: " + e.getMessage());
        }
        boolean known = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT EXISTS (SELECT FROM attestation_key
                            WHERE tenant_id = :tenant AND fingerprint = :key AND device_id = :device)""")
                        .bind("tenant", tenant)
                        .bind("key", fingerprint)
                        .bind("device", device)
                        .mapTo(Boolean.class)
                        .one());
        if (known) {
            throw new RefusedException(ErrorCode.CONFLICT, "the attestation key is known already");
        }
    }

    /// A TPM is in one device, and a device has one.
    private void requireOwnTpm(TenantId tenant, DeviceId device, Bytes endorsementKey) {
        boolean other = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT EXISTS (SELECT FROM attestation_key WHERE tenant_id = :tenant
                                AND device_id = :device AND endorsement_key <> :key)
                            OR EXISTS (SELECT FROM attestation_key WHERE tenant_id = :tenant
                                AND endorsement_key = :key AND device_id IS DISTINCT FROM :device)""")
                        .bind("tenant", tenant)
                        .bind("device", device)
                        .bind("key", endorsementKey)
                        .mapTo(Boolean.class)
                        .one());
        if (other) {
            throw new RefusedException(
                    ErrorCode.ACTIVATION_FAILED, "the device has another TPM, or this TPM is in another device");
        }
    }
}
