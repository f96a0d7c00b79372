// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.certificate.Certificate;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The way to servers: HTTP over mutual TLS, or plain HTTP to a gateway.
public interface Network {
    /// Connects to the server of a URL, as somebody.
    ///
    /// @param anchors what the server's certificate must chain to
    /// @throws IOException where the server is not reached, or is not trusted
    Connection connect(URI server, DeviceIdentity identity, List<Certificate> anchors, DeviceClock clock)
            throws IOException;

    /// Whether it leads to a gateway, which carries signed messages, and not to the server itself.
    default boolean isGateway() {
        return false;
    }

    /// The network of this machine.
    static Network ofThisMachine() {
        return HttpConnection::open;
    }

    /// No network but a gateway, whatever the server.
    ///
    /// @param gateway such as `http://192.168.4.1:8445`
    static Network behind(URI gateway) {
        return new Network() {
            @Override
            public Connection connect(URI server, DeviceIdentity identity, List<Certificate> anchors, DeviceClock clock)
                    throws IOException {
                return HttpConnection.plain(gateway);
            }

            @Override
            public boolean isGateway() {
                return true;
            }
        };
    }

    /// A connection, on which one question follows another.
    interface Connection extends AutoCloseable {
        HttpAnswer ask(Question question) throws IOException;

        @Override
        void close();
    }

    /// A request.
    ///
    /// @param method `GET` or `POST`
    /// @param path on the server, with what follows it
    /// @param headers besides those that each request has
    record Question(String method, String path, Map<String, String> headers, byte[] body) {
        static Question get(String path) {
            return new Question("GET", path, Map.of(), new byte[0]);
        }

        static Question post(String path, Map<String, String> headers, byte[] body) {
            return new Question("POST", path, headers, body);
        }
    }

    /// An answer.
    ///
    /// @param headers by their names in lower case
    record HttpAnswer(int status, Map<String, String> headers, byte[] body) {
        Optional<String> header(String name) {
            return Optional.ofNullable(headers.get(name));
        }

        String text() {
            return new String(body, StandardCharsets.UTF_8).strip();
        }

        /// What a check-in makes of an answer that is not 200.
        Uplink.Reply refusedCheckIn() throws IOException {
            return switch (status) {
                case 429, 503 -> new Uplink.Reply.Later(Duration.ofSeconds(retryAfter(60)));
                default -> Uplink.Reply.refused(status, text());
            };
        }

        /// The seconds that the server asks to wait, at least one.
        int retryAfter(int otherwise) {
            String seconds = headers.getOrDefault("retry-after", "");
            return seconds.matches("[0-9]{1,9}") ? Math.max(1, Integer.parseInt(seconds)) : otherwise;
        }
    }
}
