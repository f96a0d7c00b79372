// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CsrAttributes;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("EST on the device port")
final class EstTest {
    private static final EstTenant TENANT = new EstTenant("EST");
    private static final String FLEET = TENANT.fleet("");
    private static final int MUTATIONS = 600;
    private static final Path TLS_CA = TENANT.running.server().authorityFile().orElseThrow();

    /// A claimed device that never gets what it asks for, and its connection.
    private static final Unit ASKING = claim(FLEET);

    private static final EstDevice CONNECTED = ASKING.connect();

    /// A claimed device and its birth key.
    private record Unit(String id, SoftwareKey key) {
        EstDevice connect() {
            return EstDevice.showing(TLS_CA, key);
        }
    }

    @AfterAll
    static void disconnect() {
        CONNECTED.close();
    }

    private static Unit claim(String fleet) {
        SoftwareKey key = newKey();
        return new Unit(TENANT.claim(fleet, key), key);
    }

    private static SoftwareKey newKey() {
        return SoftwareKey.generate(KeyAlgorithm.EC_P256);
    }

    private static URI enrol(String fleet) {
        return TENANT.est(fleet, "simpleenroll");
    }

    private static HttpResponse<byte[]> enrol(Unit unit, String fleet, byte[] body) {
        try (EstDevice device = unit.connect()) {
            return device.post(enrol(fleet), body);
        }
    }

    private static HttpResponse<byte[]> enrol(Unit unit, String fleet, CertificateRequest request) {
        return enrol(unit, fleet, ascii(request.encoded().base64()));
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static Certificate issued(HttpResponse<byte[]> response) {
        assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(200);
        List<Certificate> certificates = EstDevice.certificates(response);
        assertThat(certificates).hasSize(1);
        return certificates.getFirst();
    }

    private static void assertRefused(HttpResponse<byte[]> response, int status, String code) {
        String text = EstDevice.text(response);
        assertThat(response.statusCode()).as(text).isEqualTo(status);
        assertThat(text).startsWith(code + ": ").hasLineCount(1).endsWith("\n");
        assertThat(response.headers().firstValue("Content-Type")).contains("text/plain; charset=utf-8");
    }

    @Nested
    @DisplayName("reads what real clients send")
    class Lenient {
        @ParameterizedTest(name = "{0}")
        @ValueSource(
                strings = {"one line", "wrapped", "wrapped with CRLF", "PEM", "PEM of old", "DER", "trailing newline"})
        void bodies(String form) {
            Unit unit = claim(FLEET);
            CertificateRequest request = EstDevice.request(unit.key());
            String base64 = request.encoded().base64();
            byte[] body = switch (form) {
                case "one line" -> ascii(base64);
                case "wrapped" -> ascii(base64.replaceAll("(.{64})", "$1\n"));
                case "wrapped with CRLF" -> ascii(base64.replaceAll("(.{76})", "$1\r\n"));
                case "PEM" -> ascii(request.pem());
                case "PEM of old" -> ascii(request.pem().replace("CERTIFICATE", "NEW CERTIFICATE"));
                case "DER" -> request.encoded().toArray();
                default -> ascii(base64 + "\r\n");
            };

            Certificate certificate = issued(enrol(unit, FLEET, body));

            assertThat(certificate.publicKeyEncoded())
                    .isEqualTo(unit.key().publicKey().encoded());
            assertThat(TENANT.certificates(unit.id())).containsExactly(certificate);
        }

        @Test
        @DisplayName("whatever the content type says, or does not")
        void contentTypes() {
            for (String type : List.of("", "application/octet-stream", "application/pkcs10; charset=utf-8")) {
                Unit unit = claim(FLEET);
                try (EstDevice device = unit.connect()) {
                    HttpRequest.Builder request = HttpRequest.newBuilder(enrol(FLEET))
                            .POST(BodyPublishers.ofString(
                                    EstDevice.request(unit.key()).encoded().base64()));
                    issued(device.send(type.isEmpty() ? request : request.header("Content-Type", type)));
                }
            }
        }

        @Test
        @DisplayName("at /{fleet}/.well-known/est too, for clients that know no labels")
        void baseInFront() {
            Unit unit = claim(FLEET);
            String path =
                    enrol(FLEET).toString().replace("/.well-known/est/" + FLEET, "/" + FLEET + "/.well-known/est");
            try (EstDevice device = unit.connect()) {
                issued(device.post(URI.create(path), EstDevice.request(unit.key())));
            }
        }
    }

    @Nested
    @DisplayName("writes strictly")
    class Strict {
        @Test
        @DisplayName("RFC 7030 §4.1.3: CA certificates as one line of base64, root and issuing CA, to anybody")
        void caCertificates() {
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                HttpResponse<byte[]> response = device.get(TENANT.est(FLEET, "cacerts"));
                assertHeaders(response, "application/pkcs7-mime");
                assertThat(EstDevice.certificates(response)).containsExactlyInAnyOrderElementsOf(TENANT.authorities());
            }
        }

        @Test
        @DisplayName("RFC 7030 §4.2.3: the certificate alone, certs-only, as one line of base64")
        void certificate() {
            Unit unit = claim(FLEET);
            HttpResponse<byte[]> response = enrol(unit, FLEET, EstDevice.request(unit.key()));
            assertHeaders(response, "application/pkcs7-mime; smime-type=certs-only");
            assertThat(issued(response).subject().toString()).isEqualTo("CN=" + unit.id());
        }

        @Test
        @DisplayName("RFC 7030 §4.5.2: CSR attributes from the fleet's profile")
        void requestAttributes() throws Exception {
            String fleet = TENANT.fleet("\"profile\":{\"keyAlgorithms\":[\"rsa-2048\",\"ec-p256\"]}");
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                HttpResponse<byte[]> response = device.get(TENANT.est(fleet, "csrattrs"));
                assertHeaders(response, "application/csrattrs");
                assertThat(CsrAttributes.decode(Bytes.ofBase64(EstDevice.text(response)))
                                .keyAlgorithm())
                        .contains(KeyAlgorithm.RSA_2048);
            }
        }

