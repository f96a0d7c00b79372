// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.platform.acme.AcmePolicy;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Fetches what http-01 asks for (RFC 8555 §8.3), in closed networks.
///
/// A gateway's address is a private one as a rule, so that what would be forbidden elsewhere is the
/// purpose here. What keeps this from being used against the network: only addresses that the fleet's
/// policy lists are connected to, to the very address that was checked; one request of a fixed form;
/// no redirects; and of the answer nothing is told but whether it is right.
final class HttpChallenge {
    private static final int CONNECT_MILLIS = 5_000;
    private static final int READ_MILLIS = 5_000;
    private static final long TOTAL_NANOS = 10_000_000_000L;
    private static final int LARGEST = 8 * 1024;
    private static final Pattern OK = Pattern.compile("(?s)HTTP/1\\.[01] 200[ \\r].*?\\r?\\n\\r?\\n(.*)");

    private HttpChallenge() {}

    /// @param address to fetch it from, instead of asking the DNS
    /// @return why it failed, for a person; empty where it did not
    static Optional<String> failure(
            AcmePolicy policy, String name, @Nullable String address, String token, String keyAuthorization) {
        InetAddress target;
        try {
            target = address != null ? InetAddress.ofLiteral(address) : InetAddress.getByName(name);
        } catch (UnknownHostException e) {
            return Optional.of("the name " + name + " has no address");
        }
        if (!policy.allowsAddress(target)) {
            return Optional.of("the fleet's policy does not allow to fetch from the address of " + name);
        }
        String host = policy.httpPort() == 80 ? name : name + ":" + policy.httpPort();
        String request = "GET /.well-known/acme-challenge/%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: tegata\r\n\r\n"
                .formatted(token, host);
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(target, policy.httpPort()), CONNECT_MILLIS);
            socket.setSoTimeout(READ_MILLIS);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            Matcher answer = OK.matcher(read(socket.getInputStream()));
            if (!answer.matches()) {
                return Optional.of(name + " did not answer with 200");
            }
            // spec| RFC 8555 §8.3: whitespace at the end is ignored
            return answer.group(1).stripTrailing().equals(keyAuthorization)
                    ? Optional.empty()
                    : Optional.of(name + " answered with another key authorization");
        } catch (IOException e) {
            return Optional.of("port " + policy.httpPort() + " of " + name + " cannot be read");
        }
    }

    private static String read(InputStream in) throws IOException {
        long end = System.nanoTime() + TOTAL_NANOS;
        byte[] buffer = new byte[LARGEST];
        int size = 0;
        int read = in.read(buffer, 0, LARGEST);
        while (read > 0) {
            size += read;
            if (size == LARGEST || System.nanoTime() > end) {
                throw new IOException("too much, or too slow");
            }
            read = in.read(buffer, size, LARGEST - size);
        }
        return new String(buffer, 0, size, StandardCharsets.ISO_8859_1);
    }
}
