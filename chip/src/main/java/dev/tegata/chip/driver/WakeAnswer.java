// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Packet;
import dev.tegata.chip.Status;
import java.io.IOException;

/// What a chip says when it wakes.
final class WakeAnswer {
    static final int LENGTH = 4;

    private WakeAnswer() {}

    /// Whether this is the answer of a chip that has woken.
    static boolean isIn(byte[] answer) throws IOException {
        byte[] content = Packet.content(answer).orElse(new byte[0]);
        if (content.length == 1 && Status.of(content[0]) == Status.SELF_TEST_FAILED) {
            throw new IOException("the chip's self-test failed");
        }
        return content.length == 1 && Status.of(content[0]) == Status.AWAKE;
    }
}
