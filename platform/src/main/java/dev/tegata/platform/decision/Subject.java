// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;

/// By what the asker knows the device.
public sealed interface Subject {
    /// By its id.
    record Id(DeviceId device) implements Subject {}

    /// By the certificate that it showed, whose key it has proven.
    ///
    /// @param digest SHA-256 of the DER
    record Certificate(Bytes digest) implements Subject {}

    /// By the claims of a result of ours that it showed, whose signature was verified: see [Passports].
    record Passport(String claims) implements Subject {}
}
