// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

/// What a device can be told to do. The names are those of the protocol.
public enum OrderKind {
    /// Get a new certificate for the key in use.
    RENEW_CERTIFICATE,
    /// Make a new key, and get a certificate for it.
    RENEW_KEY,
    /// Trust these authorities from now on, and no others.
    UPDATE_TRUST_ANCHORS,
    /// Wipe what was written in the field, and prove it.
    REFURBISH,
    /// Show evidence over a nonce.
    ATTEST,
    /// Leave the owner, and perhaps go to another one.
    RELEASE,
    /// Keep an object, such as a configuration.
    STORE
}
