// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A device as it is stored.
///
/// @param chip who numbers it: `microchip`, `infineon`, `espressif`, `tpm`, `other`
/// @param serial the chip's serial number, lower case
/// @param proof what the claim rests on: the vendor's signature, the vendor's certificate, or the
///     tenant's statement
/// @param expiresAt when its current certificate ends, while the device may use it
/// @param certificate the serial number of its current operational certificate
/// @param version counts every change
public record Device(
        DeviceId id,
        FleetId fleet,
        String chip,
        String serial,
        String model,
        DeviceState state,
        Proof proof,
        @Nullable ManifestId manifest,
        Instant claimedAt,
        @Nullable Instant activatedAt,
        @Nullable Instant lastSeenAt,
        @Nullable Instant expiresAt,
        @Nullable Bytes certificate,
        int version) {

    /// What a claim rests on.
    public enum Proof {
        VENDOR_SIGNATURE,
        VENDOR_CERTIFICATE,
        STATEMENT
    }

    /// How the audit chain names it.
    public String subject() {
        return "device:" + id;
    }
}
