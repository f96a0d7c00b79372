// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Which devices are wanted. A part that is null does not narrow.
///
/// @param serial the exact serial number of the chip, in either case
/// @param text how a serial number, a device id or a model begins
/// @param waiting whether only devices that wait for approval are wanted
/// @param authority that signed the current certificate
/// @param expiresBefore when the current certificate ends at the latest
/// @param notSeenSince since when nothing was heard of the device
/// @param finding the code of one of `authority`'s findings that affects them, such as `KEY_SHARED`
/// @param keyAlgorithm of the key that they live by, in service; of a fleet only
public record DeviceQuery(
        @Nullable FleetId fleet,
        @Nullable DeviceState state,
        @Nullable String serial,
        @Nullable String text,
        boolean waiting,
        @Nullable ManifestId manifest,
        @Nullable AuthorityId authority,
        @Nullable Instant expiresBefore,
        @Nullable Instant notSeenSince,
        @Nullable String finding,
        @Nullable KeyAlgorithm keyAlgorithm) {
    public DeviceQuery {
        if (keyAlgorithm != null && fleet == null) {
            throw Fields.invalid("fleet", "must be given with a key algorithm");
        }
    }

    /// Whatever was found of them, and whatever keys they have.
    public DeviceQuery(
            @Nullable FleetId fleet,
            @Nullable DeviceState state,
            @Nullable String serial,
            @Nullable String text,
            boolean waiting,
            @Nullable ManifestId manifest,
            @Nullable AuthorityId authority,
            @Nullable Instant expiresBefore,
            @Nullable Instant notSeenSince) {
        this(fleet, state, serial, text, waiting, manifest, authority, expiresBefore, notSeenSince, null, null);
    }

    public static final DeviceQuery ALL = new DeviceQuery(null, null, null, null, false, null, null, null, null);

    /// All devices of a fleet.
    public static DeviceQuery of(FleetId fleet) {
        return new DeviceQuery(fleet, null, null, null, false, null, null, null, null);
    }

    /// Whether it names anything that narrows.
    public boolean narrowsNothing() {
        return equals(ALL);
    }
}
