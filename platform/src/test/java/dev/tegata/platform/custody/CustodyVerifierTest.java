// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.custody.CustodyEntry.Owner;
import dev.tegata.platform.custody.CustodyVerification.Broken;
import dev.tegata.platform.custody.CustodyVerification.Intact;
import dev.tegata.platform.store.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class CustodyVerifierTest {
    private static final DeviceId LOCK = new DeviceId(new UUID(1, 2));
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    private record Person(Owner owner, Signer signer) {
        static Person named(String name) {
            SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
            return new Person(
                    new Owner("t" + name, name, key.publicKey()),
                    new Signer(
                            key.publicKey(),
                            data -> key.sign(key.publicKey().algorithm().signatureAlgorithm(), data)));
        }
    }

    private final Person ann = Person.named("ann");
    private final Person bob = Person.named("bob");
    private final Person eve = Person.named("eve");

    /// Builds chains, right and wrong ones.
    private static final class Draft {
        final List<Bytes> messages = new ArrayList<>();
        private Instant at = START;

        Draft add(CustodyKind kind, Person by, @Nullable Person next) {
            return add(
                    LOCK,
                    kind,
                    by,
                    next,
                    messages.isEmpty() ? null : messages.getLast().sha256());
        }

        Draft add(DeviceId device, CustodyKind kind, Person by, @Nullable Person next, @Nullable Bytes previous) {
            at = at.plusSeconds(60);
            CustodyEntry.Claim claim = kind == CustodyKind.CLAIMED
                    ? new CustodyEntry.Claim(CustodyEntry.chipDigest("microchip", "0123"), List.of(), "STATEMENT", null)
                    : null;
            messages.add(new CustodyEntry(
                            device,
                            messages.size(),
                            previous,
                            kind,
                            at,
                            by.owner(),
                            next == null ? null : next.owner(),
                            claim)
                    .sign(by.signer()));
            return this;
        }
    }

    private Draft sold() {
        return new Draft()
                .add(CustodyKind.CLAIMED, ann, null)
                .add(CustodyKind.REFURBISHED, ann, null)
                .add(CustodyKind.HANDED_OVER, ann, bob)
                .add(CustodyKind.RECEIVED, bob, null);
    }

    private static void assertBroken(Draft draft, int entry, String reason) {
        try {
            CustodyChain.of(draft.messages);
            throw new AssertionError("the chain is taken");
        } catch (CustodyChain.BrokenException e) {
            assertThat(e.reason()).contains(reason);
            assertThat(e.sequence()).isEqualTo(entry);
        }
    }

    @Test
    void everyRuleOfAChainIsHeld() {
        assertBroken(new Draft().add(CustodyKind.RETIRED, ann, null), 0, "begins with a claim");
        assertBroken(sold().add(CustodyKind.CLAIMED, bob, null), 4, "one claim");
        assertBroken(sold().add(CustodyKind.RETIRED, ann, null), 4, "did not own");
        assertBroken(sold().add(CustodyKind.HANDED_OVER, ann, eve), 4, "did not own");
        assertBroken(sold().add(CustodyKind.RECEIVED, bob, null), 4, "without a hand-over");
        assertBroken(
                sold().add(CustodyKind.HANDED_OVER, bob, ann).add(CustodyKind.RECEIVED, eve, null), 5, "did not own");
        assertBroken(
                sold().add(CustodyKind.HANDED_OVER, bob, ann).add(CustodyKind.REFURBISHED, bob, null),
                5,
                "not received");
        assertBroken(sold().add(CustodyKind.RETIRED, bob, null).add(CustodyKind.REFURBISHED, bob, null), 5, "retired");
        assertBroken(
                sold().add(
                                new DeviceId(new UUID(3, 4)),
                                CustodyKind.RETIRED,
                                bob,
                                null,
                                sold().messages.getLast().sha256()),
                4,
                "another device");
        assertBroken(sold().add(LOCK, CustodyKind.RETIRED, bob, null, Bytes.of(new byte[32])), 4, "does not follow");
        Draft shorter = sold();
        shorter.messages.remove(1);
        assertBroken(shorter, 1, "says that it is number 2");
    }

    private String export(Draft draft, Person by) throws Exception {
        return CustodyExport.write(CustodyChain.of(draft.messages), by.owner(), by.signer(), START.plusSeconds(86_400));
    }

    private static CustodyVerification verify(String text) {
        try {
            return CustodyVerifier.verify(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void anExportVerifiesAndSaysWhoseItIs() throws Exception {
        assertThat(verify(export(sold(), bob))).isInstanceOfSatisfying(Intact.class, intact -> {
            assertThat(intact.byOwner()).isTrue();
            assertThat(intact.sealedBy()).isEqualTo("tbob");
            assertThat(intact.steps()).hasSize(4);
        });
        assertThat(verify(export(sold(), ann)))
                .isInstanceOfSatisfying(
                        Intact.class, intact -> assertThat(intact.byOwner()).isFalse());
    }

    @Test
    void aSealByAStrangerOrForAnotherLengthIsNone() throws Exception {
        assertThat(verify(export(sold(), eve)))
                .isInstanceOfSatisfying(
                        Broken.class, broken -> assertThat(broken.reason()).contains("never owned"));
        CustodyExport.Document whole =
                Json.read(export(sold().add(CustodyKind.RETIRED, bob, null), bob), CustodyExport.Document.class);
        CustodyExport.Document cut = new CustodyExport.Document(
                whole.format(), whole.device(), whole.entries().subList(0, 4), whole.seal());
        assertThat(verify(Json.write(cut)))
                .isInstanceOfSatisfying(
                        Broken.class, broken -> assertThat(broken.reason()).contains("missing"));
    }

    @Test
    void noChangedByteGoesUnnoticed() throws Exception {
        CustodyExport.Document good = Json.read(export(sold(), bob), CustodyExport.Document.class);
        Random random = new Random(20260101);
        for (int i = 0; i < 400; i++) {
            int entry = random.nextInt(good.entries().size());
            byte[] changed = good.entries().get(entry).toArray();
            changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
            List<Bytes> entries = new ArrayList<>(good.entries());
            entries.set(entry, Bytes.of(changed));
            CustodyVerification result =
                    verify(Json.write(new CustodyExport.Document(good.format(), good.device(), entries, good.seal())));
            assertThat(result).isInstanceOf(Broken.class);
        }
    }

    @Test
    void whateverTheFileHoldsIsAnAnswer() throws Exception {
        String good = export(sold(), bob);
        Random random = new Random(42);
        for (int i = 0; i < 2000; i++) {
            byte[] bytes = good.getBytes(StandardCharsets.UTF_8);
            for (int n = random.nextInt(4); n >= 0; n--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(128);
            }
            int length = random.nextInt(8) == 0 ? random.nextInt(bytes.length) : bytes.length;
            assertThat(CustodyVerifier.verify(new ByteArrayInputStream(bytes, 0, length)))
                    .isNotNull();
        }
        for (String wrong : List.of(
                "",
                "null",
                "[]",
                "{}",
                "{\"format\":\"tegata-custody-v1\",\"device\":null,\"entries\":[],\"seal\":\"\"}",
                "{\"format\":\"tegata-custody-v1\",\"device\":\"x\",\"entries\":[null],\"seal\":\"\"}",
                "{\"format\":\"tegata-custody-v2\",\"device\":\"x\",\"entries\":[\"AA==\"],\"seal\":\"\"}")) {
            assertThat(verify(wrong)).isInstanceOf(Broken.class);
        }
    }
}
