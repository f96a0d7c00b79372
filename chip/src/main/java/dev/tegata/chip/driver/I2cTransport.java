// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Packet;
import java.io.IOException;
import java.io.InterruptedIOException;

/// A real chip on an I²C bus.
///
/// The chip wakes when the data line is low for 60 µs: a byte of zeros to address 0 does it on a bus of 100 kHz. While
/// it works on a command it acknowledges nothing; so the answer is asked for until it comes.
final class I2cTransport implements Transport {
    private static final int GENERAL_CALL = 0x00;
    private static final int WAKE_ATTEMPTS = 3;
    private static final int WAKE_MILLIS = 2;
    private static final int POLL_MILLIS = 2;

    /// Longer than the slowest command takes.
    private static final int POLLS = 1_000;

    private final I2cBus bus;
    private final int address;

    I2cTransport(I2cBus bus, int address) {
        this.bus = bus;
        this.address = address;
    }

    @Override
    public void wake() throws IOException {
        byte[] answer = new byte[WakeAnswer.LENGTH];
        for (int attempt = 0; attempt < WAKE_ATTEMPTS; attempt++) {
            bus.write(GENERAL_CALL, new byte[1]);
            pause(WAKE_MILLIS);
            if (bus.read(address, answer) && WakeAnswer.isIn(answer)) {
                return;
            }
            // a chip that was awake already has another answer: it is to rest, and to be woken again
            bus.write(address, new byte[] {Packet.WORD_IDLE});
        }
        throw new IOException("no chip answered the wake");
    }

    @Override
    public byte[] execute(byte[] packet) throws IOException {
        byte[] bytes = new byte[1 + packet.length];
        bytes[0] = Packet.WORD_COMMAND;
        System.arraycopy(packet, 0, bytes, 1, packet.length);
        if (!bus.write(address, bytes)) {
            throw new IOException("the chip is not awake");
        }
        byte[] count = new byte[1];
        for (int poll = 0; poll < POLLS; poll++) {
            pause(POLL_MILLIS);
            if (bus.read(address, count)) {
                return rest(count[0] & 0xFF);
            }
        }
        throw new IOException("the chip did not answer in time");
    }

    private byte[] rest(int count) throws IOException {
        if (count < WakeAnswer.LENGTH) {
            throw new IOException("what answered is no chip");
        }
        byte[] rest = new byte[count - 1];
        if (!bus.read(address, rest)) {
            throw new IOException("the chip's answer broke off");
        }
        byte[] answer = new byte[count];
        answer[0] = (byte) count;
        System.arraycopy(rest, 0, answer, 1, rest.length);
        return answer;
    }

    @Override
    public void idle() throws IOException {
        bus.write(address, new byte[] {Packet.WORD_IDLE});
    }

    @Override
    public void sleep() throws IOException {
        bus.write(address, new byte[] {Packet.WORD_SLEEP});
    }

    private static void pause(int millis) throws IOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException();
        }
    }

    @Override
    public void close() throws IOException {
        bus.close();
    }
}
