// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.crash;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.DeviceKey;
import dev.tegata.agent.EstClient;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.audit.AuditVerification;
import dev.tegata.platform.audit.AuditVerifier;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.testing.Invariant;
import dev.tegata.server.http.TlsClient;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// One tenant with chips that enrol and renew without a pause, whatever happens to their server, and
/// remember what they were answered. It lives as long as the data folder, over many processes of the
/// server.
final class CrashWorld {
    private static final int CHIPS = 64;
    private static final int[] OPERATIONAL_SLOTS = {2, 3, 4};

    /// How long a healthy server may take to answer the first request, on a machine that does much else.
    private static final long PATIENCE_NANOS = 60_000_000_000L;

    private final Path data;
    private final List<VirtualChip> chips;
    private final String tenant;
    private final String ownerKey;
    private final String fleet;
    private final List<Bytes> tlsAuthority;

    /// Every certificate that a device got.
    private final Queue<Certificate> answered = new ConcurrentLinkedQueue<>();

    /// What no device may ever hear here: anything but a certificate and "later".
    private final Queue<String> refused = new ConcurrentLinkedQueue<>();

    private final AtomicInteger later = new AtomicInteger();
    private final AtomicInteger unanswered = new AtomicInteger();
    private volatile String latestFailure = "none";

    /// Makes the tenant and claims its chips on a running server.
    CrashWorld(Path data, ServerProcess server) throws Exception {
        this.data = data;
        ChipFactory factory = new ChipFactory(new SecureRandom());
        this.chips = factory.make(Preset.TRUST_GO, CHIPS, Instant.now());
        this.tlsAuthority = List.of(
                certificate(Files.readString(data.resolve("tls/ca.pem"))).encoded());
        String operator = Files.readString(data.resolve("operator.key")).strip();
        JsonNode created = post(
                server,
                operator,
                "/api/v1/tenants",
                "{\"name\":\"Crash\",\"subject\":{\"organization\":\"Crash GmbH\",\"country\":\"DE\"}}");
        this.tenant = created.at("/tenant/id").asString();
        this.ownerKey = created.at("/apiKey/secret").asString();
        this.fleet = post(server, ownerKey, "/api/v1/fleets", "{\"name\":\"Locks\"}")
                .path("id")
                .asString();
        String signer = Certificate.parse(Bytes.of(factory.manifestSigner().certificate()))
                .pem();
        post(
                server,
                ownerKey,
                "/api/v1/trusted-certificates",
                JsonMapper.shared()
                        .createObjectNode()
                        .put("purpose", "manifest-signer")
                        .put("certificate", signer)
                        .toString());
        ByteArrayOutputStream manifest = new ByteArrayOutputStream();
        factory.manifestSigner().write(chips, ManifestVersion.FULL, Instant.now(), manifest);
        JsonNode report = send(
                server,
                ownerKey,
                "/api/v1/fleets/" + fleet + "/manifests?fileName=chips.json",
                BodyPublishers.ofByteArray(manifest.toByteArray()));
        assertThat(report.path("claimed").asInt()).as(report.toString()).isEqualTo(CHIPS);
    }

    int answered() {
        return answered.size();
    }

    int later() {
        return later.get();
    }

    String summary() {
        return "%d certificates answered, %d times told to come later, %d times no answer (the last one: %s)"
                .formatted(answered.size(), later.get(), unanswered.get(), latestFailure);
    }

    /// Devices that enrol until they are stopped.
    final class Load implements AutoCloseable {
        private final AtomicBoolean enough = new AtomicBoolean();
        private final List<Thread> threads = new ArrayList<>();

        Load(ServerProcess server, int devices) {
            EstClient est = est(server);
            for (int i = 0; i < devices; i++) {
                List<VirtualChip> mine = new ArrayList<>();
                for (int chip = i; chip < chips.size(); chip += devices) {
                    mine.add(chips.get(chip));
                }
                threads.add(Thread.ofPlatform().start(() -> run(est, mine)));
            }
        }

        private void run(EstClient est, List<VirtualChip> mine) {
            while (!enough.get()) {
                enrolAndRenew(est, mine.get(ThreadLocalRandom.current().nextInt(mine.size())));
            }
        }

        @Override
        public void close() throws InterruptedException {
            enough.set(true);
            for (Thread thread : threads) {
                thread.join();
            }
        }
    }

    EstClient est(ServerProcess server) {
        return new EstClient(URI.create(server.devicesUrl + "/.well-known/est/" + fleet), tlsAuthority);
    }

