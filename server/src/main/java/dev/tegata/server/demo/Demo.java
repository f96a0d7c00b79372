// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.DeviceIdentity;
import dev.tegata.agent.DeviceKey;
import dev.tegata.agent.EstClient;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateText;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.server.Server;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// The story that `tegata demo` tells. Everything goes through the doors that users and devices use: the
/// REST API with an API key, and EST with mutual TLS by keys that stay in their chips.
final class Demo {
    /// Devices that connect at the same moment.
    private static final int CONCURRENCY = 16;

    /// Devices whose further lives are shown.
    private static final int LIVES = 20;

    /// What the relying party is called.
    private static final String DOOR = "broker";

    /// What of the summary is good while the server runs.
    static final List<String> WAY_ON = List.of("url", "ca", "apiKeyFile");

    private static final Duration PROGRESS = Duration.ofMillis(200);

    private final Server server;
    private final Path folder;
    private final int devices;
    private final PrintWriter out;
    private final SecureRandom random = new SecureRandom();
    private final ObjectNode summary = JsonMapper.shared().createObjectNode();

    Demo(Server server, Path folder, int devices, PrintWriter out) {
        this.server = server;
        this.folder = folder;
        this.devices = devices;
        this.out = out;
    }

    /// What came of it, for programs: each step with its time, what devices there are, and how to go on.
    ObjectNode summary() {
        return summary;
    }

    /// @return whether every device is active in the end
    boolean run() throws IOException, InterruptedException {
        Path authority = server.authorityFile().orElseThrow();
        try (DemoApi operator = new DemoApi(
                server.apiUrl(), Files.readString(server.operatorKeyFile()).strip(), authority)) {
            JsonNode created = timed(
                    "Tenant with its own key space, root CA, issuing CA and API key",
                    () -> operator.post("/tenants", """
                            {"name":"Demo Locks","subject":{"organization":"Demo Locks S.r.l.","country":"IT"}}"""));
            Path keyFile = writeKey(created.at("/apiKey/secret").asString());
            try (DemoApi api =
                    new DemoApi(server.apiUrl(), created.at("/apiKey/secret").asString(), authority)) {
                return run(operator, api, keyFile, authority);
            }
        }
    }

    private boolean run(DemoApi operator, DemoApi api, Path keyFile, Path authority)
            throws IOException, InterruptedException {
        String fleet = timed(
                        "Fleet 'Smart lock 1', whose devices are to prove each day what they run",
                        () -> api.post("/fleets", """
                                {"name":"Smart lock 1","policy":{"attestation":{"freshness":"PT24H"}}}"""))
                .path("id")
                .asString();
        ChipFactory factory = new ChipFactory(random);
        List<VirtualChip> chips = timed(
                "%,d virtual chips, each with keys and the vendor's certificate inside".formatted(devices),
                () -> factory.make(Preset.TRUST_GO, devices, now()));
        Path manifest = folder.resolve("demo-manifest.json");
        timed("The vendor's signed manifest (Microchip format 3)", () -> writeManifest(factory, chips, manifest));
        timed("The vendor trusted (real ones are built in), for manifests and for evidence", () -> {
            trust(api, "manifest-signer", factory.manifestSigner().certificate());
            return trust(api, "attestation-ca", factory.rootCertificate());
        });
        JsonNode report = timed(
                "Manifest imported: every signature checked",
                () -> api.upload("/fleets/" + fleet + "/manifests?fileName=demo-manifest.json", manifest));
        out.printf(
                "      claimed %,d, rejected %,d, conflicts %,d%n",
                report.path("claimed").asLong(),
                report.path("rejected").asLong(),
                report.path("conflicts").asLong());
        int lives = devices < 2 * LIVES ? 0 : LIVES;
        Optional<Certificate> sample = enrolAll(fleet, chips.subList(lives, devices), authority);
        boolean asTold = lives == 0 ? allActive(api) : live(operator, api, fleet, chips.subList(0, lives), authority);
        JsonNode status = api.get("/status");
        heading("One device's certificate, and the chain above it");
        sample.ifPresent(certificate -> showChain(api, certificate));
        showHowToGoOn(keyFile, authority, fleet, status);
        // One is stolen and one is sold, where there are enough to tell the whole story.
        boolean complete = asTold && status.at("/devices/active").asLong() == devices - (lives > 0 ? 2 : 0);
        summary.put("complete", complete).set("devices", status.path("devices"));
        summary.put("url", server.apiUrl())
                .put("ca", authority.toString())
                .put("apiKeyFile", keyFile.toString())
                .put("fleet", fleet);
        return complete;
    }

