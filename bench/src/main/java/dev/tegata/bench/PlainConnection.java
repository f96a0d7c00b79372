// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/// A kept HTTP/1.1 connection that costs its client as little as can be: it reads only what it must.
final class PlainConnection implements AutoCloseable {
    private static final byte[] LENGTH = "content-length: ".getBytes(StandardCharsets.US_ASCII);

    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;
    private final byte[] buffer = new byte[16 * 1024];

    PlainConnection(int port) throws IOException {
        socket = new Socket("127.0.0.1", port);
        socket.setTcpNoDelay(true);
        in = socket.getInputStream();
        out = socket.getOutputStream();
    }

    /// Sends a request and reads the answer, which must be 200.
    void post(String path, String contentType, byte[] body) throws IOException {
        byte[] head = ("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + contentType
                        + "\r\nContent-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        byte[] all = new byte[head.length + body.length];
        System.arraycopy(head, 0, all, 0, head.length);
        System.arraycopy(body, 0, all, head.length, body.length);
        out.write(all);
        int filled = 0;
        int end = -1;
        while (end < 0 || filled < end) {
            int read = in.read(buffer, filled, buffer.length - filled);
            if (read < 0) {
                throw new EOFException("the server closed the connection");
            }
            filled += read;
            end = end(filled);
        }
        if (buffer[9] != '2' || buffer[11] != '0') {
            throw new IOException("the server answered " + new String(buffer, 0, filled, StandardCharsets.ISO_8859_1));
        }
    }

    /// Where the answer ends; -1 where its head is not there yet.
    private int end(int filled) {
        int length = 0;
        for (int i = 3; i < filled; i++) {
            if (buffer[i] == '\n' && buffer[i - 2] == '\n') {
                return i + 1 + length;
            }
            if (buffer[i] == '\n' && i + 1 + LENGTH.length < filled && startsLength(i + 1)) {
                for (int at = i + 1 + LENGTH.length; at < filled && buffer[at] >= '0' && buffer[at] <= '9'; at++) {
                    length = length * 10 + buffer[at] - '0';
                }
            }
        }
        return -1;
    }

    private boolean startsLength(int at) {
        for (int i = 0; i < LENGTH.length; i++) {
            if ((buffer[at + i] | 0x20) != LENGTH[i] && buffer[at + i] != LENGTH[i]) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