    /// One first certificate by the birth key and, where that went well, one more by what came of it.
    private void enrolAndRenew(EstClient est, VirtualChip chip) {
        DeviceIdentity birth = birth(chip);
        DeviceKey first = operationalKey(chip);
        Certificate certificate = ask(() -> est.enrol(birth, first));
        if (certificate != null) {
            DeviceIdentity operational = DeviceIdentity.of(first, List.of(certificate.encoded()));
            ask(() -> est.reEnrol(operational, operationalKey(chip), certificate.subject()));
        }
    }

    private interface Ask {
        EstClient.Answer answer() throws IOException;
    }

    private @Nullable Certificate ask(Ask ask) {
        try {
            switch (ask.answer()) {
                case EstClient.Answer.Enrolled(Certificate certificate) -> {
                    answered.add(certificate);
                    return certificate;
                }
                case EstClient.Answer.Later _ -> later.incrementAndGet();
                case EstClient.Answer.Refused(int status, String reason) -> refused.add(status + " " + reason);
            }
        } catch (IOException e) {
            unanswered.incrementAndGet();
            latestFailure = e.toString();
        }
        return null;
    }

    /// One enrolment by one device, with a key that it did not ask for last.
    ///
    /// @return whether it got a certificate
    boolean enrolOnce(EstClient est) {
        VirtualChip chip = chips.get(ThreadLocalRandom.current().nextInt(chips.size()));
        DeviceKey key = operationalKey(chip);
        return ask(() -> est.enrol(birth(chip), key)) != null;
    }

    private static DeviceIdentity birth(VirtualChip chip) {
        return DeviceIdentity.of(
                DeviceKey.inChip(chip, 0),
                chip.certificateChain().stream().map(Bytes::of).toList());
    }

    private static DeviceKey operationalKey(VirtualChip chip) {
        return DeviceKey.inChip(
                chip, OPERATIONAL_SLOTS[ThreadLocalRandom.current().nextInt(OPERATIONAL_SLOTS.length)]);
    }

    /// Waits until devices get certificates again.
    void awaitAnswers(int more) throws InterruptedException {
        int wanted = answered.size() + more;
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (answered.size() < wanted) {
            assertThat(System.nanoTime())
                    .as("the server does not come back: %s", summary())
                    .isLessThan(deadline);
            Thread.sleep(5);
        }
    }

    /// Checks that nothing answered is missing and nothing is half done.
    void check(ServerProcess server) throws Exception {
        assertThat(refused).isEmpty();
        try (Database database = Database.open(databaseConfig())) {
            TenantId id = new TenantId(tenant);
            checkAnswered(database, id);
            for (Invariant invariant : Invariant.ALL) {
                assertNothing(database, id, invariant.sentence(), invariant.query());
            }
            assertNothing(database, id, "active without a certificate, or with one and not active", """
                    SELECT device_id::text FROM device WHERE (state = 'ACTIVE') <> (certificate IS NOT NULL)""");
            assertNothing(database, id, "certificate without an audit record, or the other way round", """
                    SELECT coalesce(c.serial, a.serial)
                      FROM (SELECT encode(serial_number, 'hex') AS serial FROM certificate
                             WHERE device_id IS NOT NULL) AS c
                      FULL JOIN (SELECT record::jsonb -> 'detail' ->> 'serialNumber' AS serial FROM audit_record
                                  WHERE record::jsonb ->> 'action' IN ('device.activated', 'certificate.renewed')) AS a
                        ON ltrim(c.serial, '0') = ltrim(a.serial, '0')
                     WHERE c.serial IS NULL OR a.serial IS NULL""");
            assertNothing(database, id, "an update of a device was lost", """
                    SELECT device_id::text FROM device AS d
                     WHERE version <> 1 + (SELECT count(*) FROM certificate AS c WHERE c.device_id = d.device_id)""");
        }
        checkAudit(server);
    }

    /// Claims so many devices that have no keys, by a list.
    ///
    /// @return their fleet
    String claimMany(ServerProcess server, int count) throws Exception {
        String many = post(server, ownerKey, "/api/v1/fleets", "{\"name\":\"Many\"}")
                .path("id")
                .asString();
        StringBuilder list = new StringBuilder("serial\n");
        for (int i = 0; i < count; i++) {
            list.append("%018x%n".formatted(ThreadLocalRandom.current().nextLong() & Long.MAX_VALUE));
        }
        JsonNode report = send(
                server,
                ownerKey,
                "/api/v1/fleets/" + many + "/manifests?fileName=list.csv&statement=true",
                BodyPublishers.ofString(list.toString()));
        assertThat(report.path("claimed").asInt()).as(report.toString()).isEqualTo(count);
        return many;
    }

    /// @return the job
    String startRevoking(ServerProcess server, String of) throws Exception {
        return post(
                        server,
                        ownerKey,
                        "/api/v1/devices/bulk",
                        "{\"action\":\"revoke\",\"reason\":\"crash\",\"filter\":{\"fleet\":\"%s\"}}".formatted(of))
                .path("id")
                .asString();
    }

