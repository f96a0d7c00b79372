// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import java.util.Optional;

/// Where a device is in its life, and every step it can take from there. Nothing else decides a transition.
///
/// ```
/// CLAIMED ──activate──► ACTIVE ◄──suspend / resume──► SUSPENDED
///    ▲                   ▲ │                               │
///    │          readmit  │ │                               │
///    └──REFURBISHING ◄───┴─┴── refurbish (also REVOKED) ◄──┘
///
/// any but RETIRED ── revoke ──► REVOKED        any ── retire ──► RETIRED
/// ```
public enum DeviceState {
    /// Taken into the tenant; has not been heard of. Costs nothing.
    CLAIMED,
    /// Has an operational certificate.
    ACTIVE,
    /// Shut out for a while; its certificates are on hold.
    SUSPENDED,
    /// Told to wipe itself; its certificates are revoked. Comes back when it has proven that.
    REFURBISHING,
    /// Shut out; its certificates are revoked. Only a refurbishment brings it back.
    REVOKED,
    /// Gone for good.
    RETIRED;

    /// A step in a device's life.
    public enum Action {
        /// The first certificate.
        ACTIVATE,
        /// Another certificate.
        RENEW,
        SUSPEND,
        RESUME,
        /// The order to wipe itself.
        REFURBISH,
        /// The signed receipt of that.
        REFURBISHED,
        /// The birth key, where the fleet takes it in place of a receipt.
        READMIT,
        REVOKE,
        RETIRE
    }

    /// The state after `action`, or nothing where the state does not allow it.
    public Optional<DeviceState> after(Action action) {
        return Optional.ofNullable(
                switch (action) {
                    case ACTIVATE -> this == CLAIMED ? ACTIVE : null;
                    case RENEW -> this == ACTIVE ? ACTIVE : null;
                    case SUSPEND -> this == ACTIVE ? SUSPENDED : null;
                    case RESUME -> this == SUSPENDED ? ACTIVE : null;
                    case REFURBISH -> this == ACTIVE || this == SUSPENDED || this == REVOKED ? REFURBISHING : null;
                    case REFURBISHED -> this == REFURBISHING ? CLAIMED : null;
                    case READMIT -> this == REFURBISHING ? ACTIVE : null;
                    case REVOKE -> this == REVOKED || this == RETIRED ? null : REVOKED;
                    case RETIRE -> this == RETIRED ? null : RETIRED;
                });
    }

    /// Whether a device in this state gets a certificate when it enrols.
    public boolean mayEnrol(boolean birthKeyEndsRefurbishment) {
        return after(Action.ACTIVATE).isPresent()
                || after(Action.RENEW).isPresent()
                || (birthKeyEndsRefurbishment && after(Action.READMIT).isPresent());
    }
}
