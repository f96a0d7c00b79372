// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsExchange;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.Order;
import dev.tegata.protocol.OrderContent;
import dev.tegata.protocol.SignedOrders;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Date;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.jspecify.annotations.Nullable;

/// A small server of the device protocol with one device: real TLS, real certificates, orders that a test
/// places. Who may what in which state is as the real one has it (`CheckIns`, `Enrolments`): where it were
/// kinder, it would hide how an agent locks itself out.
public final class DeviceServer implements AutoCloseable {
    static final UUID DEVICE = UUID.fromString("6c3f0b43-5d0e-4a70-9c39-0d1f1d1f9a01");
    static final String FLEET = "fleet-1";

    private final KeyPair tlsKey = newKey();
    private final KeyPair rootKey = newKey();
    private final KeyPair orderKey = newKey();
    private final AtomicLong serials = new AtomicLong(100);
    private final AtomicLong sequence = new AtomicLong();
    private final X509Certificate root;
    private final X509Certificate orderSigner;
    private final String chipSerial;
    private final HttpsServer server;

    X509Certificate tls;
    InstantSource time = InstantSource.system();
    Duration life = Duration.ofHours(3);
    Duration backdate = Duration.ofMinutes(1);
    Instant issueFrom = Instant.EPOCH;

    /// What the server takes the device for.
    volatile CheckInAnswer.State state = CheckInAnswer.State.CLAIMED;

    /// Statuses that are answered instead of anything else, by the end of the path.
    final Map<String, Integer> refusals = new LinkedHashMap<>();

    String refusal = "refused";

    /// How many orders the device gets at once.
    int ordersAtOnce = 4;

    final Map<UUID, Bytes> open = new LinkedHashMap<>();
    final List<CheckIn> checkIns = new CopyOnWriteArrayList<>();
    final Map<UUID, CheckIn.Result> results = new LinkedHashMap<>();
    final List<Certificate> issued = new CopyOnWriteArrayList<>();
    private final Set<Certificate> withdrawn = new HashSet<>();
    final List<Bytes> shown = new CopyOnWriteArrayList<>();
    final List<String> paths = new CopyOnWriteArrayList<>();