        private static void assertHeaders(HttpResponse<byte[]> response, String type) {
            assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(200);
            assertThat(response.headers().firstValue("Content-Type")).contains(type);
            assertThat(response.headers().firstValue("Content-Transfer-Encoding"))
                    .contains("base64");
            assertThat(EstDevice.text(response)).matches("[A-Za-z0-9+/]+={0,2}");
        }
    }

    @Nested
    @DisplayName("wants to know who asks")
    class Credentials {
        @Test
        @DisplayName("nobody: 401, and which authentication would do (RFC 7030 §3.2.3)")
        void nobody() {
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                HttpResponse<byte[]> response = device.post(enrol(FLEET), EstDevice.request(newKey()));
                assertRefused(response, 401, "unauthenticated");
                assertThat(response.headers().firstValue("WWW-Authenticate")).contains("Basic realm=\"claim token\"");
            }
        }

        @Test
        @DisplayName("a stranger's key: 403, and the operator sees the attempt")
        void stranger() {
            String fleet = TENANT.fleet("");
            SoftwareKey key = newKey();
            try (EstDevice device = EstDevice.showing(TLS_CA, key)) {
                assertRefused(device.post(enrol(fleet), EstDevice.request(key)), 403, "device-unknown");
                assertRefused(
                        device.post(TENANT.est(fleet, "simplereenroll"), EstDevice.request(key)),
                        403,
                        "device-unknown");
            }
            assertThat(TENANT.awaitRefusal("fleet:" + fleet, "device-unknown")
                            .at("/detail/detail")
                            .asString())
                    .contains("CN=device");
        }

        @Test
        @DisplayName("a token works once; afterwards the key that came with it does")
        void tokenOnce() {
            String id = TENANT.claim(FLEET);
            String token = TENANT.token(id);
            SoftwareKey key = newKey();
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                Certificate first = issued(withToken(device, "Bearer " + token, key));
                for (SoftwareKey again : List.of(key, newKey())) {
                    assertRefused(withToken(device, "Bearer " + token, again), 401, "token-invalid");
                }
                try (EstDevice bound = EstDevice.showing(TLS_CA, key)) {
                    assertThat(issued(bound.post(enrol(FLEET), EstDevice.request(key))))
                            .as("the device lost the answer and asks again")
                            .isEqualTo(first);
                }
                assertThat(TENANT.certificates(id)).containsExactly(first);
            }
        }

        @Test
        @DisplayName("a token that its device did not need is worth nothing")
        void tokenNotNeeded() {
            Unit unit = claim(FLEET);
            String token = TENANT.token(unit.id());
            issued(enrol(unit, FLEET, EstDevice.request(unit.key())));
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                assertRefused(withToken(device, "Bearer " + token, newKey()), 401, "token-invalid");
            }
            TENANT.awaitRefusal("device:" + unit.id(), "token-invalid");
        }

        @ParameterizedTest(name = "{0}")
        @ValueSource(
                strings = {
                    "Bearer wrong",
                    "Bearer",
                    "Basic !!!",
                    "Basic Og==",
                    "Basic bG9jaw==",
                    "Digest username=\"lock\"",
                    "x"
                })
        @DisplayName("other credentials: 401, even where the certificate alone would have done")
        void wrongTokens(String authorization) {
            Unit unit = claim(FLEET);
            try (EstDevice device = unit.connect()) {
                HttpResponse<byte[]> response = withToken(device, authorization, unit.key());
                assertRefused(response, 401, "token-invalid");
                assertThat(response.headers().firstValue("WWW-Authenticate")).isPresent();
            }
        }

        @Test
        @DisplayName("a token of another tenant: 401")
        void foreignToken() {
            EstTenant neighbour = new EstTenant("token neighbour");
            String token = neighbour.token(neighbour.claim(neighbour.fleet("")));
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                assertRefused(withToken(device, "Bearer " + token, newKey()), 401, "token-invalid");
            }
        }

        @Test
        @DisplayName("an RSA birth key, where the profile allows RSA")
        void rsa() {
            String fleet = TENANT.fleet("\"profile\":{\"keyAlgorithms\":[\"ec-p256\",\"rsa-2048\"]}");
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.RSA_2048);
            Unit unit = new Unit(TENANT.claim(fleet, key), key);
            assertThat(issued(enrol(unit, fleet, EstDevice.request(key))).publicKeyEncoded())
                    .isEqualTo(key.publicKey().encoded());
        }

        private static HttpResponse<byte[]> withToken(EstDevice device, String authorization, SoftwareKey key) {
            return device.send(HttpRequest.newBuilder(enrol(FLEET))
                    .header("Authorization", authorization)
                    .POST(BodyPublishers.ofString(
                            EstDevice.request(key).encoded().base64())));
        }
    }

    @Nested
    @DisplayName("refuses what a device may not have")
    class Refusals {
        @Test
        @DisplayName("another fleet of its tenant: 403, in the device's history")
        void wrongFleet() {
            Unit unit = claim(FLEET);
            assertRefused(enrol(unit, TENANT.fleet(""), EstDevice.request(unit.key())), 403, "wrong-fleet");
            TENANT.awaitRefusal("device:" + unit.id(), "wrong-fleet");
            assertThat(TENANT.state(unit.id())).isEqualTo("claimed");
        }

        @Test
        @DisplayName("another tenant's fleet: as unknown there as any stranger, and nothing changes here")
        void otherTenant() {
            EstTenant neighbour = new EstTenant("neighbour");
            String foreign = neighbour.fleet("");
            Unit unit = claim(FLEET);
            assertRefused(enrol(unit, foreign, EstDevice.request(unit.key())), 403, "device-unknown");
            neighbour.awaitRefusal("fleet:" + foreign, "device-unknown");
            assertThat(TENANT.state(unit.id())).isEqualTo("claimed");
            assertThat(TENANT.history(unit.id()).toString()).doesNotContain("refused");
        }

        @Test
        @DisplayName("a fleet that does not exist: 404; one that cannot exist: 400")
        void noFleet() {
            Unit unit = claim(FLEET);
            String none = FLEET.substring(0, 11) + "zzzzzz";
            assertRefused(enrol(unit, none, EstDevice.request(unit.key())), 404, "not-found");
            assertRefused(enrol(unit, "locks", EstDevice.request(unit.key())), 400, "invalid-identifier");
            try (EstDevice device = unit.connect()) {
                assertRefused(device.get(TENANT.est(none, "cacerts")), 404, "not-found");
                assertRefused(device.get(TENANT.est("%2e%2e", "csrattrs")), 400, "invalid-identifier");
            }
        }

        @Test
        @DisplayName("a certificate for another device's key: 403, in the history of the one that asked")
        void foreignKey() {
            Unit thief = claim(FLEET);
            Unit victim = claim(FLEET);
            assertRefused(enrol(thief, FLEET, EstDevice.request(victim.key())), 403, "key-mismatch");
            TENANT.awaitRefusal("device:" + thief.id(), "key-mismatch");
            assertThat(TENANT.certificates(victim.id())).isEmpty();
        }

        @Test
        @DisplayName("anything while suspended or once revoked: 403, whatever it shows, without saying why")
        void notActive() {
            Unit unit = claim(FLEET);
            Certificate first = issued(enrol(unit, FLEET, EstDevice.request(unit.key())));
            try (EstDevice birth = unit.connect();
                    EstDevice operational = EstDevice.showing(TLS_CA, unit.key(), first)) {
                for (String action : List.of("suspend", "revoke")) {
                    TENANT.change(unit.id(), action);
                    HttpResponse<byte[]> refused = birth.post(enrol(FLEET), EstDevice.request(newKey()));
                    assertRefused(refused, 403, "device-not-active");
                    assertThat(EstDevice.text(refused)).doesNotContainIgnoringCase(action);
                    assertRefused(
                            operational.post(TENANT.est(FLEET, "simplereenroll"), EstDevice.request(newKey())),
                            403,
                            "certificate-revoked");
                    TENANT.awaitRefusal("device:" + unit.id(), "device-not-active");
                }
            }
            assertThat(TENANT.certificates(unit.id())).containsExactly(first);
        }

        @Test
        @DisplayName("a key made here, where the fleet does not offer it: 403")
        void serverKeyOff() {
            Unit unit = claim(FLEET);
            try (EstDevice device = unit.connect()) {
                assertRefused(
                        device.post(TENANT.est(FLEET, "serverkeygen"), EstDevice.request(unit.key())),
                        403,
                        "not-enabled");
            }
        }

        @Test
        @DisplayName("a key made here for a stranger: 403")
        void serverKeyForStranger() {
            String fleet = TENANT.fleet("\"policy\":{\"serverKeyGeneration\":true}");
            SoftwareKey key = newKey();
            try (EstDevice device = EstDevice.showing(TLS_CA, key)) {
                assertRefused(
                        device.post(TENANT.est(fleet, "serverkeygen"), EstDevice.request(key)), 403, "device-unknown");
            }
        }

        @Test
        @DisplayName("RFC 7030 §4.2.3: 202 and Retry-After until an operator approves; no after they rejected")
        void approval() {
            String fleet = TENANT.fleet("\"policy\":{\"approvalRequired\":true,\"retryAfter\":\"PT10S\"}");
            Unit unit = claim(fleet);
            for (int i = 0; i < 2; i++) {
                HttpResponse<byte[]> pending = enrol(unit, fleet, EstDevice.request(unit.key()));
                assertRefused(pending, 202, "approval-pending");
                assertThat(pending.headers().firstValue("Retry-After")).contains("10");
            }
            TENANT.change(unit.id(), "approve");
            issued(enrol(unit, fleet, EstDevice.request(unit.key())));

            Unit unwanted = claim(fleet);
            enrol(unwanted, fleet, EstDevice.request(unwanted.key()));
            TENANT.change(unwanted.id(), "reject");
            assertRefused(enrol(unwanted, fleet, EstDevice.request(unwanted.key())), 403, "device-not-active");
        }

        @Test
        @DisplayName("a request for a nonce that is null asks for the usual one")
        void nullNonce() {
            HttpRequest.Builder request = HttpRequest.newBuilder(TENANT.est(FLEET, "nonce"))
                    .header("Content-Type", "application/est-attestation-freshness+json")
                    .POST(BodyPublishers.ofString("null"));
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                HttpResponse<byte[]> response = device.send(request);
                assertThat(response.statusCode()).as(EstDevice.text(response)).isEqualTo(200);
            }
        }

        @Test
        @DisplayName("a GET of what is a POST: 405 and Allow")
        void method() {
            try (EstDevice device = EstDevice.anonymous(TLS_CA)) {
                HttpResponse<byte[]> response = device.get(enrol(FLEET));
                assertThat(response.statusCode()).isEqualTo(405);
                assertThat(response.headers().firstValue("Allow")).contains("POST");
            }
        }
    }

    static Stream<Arguments> badRequests() throws Exception {
        SoftwareKey key = newKey();
        byte[] good = EstDevice.request(key).encoded().toArray();
        byte[] badSignature = good.clone();
        badSignature[good.length - 1] ^= 1;
        byte[] offCurve = good.clone();
        offCurve[endOfKey(good, key) - 1] ^= 1;
        KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
        rsa.initialize(1024);
        KeyPairGenerator koblitz = KeyPairGenerator.getInstance("EC", new BouncyCastleProvider());
        koblitz.initialize(new ECGenParameterSpec("secp256k1"));
        KeyPairGenerator small = KeyPairGenerator.getInstance("EC", new BouncyCastleProvider());
        small.initialize(new ECGenParameterSpec("secp192r1"));
        return Stream.of(
                Arguments.of("empty", new byte[0], "request-invalid"),
                Arguments.of("text", ascii("Hello, may I have a certificate?"), "request-invalid"),
                Arguments.of("base64 of nothing useful", ascii("AAAAAAAA"), "request-invalid"),
                Arguments.of(
                        "bytes that look like DER", new byte[] {0x30, (byte) 0x84, -1, -1, -1, -1}, "request-invalid"),
                Arguments.of("cut off", Arrays.copyOf(good, good.length - 10), "request-invalid"),
                Arguments.of("bytes behind the end", Arrays.copyOf(good, good.length + 1), "request-invalid"),
                Arguments.of("bad signature", badSignature, "request-invalid"),
                Arguments.of("a point that is not on the curve", offCurve, "request-invalid"),
                Arguments.of("the point at infinity", infinity(key), "request-invalid"),
                Arguments.of("RSA 1024", request(rsa.generateKeyPair(), "SHA256withRSA"), "request-invalid"),
                Arguments.of(
                        "a Koblitz curve", request(koblitz.generateKeyPair(), "SHA256withECDSA"), "request-invalid"),
                Arguments.of("P-192", request(small.generateKeyPair(), "SHA256withECDSA"), "request-invalid"),
                Arguments.of("a signature over SHA-1", sha1(), "request-invalid"),
                Arguments.of(
                        "Ed25519 where the profile has none",
                        EstDevice.request(SoftwareKey.generate(KeyAlgorithm.ED25519))
                                .encoded()
                                .toArray(),
                        "key-not-allowed"),
                Arguments.of(
                        "a certificate instead",
                        TENANT.authorities().getFirst().encoded().toArray(),
                        "request-invalid"));
    }

    private static int endOfKey(byte[] request, SoftwareKey key) {
        byte[] info = key.publicKey().encoded().toArray();
        for (int end = info.length; end <= request.length; end++) {
            if (Arrays.equals(request, end - info.length, end, info, 0, info.length)) {
                return end;
            }
        }
        throw new IllegalStateException("the key is not in its request");
    }

    /// A request with one zero byte as the point, which is how SEC 1 writes infinity.
    private static byte[] infinity(SoftwareKey key) throws Exception {
        byte[] algorithm =
                Bytes.ofHex("301306072a8648ce3d020106082a8648ce3d030107").toArray();
        SubjectPublicKeyInfo info =
                new SubjectPublicKeyInfo(AlgorithmIdentifier.getInstance(algorithm), new byte[] {0});
        return new PKCS10CertificationRequestBuilder(new X500Name("CN=x"), info)
                .build(new JcaContentSignerBuilder("SHA256withECDSA").build(key.privateKey()))
                .getEncoded();
    }

    private static byte[] request(KeyPair pair, String signature) throws Exception {
        return new PKCS10CertificationRequestBuilder(
                        new X500Name("CN=x"),
                        SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded()))
                .build(new JcaContentSignerBuilder(signature)
                        .setProvider(new BouncyCastleProvider())
                        .build(pair.getPrivate()))
                .getEncoded();
    }

    private static byte[] sha1() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return request(generator.generateKeyPair(), "SHA1withECDSA");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badRequests")
    @DisplayName("refuses requests that are no requests, or carry no good key")
    void refusesBadRequests(String name, byte[] body, String code) {
        assertRefused(CONNECTED.post(enrol(FLEET), body), 400, code);
        assertRefused(CONNECTED.post(enrol(FLEET), Base64.getMimeEncoder().encode(body)), 400, code);
        assertThat(TENANT.state(ASKING.id())).as(name).isEqualTo("claimed");
    }

    @Nested
    @DisplayName("bounds what it reads")
    class Sizes {
        @ParameterizedTest(name = "{0} bytes")
        @ValueSource(ints = {3_000, 15_000, 17_000, 1_000_000})
        @DisplayName("a subject of any length is refused or ignored")
        void subjects(int size) throws Exception {
            Unit unit = claim(FLEET);
            byte[] body = new PKCS10CertificationRequestBuilder(
                            new X500Name("1.3.6.1.4.1.99999.1=" + "x".repeat(size)),
                            SubjectPublicKeyInfo.getInstance(
                                    unit.key().publicKey().encoded().toArray()))
                    .build(new JcaContentSignerBuilder("SHA256withECDSA")
                            .build(unit.key().privateKey()))
                    .getEncoded();
            HttpResponse<byte[]> response = enrol(unit, FLEET, body);
            if (size < 4096) {
                assertThat(issued(response).subject().toString()).isEqualTo("CN=" + unit.id());
            } else {
                assertThat(response.statusCode()).isIn(400, 413);
            }
        }

        @Test
        @DisplayName("a body of a megabyte: 413, whatever is in it")
        void bodies() {
            byte[] body = new byte[1 << 20];
            new Random(1).nextBytes(body);
            assertThat(CONNECTED.post(enrol(FLEET), body).statusCode()).isEqualTo(413);
        }
    }

    @Nested
    @DisplayName("takes nothing but the key from the request")
    class RequestedExtensions {
        private byte[] hostile(SoftwareKey key) throws Exception {
            Extensions wanted = new Extensions(new Extension[] {
                Extension.create(Extension.basicConstraints, true, new BasicConstraints(true)),
                Extension.create(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign)),
                Extension.create(
                        Extension.subjectAlternativeName,
                        false,
                        new GeneralNames(new GeneralName(GeneralName.dNSName, "bank.example")))
            });
            return new PKCS10CertificationRequestBuilder(
                            new X500Name("CN=somebody else,O=Bank"),
                            SubjectPublicKeyInfo.getInstance(
                                    key.publicKey().encoded().toArray()))
                    .addAttribute(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, wanted)
                    .build(new JcaContentSignerBuilder("SHA256withECDSA").build(key.privateKey()))
                    .getEncoded();
        }

        @Test
        @DisplayName("CA:TRUE, certSign, a foreign name and subject are not in what is issued")
        void ignored() throws Exception {
            Unit unit = claim(FLEET);
            Certificate certificate = issued(enrol(unit, FLEET, hostile(unit.key())));
            assertThat(certificate.isAuthority()).isFalse();
            assertThat(certificate.allows(dev.tegata.pki.certificate.KeyUsage.KEY_CERT_SIGN))
                    .isFalse();
            assertThat(certificate.subject().toString()).isEqualTo("CN=" + unit.id());
            assertThat(new String(certificate.encoded().toArray(), StandardCharsets.ISO_8859_1))
                    .doesNotContain("bank.example", "Bank");
        }

        @Test
        @DisplayName("or the request is refused, where the profile says so")
        void refused() throws Exception {
            String fleet = TENANT.fleet("\"profile\":{\"requestedExtensions\":\"refuse\"}");
            Unit unit = claim(fleet);
            assertRefused(enrol(unit, fleet, hostile(unit.key())), 400, "request-invalid");
            issued(enrol(unit, fleet, EstDevice.request(unit.key())));
        }
    }

    @Nested
    @DisplayName("many at once")
    class Together {
        @Test
        @DisplayName("one device asking eight times with one key has one certificate, and every answer is that one")
        void sameKey() throws Exception {
            Unit unit = claim(FLEET);
            Set<Certificate> answers = new HashSet<>();
            for (HttpResponse<byte[]> response :
                    together(8, i -> () -> enrol(unit, FLEET, EstDevice.request(unit.key())))) {
                answers.add(issued(response));
            }
            assertThat(TENANT.certificates(unit.id())).containsExactlyElementsOf(answers);
        }

        @Test
        @DisplayName(
                "one device asking with many keys: who loses is told to come back, and what was answered is stored")
        void manyKeys() throws Exception {
            Unit unit = claim(FLEET);
            List<Certificate> answers = new ArrayList<>();
            for (HttpResponse<byte[]> response :
                    together(8, i -> () -> enrol(unit, FLEET, EstDevice.request(newKey())))) {
                if (response.statusCode() == 200) {
                    answers.add(issued(response));
                } else {
                    assertRefused(response, 503, "enrolment-in-progress");
                    assertThat(response.headers().firstValue("Retry-After")).contains("1");
                }
            }
            assertThat(TENANT.certificates(unit.id())).isNotEmpty().containsExactlyInAnyOrderElementsOf(answers);
        }

        private static List<HttpResponse<byte[]>> together(int count, IntFunction<Callable<HttpResponse<byte[]>>> task)
                throws Exception {
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Callable<HttpResponse<byte[]>>> tasks = new ArrayList<>();
                for (int i = 0; i < count; i++) {
                    tasks.add(task.apply(i));
                }
                List<HttpResponse<byte[]>> responses = new ArrayList<>();
                for (Future<HttpResponse<byte[]>> future : threads.invokeAll(tasks)) {
                    responses.add(future.get());
                }
                return responses;
            }
        }
    }

    @Test
    @DisplayName("answers mutated requests with a certificate or a reason, never with a failure of its own")
    void mutations() throws Exception {
        Random random = new Random(7030);
        String fleet = TENANT.fleet("\"policy\":{\"serverKeyGeneration\":true}");
        Unit unit = claim(fleet);
        List<URI> operations = Stream.of("simpleenroll", "simplereenroll", "serverkeygen")
                .map(operation -> TENANT.est(fleet, operation))
                .toList();
        CertificateRequest good =
                CertificateRequest.create(Name.EMPTY, unit.key().publicKey(), List.of(), EstDevice.signer(unit.key()));
        try (EstDevice device = unit.connect()) {
            for (int i = 0; i < MUTATIONS; i++) {
                byte[] der = good.encoded().toArray();
                byte[] body = switch (random.nextInt(3)) {
                    case 0 -> mutated(random, der);
                    case 1 -> Base64.getEncoder().encode(mutated(random, der));
                    default -> mutated(random, Base64.getEncoder().encode(der));
                };
                HttpResponse<byte[]> response = device.post(operations.get(i % 50 == 0 ? 2 : i % 2), body);
                assertThat(response.statusCode())
                        .as("%s: %s", Bytes.of(body), EstDevice.text(response))
                        .isIn(200, 400, 403, 413, 503);
            }
        }
        assertThat(TENANT.state(unit.id())).isIn("claimed", "active");
    }

    private static byte[] mutated(Random random, byte[] good) {
        byte[] bytes = good.clone();
        for (int changes = 1 + random.nextInt(3); changes > 0 && bytes.length > 0; changes--) {
            int at = random.nextInt(bytes.length);
            switch (random.nextInt(5)) {
                case 0 -> bytes[at] = (byte) random.nextInt(256);
                case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> bytes = Arrays.copyOf(bytes, at);
                case 3 -> bytes = Arrays.copyOf(bytes, bytes.length + random.nextInt(200));
                default -> System.arraycopy(good, 0, bytes, at, Math.min(good.length, bytes.length - at));
            }
        }
        return bytes;
    }
}
