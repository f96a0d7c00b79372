// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import dev.tegata.chip.Packet;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import org.jspecify.annotations.Nullable;

/// A chip behind a TCP port: word addresses and packets as on the bus. A connection that was lost is made
/// again with the next wake.
final class TcpTransport implements Transport {
    private static final int SHORTEST_ANSWER = 4;

    private final InetSocketAddress address;
    private final int timeoutMillis;
    private @Nullable Socket socket;

    private TcpTransport(InetSocketAddress address, int timeoutMillis) {
        this.address = address;
        this.timeoutMillis = timeoutMillis;
    }

    static TcpTransport connect(InetSocketAddress address, int timeoutMillis) throws IOException {
        TcpTransport transport = new TcpTransport(address, timeoutMillis);
        transport.connect();
        return transport;
    }

    private Socket connect() throws IOException {
        Socket fresh = new Socket();
        try {
            fresh.connect(address, timeoutMillis);
            fresh.setSoTimeout(timeoutMillis);
            fresh.setTcpNoDelay(true);
        } catch (IOException e) {
            fresh.close();
            throw new IOException(
                    "the chip at " + address.getHostString() + ":" + address.getPort() + " cannot be reached: "
                            + e.getMessage(),
                    e);
        }
        socket = fresh;
        return fresh;
    }

    @Override
    public void wake() throws IOException {
        if (socket == null) {
            connect();
        }
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
        rest(Packet.WORD_IDLE);
    }

    @Override
    public void sleep() throws IOException {
        rest(Packet.WORD_SLEEP);
    }

    /// Where the connection was lost, the caller knows already.
    private void rest(int word) throws IOException {
        if (socket != null) {
            send(word, new byte[0]);
        }
    }

    private void send(int word, byte[] packet) throws IOException {
        byte[] bytes = new byte[1 + packet.length];
        bytes[0] = (byte) word;
        System.arraycopy(packet, 0, bytes, 1, packet.length);
        try {
            connected().getOutputStream().write(bytes);
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    private Socket connected() throws IOException {
        Socket way = socket;
        if (way == null) {
            throw new IOException("there is no connection to the chip");
        }
        return way;
    }

    private byte[] answer() throws IOException {
        try {
            return answer(connected().getInputStream());
        } catch (IOException e) {
            // What comes behind a broken answer would be taken for the next.
            close();
            throw e;
        }
    }

    private static byte[] answer(InputStream in) throws IOException {
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
        if (socket != null) {
            socket.close();
            socket = null;
        }
    }
}
