// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

/// Whether an order is to be obeyed.
public sealed interface OrderVerdict {
    /// It is: the device stores its sequence number and carries it out.
    record Accepted(Order order) implements OrderVerdict {}

    /// It is not.
    ///
    /// @param sentence tells a person why
    record Refused(Reason reason, String sentence) implements OrderVerdict {}

    /// Why an order is refused; stable names.
    enum Reason {
        /// It cannot be read, or its signature is wrong.
        MALFORMED,
        /// Its signer leads to none of the trust anchors, or is not there to sign orders.
        UNTRUSTED,
        /// It is for another device, or another chip.
        OTHER_DEVICE,
        /// Its sequence number is not larger than the last one.
        REPLAYED,
        EXPIRED,
        /// It is from the future.
        NOT_YET_VALID
    }
}
