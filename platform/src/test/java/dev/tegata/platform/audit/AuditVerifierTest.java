// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditVerification.Broken;
import dev.tegata.platform.audit.AuditVerification.Intact;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("An export of the audit chain that was tampered with")
final class AuditVerifierTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static TestPlatform platform;

    private TenantId tenant;

    @BeforeAll
    static void open() {
        platform = TestPlatform.software(DATABASE.database(), TestClock.create());
    }

    @AfterAll
    static void close() {
        platform.close();
    }

    private void makeTenant() {
        tenant = platform.tenant().tenant().id();
    }

    private void append(int from, int to) {
        List<AuditEvent> events = IntStream.range(from, to)
                .mapToObj(number -> new AuditEvent(
                        Actor.system("test"),
                        "device.activated",
                        "device:" + number % 3,
                        Map.of("number", number, "name", "Pumpe „Süd“ \ud83d\ude00\n\u0000")))
                .toList();
        platform.database.inTenant(tenant, tx -> {
            platform.audit.append(tx, tenant, events);
            return null;
        });
    }

    private byte[] export() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        platform.export.write(tenant, out);
        return out.toByteArray();
    }

    private static AuditVerification verify(byte[] export) throws IOException {
        return AuditVerifier.verify(new ByteArrayInputStream(export));
    }

    private byte[] export;
    private List<String> lines;

    @BeforeEach
    void makeExport() throws IOException {
        makeTenant();
        append(0, 10);
        export();
        append(10, 20);
        export = export();
        lines = new String(export, StandardCharsets.UTF_8).lines().toList();
        // One header, 25 records, and the checkpoints behind records 15 and 25.
        assertThat(lines).hasSize(28);
        assertThat(verify(export)).isInstanceOf(Intact.class);
    }

    private Broken broken(List<String> changed) throws IOException {
        return (Broken) verify((String.join("\n", changed) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void oneChangedByteBreaksItWhereverItIs() throws IOException {
        SplittableRandom random = new SplittableRandom(42);
        for (int i = 0; i < 1500; i++) {
            byte[] changed = export.clone();
            int at = random.nextInt(changed.length);
            changed[at] ^= (byte) (1 << random.nextInt(8));
            assertThat(verify(changed)).as("byte %d", at).isInstanceOf(Broken.class);
        }
    }

    @Test
    void aChangedRecordIsNamed() throws IOException {
        List<String> changed = new ArrayList<>(lines);
        changed.set(8, changed.get(8).replace("system:test", "system:tess"));
        assertThat(broken(changed)).isEqualTo(new Broken(9, 8, "record 8 was changed: its hash is another one"));
    }

    @Test
    void aRecordThatWasHashedAnewDoesNotFitTheNextOne() throws IOException {
        List<String> changed = new ArrayList<>(lines);
        String record = changed.get(8)
                .substring(
                        changed.get(8).indexOf("{\"sequence\""), changed.get(8).length() - 1)
                .replace("system:test", "system:tess");
        String before = changed.get(7).substring(9, 73);
        AuditChain.Head head = new AuditChain.Head(7, Bytes.ofHex(before)).after(record);
        changed.set(8, "{\"hash\":\"" + head.hash().hex() + "\",\"record\":" + record + "}");
        assertThat(broken(changed).sequence()).isEqualTo(9);
        assertThat(broken(changed).reason()).contains("does not follow the record before it");
    }

    @Test
    void aDroppedRecordIsNamed() throws IOException {
        List<String> changed = new ArrayList<>(lines);
        changed.remove(8);
        assertThat(broken(changed)).isEqualTo(new Broken(9, 8, "record 8 is missing: record 9 stands in its place"));
    }

    @Test
    void twoSwappedRecordsAreNamed() throws IOException {
        List<String> changed = new ArrayList<>(lines);
        changed.set(8, lines.get(9));
        changed.set(9, lines.get(8));
        assertThat(broken(changed).sequence()).isEqualTo(8);
    }

    @Test
    void aRepeatedRecordIsNamed() throws IOException {
        List<String> changed = new ArrayList<>(lines);
        changed.add(9, lines.get(8));
        assertThat(broken(changed).sequence()).isEqualTo(9);
    }

    @Test
    void aCutOffTailShows() throws IOException {
        for (int keep = 1; keep < 26; keep++) {
            Broken broken = broken(lines.subList(0, keep));
            assertThat(broken.reason()).contains("were cut off");
            assertThat(broken.line()).isEqualTo(keep + 1);
        }
        byte[] half = Arrays.copyOf(export, export.length - 1);
        assertThat(((Broken) verify(half)).reason()).contains("ends in the middle of a line");
    }

    @Test
    void anAddedRecordShows() throws IOException {
        String last = lines.get(26);
        AuditChain.Head head = new AuditChain.Head(25, Bytes.ofHex(last.substring(9, 73)));
        String record = AuditChain.record(
                head, TestClock.create().instant(), new AuditEvent(Actor.OPERATOR, "made.up", "x:y", Map.of()));
        List<String> changed = new ArrayList<>(lines);
        changed.add("{\"hash\":\"" + head.after(record).hash().hex() + "\",\"record\":" + record + "}");
        assertThat(broken(changed).reason()).contains("added behind the end");
    }

    @Test
    void aChainOfAnotherTenantDoesNotPass() throws IOException {
        TenantId mine = tenant;
        makeTenant();
        append(0, 20);
        List<String> other =
                new String(export(), StandardCharsets.UTF_8).lines().toList();
        List<String> changed = new ArrayList<>(other);
        changed.set(0, lines.getFirst());
        assertThat(broken(changed).sequence()).isEqualTo(1);
        changed.set(0, other.getFirst().replace(tenant.value(), mine.value()));
        assertThat(broken(changed).sequence()).isEqualTo(1);
    }

    @Test
    void nothingBreaksTheVerifierItself() throws IOException {
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 1500; i++) {
            byte[] changed = mutate(export, random);
            AuditVerification result = verify(changed);
            assertThat(result instanceof Broken
                            || Arrays.equals(changed, export)
                            || result instanceof Intact intact && intact.records() == 25)
                    .isTrue();
        }
        assertThat(verify(new byte[0])).isEqualTo(new Broken(0, 1, "the file is empty"));
        assertThat(((Broken) verify("[".repeat(100_000).getBytes(StandardCharsets.UTF_8))).line())
                .isEqualTo(1);
        assertThat(((Broken) verify(new byte[3 << 20])).reason()).contains("longer than any");
    }

    private static byte[] mutate(byte[] good, SplittableRandom random) {
        int at = random.nextInt(good.length);
        int length = random.nextInt(Math.min(200, good.length - at));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(good, 0, at);
        switch (random.nextInt(4)) {
            case 0 -> out.write(good, at + length, good.length - at - length);
            case 1 -> {
                out.write(good, at, length);
                out.write(good, at, good.length - at);
            }
            case 2 -> {
                byte[] noise = new byte[length];
                random.nextBytes(noise);
                out.writeBytes(noise);
                out.write(good, at, good.length - at);
            }
            default -> {
                int other = random.nextInt(good.length);
                out.write(good, other, good.length - other);
            }
        }
        return out.toByteArray();
    }
}
