// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.endorsement.DeviceEnvironments;
import java.lang.reflect.Type;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;

/// The device that evidence is of, and what policies may know of it.
record DeviceFacts(DeviceId id, String fleet, String state, String chip, String serial, String model) {
    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    Map<String, Object> forPolicy() {
        return Map.of(
                "id", id.toString(), "fleet", fleet, "state", state, "chip", chip, "serial", serial, "model", model);
    }

    static Optional<DeviceFacts> of(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("""
                        SELECT device_id, fleet_id, lower(state) AS state, chip, serial, model FROM device
                        WHERE tenant_id = :tenant AND device_id = :device::uuid""")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> new DeviceFacts(
                        new DeviceId(row.getObject("device_id", UUID.class)),
                        row.getString("fleet_id"),
                        row.getString("state"),
                        row.getString("chip"),
                        row.getString("serial"),
                        row.getString("model")))
                .findOne();
    }

    /// The device whose key signed the evidence, or that it names by its id or serial number. None where
    /// that is none of ours, or more than one.
    static Optional<DeviceFacts> find(Handle tx, TenantId tenant, List<EvidenceOutcome> outcomes) {
        Set<Bytes> keys = new HashSet<>();
        Set<UUID> ids = new HashSet<>();
        Set<String> serials = new HashSet<>();
        for (EvidenceOutcome outcome : outcomes) {
            if (outcome instanceof Verified verified) {
                verified.measured().stream()
                        .map(Endorsements.Claim::authorities)
                        .forEach(keys::addAll);
                Cbor instance = verified.environment().instance();
                if (instance != null) {
                    DeviceEnvironments.device(instance).ifPresent(device -> ids.add(device.value()));
                    serials.addAll(serials(instance));
                }
            }
        }
        if (keys.isEmpty() && ids.isEmpty() && serials.isEmpty()) {
            return Optional.empty();
        }
        List<UUID> devices = tx.createQuery("""
                        SELECT device_id FROM device_key
                        WHERE tenant_id = :tenant AND fingerprint = ANY (:keys::bytea[])
                        UNION SELECT device_id FROM attestation_key
                        WHERE tenant_id = :tenant AND fingerprint = ANY (:keys::bytea[]) AND device_id IS NOT NULL
                        UNION SELECT device_id FROM device WHERE tenant_id = :tenant AND serial = ANY (:serials)
                        UNION SELECT device_id FROM device WHERE tenant_id = :tenant AND device_id = ANY (:ids)
                        LIMIT 2""")
                .bind("tenant", tenant)
                .bindByType("keys", List.copyOf(keys), LIST_OF_BYTES)
                .bindArray("serials", String.class, List.copyOf(serials))
                .bindArray("ids", UUID.class, List.copyOf(ids))
                .mapTo(UUID.class)
                .list();
        return devices.size() == 1 ? of(tx, tenant, new DeviceId(devices.getFirst())) : Optional.empty();
    }

    /// The serial numbers that an instance may be claimed by: a chip's, or a UEID with or without its type.
    private static List<String> serials(Cbor instance) {
        if (instance instanceof Cbor.Tagged(long tag, Cbor.ByteString(Bytes value))) {
            if (tag == Environment.UEID_TAG && value.size() > 1) {
                return List.of(value.hex(), value.slice(1, value.size()).hex());
            }
            if (tag == Environment.BYTES_TAG) {
                return List.of(value.hex());
            }
        }
        return List.of();
    }
}
