// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.VirtualChip;
import java.io.IOException;

/// A virtual chip in the same process.
record InProcessTransport(VirtualChip chip) implements Transport {
    @Override
    public void wake() {
        chip.wake();
    }

    @Override
    public byte[] execute(byte[] packet) throws IOException {
        byte[] answer = chip.execute(packet);
        if (answer.length == 0) {
            throw new IOException("the chip is not awake");
        }
        return answer;
    }

    @Override
    public void idle() {
        chip.idle();
    }

    @Override
    public void sleep() {
        chip.sleep();
    }

    @Override
    public void close() {}
}
