// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.tpm;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.util.Arrays;

/// The way to a TPM. Used by one thread at a time.
public interface TpmPort extends AutoCloseable {
    /// No TPM answers with more.
    int MAX_ANSWER = 8192;

    /// Sends a command and gives back the response, both whole.
    byte[] exchange(byte[] command) throws IOException;

    @Override
    void close() throws IOException;

    /// The TPM of this machine, through its resource manager: `/dev/tpmrm0`.
    static TpmPort device(Path device) throws IOException {
        RandomAccessFile file = new RandomAccessFile(device.toFile(), "rw");
        return new TpmPort() {
            @Override
            public byte[] exchange(byte[] command) throws IOException {
                file.write(command);
                byte[] answer = new byte[MAX_ANSWER];
                int length = file.read(answer);
                return Arrays.copyOf(answer, Math.max(length, 0));
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    /// A simulator's command port, where commands and responses follow each other without any frame.
    static TpmPort tcp(InetSocketAddress address, int timeoutMillis) throws IOException {
        Socket socket = new Socket();
        try {
            socket.connect(address, timeoutMillis);
            socket.setSoTimeout(timeoutMillis);
            socket.setTcpNoDelay(true);
            return new OverTcp(socket);
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /// A simulator behind a socket.
    final class OverTcp implements TpmPort {
        private static final int HEADER = 10;

        private final Socket socket;
        private final InputStream in;

        private OverTcp(Socket socket) throws IOException {
            this.socket = socket;
            this.in = new BufferedInputStream(socket.getInputStream());
        }

        @Override
        public byte[] exchange(byte[] command) throws IOException {
            socket.getOutputStream().write(command);
            byte[] header = in.readNBytes(HEADER);
            if (header.length < HEADER) {
                throw new IOException("the TPM closed the connection");
            }
            int length =
                    (header[2] & 0xFF) << 24 | (header[3] & 0xFF) << 16 | (header[4] & 0xFF) << 8 | header[5] & 0xFF;
            if (length < HEADER || length > MAX_ANSWER) {
                throw new IOException("what answers is no TPM");
            }
            byte[] answer = Arrays.copyOf(header, length);
            if (in.readNBytes(answer, HEADER, length - HEADER) != length - HEADER) {
                throw new IOException("the TPM's answer broke off");
            }
            return answer;
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
