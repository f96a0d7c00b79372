// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("The question whether an address of status answers")
class HttpProbeTest {
    /// Long enough for a server that answers, on a machine that does much else.
    private static final Duration LONG = Duration.ofSeconds(60);

    private static final HttpProbe INSIDE = new HttpProbe(() -> "http://own.test", true, LONG);
    private static final HttpProbe OUTSIDE = new HttpProbe(() -> "http://own.test", false, LONG);
    private static final HttpProbe HASTY = new HttpProbe(() -> "http://own.test", true, Duration.ofSeconds(2));

    /// What a server does with a connection.
    private interface Habit {
        void serve(Socket peer) throws IOException;
    }

    /// A server of one habit, and how the connection that it had ended.
    private static final class Server implements AutoCloseable {
        final AtomicInteger connections = new AtomicInteger();
        final CompletableFuture<Boolean> left = new CompletableFuture<>();
        private final ServerSocket socket;

        Server(Habit habit) throws IOException {
            socket = new ServerSocket(0, 10, InetAddress.getByName("127.0.0.1"));
            Thread.ofVirtual().start(() -> {
                while (!socket.isClosed()) {
                    try (Socket peer = socket.accept()) {
                        connections.incrementAndGet();
                        habit.serve(peer);
                        left.complete(true);
                    } catch (IOException e) {
                        left.complete(true);
                    }
                }
            });
        }

