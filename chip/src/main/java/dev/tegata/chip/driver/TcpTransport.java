// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Packet;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;

/// A chip behind a TCP port: word addresses and packets as on the bus.
final class TcpTransport implements Transport {
    private static final int SHORTEST_ANSWER = 4;

    private final Socket socket;
    private final InputStream in;

    private TcpTransport(Socket socket) throws IOException {
        this.socket = socket;
        this.in = new BufferedInputStream(socket.getInputStream(), 512);
    }

    static TcpTransport connect(InetSocketAddress address, int timeoutMillis) throws IOException {
        Socket socket = new Socket();
        try {
            socket.connect(address, timeoutMillis);
            socket.setSoTimeout(timeoutMillis);
            socket.setTcpNoDelay(true);
            return new TcpTransport(socket);
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    @Override
    public void wake() throws IOException {
        send(Packet.WORD_RESET, new byte[0]);
        if (!WakeAnswer.isIn(answer())) {
            throw new IOException("what answered the wake is no chip");
        }
    }

    @Override
    public byte[] execute(byte[] packet) throws IOException {
        send(Packet.WORD_COMMAND, packet);
        return answer();
    }

    @Override
    public void idle() throws IOException {
        send(Packet.WORD_IDLE, new byte[0]);
    }

    @Override
    public void sleep() throws IOException {
        send(Packet.WORD_SLEEP, new byte[0]);
    }

    private void send(int word, byte[] packet) throws IOException {
        byte[] bytes = new byte[1 + packet.length];
        bytes[0] = (byte) word;
        System.arraycopy(packet, 0, bytes, 1, packet.length);
        socket.getOutputStream().write(bytes);
    }

    private byte[] answer() throws IOException {
        int count = in.read();
        if (count < 0) {
            throw new EOFException("the chip's port closed the connection");
        }
        if (count < SHORTEST_ANSWER) {
            throw new IOException("the chip is not awake");
        }
        byte[] answer = new byte[count];
        answer[0] = (byte) count;
        if (in.readNBytes(answer, 1, count - 1) != count - 1) {
            throw new EOFException("the chip's port closed the connection");
        }
        return answer;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
