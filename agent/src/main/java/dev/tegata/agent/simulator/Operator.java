// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import java.io.IOException;
import java.util.Optional;

/// What the devices' owner does about them, through the server's API.
public interface Operator {
    /// The token for the first certificate of a device whose keys its maker does not know.
    Optional<String> claimToken(String serial);

    /// Revokes a stolen device.
    void revoke(String serial) throws IOException;

    /// Orders a device to be refurbished.
    void refurbish(String serial) throws IOException;

    /// Transfers a device to the buyer.
    void sell(String serial) throws IOException;

    /// Notes that there are two devices where there should be one, and does nothing: the server is to find
    /// out.
    void cloned(String serial) throws IOException;

    /// Says of a release that it has a known vulnerability.
    void vulnerable(String version) throws IOException;
}
