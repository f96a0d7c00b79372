// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.coap;

import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.server.http.TlsIdentity;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.CertificateAuthenticationMode;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.SystemConfig;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConfig.DtlsRole;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;

/// The UDP port where devices speak CoAP over DTLS 1.2, with or without a client certificate.
///
/// As on the other ports, the handshake proves possession of the client's key and no more; who it is,
/// is decided where it is looked up.
public final class CoapListener implements AutoCloseable {
    /// The most bytes that a request may have, put together from its blocks.
    static final int BODY_LIMIT = 24 * 1024;

    private static final int MAX_CONNECTIONS = 10_000;
    private static final int BLOCK = 512;

    private final CoapServer server;
    private final InetSocketAddress address;

    private CoapListener(CoapServer server, InetSocketAddress address) {
        this.server = server;
        this.address = address;
    }

    /// Opens the port.
    ///
    /// @param listen address to bind to
    /// @throws UncheckedIOException where the port cannot be used
    public static CoapListener start(String listen, int port, TlsIdentity identity, Enrolments enrolments) {
        // Without this the library reads, or writes, a file of settings in the working directory.
        Configuration.setStandard(configuration());
        Configuration configuration = configuration();
        DTLSConnector connector = new DTLSConnector(new DtlsConnectorConfig.Builder(configuration)
                .setAddress(new InetSocketAddress(listen, port))
                .setCertificateIdentityProvider(new DtlsIdentity(identity))
                .setAdvancedCertificateVerifier(new AnyClientChain())
                .build());
        CoapEndpoint endpoint = new CoapEndpoint.Builder()
                .setConfiguration(configuration)
                .setConnector(connector)
                .build();
        CoapServer server = new CoapServer(configuration);
        server.getRoot().getChild(".well-known").add(new EstResource(enrolments));
        server.addEndpoint(endpoint);
        try {
            server.start();
        } catch (IllegalStateException e) {
            server.destroy();
            throw new UncheckedIOException(new IOException("the UDP port " + port + " cannot be used", e));
        }
        return new CoapListener(server, endpoint.getAddress());
    }

    private static Configuration configuration() {
        return new Configuration(
                        SystemConfig.DEFINITIONS, UdpConfig.DEFINITIONS, CoapConfig.DEFINITIONS, DtlsConfig.DEFINITIONS)
                .set(DtlsConfig.DTLS_ROLE, DtlsRole.SERVER_ONLY)
                .set(DtlsConfig.DTLS_CLIENT_AUTHENTICATION_MODE, CertificateAuthenticationMode.WANTED)
                .set(DtlsConfig.DTLS_MAX_CONNECTIONS, MAX_CONNECTIONS)
                // A stranger must show that its address is its own before it costs a signature.
                .set(DtlsConfig.DTLS_USE_HELLO_VERIFY_REQUEST, true)
                .set(DtlsConfig.DTLS_RECEIVER_THREAD_COUNT, 1)
                .set(DtlsConfig.DTLS_CONNECTOR_THREAD_COUNT, 2)
                .set(CoapConfig.PROTOCOL_STAGE_THREAD_COUNT, 2)
                .set(CoapConfig.MAX_ACTIVE_PEERS, MAX_CONNECTIONS)
                .set(CoapConfig.MAX_PEER_INACTIVITY_PERIOD, 10, TimeUnit.MINUTES)
                .set(CoapConfig.PREFERRED_BLOCK_SIZE, BLOCK)
                .set(CoapConfig.MAX_MESSAGE_SIZE, BLOCK)
                .set(CoapConfig.MAX_RESOURCE_BODY_SIZE, BODY_LIMIT)
                .set(CoapConfig.BLOCKWISE_STATUS_LIFETIME, 1, TimeUnit.MINUTES);
    }

    public int port() {
        return address.getPort();
    }

    public String url() {
        String host =
                address.getAddress().isAnyLocalAddress() || address.getAddress().isLoopbackAddress()
                        ? "localhost"
                        : address.getHostString();
        return "coaps://" + host + ":" + port();
    }

    @Override
    public void close() {
        server.destroy();
    }
}
