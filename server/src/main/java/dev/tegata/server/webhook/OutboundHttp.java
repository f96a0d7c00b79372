// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/// Asks others over HTTP at addresses that tenants choose, one connection per request, within bounds.
///
/// Implementation notes:
/// - The JDK's client resolves names itself, after any check of ours, and so a name that changes its address in between
///   (DNS rebinding) would lead past the check. Here the checked address is the one that is connected to; the
///   certificate is still checked against the name.
/// - Of an answer the head is read, up to [#LONGEST_HEAD], and as much of the rest as the caller wants.
///   Redirections are not followed.
/// - A clock of its own closes the socket at the deadline, however slowly the other side drips.
public final class OutboundHttp implements AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(5);
    private static final Duration DEADLINE = Duration.ofSeconds(15);
    private static final int LONGEST_HEAD = 16 * 1024;

    private final SSLSocketFactory tls;
    private final boolean privateTargets;
    private final Duration deadline;
    private final ScheduledExecutorService watch = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("outbound-watch").factory());

    /// @param privateTargets whether addresses of own networks may be asked
    public OutboundHttp(SSLSocketFactory tls, boolean privateTargets) {
        this(tls, privateTargets, DEADLINE);
    }

    OutboundHttp(SSLSocketFactory tls, boolean privateTargets, Duration deadline) {
        this.tls = tls;
        this.privateTargets = privateTargets;
        this.deadline = deadline;
    }

    boolean allowsPrivateTargets() {
        return privateTargets;
    }

    /// What may be connected to.
    interface Rule {
        void check(InetAddress address) throws RefusedTargetException;
    }

    /// An address that is not to be asked.
    static final class RefusedTargetException extends IOException {
        private static final long serialVersionUID = 1L;

        RefusedTargetException(String message) {
            super(message);
        }
    }

    /// Public addresses, and those of own networks where the operator allows them.
    void checkPublic(InetAddress address) throws RefusedTargetException {
        if (!Targets.mayBeAsked(address, privateTargets)) {
            throw new RefusedTargetException("leads to an address that is not public");
        }
    }

    /// @param longestBody how much of the answer's body is wanted; nothing is read of it where it is 0
    record Request(String method, URI target, Map<String, String> headers, byte[] body, int longestBody) {
        static Request get(URI target, Map<String, String> headers, int longestBody) {
            return new Request("GET", target, headers, new byte[0], longestBody);
        }

        private byte[] encoded() {
            String path = target.getRawPath() == null || target.getRawPath().isEmpty() ? "/" : target.getRawPath();
            StringBuilder head = new StringBuilder(method).append(' ').append(path);
            if (target.getRawQuery() != null) {
                head.append('?').append(target.getRawQuery());
            }
            // What is to be read is asked for in HTTP/1.0, where it comes in one piece.
            head.append(longestBody > 0 ? " HTTP/1.0" : " HTTP/1.1")
                    .append("\r\nHost: ")
                    .append(target.getHost());
            if (target.getPort() >= 0) {
                head.append(':').append(target.getPort());
            }
            head.append("\r\nUser-Agent: Tegata\r\nConnection: close");
            if (!method.equals("GET")) {
                head.append("\r\nContent-Length: ").append(body.length);
            }
            headers.forEach((name, value) ->
                    head.append("\r\n").append(name).append(": ").append(value));
            byte[] start = head.append("\r\n\r\n").toString().getBytes(StandardCharsets.US_ASCII);
            byte[] all = new byte[start.length + body.length];
            System.arraycopy(start, 0, all, 0, start.length);
            System.arraycopy(body, 0, all, start.length, body.length);
            return all;
        }
    }

    /// @param headers by their names in lower case; of several of one name, the last
    record Reply(int status, Map<String, String> headers, byte[] body) {}

    /// Asks. An exception's message says for people what went wrong.
    Reply ask(Request request, Rule rule) throws IOException {
        long end = System.nanoTime() + deadline.toNanos();
        try (Socket socket = new Socket()) {
            ScheduledFuture<?> alarm =
                    watch.schedule(() -> closeQuietly(socket), deadline.toNanos(), TimeUnit.NANOSECONDS);
            try {
                return exchange(socket, request, rule);
            } finally {
                alarm.cancel(false);
            }
        } catch (RefusedTargetException e) {
            throw new RefusedTargetException("the address " + e.getMessage());
        } catch (UnknownHostException e) {
            throw new IOException("the host has no address", e);
        } catch (IOException e) {
            if (System.nanoTime() >= end) {
                throw new IOException("there was no answer in " + deadline.toSeconds() + " s", e);
            }
            String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            throw switch (e) {
                case SocketTimeoutException _ -> new IOException("the connection took too long", e);
                case SSLException _ -> new IOException("TLS: " + message, e);
                default -> new IOException(message, e);
            };
        }
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException ignored) {
            // It is closed, or gone.
        }
    }

    private Reply exchange(Socket socket, Request request, Rule rule) throws IOException {
        URI target = request.target;
        boolean secure = target.getScheme().equalsIgnoreCase("https");
        int port = port(target);
        InetAddress address = resolve(target, rule);
        socket.connect(new InetSocketAddress(address, port), (int) CONNECT.toMillis());
        socket.setTcpNoDelay(true);
        if (!secure) {
            return exchange(socket, request);
        }
        try (SSLSocket wrapped = (SSLSocket) tls.createSocket(socket, literal(target), port, true)) {
            SSLParameters parameters = wrapped.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            wrapped.setSSLParameters(parameters);
            return exchange(wrapped, request);
        }
    }

    /// The port that is named, or the scheme's own.
    static int port(URI target) throws IOException {
        if (target.getPort() < 0) {
            return target.getScheme().equalsIgnoreCase("https") ? 443 : 80;
        }
        if (target.getPort() > 65535) {
            throw new IOException("there is no port " + target.getPort());
        }
        return target.getPort();
    }

    /// The host without the brackets around an IPv6 address.
    static String literal(URI target) {
        String host = target.getHost();
        return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    }

    /// The address to connect to. Of several, one that must not be asked spoils all.
    private static InetAddress resolve(URI target, Rule rule) throws IOException {
        CompletableFuture<InetAddress[]> answer = new CompletableFuture<>();
        Thread.ofVirtual().start(() -> {
            try {
                answer.complete(InetAddress.getAllByName(literal(target)));
            } catch (UnknownHostException e) {
                answer.completeExceptionally(e);
            }
        });
        try {
            InetAddress[] all = answer.get(CONNECT.toMillis(), TimeUnit.MILLISECONDS);
            for (InetAddress each : all) {
                rule.check(each);
            }
            return all[0];
        } catch (ExecutionException | TimeoutException e) {
            throw new UnknownHostException(target.getHost());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static Reply exchange(Socket socket, Request request) throws IOException {
        OutputStream out = socket.getOutputStream();
        out.write(request.encoded());
        out.flush();
        return read(new BufferedInputStream(socket.getInputStream()), request.longestBody);
    }

    /// Reads an answer. Interim ones (1xx) are passed over.
    static Reply read(InputStream in, int longestBody) throws IOException {
        int[] left = {LONGEST_HEAD};
        while (true) {
            int status = status(line(in, left));
            Map<String, String> headers = new HashMap<>();
            for (String line = line(in, left); !line.isEmpty(); line = line(in, left)) {
                int colon = line.indexOf(':');
                if (colon > 0) {
                    headers.put(
                            line.substring(0, colon).toLowerCase(Locale.ROOT),
                            line.substring(colon + 1).strip());
                }
            }
            if (status >= 200) {
                return new Reply(status, headers, body(in, headers, longestBody));
            }
        }
    }

    private static byte[] body(InputStream in, Map<String, String> headers, int longest) throws IOException {
        if (longest == 0) {
            return new byte[0];
        }
        if (headers.containsKey("transfer-encoding")) {
            throw new IOException("the answer is coded though it was asked for as it is");
        }
        byte[] body = in.readNBytes(longest + 1);
        if (body.length > longest) {
            throw new IOException("the answer has more than " + longest + " bytes");
        }
        String length = headers.get("content-length");
        if (length != null && !length.equals(Integer.toString(body.length))) {
            throw new IOException("the answer ended early");
        }
        return body;
    }

    private static int status(String line) throws IOException {
        if (!line.matches("HTTP/1\\.[01] [1-5][0-9][0-9]( .*)?")) {
            throw new IOException("the answer is no HTTP/1.1");
        }
        return Integer.parseInt(line.substring(9, 12));
    }

    private static String line(InputStream in, int[] left) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new IOException("the connection was closed without an answer");
            }
            if (--left[0] <= 0) {
                throw new IOException("the head of the answer is too long");
            }
            line.append((char) c);
        }
        left[0]--;
        return line.toString().stripTrailing();
    }

    @Override
    public void close() {
        watch.shutdownNow();
    }
}
