// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Two tenants, one chip: a bare list against one that a vendor has signed.
class StatedChipsTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final ImportOptions STATEMENT = new ImportOptions(true);
    private static final SecureRandom RANDOM = new SecureRandom();

    private final TestClock clock = TestClock.create();
    private final ClaimFixture fixture = new ClaimFixture(DATABASE.database(), clock);
    private final TrustedCertificates trusted = new TrustedCertificates(DATABASE.database(), fixture.audit, clock);
    private final Manifests manifests =
            new Manifests(DATABASE.database(), fixture.audit, trusted, fixture.stated(clock), clock, RANDOM);
    private final FleetId fleet = fixture.newFleet();
    private final FleetId others = fixture.newFleet();
    private final TenantId tenant = fleet.tenant();
    private final TenantId loser = others.tenant();

    @AfterEach
    void close() {
        manifests.close();
        fixture.close();
    }

    @Test
    @DisplayName("what a known vendor signed wins over a statement, unless the device has been active; both are told")
    void vendorOverStatement() throws Exception {
        byte[] signed = Files.readAllBytes(Read.shared("microchip/trustmanager-ECC608-TMNGTLSS-B.json"));
        Set<String> named = new TreeSet<>();
        Matcher ids = Pattern.compile("\"uniqueId\"\\s*:\\s*\"([0-9A-Fa-f]+)\"")
                .matcher(new String(signed, StandardCharsets.UTF_8));
        while (ids.find()) {
            named.add(ids.group(1).toLowerCase(Locale.ROOT));
        }
        String list = "chip,serial\n"
                + String.join(
                        "", named.stream().map(id -> "microchip," + id + "\n").toList());
        assertThat(importFile(others, csv(list), STATEMENT).claimed()).isEqualTo(named.size());
        String active = named.iterator().next();
        DATABASE.database().inTenant(loser, tx -> tx.execute("""
                                UPDATE device SET state = 'ACTIVE', activated_at = now() WHERE serial = ?""", active));

        ManifestReport report = importFile(fleet, signed, ImportOptions.STRICT);

        int won = named.size() - 1;
        assertThat(numbers(report))
                .isEqualTo("%d elements: %d claimed, 0 already, 0 rejected, 1 conflicts".formatted(won + 1, won));
        assertThat(manifests.issues(tenant, report.id(), Page.Request.first()).items())
                .extracting(ManifestIssue::serial, ManifestIssue::reason)
                .containsExactly(tuple(active, "taken"));
        assertThat(column(loser, "SELECT state FROM device WHERE serial = '" + active + "'"))
                .containsExactly("ACTIVE");
        assertThat(column(loser, "SELECT state FROM device WHERE serial <> '" + active + "'"))
                .hasSize(won)
                .containsOnly("RETIRED");
        for (TenantId told : List.of(loser, tenant)) {
            String what = told.equals(loser) ? "lost" : "won";
            assertThat(column(told, "SELECT type FROM event WHERE type LIKE 'dev.tegata.claim.%'"))
                    .hasSize(won)
                    .containsOnly("dev.tegata.claim." + what);
            assertThat(column(told, "SELECT record FROM audit_record WHERE record::jsonb ->> 'action' LIKE 'claim.%'"))
                    .hasSize(won)
                    .allMatch(record -> record.contains("claim." + what))
                    .noneMatch(record -> record.contains((told.equals(loser) ? tenant : loser).value()));
        }
        assertThat(numbers(importFile(fleet, signed, ImportOptions.STRICT)))
                .contains(won + " already")
                .contains("1 conflicts");
        assertThat(importFile(others, csv(list), STATEMENT).conflicts()).isEqualTo(won);
    }

    @Test
    @DisplayName("a signer that the tenant added itself is no more than a statement of its own")
    void ownSignerDoesNotWin() throws Exception {
        ChipFactory factory = new ChipFactory(RANDOM);
        Certificate signer = Certificate.parse(Bytes.of(factory.manifestSigner().certificate()));
        trusted.add(tenant, ClaimFixture.ACTOR, TrustPurpose.MANIFEST_SIGNER, "factory", signer);
        List<VirtualChip> chips = factory.make(Preset.TRUST_GO, 2, clock.instant());
        String list = "chip,serial\n"
                + String.join(
                        "",
                        chips.stream()
                                .map(chip -> "microchip," + HexFormat.of().formatHex(chip.serial()) + "\n")
                                .toList());
        assertThat(importFile(others, csv(list), STATEMENT).claimed()).isEqualTo(2);

        ByteArrayOutputStream signed = new ByteArrayOutputStream();
        factory.manifestSigner().write(chips, ManifestVersion.FULL, clock.instant(), signed);
        assertThat(importFile(fleet, signed.toByteArray(), ImportOptions.STRICT).conflicts())
                .isEqualTo(2);

        assertThat(column(others.tenant(), "SELECT state FROM device")).containsOnly("CLAIMED");
    }

    private ManifestReport importFile(FleetId target, byte[] file, ImportOptions options) {
        return manifests.importManifest(
                target.tenant(),
                ClaimFixture.ACTOR,
                new ManifestUpload(target, "file", new ByteArrayInputStream(file), options),
                report -> {});
    }

    private static byte[] csv(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
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

    private static List<String> column(TenantId who, String query) {
        return DATABASE.database()
                .inTenant(who, tx -> tx.createQuery(query).mapTo(String.class).list());
    }
}
