// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.status.CrlPublisher;
import dev.tegata.platform.status.Crls;
import dev.tegata.platform.status.Ocsp;
import dev.tegata.platform.status.PublishedCrl;
import dev.tegata.platform.status.Responders;
import dev.tegata.platform.status.StatusKeeper;
import dev.tegata.server.http.HttpStack;
import dev.tegata.server.http.Listener;
import dev.tegata.server.http.ListenerOptions;
import dev.tegata.server.http.LocalTlsIdentity;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/// OCSP answers, and a revocation list of a million entries.
final class StatusBenchmark implements Benchmark {
    private static final int REVOKED = Integer.getInteger("tegata.bench.revoked", 1_000_000);
    private static final int PER_PARTITION = 10_000;
    private static final int HOT = 10_000;
    private static final int CLIENTS = 32;
    private static final int AT_ONCE = 256;
    private static final Duration WARM_UP = Duration.ofSeconds(5);
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(10);

    @Override
    public String name() {
        return "status";
    }

    @Override
    public String about() {
        return "OCSP answers ready made and signed on demand, and a CRL of a million entries";
    }

    @Override
    public void measure(Run run) throws Exception {
        run.inFolder(folder -> {
            try (Node node = new Node(folder)) {
                measure(run, folder, node);
            }
        });
    }

    private static void measure(Run run, Path folder, Node node) throws Exception {
        FleetId fleet = node.newFleet();
        TenantId tenant = fleet.tenant();
        AuthorityId authority = node.issuingFleets().get(fleet).authority().id();
        InstantSource clock = InstantSource.system();
        run.say("storing %,d revoked certificates …".formatted(REVOKED));
        Load.Work parts = new Load.Work(0, REVOKED / PER_PARTITION);
        for (int part = parts.take(); part >= 0; part = parts.take()) {
            store(node, tenant, authority, part);
        }
        Crls crls = new Crls(node.database(), clock);
        CrlPublisher publisher = new CrlPublisher(node.database(), node.authorities(), node.vault(), crls, clock);
        measureCrl(run, publisher, crls, tenant, authority);

        Responders responders = node.newResponders();
        Ocsp ocsp = new Ocsp(node.database(), responders, clock, Ocsp.CAPACITY);
        try (StatusKeeper keeper = node.newKeeper(publisher, responders, ocsp)) {
            Certificate issuer = node.authorities().chain(tenant, authority).getFirst();
            measureOcsp(run, folder, ocsp, issuer, tenant, authority);
            if (ocsp.ready() == 0) {
                throw new IllegalStateException("no answer was kept ready by " + keeper);
            }
        }
    }

    private static void store(Node node, TenantId tenant, AuthorityId authority, int part) {
        node.database()
                .inTenant(
                        tenant,
                        tx -> tx.createUpdate("""
                        INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                            not_before, not_after, issued_at, revoked_at, revocation_reason, crl_partition, encoded)
                        SELECT :tenant, '\\x01'::bytea || decode(md5(i::text), 'hex'), :authority, sha256(i::text::bytea),
                            now(), now() + interval '1 year', now(), now(), i % 2, :partition, sha256(i::text::bytea)
                        FROM generate_series(:first, :last) i""")
                                .bind("tenant", tenant)
                                .bind("authority", authority)
                                .bind("partition", part + 1)
                                .bind("first", part * PER_PARTITION)
                                .bind("last", (part + 1) * PER_PARTITION - 1)
                                .execute());
    }

