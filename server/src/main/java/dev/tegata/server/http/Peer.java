// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.pki.Bytes;
import io.vertx.core.http.HttpConnection;
import java.security.cert.Certificate;
import java.security.cert.CertificateEncodingException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.jspecify.annotations.Nullable;

/// One open connection. Owned by its event loop.
final class Peer {
    private final HttpConnection connection;
    private final String address;
    private long idleSince = System.nanoTime();
    private @Nullable Exchange current;
    private @Nullable List<Bytes> chain;

    Peer(HttpConnection connection) {
        this.connection = connection;
        this.address = connection.remoteAddress().hostAddress();
    }

    String address() {
        return address;
    }

    /// The certificates that the client showed in the handshake, its own first.
    List<Bytes> chain() {
        List<Bytes> known = chain;
        if (known == null) {
            known = readChain();
            chain = known;
        }
        return known;
    }

    private List<Bytes> readChain() {
        if (!connection.isSsl()) {
            return List.of();
        }
        try {
            List<Bytes> certificates = new ArrayList<>();
            for (Certificate certificate : connection.sslSession().getPeerCertificates()) {
                certificates.add(Bytes.of(certificate.getEncoded()));
            }
            return List.copyOf(certificates);
        } catch (SSLPeerUnverifiedException | CertificateEncodingException e) {
            return List.of();
        }
    }

    void begins(Exchange exchange) {
        current = exchange;
    }

    void ended(Exchange exchange) {
        if (current == exchange) {
            current = null;
            idleSince = System.nanoTime();
        }
    }

    void check(long now, Duration idle, boolean stopping) {
        if (current != null) {
            current.check(now);
        } else if (stopping || now - idleSince > idle.toNanos()) {
            connection.close();
        }
    }

    void gone() {
        if (current != null) {
            current.abandon();
        }
    }

    void close() {
        connection.close();
    }
}