        String url() {
            return "http://127.0.0.1:" + socket.getLocalPort() + "/crl/x.crl";
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private static Habit says(String text) {
        return peer -> peer.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static Optional<String> asked(String answer, boolean mustServe) throws IOException {
        try (Server server = new Server(says(answer))) {
            return INSIDE.problem(server.url(), mustServe);
        }
    }

    @Test
    @DisplayName("is answered by status 200, or by any answer of a responder")
    void good() throws IOException {
        assertThat(asked("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true)).isEmpty();
        assertThat(asked("HTTP/1.0 200\n\n", true)).isEmpty();
        assertThat(asked("HTTP/1.1 405 Method Not Allowed\r\n\r\n", false)).isEmpty();
        assertThat(asked("HTTP/1.1 404 Not Found\r\n\r\n", true)).hasValue("answers with status 404");
        assertThat(asked("HTTP/1.1 503 Service Unavailable\r\n\r\n", false)).hasValue("answers with status 503");
    }

    @Test
    @DisplayName("follows no redirection: who reads certificates may not either, and it could lead inside")
    void redirecting() throws IOException {
        try (Server inside = new Server(says("HTTP/1.1 200 OK\r\n\r\n"));
                Server server = new Server(says("HTTP/1.1 302 Found\r\nLocation: " + inside.url() + "\r\n\r\n"))) {
            assertThat(INSIDE.problem(server.url(), true)).hasValue("answers with status 302");
            assertThat(inside.connections).hasValue(0);
        }
    }

    @Test
    @DisplayName("says when nobody listens, and when what listens goes away")
    void refusing() throws IOException {
        String nobody;
        try (Server server = new Server(says(""))) {
            assertThat(INSIDE.problem(server.url(), true))
                    .hasValueSatisfying(problem -> assertThat(problem).startsWith("cannot be asked: "));
            nobody = server.url();
        }
        assertThat(INSIDE.problem(nobody, true))
                .hasValueSatisfying(problem -> assertThat(problem).startsWith("cannot be asked: "));
        assertThat(INSIDE.problem("http://nobody.invalid/x.crl", true)).hasValue("its host has no address");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "SSH-2.0-OpenSSH_9.9\r\n",
                "HTTP/2 200\r\n",
                "HTTP/1.1 999 Odd\r\n",
                "HTTP/1.1 20",
                "\0\0\0\0\0\r\n",
                "\r\n\r\n",
                "HTTP/1.1  200\r\n"
            })
    @DisplayName("takes nothing for an answer that is none of HTTP")
    void noHttp(String text) throws IOException {
        assertThat(asked(text, false)).hasValue("cannot be asked: what answers is no HTTP server");
    }

    @Test
    @DisplayName("reads a line of bounded length, though a server sends one without end")
    void hugeLine() throws Exception {
        assertThat(endless("HTTP/1.1 ", "2".repeat(8192))).hasValue("cannot be asked: what answers is no HTTP server");
        assertThat(endless("HTTP/1.1 200 ", "a".repeat(8192))).isEmpty();
    }

    @Test
    @DisplayName("reads no body, though a server sends one without end")
    void hugeBody() throws Exception {
        assertThat(endless("HTTP/1.1 200 OK\r\n\r\n", "b".repeat(8192))).isEmpty();
    }

    /// Asks a server that begins with one text and goes on with the other until its peer leaves, which it
    /// does.
    private static Optional<String> endless(String first, String then)
            throws IOException, InterruptedException, ExecutionException, TimeoutException {
        Habit habit = peer -> {
            OutputStream out = peer.getOutputStream();
            out.write(first.getBytes(StandardCharsets.ISO_8859_1));
            while (true) {
                out.write(then.getBytes(StandardCharsets.ISO_8859_1));
            }
        };
        try (Server server = new Server(habit)) {
            Optional<String> problem = INSIDE.problem(server.url(), true);
            assertThat(server.left.get(60, TimeUnit.SECONDS)).isTrue();
            return problem;
        }
    }

    @Test
    @DisplayName("gives up on a server that says nothing")
    void silent() throws Exception {
        try (Server server = new Server(HttpProbeTest::waitUntilLeft)) {
            assertThat(HASTY.problem(server.url(), true)).hasValue("does not answer in 2 s");
            assertThat(server.left.get(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    private static void waitUntilLeft(Socket peer) throws IOException {
        while (peer.getInputStream().read() >= 0) {
            // The question, and then its end.
        }
    }

    @Test
    @DisplayName("gives up on a server that never comes to the end of a line, however steadily it speaks")
    void trickling() throws Exception {
        Habit habit = peer -> {
            OutputStream out = peer.getOutputStream();
            while (true) {
                out.write(0);
                out.flush();
                peer.setSoTimeout(20);
                try {
                    waitUntilLeft(peer);
                    return;
                } catch (java.net.SocketTimeoutException e) {
                    // Still there.
                }
            }
        };
        try (Server server = new Server(habit)) {
            assertThat(HASTY.problem(server.url(), true)).isPresent();
            assertThat(server.left.get(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
                "224.0.0.1", "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "localhost"
            })
    @DisplayName("is not put to this machine, its link or own networks, where a tenant's profile names them")
    void notInside(String host) {
        assertThat(OUTSIDE.problem("http://" + host + "/x.crl", true))
                .hasValue("cannot be asked: its address is not public");
    }

    @Test
    @DisplayName("is put to what is inside where the operator allows it, or where it is this server itself")
    void inside() throws IOException {
        try (Server server = new Server(says("HTTP/1.1 200 OK\r\n\r\n"))) {
            assertThat(INSIDE.problem(server.url(), true)).isEmpty();
            String base = server.url().replace("/crl/x.crl", "");
            assertThat(new HttpProbe(() -> base, false, LONG).problem(server.url(), true))
                    .isEmpty();
            assertThat(new HttpProbe(() -> base, false, LONG).problem(base + "0/x.crl", true))
                    .isPresent();
        }
        assertThat(INSIDE.problem("http://224.0.0.1/x.crl", true))
                .hasValue("cannot be asked: its address is not public");
    }

    @Test
    @DisplayName("is not put to what is no address of HTTP, and is refused to one that would break the request")
    void otherAddresses() {
        assertThat(INSIDE.problem("ldap://127.0.0.1/cn=x", true)).isEmpty();
        assertThat(INSIDE.problem("urn:x", true)).isEmpty();
        for (String broken : new String[] {"http://127.0.0.1/x\r\nHost: y", "http://127.0.0.1:99999/", "http://["}) {
            assertThat(INSIDE.problem(broken, true)).as(broken).isPresent();
        }
    }
}