    /// Whether each device has its first certificate.
    private boolean allActive(DemoApi api) {
        long active = api.get("/status").at("/devices/active").asLong();
        out.printf("          %,d of %,d devices are active%n", active, devices);
        out.flush();
        return active == devices;
    }

    private static JsonNode trust(DemoApi api, String purpose, byte[] certificate) {
        return api.post(
                "/trusted-certificates", """
                {"purpose":"%s","name":"demo vendor","certificate":"%s"}""".formatted(purpose, pem(certificate).replace("\n", "\\n")));
    }

    private boolean live(DemoApi operator, DemoApi api, String fleet, List<VirtualChip> chips, Path authority)
            throws IOException, InterruptedException {
        heading("What a life brings");
        DemoLives lives =
                new DemoLives(api, new Home(server.devicesUrl(), fleet, List.of(certificate(authority))), out);
        lives.publish(DemoLives.OLD_RELEASE, DemoLives.NEW_RELEASE);
        lives.begin(chips);
        boolean allActive = allActive(api);
        lives.renewalWave();
        lives.theft();
        lives.refurbishment();
        sell(operator, lives, authority);
        heading("A device is let in while it is good");
        api.post("/relying-parties", "{\"name\":\"" + DOOR + "\",\"tier\":\"affirming\"}");
        try (DemoDoor door = door(api, authority)) {
            return lives.revokedRelease(door) && allActive;
        }
    }

    private void heading(String heading) {
        out.println();
        out.println(heading);
        out.flush();
    }

    private DemoDoor door(DemoApi api, Path authority) throws IOException, InterruptedException {
        StringBuilder cas = new StringBuilder();
        for (JsonNode each : api.get("/authorities").path("items")) {
            cas.append(each.at("/certificate/pem").asString());
        }
        long begun = System.nanoTime();
        Optional<DemoBroker> broker =
                DemoBroker.start(api, DOOR, folder.resolve("demo-broker"), authority, cas.toString());
        if (broker.isPresent()) {
            told(begun, "Plugin built by gcc, Mosquitto started with it, the guard beside it");
            return broker.get();
        }
        out.println("          The broker itself is shown where there are: " + DemoBroker.NEEDED);
        return DemoDoor.decisions(api, DOOR);
    }

    private void sell(DemoApi operator, DemoLives lives, Path authority) throws IOException, InterruptedException {
        JsonNode buyer = operator.post("/tenants", """
                {"name":"Second Hand Locks","subject":{"organization":"Second Hand Locks S.r.l.","country":"IT"}}""");
        try (DemoApi buyersApi =
                new DemoApi(server.apiUrl(), buyer.at("/apiKey/secret").asString(), authority)) {
            String fleet = buyersApi
                    .post("/fleets", "{\"name\":\"Used locks\"}")
                    .path("id")
                    .asString();
            lives.sale(buyersApi, buyer.at("/tenant/id").asString(), fleet);
        }
    }

    private Instant now() {
        return InstantSource.system().instant().truncatedTo(ChronoUnit.SECONDS);
    }

    private Path writeManifest(ChipFactory factory, List<VirtualChip> chips, Path file) throws IOException {
        try (OutputStream stream = new BufferedOutputStream(Files.newOutputStream(file))) {
            factory.manifestSigner().write(chips, ManifestVersion.FULL, now(), stream);
        }
        return file;
    }

    /// Lets all devices connect for the first time.
    ///
    /// @return one of the certificates that were issued
    private Optional<Certificate> enrolAll(String fleet, List<VirtualChip> chips, Path authority)
            throws IOException, InterruptedException {
        EstClient est = new EstClient(
                URI.create(server.devicesUrl() + "/.well-known/est/" + fleet), List.of(certificate(authority)));
        AtomicInteger done = new AtomicInteger();
        ConcurrentLinkedQueue<Certificate> issued = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<String> failures = new ConcurrentLinkedQueue<>();
        Semaphore places = new Semaphore(CONCURRENCY);
        long begun = System.nanoTime();
        long shown = begun;
        boolean terminal = System.console() != null && System.console().isTerminal();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (VirtualChip chip : chips) {
                places.acquire();
                threads.execute(() -> {
                    try {
                        enrol(est, chip).ifPresentOrElse(issued::add, () -> failures.add("refused"));
                    } catch (IOException | RuntimeException e) {
                        failures.add(String.valueOf(e.getMessage()));
                    } finally {
                        done.incrementAndGet();
                        places.release();
                    }
                });
                if (terminal && System.nanoTime() - shown > PROGRESS.toNanos()) {
                    shown = System.nanoTime();
                    out.printf("\r  …   %,d of %,d devices enrolled", issued.size(), devices);
                    out.flush();
                }
            }
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        step("devices enrolled over EST", seconds);
        out.printf(
                Locale.ROOT,
                (terminal ? "\r" : "")
                        + "%6.2f s  %,d devices enrolled over EST with mutual TLS, a fresh connection each (%.0f per second)%n",
                seconds,
                issued.size(),
                issued.size() / seconds);
        if (!failures.isEmpty()) {
            out.printf("      %,d failed; the first: %s%n", failures.size(), failures.peek());
        }
        out.flush();
        return Optional.ofNullable(issued.peek());
    }