    public DeviceServer(String chipSerial) throws Exception {
        this.chipSerial = chipSerial;
        Instant now = Instant.now();
        root = make("CN=root", null, rootKey, rootKey, now.minus(Duration.ofDays(1)), now.plus(Duration.ofDays(3650)));
        orderSigner = make(
                "CN=orders",
                "orders",
                orderKey,
                rootKey,
                now.minus(Duration.ofDays(1)),
                now.plus(Duration.ofDays(365)));
        tls = make("CN=tls", "tls", tlsKey, tlsKey, now.minus(Duration.ofHours(1)), now.plus(Duration.ofDays(30)));
        server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context()) {
            @Override
            public void configure(HttpsParameters parameters) {
                SSLParameters ssl = getSSLContext().getDefaultSSLParameters();
                ssl.setNeedClientAuth(true);
                parameters.setSSLParameters(ssl);
            }
        });
        server.createContext("/", this::handle);
        server.setExecutor(java.util.concurrent.Executors.newVirtualThreadPerTaskExecutor());
        server.start();
    }

    public Home home() throws Exception {
        return new Home(
                "https://localhost:" + server.getAddress().getPort(), FLEET, List.of(Bytes.of(tls.getEncoded())));
    }

    Bytes root() throws Exception {
        return Bytes.of(root.getEncoded());
    }

    public Bytes tlsAnchor() throws Exception {
        return Bytes.of(tls.getEncoded());
    }

    private static KeyPair newKey() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            return generator.generateKeyPair();
        } catch (java.security.GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private X509Certificate make(
            String name, @Nullable String use, KeyPair subject, KeyPair issuer, Instant from, Instant to)
            throws Exception {
        return make(
                name, use, SubjectPublicKeyInfo.getInstance(subject.getPublic().getEncoded()), issuer, from, to);
    }

    private X509Certificate make(
            String name, @Nullable String use, SubjectPublicKeyInfo subject, KeyPair issuer, Instant from, Instant to)
            throws Exception {
        boolean underRoot = "orders".equals(use) || "device".equals(use);
        X509v3CertificateBuilder builder = new X509v3CertificateBuilder(
                new X500Name(underRoot ? "CN=root" : name),
                BigInteger.valueOf(serials.incrementAndGet()),
                Date.from(from),
                Date.from(to),
                new X500Name(name),
                subject);
        if (use == null) {
            builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(true));
            builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign));
        } else {
            builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
            KeyPurposeId purpose = switch (use) {
                case "orders" -> KeyPurposeId.getInstance(new ASN1ObjectIdentifier(SignedOrders.PURPOSE.toString()));
                case "tls" -> KeyPurposeId.id_kp_serverAuth;
                default -> KeyPurposeId.id_kp_clientAuth;
            };
            builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(purpose));
        }
        if ("tls".equals(use)) {
            builder.addExtension(
                    Extension.subjectAlternativeName,
                    false,
                    new GeneralNames(new GeneralName(GeneralName.dNSName, "localhost")));
        }
        return new JcaX509CertificateConverter()
                .getCertificate(
                        builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(issuer.getPrivate())));
    }

    private SSLContext context() throws Exception {
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        own.setKeyEntry("own", tlsKey.getPrivate(), new char[0], new X509Certificate[] {tls});
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), new TrustManager[] {new EstDouble.Anybody()}, null);
        return context;
    }

    /// Signs an order for the device, and gives it out from now on.
    public UUID place(OrderContent content) throws Exception {
        UUID id = UUID.randomUUID();
        open.put(id, sign(order(id, content)));
        return id;
    }

    Order order(UUID id, OrderContent content) {
        Instant now = time.instant();
        return new Order(
                DEVICE,
                chipSerial,
                id,
                sequence.incrementAndGet(),
                now.minusSeconds(1),
                now.plus(Duration.ofDays(1)),
                content);
    }

    Bytes sign(Order order) throws Exception {
        PublicKeyInfo publicKey = PublicKeyInfo.of(orderKey.getPublic());
        return SignedOrders.sign(
                order, Signer.of(publicKey, orderKey.getPrivate()), List.of(Bytes.of(orderSigner.getEncoded())));
    }

    Bytes signWithStrangerKey(Order order) throws Exception {
        KeyPair stranger = newKey();
        Instant now = Instant.now();
        X509Certificate self =
                make("CN=stranger", "orders", stranger, stranger, now.minusSeconds(60), now.plusSeconds(3600));
        return SignedOrders.sign(
                order,
                Signer.of(PublicKeyInfo.of(stranger.getPublic()), stranger.getPrivate()),
                List.of(Bytes.of(self.getEncoded())));
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            Bytes body = Bytes.of(exchange.getRequestBody().readAllBytes());
            Bytes certificate = Bytes.of(((HttpsExchange) exchange)
                    .getSSLSession()
                    .getPeerCertificates()[0]
                    .getEncoded());
            byte[] answer = new byte[0];
            int status = 200;
            synchronized (this) {
                paths.add(path);
                shown.add(certificate);
                Optional<Map.Entry<String, Integer>> refused = refusals.entrySet().stream()
                        .filter(each -> path.endsWith(each.getKey()))
                        .findFirst();
                if (refused.isPresent()) {
                    status = refused.get().getValue();
                    answer = refusal.getBytes(StandardCharsets.US_ASCII);
                } else {
                    Optional<String> code = refusal(path, certificate);
                    status = code.isPresent() ? 403 : 200;
                    answer = code.isPresent()
                            ? (code.get() + ": no").getBytes(StandardCharsets.US_ASCII)
                            : answer(path, body, certificate);
                }
            }
            exchange.sendResponseHeaders(status, answer.length);
            exchange.getResponseBody().write(answer);
        } catch (Exception e) {
            throw new IOException(e);
        }
    }

    /// Why this is not to be had with this certificate, in the real server's word for it.
    private Optional<String> refusal(String path, Bytes shown) {
        if (state != CheckInAnswer.State.ACTIVE && state != CheckInAnswer.State.SUSPENDED) {
            withdrawn.addAll(issued);
        }
        boolean asksOnly = path.endsWith("/cacerts") || path.endsWith("/nonce");
        Optional<Certificate> own = own(shown);
        if (asksOnly) {
            return Optional.empty();
        } else if (own.isPresent() && own.get().validity().isOver(time.instant())) {
            return Optional.of("certificate-expired");
        } else if (path.endsWith("enroll")) {
            return own.isPresent() && (isShutOut() || withdrawn.contains(own.get()))
                    ? Optional.of("certificate-revoked")
                    : state == CheckInAnswer.State.CLAIMED || state == CheckInAnswer.State.ACTIVE
                            ? Optional.empty()
                            : Optional.of("device-not-active");
        } else if (own.isPresent() && withdrawn.contains(own.get())) {
            return isShutOut() || state == CheckInAnswer.State.REFURBISHING
                    ? Optional.empty()
                    : Optional.of("certificate-revoked");
        }
        return own.isEmpty() && state == CheckInAnswer.State.ACTIVE && hasGoodCertificate()
                ? Optional.of("operational-identity-required")
                : Optional.empty();
    }

    private boolean isShutOut() {
        return state == CheckInAnswer.State.SUSPENDED
                || state == CheckInAnswer.State.REVOKED
                || state == CheckInAnswer.State.RETIRED;
    }

    private Optional<Certificate> own(Bytes shown) {
        return issued.stream().filter(each -> each.encoded().equals(shown)).findFirst();
    }

    private boolean hasGoodCertificate() {
        return !issued.isEmpty()
                && !withdrawn.contains(newest())
                && !newest().validity().isOver(time.instant());
    }

    private byte[] answer(String path, Bytes body, Bytes shown) throws Exception {
        if (path.endsWith("/cacerts")) {
            return CertsOnlyCms.encode(List.of(Certificate.parse(root())))
                    .base64()
                    .getBytes(StandardCharsets.US_ASCII);
        }
        if (path.endsWith("/nonce")) {
            return "{\"nonce\":\"\",\"expiry\":0}".getBytes(StandardCharsets.US_ASCII);
        }
        if (path.endsWith("enroll")) {
            String text = new String(body.toArray(), StandardCharsets.US_ASCII);
            CertificateRequest request = CertificateRequest.parse(Bytes.ofBase64(text));
            request.prove();
            if (own(shown).isEmpty()
                    && hasGoodCertificate()
                    && newest().publicKeyEncoded().equals(request.publicKey().encoded())) {
                // The answer was lost: the same key gets the same certificate.
                return CertsOnlyCms.encode(List.of(newest())).base64().getBytes(StandardCharsets.US_ASCII);
            }
            Instant from = issueFrom.equals(Instant.EPOCH) ? time.instant().minus(backdate) : issueFrom;
            X509Certificate made = make(
                    "CN=device",
                    "device",
                    SubjectPublicKeyInfo.getInstance(
                            request.publicKey().encoded().toArray()),
                    rootKey,
                    from,
                    from.plus(life));
            Certificate certificate = Certificate.parse(Bytes.of(made.getEncoded()));
            issued.add(certificate);
            state = CheckInAnswer.State.ACTIVE;
            return CertsOnlyCms.encode(List.of(certificate)).base64().getBytes(StandardCharsets.US_ASCII);
        }
        CheckIn checkIn = CheckInCodec.parseCheckIn(body, CheckInForm.CBOR);
        checkIns.add(checkIn);
        boolean heard = !isShutOut() && own(shown).stream().noneMatch(withdrawn::contains);
        for (CheckIn.Result result : heard ? checkIn.results() : List.<CheckIn.Result>of()) {
            CheckIn.Result before = results.putIfAbsent(result.order(), result);
            if (before != null && before.status() != result.status()) {
                throw new IllegalStateException("a result has changed");
            }
            if (open.remove(result.order()) != null && state == CheckInAnswer.State.REFURBISHING) {
                state = CheckInAnswer.State.CLAIMED;
            }
        }
        CheckInAnswer answer = new CheckInAnswer(
                time.instant(),
                DEVICE,
                3600,
                state,
                heard ? Optional.of(Bytes.of(new SecureRandom().generateSeed(8))) : Optional.empty(),
                heard ? open.values().stream().limit(ordersAtOnce).toList() : List.of());
        return CheckInCodec.encode(answer, CheckInForm.CBOR).toArray();
    }

    /// The last certificate that was issued.
    public Certificate newest() {
        return issued.getLast();
    }

    /// The certificate that the last request came with.
    Bytes lastShown() {
        return shown.getLast();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
