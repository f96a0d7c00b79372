// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.platform.Texts;

/// What an entry of a custody chain says.
public enum CustodyKind {
    /// A tenant has taken the device in, as the first in this chain.
    CLAIMED,
    /// The owner gave the device to the owner that it names, with that one's key.
    HANDED_OVER,
    /// The new owner has it: signed with the key that the hand-over named.
    RECEIVED,
    /// The device was wiped and may be activated anew.
    REFURBISHED,
    /// Nothing comes after this.
    RETIRED;

    /// The name in entries and in the API: `handed-over`.
    public String id() {
        return Texts.word(this);
    }
}
