// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Packet;
import dev.tegata.chip.VirtualChip;
import java.util.Arrays;

/// A bus with one virtual chip: it acknowledges nothing while it sleeps or works.
final class FakeI2cBus implements I2cBus {
    static final int ADDRESS = 0x35;
    private static final int BUSY_POLLS = 3;

    private final VirtualChip chip;
    private boolean awake;
    private int busy;
    private byte[] output = {};
    private int position;

    FakeI2cBus(VirtualChip chip) {
        this.chip = chip;
    }

    @Override
    public boolean write(int address, byte[] bytes) {
        if (address == 0) {
            if (!awake) {
                awake = true;
                answer(chip.wake(), 0);
            }
            return false;
        }
        if (address != ADDRESS || !awake || busy > 0) {
            return false;
        }
        switch (bytes[0]) {
            case Packet.WORD_RESET -> position = 0;
            case Packet.WORD_SLEEP -> {
                awake = false;
                chip.sleep();
            }
            case Packet.WORD_IDLE -> {
                awake = false;
                chip.idle();
            }
            default -> answer(chip.execute(Arrays.copyOfRange(bytes, 1, bytes.length)), BUSY_POLLS);
        }
        return true;
    }

    private void answer(byte[] bytes, int polls) {
        output = bytes;
        position = 0;
        busy = polls;
    }

    @Override
    public boolean read(int address, byte[] into) {
        if (address != ADDRESS || !awake) {
            return false;
        }
        if (busy > 0) {
            busy--;
            return false;
        }
        for (int i = 0; i < into.length; i++) {
            into[i] = position < output.length ? output[position] : (byte) 0xFF;
            position++;
        }
        return true;
    }

    @Override
    public void close() {}
}