    private static Optional<Certificate> enrol(EstClient est, VirtualChip chip) throws IOException {
        DeviceKey birth = DeviceKey.inChip(chip, 0);
        DeviceKey operational = DeviceKey.inChip(chip, 2);
        DeviceIdentity identity = DeviceIdentity.of(
                birth, chip.certificateChain().stream().map(Bytes::of).toList());
        return est.enrol(identity, operational) instanceof EstClient.Answer.Enrolled(Certificate certificate)
                ? Optional.of(certificate)
                : Optional.empty();
    }

    private void showChain(DemoApi api, Certificate certificate) {
        out.println(CertificateText.of(certificate));
        for (JsonNode authority :
                api.get("/authorities").path("items").valueStream().toList().reversed()) {
            out.println("The " + authority.path("name").asString() + " above it");
            out.println(
                    CertificateText.of(parsed(authority.at("/certificate/pem").asString())));
        }
        out.flush();
    }

    private void showHowToGoOn(Path keyFile, Path authority, String fleet, JsonNode status) {
        out.printf(
                "Devices now: %,d active, %,d revoked, %,d claimed and never seen (those cost nothing).%n%n",
                status.at("/devices/active").asLong(),
                status.at("/devices/revoked").asLong(),
                status.at("/devices/claimed").asLong());
        out.println("Go on from another terminal");
        out.println("  export TEGATA_URL=" + server.apiUrl());
        out.println("  export TEGATA_CA=" + authority);
        out.println("  export TEGATA_API_KEY=$(cat " + keyFile + ")");
        out.println("  ./tegata device list --limit 5");
        out.println("  ./tegata fleet show " + fleet);
        out.println("  ./tegata posture summary");
        out.println("  ./tegata audit export --out audit.jsonl && ./tegata audit verify audit.jsonl");
        out.println();
        out.flush();
    }

    private Path writeKey(String secret) throws IOException {
        Path file = folder.resolve("demo-api.key");
        Files.deleteIfExists(file);
        Files.createFile(
                file,
                java.nio.file.attribute.PosixFilePermissions.asFileAttribute(
                        java.nio.file.attribute.PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, secret + "\n");
        return file;
    }

    private static Certificate parsed(String pem) {
        try {
            return Certificate.parsePem(pem).getFirst();
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException("the server shows certificates that can be read", e);
        }
    }

    private static Bytes certificate(Path pem) throws IOException {
        try {
            return Certificate.parsePem(Files.readString(pem)).getFirst().encoded();
        } catch (InvalidCertificateException e) {
            throw new IOException("the server's CA in " + pem + " cannot be read", e);
        }
    }

    private static String pem(byte[] der) {
        try {
            return Certificate.parse(Bytes.of(der)).pem();
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException("the factory makes certificates that can be read", e);
        }
    }

    private interface Step<T> {
        T run() throws IOException;
    }

    /// A step may compute for a minute. It does so beside this thread, which can be interrupted meanwhile.
    private <T> T timed(String what, Step<T> step) throws IOException, InterruptedException {
        long begun = System.nanoTime();
        FutureTask<T> task = new FutureTask<>(step::run);
        Thread.ofPlatform().daemon().name("demo").start(task);
        try {
            T result = task.get();
            told(begun, what);
            return result;
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException unreadable -> throw unreadable;
                case RuntimeException broken -> throw broken;
                case null, default -> throw new IllegalStateException(e);
            }
        }
    }

    private void told(long begun, String what) {
        double seconds = (System.nanoTime() - begun) / 1e9;
        out.printf(Locale.ROOT, "%6.2f s  %s%n", seconds, what);
        out.flush();
        step(what, seconds);
    }

    private void step(String what, double seconds) {
        summary.withArray("/steps").addObject().put("step", what).put("seconds", seconds);
    }
}
