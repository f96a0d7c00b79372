// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.order;

/// How far an order has come.
public enum OrderState {
    /// The device has not asked yet.
    PLACED,
    /// The device was told; no result has been seen.
    DELIVERED,
    DONE,
    /// The device tried and failed, would not try, or gave a receipt that is none.
    FAILED,
    EXPIRED,
    /// Taken back, or superseded by another order of its kind.
    WITHDRAWN;

    public boolean isOpen() {
        return this == PLACED || this == DELIVERED;
    }
}