    private static void measureCrl(Run run, CrlPublisher publisher, Crls crls, TenantId tenant, AuthorityId authority) {
        run.say("making the list …");
        List<MemoryPoolMXBean> heap = ManagementFactory.getMemoryPoolMXBeans().stream()
                .filter(pool -> pool.getType() == MemoryType.HEAP)
                .toList();
        System.gc();
        long before = heap.stream().mapToLong(pool -> pool.getUsage().getUsed()).sum();
        heap.forEach(MemoryPoolMXBean::resetPeakUsage);
        long begun = System.nanoTime();
        if (!publisher.publish(tenant, authority, CrlPublisher.Extent.ALL)) {
            throw new IllegalStateException("somebody else makes the list");
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        long peak =
                heap.stream().mapToLong(pool -> pool.getPeakUsage().getUsed()).sum();
        PublishedCrl crl = crls.find(tenant, authority, 0).orElseThrow();
        if (crl.entries() != REVOKED) {
            throw new IllegalStateException("the list has " + crl.entries() + " entries");
        }
        run.report(run.number("CRL of 1 M entries, from the database to the database", seconds, "s")
                .below(30));
        run.report(run.number("its size", crl.size() / 1e6, "MB"));
        run.report(run.number("heap for it at the most, garbage included", (peak - before) / 1e6, "MB"));
    }

    private static void measureOcsp(
            Run run, Path folder, Ocsp ocsp, Certificate issuer, TenantId tenant, AuthorityId authority)
            throws Exception {
        List<byte[]> requests = new ArrayList<>(HOT);
        for (int i = 0; i < HOT; i++) {
            requests.add(request(issuer, i, null));
        }
        awaitReadiness(ocsp, tenant, authority, requests.getFirst());
        run.say("making the answers ready …");
        requests.forEach(request -> ocsp.answer(tenant, authority, request));
        run.say("measuring ready answers over HTTP …");
        LocalTlsIdentity identity = new LocalTlsIdentity(folder.resolve("tls"), List.of(), InstantSource.system());
        try (HttpStack http = new HttpStack(new SimpleMeterRegistry(), identity)) {
            Listener listener = http.listen(
                    ListenerOptions.of("bench", "127.0.0.1", 0, ListenerOptions.Transport.PLAIN),
                    List.of(Route.post(
                            "/ocsp",
                            request -> Response.of(
                                    200,
                                    "application/ocsp-response",
                                    ocsp.answer(tenant, authority, request.body())
                                            .encoded()))));
            measureHttp(run, listener.port(), requests);
        }
        run.say("measuring answers on demand …");
        List<byte[]> withNonce = new ArrayList<>(HOT);
        for (int i = 0; i < HOT; i++) {
            withNonce.add(request(issuer, i, Bytes.sha256(("nonce " + i).getBytes(StandardCharsets.US_ASCII))));
        }
        Load.Operation sign = i -> ocsp.answer(tenant, authority, withNonce.get(i % HOT));
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        byte[] data = withNonce.getFirst();
        Load.Operation raw = _ -> key.sign(SignatureAlgorithm.ECDSA_SHA256, data);
        int cores = Runtime.getRuntime().availableProcessors();
        Load.Work endless = new Load.Work(0, Integer.MAX_VALUE);
        Load.repeat(cores, WARM_UP, raw);
        Load.Outcome limit = Load.repeat(cores, run.duration(), raw);
        // On virtual threads, as requests are answered: all that come at one moment wait for the same word of changes.
        Load.closed(AT_ONCE, WARM_UP, endless, sign);
        Cpu here = Cpu.ofThisProcess();
        Load.Outcome signed = Load.closed(AT_ONCE, run.duration(), endless, sign);
        here = Cpu.ofThisProcess().since(here);
        run.report(run.number("OCSP answers signed on demand, in process", signed.perSecond(), "/s")
                .of("/s: P-256 signatures, all cores", limit.perSecond())
                .ratioAtLeast(0.6));
        run.report(run.number(
                        "the same by CPU time, which others on the machine hardly change",
                        1e6 / here.microsPer(signed.count()),
                        "/CPU s")
                .of("/CPU s: P-256 signatures", run.limits().signing().perCpuSecond()));
        Load.Operation ready = i -> ocsp.answer(tenant, authority, requests.get(i % HOT));
        run.report(run.number(
                "OCSP answers ready made, in process",
                Load.closed(AT_ONCE, run.duration(), endless, ready).perSecond(),
                "/s"));
    }

    private static void measureHttp(Run run, int port, List<byte[]> requests) throws Exception {
        ConcurrentLinkedQueue<PlainConnection> idle = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < CLIENTS; i++) {
            idle.add(new PlainConnection(port));
        }
        Load.Operation ask = i -> {
            PlainConnection connection = idle.remove();
            connection.post("/ocsp", "application/ocsp-request", requests.get(i % HOT));
            idle.add(connection);
        };
        Load.Work endless = new Load.Work(0, Integer.MAX_VALUE);
        Load.closed(CLIENTS, WARM_UP, endless, ask);
        Load.Outcome outcome = Load.closed(CLIENTS, run.duration(), endless, ask);
        run.report(run.number(
                        "OCSP answers ready made, kept connections, client on the same cores",
                        outcome.perSecond(),
                        "/s")
                .atLeast(20_000));
        run.report(run.number("their p99", outcome.percentile(99), "ms"));
        for (PlainConnection connection : idle) {
            connection.close();
        }
    }

    /// A node keeps nothing before it hears of revocations.
    private static void awaitReadiness(Ocsp ocsp, TenantId tenant, AuthorityId authority, byte[] request)
            throws InterruptedException {
        long end = System.nanoTime() + LONGEST_WAIT.toNanos();
        byte[] before = ocsp.answer(tenant, authority, request).encoded();
        byte[] answer = ocsp.answer(tenant, authority, request).encoded();
        while (before != answer) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("no answer is kept ready");
            }
            Thread.sleep(20);
            before = answer;
            answer = ocsp.answer(tenant, authority, request).encoded();
        }
    }

    static byte[] request(Certificate issuer, int number, @Nullable Bytes nonce) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> writer.sequence(() -> {
            writer.sequence(() -> writer.sequence(() -> writer.sequence(() -> {
                writer.sequence(() -> {
                    writer.oid(Oid.of("1.3.14.3.2.26"));
                    writer.nullValue();
                });
                writer.octetString(hash("SHA-1", issuer.subject().encoded().toArray()));
                writer.octetString(hash("SHA-1", keyBits(issuer)));
                writer.primitive(Tag.INTEGER, serial(number));
            })));
            if (nonce != null) {
                writer.nested(
                        Tag.context(2),
                        () -> writer.sequence(() -> writer.sequence(() -> {
                            writer.oid(Oid.of("1.3.6.1.5.5.7.48.1.2"));
                            writer.octetString(() -> writer.octetString(nonce.toArray()));
                        })));
            }
        }));
        return writer.toArray();
    }

    static byte[] serial(int number) {
        return Bytes.of((byte) 1)
                .concat(Bytes.of(hash("MD5", Integer.toString(number).getBytes(StandardCharsets.US_ASCII))))
                .toArray();
    }

    private static byte[] keyBits(Certificate issuer) {
        try {
            DerReader info = DerReader.of(issuer.publicKeyEncoded()).sequence();
            info.skip();
            return info.bitString().toArray();
        } catch (EncodingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] hash(String algorithm, byte[] data) {
        try {
            return MessageDigest.getInstance(algorithm).digest(data);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
