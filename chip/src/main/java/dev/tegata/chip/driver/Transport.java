// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.VirtualChip;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;

/// The way to one chip. Used by one thread at a time.
///
/// An `IOException` means that the chip was not reached, or did not answer as a chip does.
public interface Transport extends AutoCloseable {
    /// Wakes the chip.
    void wake() throws IOException;

    /// Sends a packet and gives back the answer, both from their count to their checksum.
    byte[] execute(byte[] packet) throws IOException;

    /// Lets the chip rest; it keeps its registers.
    void idle() throws IOException;

    /// Lets the chip sleep; it forgets its registers.
    void sleep() throws IOException;

    @Override
    void close() throws IOException;

    /// A chip in this process.
    static Transport of(VirtualChip chip) {
        return new InProcessTransport(chip);
    }

    /// A chip behind a TCP port.
    ///
    /// @param timeoutMillis how long the chip may take to answer
    static Transport tcp(InetSocketAddress address, int timeoutMillis) throws IOException {
        return TcpTransport.connect(address, timeoutMillis);
    }

    /// A real chip on an I²C bus of this Linux machine.
    ///
    /// @param device such as `/dev/i2c-1`
    /// @param address the chip's address in seven bits: `0x60` as sold blank, `0x35`, `0x36` or `0x38` provisioned
    static Transport i2c(Path device, int address) throws IOException {
        return new I2cTransport(LinuxI2cBus.open(device), address);
    }
}
