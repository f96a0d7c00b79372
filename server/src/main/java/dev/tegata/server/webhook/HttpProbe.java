// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import dev.tegata.platform.health.StatusProbe;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Asks addresses of status over plain HTTP, as who reads certificates does.
///
/// Tenants choose some of these addresses: those of own networks are not asked, unless they are this
/// server's or the operator allows such targets. A host is looked up once, and that address connected to.
/// Of the answer only the status line is read, whatever follows: who is merely there need not speak HTTP as
/// well as [OutboundHttp] wants it of whom something is fetched from.
public final class HttpProbe implements StatusProbe {
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final int LONGEST_LINE = 128;
    private static final Pattern STATUS = Pattern.compile("HTTP/1\\.[01] ([1-5][0-9]{2})( .*)?");

    private final Supplier<String> own;
    private final boolean privateTargets;
    private final Duration patience;

    /// @param own where this server publishes status
    public HttpProbe(Supplier<String> own, boolean privateTargets) {
        this(own, privateTargets, PATIENCE);
    }

    HttpProbe(Supplier<String> own, boolean privateTargets, Duration patience) {
        this.own = own;
        this.privateTargets = privateTargets;
        this.patience = patience;
    }

    @Override
    public Optional<String> problem(String url, boolean mustServe) {
        try {
            URI target = new URI(url);
            if (!"http".equalsIgnoreCase(target.getScheme()) || target.getHost() == null) {
                return Optional.empty(); // such as LDAP, which is for others to ask
            }
            int status = ask(target, url.startsWith(own.get() + "/"));
            boolean good = mustServe ? status == 200 : status < 500;
            return good ? Optional.empty() : Optional.of("answers with status " + status);
        } catch (UnknownHostException e) {
            return Optional.of("its host has no address");
        } catch (SocketTimeoutException e) {
            return Optional.of("does not answer in "
                    + BigDecimal.valueOf(patience.toMillis(), 3)
                            .stripTrailingZeros()
                            .toPlainString() + " s");
        } catch (IOException | java.net.URISyntaxException e) {
            return Optional.of("cannot be asked: " + e.getMessage());
        }
    }

    private int ask(URI target, boolean ours) throws IOException {
        int port = OutboundHttp.port(target);
        InetAddress address = InetAddress.getByName(OutboundHttp.literal(target));
        if (!ours && !Targets.mayBeAsked(address, privateTargets)) {
            throw new IOException("its address is not public");
        }
        long end = System.nanoTime() + patience.toNanos();
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(address, port), (int) patience.toMillis());
            String path = target.getRawPath().isEmpty() ? "/" : target.getRawPath();
            String query = target.getRawQuery() == null ? "" : "?" + target.getRawQuery();
            String question = "GET " + path + query + " HTTP/1.1\r\nHost: " + target.getRawAuthority()
                    + "\r\nConnection: close\r\nUser-Agent: Tegata\r\n\r\n";
            socket.getOutputStream().write(question.getBytes(StandardCharsets.US_ASCII));
            Matcher status = STATUS.matcher(line(socket, end));
            if (!status.matches()) {
                throw new IOException("what answers is no HTTP server");
            }
            return Integer.parseInt(status.group(1));
        }
    }

    private static String line(Socket socket, long end) throws IOException {
        StringBuilder line = new StringBuilder();
        InputStream in = socket.getInputStream();
        while (line.length() < LONGEST_LINE) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                throw new SocketTimeoutException("too slow");
            }
            socket.setSoTimeout((int) left);
            int next = in.read();
            if (next < 0 || next == '\r' || next == '\n') {
                break;
            }
            line.append((char) next);
        }
        return line.toString();
    }
}
