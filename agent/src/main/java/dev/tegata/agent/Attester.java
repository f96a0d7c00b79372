// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.util.Optional;

/// Makes evidence of what the device is.
public interface Attester {
    /// Evidence over a verifier's nonce.
    ///
    /// @param keyName the name of the operational key, where there is one
    /// @throws IOException where there can be none for this nonce
    CheckIn.Evidence attest(Bytes nonce, Optional<String> keyName) throws IOException;
}
