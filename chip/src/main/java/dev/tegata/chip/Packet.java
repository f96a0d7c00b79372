// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.util.Arrays;
import java.util.Optional;

/// A command on its way to a chip, and the frame around answers.
///
/// Both ways: one byte that counts itself, the content and the checksum; the content; two bytes of CRC-16, low first.
///
/// @param opcode one byte
/// @param param1 one byte
/// @param param2 two bytes, sent low first
public record Packet(int opcode, int param1, int param2, byte[] data) {
    /// The longest packet a chip takes.
    public static final int MAX_LENGTH = 155;

    /// The word addresses that come before a packet, or stand alone.
    public static final int WORD_RESET = 0x00;

    public static final int WORD_SLEEP = 0x01;
    public static final int WORD_IDLE = 0x02;
    public static final int WORD_COMMAND = 0x03;

    private static final int OVERHEAD = 7;
    private static final int CRC_POLYNOMIAL = 0x8005;

    /// @throws IllegalArgumentException where the count of the packet does not fit in its byte
    public Packet {
        if (data.length > 0xFF - OVERHEAD) {
            throw new IllegalArgumentException("a packet has at most " + (0xFF - OVERHEAD) + " bytes of data");
        }
    }

    public static Packet of(Opcode opcode, int param1, int param2, byte... data) {
        return new Packet(opcode.code(), param1, param2, data);
    }

    /// The packet as it goes over the wire, from the count to the checksum.
    public byte[] encode() {
        byte[] packet = new byte[OVERHEAD + data.length];
        packet[0] = (byte) packet.length;
        packet[1] = (byte) opcode;
        packet[2] = (byte) param1;
        packet[3] = (byte) param2;
        packet[4] = (byte) (param2 >> 8);
        System.arraycopy(data, 0, packet, 5, data.length);
        return seal(packet);
    }

    /// Reads a packet; empty where it has another length than it says, or its checksum is wrong.
    static Optional<Packet> decode(byte[] packet) {
        if (packet.length < OVERHEAD || (packet[0] & 0xFF) != packet.length || !isSealed(packet)) {
            return Optional.empty();
        }
        return Optional.of(new Packet(
                packet[1] & 0xFF,
                packet[2] & 0xFF,
                packet[3] & 0xFF | (packet[4] & 0xFF) << 8,
                Arrays.copyOfRange(packet, 5, packet.length - 2)));
    }

    /// Frames an answer.
    static byte[] answer(byte[] content) {
        byte[] answer = new byte[content.length + 3];
        answer[0] = (byte) answer.length;
        System.arraycopy(content, 0, answer, 1, content.length);
        return seal(answer);
    }

    /// The content of an answer; empty where it did not arrive intact.
    public static Optional<byte[]> content(byte[] answer) {
        if (answer.length < 4 || (answer[0] & 0xFF) != answer.length || !isSealed(answer)) {
            return Optional.empty();
        }
        return Optional.of(Arrays.copyOfRange(answer, 1, answer.length - 2));
    }

    private static byte[] seal(byte[] frame) {
        int crc = crc(frame, frame.length - 2, 0);
        frame[frame.length - 2] = (byte) crc;
        frame[frame.length - 1] = (byte) (crc >> 8);
        return frame;
    }

    private static boolean isSealed(byte[] frame) {
        int crc = frame[frame.length - 2] & 0xFF | (frame[frame.length - 1] & 0xFF) << 8;
        return crc == crc(frame, frame.length - 2, 0);
    }

    /// CRC-16 with the polynomial 0x8005, each byte's low bit first, from a former remainder on.
    static int crc(byte[] data, int length, int before) {
        int crc = before;
        for (int i = 0; i < length; i++) {
            for (int bit = 0; bit < 8; bit++) {
                int top = crc >> 15 & 1;
                crc = crc << 1 & 0xFFFF;
                if (top != (data[i] >> bit & 1)) {
                    crc ^= CRC_POLYNOMIAL;
                }
            }
        }
        return crc;
    }
}
