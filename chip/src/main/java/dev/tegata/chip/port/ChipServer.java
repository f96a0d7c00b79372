// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.port;

import dev.tegata.chip.Packet;
import dev.tegata.chip.VirtualChip;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/// One virtual chip on a TCP port, as if the connection were its bus.
///
/// A client writes a word address and what belongs to it; the server answers as the chip would:
///
/// | Word | Then | Answer |
/// |---|---|---|
/// | `00` reset | | wakes the chip: `04 11 33 43` |
/// | `01` sleep, `02` idle | | none |
/// | `03` command | a packet, from its count to its checksum | the chip's; one byte `00` where the chip is not awake |
///
/// Any other word, or a count that no packet can have, ends the connection. All connections share the chip, as masters
/// share a bus: a client that needs its commands to follow each other must be alone. Who can reach the port can use the
/// chip: bind it to the loopback address.
public final class ChipServer implements AutoCloseable {
    private static final int MAX_CONNECTIONS = 64;
    private static final int SHORTEST_PACKET = 7;
    private static final long PAUSE_NANOS = 10_000_000;

    private final VirtualChip chip;
    private final ServerSocket listener;
    private final int silenceMillis;
    private final Thread acceptor;
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();

    private ChipServer(VirtualChip chip, ServerSocket listener, int silenceMillis) {
        this.chip = chip;
        this.listener = listener;
        this.silenceMillis = silenceMillis;
        this.acceptor = Thread.ofVirtual().name("chip-listener").unstarted(this::listen);
    }

    /// Listens from now on; port 0 takes a free one.
    ///
    /// @param silenceMillis how long a client may be silent before its connection ends
    public static ChipServer start(InetSocketAddress address, VirtualChip chip, int silenceMillis) throws IOException {
        ServerSocket listener = new ServerSocket();
        try {
            listener.setReuseAddress(true);
            listener.bind(address, MAX_CONNECTIONS);
        } catch (IOException e) {
            listener.close();
            throw e;
        }
        ChipServer server = new ChipServer(chip, listener, silenceMillis);
        server.acceptor.start();
        return server;
    }

    public InetSocketAddress address() {
        return (InetSocketAddress) listener.getLocalSocketAddress();
    }

    private void listen() {
        while (!listener.isClosed()) {
            try {
                admit(listener.accept());
            } catch (IOException e) {
                // the end of listening, a connection that failed before it began, or no file descriptors for the while
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }

    private void admit(Socket socket) throws IOException {
        if (connections.size() >= MAX_CONNECTIONS) {
            socket.close();
            return;
        }
        connections.add(socket);
        if (listener.isClosed()) {
            forget(socket);
            return;
        }
        Thread.ofVirtual().name("chip-connection").start(() -> converse(socket));
    }

    private void converse(Socket socket) {
        try (socket) {
            socket.setSoTimeout(silenceMillis);
            socket.setTcpNoDelay(true);
            InputStream in = new BufferedInputStream(socket.getInputStream(), 512);
            OutputStream out = socket.getOutputStream();
            while (serve(in, out)) {
                out.flush();
            }
        } catch (IOException e) {
            // silence, a reset or the server's end: the connection is over, the chip is as it was
        } finally {
            connections.remove(socket);
        }
    }

    /// Serves one word; false where the connection is to end.
    private boolean serve(InputStream in, OutputStream out) throws IOException {
        switch (in.read()) {
            case Packet.WORD_RESET -> out.write(chip.wake());
            case Packet.WORD_SLEEP -> chip.sleep();
            case Packet.WORD_IDLE -> chip.idle();
            case Packet.WORD_COMMAND -> {
                int count = in.read();
                if (count < SHORTEST_PACKET) {
                    return false;
                }
                byte[] packet = new byte[count];
                packet[0] = (byte) count;
                if (in.readNBytes(packet, 1, count - 1) != count - 1) {
                    return false;
                }
                byte[] answer = chip.execute(packet);
                out.write(answer.length == 0 ? new byte[1] : answer);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /// Ends all connections and stops listening. The chip stays as it is.
    @Override
    public void close() throws IOException {
        listener.close();
        for (Socket socket : connections) {
            forget(socket);
        }
        try {
            // the port is free when the thread that waits on it has left it
            acceptor.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void forget(Socket socket) throws IOException {
        connections.remove(socket);
        socket.close();
    }
}
