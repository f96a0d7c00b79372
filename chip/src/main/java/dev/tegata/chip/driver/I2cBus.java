// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import java.io.IOException;

/// An I²C bus, one transfer at a time.
interface I2cBus extends AutoCloseable {
    /// Writes to the device at this address.
    ///
    /// @return false where no device acknowledged
    boolean write(int address, byte[] bytes) throws IOException;

    /// Reads from the device at this address until `into` is full.
    ///
    /// @return false where no device acknowledged
    boolean read(int address, byte[] into) throws IOException;

    @Override
    void close() throws IOException;
}
