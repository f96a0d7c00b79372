// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import dev.tegata.platform.Fields;
import dev.tegata.platform.webhook.Messenger;
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
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
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
import org.jspecify.annotations.Nullable;

/// Posts over HTTP/1.1, one connection per message.
///
/// Implementation notes:
/// - The JDK's client resolves names itself, after any check of ours, and so a name that changes its address in between
///   (DNS rebinding) would lead past the check. Here the checked address is the one that is connected to; the
///   certificate is still checked against the name.
/// - Of an answer only the head is read, up to [#LONGEST_HEAD]. The rest is nobody's business.
/// - A clock of its own closes the socket at [#DEADLINE], however slowly the receiver drips.
public final class HttpMessenger implements Messenger, AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(5);
    private static final Duration DEADLINE = Duration.ofSeconds(15);
    private static final int LONGEST_HEAD = 16 * 1024;
    private static final long LONGEST_RETRY = Duration.ofDays(7).toSeconds();

    private final SSLSocketFactory tls;
    private final boolean privateTargets;
    private final Duration deadline;
    private final InstantSource clock;
    private final ScheduledExecutorService watch = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("webhook-watch").factory());

    /// @param privateTargets whether addresses of own networks may be posted to, and those without TLS too
    public HttpMessenger(SSLSocketFactory tls, boolean privateTargets, InstantSource clock) {
        this(tls, privateTargets, DEADLINE, clock);
    }

    HttpMessenger(SSLSocketFactory tls, boolean privateTargets, Duration deadline, InstantSource clock) {
        this.tls = tls;
        this.privateTargets = privateTargets;
        this.deadline = deadline;
        this.clock = clock;
    }

    @Override
    public void requireAcceptable(URI target) {
        String scheme = target.getScheme() == null ? "" : target.getScheme().toLowerCase(Locale.ROOT);
        if (!scheme.equals("https") && !(privateTargets && scheme.equals("http"))) {
            throw Fields.invalid("url", "must be an https URL");
        }
        try {
            refuse(target, InetAddress.ofLiteral(literal(target)));
        } catch (IllegalArgumentException ignored) {
            // A name: its address is looked at when it is connected to.
        } catch (RefusedTargetException e) {
            throw Fields.invalid("url", String.valueOf(e.getMessage()));
        }
    }

    private static String literal(URI target) {
        String host = target.getHost();
        return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    }

    /// The address is not one to post to.
    private static final class RefusedTargetException extends IOException {
        private static final long serialVersionUID = 1L;

        RefusedTargetException(String message) {
            super(message);
        }
    }

    private void refuse(URI target, InetAddress address) throws RefusedTargetException {
        boolean own = Targets.isPrivate(address);
        if (Targets.isNowhere(address) || (own && !privateTargets)) {
            throw new RefusedTargetException("leads to an address that is not public");
        }
        if (!own && target.getScheme().equalsIgnoreCase("http")) {
            throw new RefusedTargetException("leads out of the own network, where it must be https");
        }
    }

    @Override
    public Answer post(URI target, Map<String, String> headers, byte[] body) {
        long end = System.nanoTime() + deadline.toNanos();
        try (Socket socket = new Socket()) {
            ScheduledFuture<?> alarm =
                    watch.schedule(() -> closeQuietly(socket), deadline.toNanos(), TimeUnit.NANOSECONDS);
            try {
                return exchange(socket, target, headers, body);
            } finally {
                alarm.cancel(false);
            }
        } catch (RefusedTargetException e) {
            return Answer.none("the address " + e.getMessage());
        } catch (UnknownHostException e) {
            return Answer.none("the host has no address");
        } catch (SSLException e) {
            return Answer.none(
                    System.nanoTime() < end
                            ? "TLS: " + message(e)
                            : "there was no answer in " + deadline.toSeconds() + " s");
        } catch (SocketTimeoutException e) {
            return Answer.none("the connection took too long");
        } catch (IOException e) {
            return Answer.none(
                    System.nanoTime() < end ? message(e) : "there was no answer in " + deadline.toSeconds() + " s");
        }
    }

    private static String message(IOException e) {
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException ignored) {
            // It is closed, or gone.
        }
    }

    private Answer exchange(Socket socket, URI target, Map<String, String> headers, byte[] body) throws IOException {
        boolean secure = target.getScheme().equalsIgnoreCase("https");
        int port = target.getPort() < 0 ? (secure ? 443 : 80) : target.getPort();
        InetAddress address = resolve(target);
        socket.connect(new InetSocketAddress(address, port), (int) CONNECT.toMillis());
        socket.setTcpNoDelay(true);
        if (!secure) {
            return exchange(socket, request(target, headers, body));
        }
        try (SSLSocket wrapped = (SSLSocket) tls.createSocket(socket, literal(target), port, true)) {
            SSLParameters parameters = wrapped.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            wrapped.setSSLParameters(parameters);
            return exchange(wrapped, request(target, headers, body));
        }
    }

    /// The address to connect to. Of several, one that must not be posted to spoils all.
    private InetAddress resolve(URI target) throws IOException {
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
                refuse(target, each);
            }
            return all[0];
        } catch (ExecutionException | TimeoutException e) {
            throw new UnknownHostException(target.getHost());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static byte[] request(URI target, Map<String, String> headers, byte[] body) {
        String path = target.getRawPath() == null || target.getRawPath().isEmpty() ? "/" : target.getRawPath();
        StringBuilder head = new StringBuilder("POST ").append(path);
        if (target.getRawQuery() != null) {
            head.append('?').append(target.getRawQuery());
        }
        head.append(" HTTP/1.1\r\nHost: ").append(target.getHost());
        if (target.getPort() >= 0) {
            head.append(':').append(target.getPort());
        }
        head.append("\r\nUser-Agent: Tegata\r\nConnection: close\r\nContent-Length: ")
                .append(body.length);
        headers.forEach(
                (name, value) -> head.append("\r\n").append(name).append(": ").append(value));
        byte[] start = head.append("\r\n\r\n").toString().getBytes(StandardCharsets.US_ASCII);
        byte[] all = new byte[start.length + body.length];
        System.arraycopy(start, 0, all, 0, start.length);
        System.arraycopy(body, 0, all, start.length, body.length);
        return all;
    }

    private Answer exchange(Socket socket, byte[] request) throws IOException {
        OutputStream out = socket.getOutputStream();
        out.write(request);
        out.flush();
        return read(new BufferedInputStream(socket.getInputStream()), clock.instant());
    }

    /// Reads the head of an answer. Interim answers (1xx) are passed over.
    static Answer read(InputStream in, Instant now) throws IOException {
        int[] left = {LONGEST_HEAD};
        while (true) {
            int status = status(line(in, left));
            Duration retryAfter = null;
            for (String line = line(in, left); !line.isEmpty(); line = line(in, left)) {
                int colon = line.indexOf(':');
                if (colon > 0 && line.substring(0, colon).equalsIgnoreCase("Retry-After")) {
                    retryAfter = retryAfter(line.substring(colon + 1).strip(), now);
                }
            }
            if (status >= 200) {
                return new Answer(status, problem(status), retryAfter);
            }
        }
    }

    private static @Nullable String problem(int status) {
        if (status < 300) {
            return null;
        }
        return status < 400
                ? "the receiver answered " + status + ": redirections are not followed"
                : "the receiver answered " + status;
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

    /// Seconds, or a date; what is neither is nothing.
    static @Nullable Duration retryAfter(String text, Instant now) {
        if (text.matches("[0-9]{1,9}")) {
            return Duration.ofSeconds(Math.min(Long.parseLong(text), LONGEST_RETRY));
        }
        try {
            Instant until = ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant();
            return until.isAfter(now) ? Duration.between(now, until) : Duration.ZERO;
        } catch (DateTimeParseException e) {
            return null;
        }
    }

    @Override
    public void close() {
        watch.shutdownNow();
    }
}
