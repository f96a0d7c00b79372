// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.Handle;

/// What endorsements call our devices where their evidence names nothing itself, as a TPM's quote does: the
/// tenant's name is the vendor, the fleet's the model, the device's id (as a UUID) the instance.
public final class DeviceEnvironments {
    private DeviceEnvironments() {}

    /// The device's environment; empty where there is no such device.
    public static Optional<Environment> of(Handle tx, TenantId tenant, DeviceId device) {
        return tx.createQuery("""
                        SELECT t.name AS vendor, f.name AS model FROM device d
                        JOIN fleet f ON f.tenant_id = d.tenant_id AND f.fleet_id = d.fleet_id
                        JOIN tenant t ON t.tenant_id = d.tenant_id
                        WHERE d.tenant_id = :tenant AND d.device_id = :device::uuid""")
                .bind("tenant", tenant)
                .bind("device", device)
                .map((row, context) -> new Environment(
                        null, row.getString("vendor"), row.getString("model"), null, null, instance(device), null))
                .findOne();
    }

    private static Cbor instance(DeviceId device) {
        UUID id = device.value();
        byte[] bytes = ByteBuffer.allocate(16)
                .putLong(id.getMostSignificantBits())
                .putLong(id.getLeastSignificantBits())
                .array();
        return new Cbor.Tagged(Environment.UUID_TAG, Cbor.of(Bytes.of(bytes)));
    }

    /// The device that an instance names by its id.
    public static Optional<DeviceId> device(Cbor instance) {
        if (instance instanceof Cbor.Tagged(long tag, Cbor.ByteString(Bytes bytes))
                && tag == Environment.UUID_TAG
                && bytes.size() == 16) {
            ByteBuffer buffer = ByteBuffer.wrap(bytes.toArray());
            return Optional.of(new DeviceId(new UUID(buffer.getLong(), buffer.getLong())));
        }
        return Optional.empty();
    }
}
