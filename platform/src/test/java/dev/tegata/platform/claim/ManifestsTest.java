// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.claim.ManifestReport.State;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ManifestsTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final Actor ACTOR = ClaimFixture.ACTOR;
    private static final ImportOptions STATEMENT = new ImportOptions(true);
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final ChipFactory FACTORY = new ChipFactory(RANDOM);

    private final TestClock clock = TestClock.create();
    private final ClaimFixture fixture = new ClaimFixture(DATABASE.database(), clock);
    private final TrustedCertificates trusted = new TrustedCertificates(DATABASE.database(), fixture.audit, clock);
    private final Manifests manifests =
            new Manifests(DATABASE.database(), fixture.audit, trusted, fixture.stated(clock), clock, RANDOM);
    private final FleetId fleet = newFleet();
    private final TenantId tenant = fleet.tenant();

    @AfterEach
    void close() {
        manifests.close();
        fixture.close();
    }

    @Test
    @DisplayName("a signed manifest: every chip with its keys and the birth certificate of slot 0, once")
    void signed() throws Exception {
        trustFactory(tenant);
        List<VirtualChip> chips = FACTORY.make(Preset.TRUST_GO, 5, clock.instant());
        byte[] file = manifest(chips, ManifestVersion.FULL);
        List<ManifestReport> progress = new ArrayList<>();

        ManifestReport report =
                manifests.importManifest(tenant, ACTOR, upload(fleet, file, ImportOptions.STRICT), progress::add);

        assertThat(report.state()).isEqualTo(State.COMPLETED);
        assertThat(numbers(report)).isEqualTo("5 elements: 5 claimed, 0 already, 0 rejected, 0 conflicts");
        assertThat(report.digest()).isEqualTo(Bytes.sha256(file));
        assertThat(report.format()).isEqualTo("microchip-json");
        assertThat(progress.getFirst().elements()).isZero();
        assertThat(progress.getLast().elements()).isEqualTo(5);
        assertThat(manifests.get(tenant, report.id())).isEqualTo(report);
        assertThat(serials(tenant))
                .isEqualTo(chips.stream()
                        .map(chip -> HexFormat.of().formatHex(chip.serial()))
                        .sorted()
                        .toList());
        assertThat(keyCount(tenant)).isEqualTo(25);
        assertThat(column(tenant, "SELECT encode(certificate, 'hex') FROM device_key WHERE certificate IS NOT NULL"))
                .containsExactlyInAnyOrderElementsOf(chips.stream()
                        .map(chip ->
                                HexFormat.of().formatHex(chip.certificateChain().getFirst()))
                        .toList());
        assertThat(column(tenant, "SELECT proof || state FROM device")).containsOnly("VENDOR_SIGNATURECLAIMED");
        assertThat(column(tenant, "SELECT record::jsonb ->> 'action' FROM audit_record ORDER BY sequence"))
                .containsExactly("audit.begun", "trust.added", "manifest.started", "manifest.imported");

        ManifestReport again = importFile(fleet, file, ImportOptions.STRICT);

        assertThat(numbers(again)).isEqualTo("5 elements: 0 claimed, 5 already, 0 rejected, 0 conflicts");
        assertThat(keyCount(tenant)).isEqualTo(25);
    }

    @Test
    @DisplayName("an unknown signer: everything is rejected with the reason, and nothing is claimed")
    void unknownSigner() throws Exception {
        List<VirtualChip> chips = FACTORY.make(Preset.TRUST_MANAGER, 3, clock.instant());

        ManifestReport report = importFile(fleet, manifest(chips, ManifestVersion.SHORT), STATEMENT);

        assertThat(numbers(report)).isEqualTo("3 elements: 0 claimed, 0 already, 3 rejected, 0 conflicts");
        Page<ManifestIssue> first = manifests.issues(tenant, report.id(), new Page.Request(null, 2));
        Page<ManifestIssue> second = manifests.issues(tenant, report.id(), Page.Request.of(first.next(), 2));
        assertThat(first.items()).hasSize(2);
        assertThat(second.items()).hasSize(1);
        assertThat(second.next()).isNull();
        assertThat(second.items().getFirst().position()).isEqualTo(2);
        assertThat(second.items().getFirst().reason()).isEqualTo("unknown-signer");
        assertThat(second.items().getFirst().serial())
                .isEqualTo(HexFormat.of().formatHex(chips.get(2).serial()));
        assertThat(serials(tenant)).isEmpty();
    }

    @Test
    @DisplayName("the vendors' own files, imported")
    void vendors() throws Exception {
        record Expected(String file, ImportOptions options, String format, int devices, int keys) {}
        List<Expected> files = List.of(
                new Expected(
                        "microchip/trustmanager-ECC608-TMNGTLSS-B.json", ImportOptions.STRICT, "microchip-json", 10, 0),
                new Expected("microchip/trustgo-ATECC608A-MAH4I.json", ImportOptions.STRICT, "microchip-json", 2, 10),
                new Expected("espressif/manifest-espressif.csv", STATEMENT, "espressif-csv", 7, 7),
                new Expected("infineon/78211223032C7EFA.7z", STATEMENT, "infineon-reel", 200, 200));
        int devices = 0;
        int keys = 0;
        for (Expected expected : files) {
            Path file = Read.shared(expected.file());
            ManifestReport report = importFile(fleet, Files.readAllBytes(file), expected.options());
            devices += expected.devices();
            keys += expected.keys();
            assertThat(report.format()).isEqualTo(expected.format());
            assertThat(report.claimed()).as(expected.file()).isEqualTo(expected.devices());
            assertThat(report.elements()).isEqualTo(expected.devices());
            assertThat(report.digest()).isEqualTo(Bytes.sha256(Files.readAllBytes(file)));
        }
        assertThat(serials(tenant)).hasSize(devices);
        assertThat(keyCount(tenant)).isEqualTo(keys);
        assertThat(column(tenant, "SELECT DISTINCT certificate_anchor FROM device_key WHERE certificate_anchor <> ''"))
                .containsExactly("Crypto Authentication Root CA 002");
    }

    @Test
    @DisplayName("one chip has one owner in the installation; the other tenant learns nothing else")
    void owners() {
        byte[] list = csv("chip,serial\nmicrochip,012300000000000001\nmicrochip,012300000000000002\n");
        FleetId others = newFleet();
        assertThat(importFile(others, csv("chip,serial\nmicrochip,012300000000000002\n"), STATEMENT)
                        .claimed())
                .isEqualTo(1);

        ManifestReport report = importFile(fleet, list, STATEMENT);

        assertThat(numbers(report)).isEqualTo("2 elements: 1 claimed, 0 already, 0 rejected, 1 conflicts");
        assertThat(manifests.issues(tenant, report.id(), Page.Request.first()).items())
                .containsExactly(new ManifestIssue(
                        1,
                        ManifestIssue.Outcome.CONFLICT,
                        "012300000000000002",
                        "taken",
                        "somebody else has claimed this chip"));
        assertThat(serials(tenant)).containsExactly("012300000000000001");
        assertThat(serials(others.tenant())).containsExactly("012300000000000002");
    }

    @Test
    @DisplayName("numbers of unknown origin are the tenant's own: two tenants may both have a device 1, not its key")
    void ownNumbers() {
        String key = TestSigner.newKey().encoded().base64();
        byte[] list = csv("serial,public key\n1,\n2," + key + "\n");
        assertThat(importFile(newFleet(), list, STATEMENT).claimed()).isEqualTo(2);

        ManifestReport report = importFile(fleet, list, STATEMENT);

        assertThat(numbers(report)).isEqualTo("2 elements: 1 claimed, 0 already, 0 rejected, 1 conflicts");
        assertThat(importFile(fleet, list, STATEMENT).alreadyClaimed()).isEqualTo(1);
        assertThat(serials(tenant)).containsExactly("1");
    }

    @Test
    @DisplayName("conflicts inside a file and across files: other keys for a serial, one key under two serials")
    void conflicts() {
        String one = TestSigner.newKey().encoded().base64();
        String two = TestSigner.newKey().encoded().base64();
        String header = "serial,publickey\n";
        byte[] inside = csv(header + "a," + one + "\na," + two + "\nb," + one + "\na," + one + "\n");

        ManifestReport report = importFile(fleet, inside, STATEMENT);

        assertThat(numbers(report)).isEqualTo("4 elements: 1 claimed, 1 already, 0 rejected, 2 conflicts");
        assertThat(manifests.issues(tenant, report.id(), Page.Request.first()).items())
                .extracting(ManifestIssue::position, ManifestIssue::reason)
                .containsExactly(tuple(1L, "other-keys"), tuple(2L, "key-taken"));

        ManifestReport across = importFile(fleet, csv(header + "a," + two + "\nc," + one + "\n"), STATEMENT);

        assertThat(numbers(across)).isEqualTo("2 elements: 0 claimed, 0 already, 0 rejected, 2 conflicts");
        assertThat(serials(tenant)).containsExactly("a");
        // What was not claimed is not held either.
        assertThat(importFile(newFleet(), csv(header + "a," + two + "\n"), STATEMENT)
                        .claimed())
                .isEqualTo(1);
    }

    @Test
    @DisplayName("a later file adds keys and better proof to a chip, and weaker word takes nothing away")
    void enrichment() {
        TestSigner signer = new TestSigner();
        PublicKeyInfo key = TestSigner.newKey();
        String serial = "0123aabbccddeeff01";
        ClaimWriter writer = writer();
        ElementReader reader = new ElementReader(signer.trust(), STATEMENT);
        Element bare = reader.read(0, new RawElement.Listed(Chip.MICROCHIP, serial, "", null, null, null));
        Element full =
                reader.read(0, new RawElement.Jws(signer.element(serial, key).getBytes(StandardCharsets.UTF_8)));
        Element stated = reader.read(
                0,
                new RawElement.Listed(
                        Chip.MICROCHIP,
                        serial,
                        "",
                        null,
                        null,
                        TestSigner.newKey().encoded().base64()));

        assertThat(writer.write(ManifestFormat.CSV, List.of(bare)).claimed()).isEqualTo(1);
        assertThat(column(tenant, "SELECT proof FROM device")).containsExactly("STATEMENT");
        assertThat(writer.write(ManifestFormat.CSV, List.of(full)).alreadyClaimed())
                .isEqualTo(1);
        assertThat(column(tenant, "SELECT proof || version FROM device")).containsExactly("VENDOR_SIGNATURE2");
        assertThat(keyCount(tenant)).isEqualTo(1);
        assertThat(writer.write(ManifestFormat.CSV, List.of(stated)).conflicts())
                .isEqualTo(1);
        assertThat(writer.write(ManifestFormat.CSV, List.of(bare)).alreadyClaimed())
                .isEqualTo(2);
        assertThat(column(tenant, "SELECT proof || version FROM device")).containsExactly("VENDOR_SIGNATURE2");
    }

    @Test
    @DisplayName("a birth CA, once trusted, makes the tenant's statement the vendor's proof")
    void birthAuthority() throws Exception {
        byte[] pem = pem(FACTORY.make(Preset.TRUST_GO, 2, clock.instant()));
        assertThat(importFile(fleet, pem, ImportOptions.STRICT).rejected()).isEqualTo(2);
        assertThat(importFile(fleet, pem, STATEMENT).claimed()).isEqualTo(2);
        assertThat(column(tenant, "SELECT proof FROM device")).containsOnly("STATEMENT");

        Certificate authority = Certificate.parse(Bytes.of(FACTORY.make(Preset.TRUST_GO, clock.instant())
                .certificateChain()
                .get(1)));
        trusted.add(tenant, ACTOR, TrustPurpose.BIRTH_CA, "", authority);

        assertThat(importFile(fleet, pem, ImportOptions.STRICT).alreadyClaimed())
                .isEqualTo(2);
        assertThat(column(tenant, "SELECT proof FROM device")).containsOnly("VENDOR_CERTIFICATE");
        trusted.remove(tenant, ACTOR, TrustPurpose.BIRTH_CA, authority.fingerprint());
        assertThat(trusted.list(tenant, Page.Request.first()).items()).isEmpty();
    }

    @Test
    @DisplayName("many imports of one file at the same moment claim each chip once")
    void concurrently() throws Exception {
        StringBuilder list = new StringBuilder("chip,serial\n");
        for (int i = 0; i < 9000; i++) {
            list.append("microchip,%018x\n".formatted(i));
        }
        byte[] file = csv(list.toString());
        List<Future<ManifestReport>> reports = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 4; i++) {
                reports.add(threads.submit(() -> importFile(fleet, file, STATEMENT)));
            }
        }
        long claimed = 0;
        for (Future<ManifestReport> report : reports) {
            assertThat(report.get().state()).isEqualTo(State.COMPLETED);
            assertThat(report.get().elements()).isEqualTo(9000);
            assertThat(report.get().conflicts() + report.get().rejected()).isZero();
            claimed += report.get().claimed();
        }
        assertThat(claimed).isEqualTo(9000);
        assertThat(serials(tenant)).hasSize(9000);
    }

    @Test
    @DisplayName("cancelled in the middle: what was claimed stays, and importing it again goes on from there")
    void cancelled() throws Exception {
        StringBuilder list = new StringBuilder("serial\n");
        for (int i = 0; i < 9000; i++) {
            list.append("device ").append(i).append('\n');
        }
        AtomicInteger claimed = new AtomicInteger();
        ManifestReport report =
                manifests.importManifest(tenant, ACTOR, upload(fleet, csv(list.toString()), STATEMENT), running -> {
                    if (running.elements() > 0) {
                        claimed.set((int) running.claimed());
                        manifests.cancel(tenant, ACTOR, running.id());
                    }
                });

        assertThat(report.state()).isEqualTo(State.CANCELLED);
        assertThat(claimed.get()).isBetween(1, 8999);
        assertThat(report.claimed()).isEqualTo(claimed.get());
        assertThat(serials(tenant)).hasSize(claimed.get());
        assertThat(column(tenant, "SELECT record::jsonb ->> 'action' FROM audit_record ORDER BY sequence"))
                .containsExactly("audit.begun", "manifest.started", "manifest.cancelled");
        assertThatThrownBy(() -> manifests.cancel(tenant, ACTOR, report.id()))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT));
        assertThat(numbers(importFile(fleet, csv(list.toString()), STATEMENT)))
                .isEqualTo("9000 elements: %d claimed, %d already, 0 rejected, 0 conflicts"
                        .formatted(9000 - claimed.get(), claimed.get()));
    }

    @Test
    @DisplayName("a file that breaks: what stood before the break is claimed, and the failure says where it is")
    void broken() {
        TestSigner signer = new TestSigner();
        ManifestReport csv = importFile(fleet, csv("serial,model\na,x\n" + "b,\"" + "x".repeat(70_000)), STATEMENT);

        assertThat(csv.state()).isEqualTo(State.FAILED);
        assertThat(csv.claimed()).isEqualTo(1);
        assertThat(csv.failure()).contains("element 1");
        assertThat(csv.digest()).isNull();

        ManifestReport open = importFile(fleet, csv("serial\nb\nc\nd,\"never closed"), STATEMENT);
        assertThat(open.state()).isEqualTo(State.FAILED);
        assertThat(open.claimed()).isEqualTo(2);
        assertThat(open.failure()).isEqualTo("the file ends inside quotes, in element 2");
        assertThat(importFile(fleet, csv("serial\ne\n"), STATEMENT).state()).isEqualTo(State.COMPLETED);

        byte[] cut = TestSigner.manifest(signer.element("0123aabbccddeeff01"), signer.element("0123aabbccddeeff02"));
        ManifestReport json = importFile(fleet, Arrays.copyOf(cut, cut.length - 20), ImportOptions.STRICT);
        assertThat(json.state()).isEqualTo(State.FAILED);
        assertThat(json.failure()).isEqualTo("the file ends inside element 1");
        assertThat(json.elements()).isEqualTo(1);
    }

    @Test
    @DisplayName("an upload that breaks off fails the import, and keeps what had come")
    void brokenOff() throws Exception {
        PipedOutputStream sender = new PipedOutputStream();
        PipedInputStream content = new PipedInputStream(sender, 1 << 20);
        CompletableFuture<ManifestReport> report = CompletableFuture.supplyAsync(() -> manifests.importManifest(
                tenant, ACTOR, new ManifestUpload(fleet, "list.csv", failing(content), STATEMENT), r -> {}));
        sender.write(csv("serial\n" + "1234567890\n".repeat(1000)));
        sender.close();

        assertThat(report.get().state()).isEqualTo(State.FAILED);
        assertThat(report.get().failure()).isEqualTo("the upload broke off");
    }

    @Test
    @DisplayName("what is no manifest, an unknown fleet, another tenant's fleet, the archive of secrets: refused")
    void refused() {
        assertRefused(ErrorCode.MANIFEST_UNREADABLE, fleet, "hello", "a.txt");
        assertRefused(ErrorCode.MANIFEST_UNREADABLE, fleet, "", "a.txt");
        assertRefused(ErrorCode.MANIFEST_UNREADABLE, fleet, "serial\n1", "REEL_keys.7z");
        assertRefused(ErrorCode.NOT_FOUND, FleetId.random(tenant, RANDOM), "serial\n1", "a.csv");
        assertRefused(ErrorCode.NOT_FOUND, newFleet(), "serial\n1", "a.csv");
        assertThat(manifests.list(tenant, Page.Request.first()).items()).isEmpty();
    }

    @Test
    @DisplayName("an import that a dead node left behind is failed by whoever looks next")
    void stale() {
        ManifestReport begun = running();
        clock.advance(Duration.ofMinutes(1));
        assertThat(manifests.get(tenant, begun.id()).state()).isEqualTo(State.RUNNING);
        clock.advance(Duration.ofMinutes(2));
        assertThat(manifests.list(tenant, Page.Request.first()).items())
                .extracting(ManifestReport::state)
                .containsExactly(State.FAILED);
        assertThat(column(tenant, "SELECT record::jsonb ->> 'action' FROM audit_record"))
                .contains("manifest.failed");
    }

    @Test
    @DisplayName("other tenants' manifests do not exist")
    void walls() {
        ManifestReport report = importFile(fleet, csv("serial\n1\n"), STATEMENT);
        TenantId other = newFleet().tenant();
        assertThatThrownBy(() -> manifests.get(other, report.id())).hasMessageContaining("there is no manifest");
        assertThatThrownBy(() -> manifests.cancel(other, ACTOR, report.id())).hasMessageContaining("there is no");
        assertThatThrownBy(() -> manifests.issues(other, report.id(), Page.Request.first()))
                .hasMessageContaining("there is no manifest");
        assertThat(manifests.list(other, Page.Request.first()).items()).isEmpty();
    }

    @Test
    @DisplayName("slow uploads of one tenant fill its own share, and not the other tenants' room")
    void slowUploads() throws Exception {
        List<PipedOutputStream> senders = new ArrayList<>();
        List<CompletableFuture<ManifestReport>> slow = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            try {
                for (int i = 0; i < 4; i++) {
                    PipedOutputStream sender = new PipedOutputStream();
                    PipedInputStream content = new PipedInputStream(sender, 1 << 20);
                    CompletableFuture<Void> begun = new CompletableFuture<>();
                    slow.add(CompletableFuture.supplyAsync(
                            () -> manifests.importManifest(
                                    tenant,
                                    ACTOR,
                                    new ManifestUpload(fleet, "list.csv", content, STATEMENT),
                                    _ -> begun.complete(null)),
                            threads));
                    sender.write(csv("serial\n" + "1234567890\n".repeat(1000)));
                    sender.flush();
                    senders.add(sender);
                    begun.get(60, TimeUnit.SECONDS);
                }

                assertRefused(ErrorCode.UNAVAILABLE, fleet, "serial\na\n", "a.csv");
                assertThat(importFile(newFleet(), csv("serial\na\n"), STATEMENT).state())
                        .isEqualTo(State.COMPLETED);
            } finally {
                for (PipedOutputStream sender : senders) {
                    sender.close();
                }
            }
            for (CompletableFuture<ManifestReport> each : slow) {
                each.get(60, TimeUnit.SECONDS);
            }
        }
        assertThat(importFile(fleet, csv("serial\na\n"), STATEMENT).state()).isEqualTo(State.COMPLETED);
    }

    private void assertRefused(ErrorCode code, FleetId target, String content, String name) {
        ManifestUpload upload = new ManifestUpload(
                target, name, new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)), STATEMENT);
        assertThatThrownBy(() -> manifests.importManifest(tenant, ACTOR, upload, report -> {}))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    private static InputStream failing(InputStream in) {
        return new FilterInputStream(in) {
            @Override
            public int read(byte[] buffer, int offset, int length) throws IOException {
                int read = in.read(buffer, offset, length);
                if (read < 0) {
                    throw new IOException("connection reset");
                }
                return read;
            }
        };
    }

    private ManifestReport importFile(FleetId target, byte[] file, ImportOptions options) {
        return manifests.importManifest(target.tenant(), ACTOR, upload(target, file, options), report -> {});
    }

    private static ManifestUpload upload(FleetId target, byte[] file, ImportOptions options) {
        return new ManifestUpload(target, "file", new ByteArrayInputStream(file), options);
    }

    private void trustFactory(TenantId who) throws Exception {
        Certificate signer = Certificate.parse(Bytes.of(FACTORY.manifestSigner().certificate()));
        trusted.add(who, ACTOR, TrustPurpose.MANIFEST_SIGNER, "factory", signer);
    }

    private byte[] manifest(List<VirtualChip> chips, ManifestVersion version) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FACTORY.manifestSigner().write(chips, version, clock.instant(), out);
        return out.toByteArray();
    }

    private static byte[] pem(List<VirtualChip> chips) throws Exception {
        StringBuilder pem = new StringBuilder();
        for (VirtualChip chip : chips) {
            pem.append(Certificate.parse(Bytes.of(chip.certificateChain().getFirst()))
                    .pem());
        }
        return csv(pem.toString());
    }

    private static byte[] csv(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private ClaimWriter writer() {
        ClaimWriter.Target target =
                new ClaimWriter.Target(tenant, fleet, running().id());
        return new ClaimWriter(DATABASE.database(), target, fixture.stated(clock), clock, RANDOM);
    }

    /// An import that has begun and that nobody carries on.
    private ManifestReport running() {
        fixture.insertManifest(fleet, clock.instant());
        return manifests.list(tenant, Page.Request.first()).items().getFirst();
    }

    private FleetId newFleet() {
        return fixture.newFleet();
    }

    private static String numbers(ManifestReport report) {
        return "%d elements: %d claimed, %d already, %d rejected, %d conflicts"
                .formatted(
                        report.elements(),
                        report.claimed(),
                        report.alreadyClaimed(),
                        report.rejected(),
                        report.conflicts());
    }

    private static List<String> serials(TenantId who) {
        return column(who, "SELECT serial FROM device ORDER BY serial");
    }

    private static int keyCount(TenantId who) {
        return Integer.parseInt(column(who, "SELECT count(*) FROM device_key").getFirst());
    }

    private static List<String> column(TenantId who, String query) {
        return DATABASE.database()
                .inTenant(who, tx -> tx.createQuery(query).mapTo(String.class).list());
    }
}
