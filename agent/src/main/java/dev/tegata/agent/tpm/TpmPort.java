// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.tpm;

import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The way to a TPM. Used by one thread at a time.
public interface TpmPort extends AutoCloseable {
    /// No TPM answers with more.
    int MAX_ANSWER = 8192;

    /// Sends a command and gives back the response, both whole.
    byte[] exchange(byte[] command) throws IOException;

    /// Makes sure that there is a way to the TPM.
    ///
    /// @return whether the way is new, and nobody looks after the TPM at its end: it may not have been started
    ///     since its power came, and holds what others have left in its memory
    default boolean connect() throws IOException {
        return false;
    }

    @Override
    void close() throws IOException;

    /// The TPM of this machine, through its resource manager, which starts it and clears up behind each of its
    /// users: `/dev/tpmrm0`.
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

    /// A simulator's command port, where commands and responses follow each other without any frame. It is
    /// this agent's alone. A connection that was lost is made again.
    static TpmPort tcp(InetSocketAddress address, int timeoutMillis) {
        return new OverTcp(address, timeoutMillis);
    }

    /// A simulator behind a socket.
    final class OverTcp implements TpmPort {
        private static final int HEADER = 10;

        private final InetSocketAddress address;
        private final int timeoutMillis;
        private @Nullable Socket socket;

        private OverTcp(InetSocketAddress address, int timeoutMillis) {
            this.address = address;
            this.timeoutMillis = timeoutMillis;
        }

        @Override
        public boolean connect() throws IOException {
            if (socket != null) {
                return false;
            }
            Socket fresh = new Socket();
            try {
                fresh.connect(address, timeoutMillis);
                fresh.setSoTimeout(timeoutMillis);
                fresh.setTcpNoDelay(true);
            } catch (IOException e) {
                fresh.close();
                throw new IOException(
                        "the TPM at " + address.getHostString() + ":" + address.getPort() + " cannot be reached: "
                                + e.getMessage(),
                        e);
            }
            socket = fresh;
            return true;
        }

        @Override
        public byte[] exchange(byte[] command) throws IOException {
            Socket way = socket;
            if (way == null) {
                throw new IOException("there is no connection to the TPM");
            }
            try {
                way.getOutputStream().write(command);
                return answer(way.getInputStream());
            } catch (IOException e) {
                // What comes behind a broken exchange would be taken for the answer to the next.
                close();
                throw e;
            }
        }

        private static byte[] answer(InputStream in) throws IOException {
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
            if (socket != null) {
                socket.close();
                socket = null;
            }
        }
    }
}