    JsonNode awaitJob(ServerProcess server, String job, Predicate<JsonNode> enough) throws Exception {
        long deadline = System.nanoTime() + 3 * PATIENCE_NANOS;
        try (HttpClient client = TlsClient.trusting(data.resolve("tls/ca.pem"))) {
            while (true) {
                JsonNode found = JsonMapper.shared()
                        .readTree(client.send(
                                        request(server, ownerKey, "/api/v1/jobs/" + job)
                                                .build(),
                                        BodyHandlers.ofString())
                                .body());
                if (enough.test(found)) {
                    return found;
                }
                assertThat(System.nanoTime()).as(found.toString()).isLessThan(deadline);
                Thread.sleep(20);
            }
        }
    }

    /// Checks that each device of the fleet was revoked, once.
    void checkRevoked(String of, int count) throws Exception {
        try (Database database = Database.open(databaseConfig())) {
            TenantId id = new TenantId(tenant);
            assertNothing(database, id, "not revoked, or changed twice", """
                    SELECT device_id::text FROM device
                     WHERE fleet_id = '%s' AND (state <> 'REVOKED' OR version <> 2)""".formatted(of));
            assertNothing(database, id, "not one record of each", """
                    SELECT d.device_id::text FROM device AS d
                      LEFT JOIN (SELECT record::jsonb ->> 'subject' AS subject, count(*) AS times FROM audit_record
                                  WHERE record::jsonb ->> 'action' = 'device.revoked' GROUP BY 1) AS a
                        ON a.subject = 'device:' || d.device_id
                     WHERE d.fleet_id = '%s' AND coalesce(a.times, 0) <> 1""".formatted(of));
            int devices = database.inTenant(
                    id,
                    handle -> handle.createQuery("SELECT count(*) FROM device WHERE fleet_id = :fleet")
                            .bind("fleet", of)
                            .mapTo(Integer.class)
                            .one());
            assertThat(devices).isEqualTo(count);
        }
    }

    private void checkAnswered(Database database, TenantId id) {
        Set<String> stored = database.inTenant(
                id, handle -> handle.createQuery("""
                                SELECT encode(sha256(c.encoded), 'hex') FROM certificate AS c
                                  JOIN device AS d ON d.device_id = c.device_id AND d.state = 'ACTIVE'""").mapTo(String.class).set());
        assertThat(answered)
                .as("answered, and not stored")
                .allMatch(
                        certificate -> stored.contains(certificate.fingerprint().hex()));
    }

    private static void assertNothing(Database database, TenantId id, String sentence, String query) {
        List<String> violations = database.inTenant(
                id, handle -> handle.createQuery(query).mapTo(String.class).list());
        assertThat(violations).as(sentence).isEmpty();
    }

    private void checkAudit(ServerProcess server) throws Exception {
        try (HttpClient client = TlsClient.trusting(data.resolve("tls/ca.pem"))) {
            HttpResponse<byte[]> export = client.send(
                    request(server, ownerKey, "/api/v1/audit/export").build(), BodyHandlers.ofByteArray());
            assertThat(AuditVerifier.verify(new ByteArrayInputStream(export.body())))
                    .isInstanceOf(AuditVerification.Intact.class);
        }
    }

    private DatabaseConfig databaseConfig() throws IOException {
        Path postgres = data.resolve("postgres");
        return new DatabaseConfig(
                "jdbc:postgresql://127.0.0.1:"
                        + Files.readString(postgres.resolve("port")).strip() + "/tegata",
                "tegata",
                Files.readString(postgres.resolve("password")).strip(),
                1);
    }

    private JsonNode post(ServerProcess server, String key, String path, String json) throws Exception {
        return send(server, key, path, BodyPublishers.ofString(json));
    }

    private JsonNode send(ServerProcess server, String key, String path, BodyPublisher body) throws Exception {
        try (HttpClient client = TlsClient.trusting(data.resolve("tls/ca.pem"))) {
            HttpResponse<String> response = client.send(
                    request(server, key, path)
                            .header("Content-Type", "application/json")
                            .POST(body)
                            .build(),
                    BodyHandlers.ofString());
            assertThat(response.statusCode()).as(response.body()).isIn(201, 202);
            return JsonMapper.shared().readTree(response.body());
        }
    }

    private static HttpRequest.Builder request(ServerProcess server, String key, String path) {
        return HttpRequest.newBuilder(URI.create(server.apiUrl + path)).header("Authorization", "Bearer " + key);
    }

    private static Certificate certificate(String pem) throws InvalidCertificateException {
        return Certificate.parsePem(pem).getFirst();
    }
}
