// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.coap;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstDevice;
import dev.tegata.server.est.EstTenant;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.URI;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.SystemConfig;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConfig.DtlsRole;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// EST over CoAP with a client that does as the test tells it.
@DisplayName("EST over CoAP")
class CoapTest {
    private static final EstTenant TENANT = new EstTenant("CoAP");
    private static final String FLEET = TENANT.fleet("");
    private static final int PKCS10 = 286;

    private final SoftwareKey birth = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final List<CoapEndpoint> endpoints = new ArrayList<>();

    @AfterEach
    void stop() {
        endpoints.forEach(CoapEndpoint::destroy);
    }

    private CoapClient client(@Nullable SoftwareKey shown, String path) {
        Configuration configuration = new Configuration(
                        SystemConfig.DEFINITIONS, UdpConfig.DEFINITIONS, CoapConfig.DEFINITIONS, DtlsConfig.DEFINITIONS)
                .set(DtlsConfig.DTLS_ROLE, DtlsRole.CLIENT_ONLY)
                .set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 100_000)
                .set(DtlsConfig.DTLS_RETRANSMISSION_TIMEOUT, 5, TimeUnit.SECONDS);
        DtlsConnectorConfig.Builder dtls = new DtlsConnectorConfig.Builder(configuration)
                .setAddress(new InetSocketAddress("127.0.0.1", 0))
                .setAdvancedCertificateVerifier(new AnyClientChain());
        if (shown != null) {
            X509Certificate certificate = EstDevice.selfSigned(shown);
            dtls.setCertificateIdentityProvider(new SingleCertificateProvider(
                    shown.privateKey(), new X509Certificate[] {certificate}, CertificateType.X_509));
        }
        CoapEndpoint endpoint = new CoapEndpoint.Builder()
                .setConfiguration(configuration)
                .setConnector(new DTLSConnector(dtls.build()))
                .build();
        endpoints.add(endpoint);
        String url = RunningServer.shared().server().coapUrl().orElseThrow().replace("localhost", "127.0.0.1");
        return new CoapClient(URI.create(url + "/.well-known/" + path))
                .setEndpoint(endpoint)
                .setTimeout(20_000L);
    }

    private static CoapResponse send(CoapClient client, Request request) {
        try {
            CoapResponse response = client.advanced(request);
            assertThat(response).as("an answer to %s", request).isNotNull();
            return response;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static Request post(byte[] payload, int format) {
        Request request = Request.newPost();
        request.setPayload(payload);
        request.getOptions().setContentFormat(format);
        return request;
    }

    private static byte[] request(SoftwareKey key) {
        return EstDevice.request(key).encoded().toArray();
    }

    @Test
    @DisplayName("RFC 9148 §4.1: CA certificates need no client certificate, enrolment does")
    void withoutCertificate() {
        assertThat(send(client(null, "est/" + FLEET + "/crts"), Request.newGet())
                        .getCode())
                .isEqualTo(ResponseCode.CONTENT);
        CoapResponse refused = send(client(null, "est/" + FLEET + "/sen"), post(request(key), PKCS10));
        assertThat(refused.getCode()).isEqualTo(ResponseCode.UNAUTHORIZED);
    }

    @Test
    @DisplayName("RFC 9148 §5.6: 5.03 and Max-Age while an operator has to approve")
    void approval() throws Exception {
        String fleet = TENANT.fleet("\"policy\":{\"approvalRequired\":true,\"retryAfter\":\"PT42S\"}");
        String device = TENANT.claim(fleet, birth);
        CoapClient client = client(birth, "est/" + fleet + "/sen");
        CoapResponse waits = send(client, post(request(key), PKCS10));
        assertThat(waits.getCode()).isEqualTo(ResponseCode.SERVICE_UNAVAILABLE);
        assertThat(waits.getOptions().getMaxAge()).isEqualTo(42);
        TENANT.change(device, "approve");
        Request again = post(request(key), PKCS10);
        again.getOptions().setAccept(287);
        CoapResponse issued = send(client, again);
        assertThat(issued.getCode()).isEqualTo(ResponseCode.CHANGED);
        assertThat(TENANT.certificates(device)).containsExactly(Certificate.parse(Bytes.of(issued.getPayload())));
    }

    @Test
    @DisplayName("RFC 9148 §4.8: keys are made where the fleet wants that, and nowhere else")
    void serverKeys() throws Exception {
        TENANT.claim(FLEET, birth);
        assertThat(send(client(birth, "est/" + FLEET + "/skg"), post(request(key), PKCS10))
                        .getCode())
                .isEqualTo(ResponseCode.FORBIDDEN);
        String fleet = TENANT.fleet("\"policy\":{\"serverKeyGeneration\":true}");
        SoftwareKey other = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        String device = TENANT.claim(fleet, other);
        CoapResponse made = send(client(other, "est/" + fleet + "/skc"), post(request(key), PKCS10));
        assertThat(made.getCode()).isEqualTo(ResponseCode.CHANGED);
        assertThat(made.getOptions().getContentFormat()).isEqualTo(62);
        byte[] parts = made.getPayload();
        int keySize = (parts[5] & 0xff) << 8 | parts[6] & 0xff;
        SoftwareKey theirs = SoftwareKey.ofPkcs8(Arrays.copyOfRange(parts, 7, 7 + keySize));
        int at = 7 + keySize + 6;
        Certificate certificate = Certificate.parse(Bytes.of(Arrays.copyOfRange(parts, at, parts.length)));
        assertThat(certificate.publicKey()).isEqualTo(theirs.publicKey());
        assertThat(TENANT.certificates(device)).containsExactly(certificate);
    }

    @Test
    @DisplayName("other methods, formats, fleets and operations; too much; no list of fleets")
    void wrong() {
        TENANT.claim(FLEET, birth);
        CoapClient sen = client(birth, "est/" + FLEET + "/sen");
        assertThat(send(sen, Request.newGet()).getCode()).isEqualTo(ResponseCode.METHOD_NOT_ALLOWED);
        assertThat(send(sen, post(request(key), 0)).getCode()).isEqualTo(ResponseCode.UNSUPPORTED_CONTENT_FORMAT);
        Request text = post(request(key), PKCS10);
        text.getOptions().setAccept(0);
        assertThat(send(sen, text).getCode()).isEqualTo(ResponseCode.NOT_ACCEPTABLE);
        assertThat(send(sen, post(new byte[60_000], PKCS10)).getCode())
                .isEqualTo(ResponseCode.REQUEST_ENTITY_TOO_LARGE);
        sen.setURI(sen.getURI().replace("/sen", "/fullcmc"));
        assertThat(send(sen, post(request(key), PKCS10)).getCode()).isEqualTo(ResponseCode.NOT_FOUND);
        sen.setURI(sen.getURI().replace(FLEET + "/fullcmc", FLEET.substring(0, FLEET.length() - 2) + "00/crts"));
        assertThat(send(sen, Request.newGet()).getCode()).isEqualTo(ResponseCode.NOT_FOUND);
        sen.setURI(sen.getURI().replaceAll("est/.*", "est/NONE/crts"));
        assertThat(send(sen, Request.newGet()).getCode()).isEqualTo(ResponseCode.NOT_FOUND);
        sen.setURI(sen.getURI().replaceAll("est/.*", "core"));
        assertThat(send(sen, Request.newGet()).getResponseText()).doesNotContain(FLEET);
    }

    @Test
    @DisplayName("changed requests are refused, and nothing is issued")
    void fuzzRequests() {
        String device = TENANT.claim(FLEET, birth);
        CertificateRequest good = EstDevice.request(key);
        CoapClient sen = client(birth, "est/" + FLEET + "/sen");
        Random random = new Random(7);
        for (int i = 0; i < 150; i++) {
            byte[] changed = good.encoded().toArray();
            if (random.nextBoolean()) {
                changed = Arrays.copyOf(changed, random.nextInt(changed.length));
            } else {
                changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
            }
            assertThat(send(sen, post(changed, PKCS10)).getCode())
                    .as("change %d", i)
                    .isEqualTo(ResponseCode.BAD_REQUEST);
        }
        assertThat(TENANT.certificates(device)).isEmpty();
    }

    @Test
    @DisplayName("datagrams of any content disturb nobody")
    void fuzzDatagrams() throws Exception {
        InetSocketAddress server = new InetSocketAddress(
                "127.0.0.1",
                URI.create(RunningServer.shared().server().coapUrl().orElseThrow())
                        .getPort());
        // A ClientHello's beginning, so that some get past the record layer.
        byte[] hello = java.util.HexFormat.of()
                .parseHex("16fefd000000000000000000360100002a000000000000002afefd" + "00".repeat(40));
        Random random = new Random(11);
        try (DatagramSocket socket = new DatagramSocket()) {
            for (int i = 0; i < 2000; i++) {
                byte[] datagram = random.nextBoolean() ? hello.clone() : new byte[random.nextInt(1400)];
                for (int n = 0; n < datagram.length; n++) {
                    if (random.nextInt(8) == 0) {
                        datagram[n] = (byte) random.nextInt(256);
                    }
                }
                socket.send(new DatagramPacket(datagram, datagram.length, server));
            }
        }
        assertThat(send(client(null, "est/" + FLEET + "/crts"), Request.newGet())
                        .getCode())
                .isEqualTo(ResponseCode.CONTENT);
    }
}
