// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.time.Duration;

/// Where a listener listens, and the bounds it holds its peers to.
///
/// @param name as it stands in metrics and logs
/// @param port 0 for any that is free
/// @param ceiling requests that are answered at once; more are told to come back
/// @param connections that may be open at once; more are closed as they come
/// @param idle how long a connection may stay without a complete request head, counted from its last answer: a peer
/// that
/// sends a head one byte at a time does not lengthen it
public record ListenerOptions(
        String name, String host, int port, Transport transport, int ceiling, int connections, Duration idle) {

    /// What carries the requests.
    public enum Transport {
        PLAIN,
        TLS,
        /// The client is asked for a certificate and may go without.
        MUTUAL_TLS
    }

    /// With the usual bounds: 512 requests at once, 10 000 connections, a minute idle.
    public static ListenerOptions of(String name, String host, int port, Transport transport) {
        return new ListenerOptions(name, host, port, transport, 512, 10_000, Duration.ofSeconds(60));
    }
}
