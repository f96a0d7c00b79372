// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.protocol.OrderVerdict.Reason;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("The device protocol")
final class ProtocolTest {
    private static final Examples EXAMPLES = new Examples();
    private static final int MUTATIONS = 500;

    static List<OrderContent> contents() {
        List<Bytes> anchors = List.of(EXAMPLES.root.encoded());
        return List.of(
                new OrderContent.RenewCertificate(),
                new OrderContent.RenewKey(),
                new OrderContent.UpdateTrustAnchors(anchors),
                new OrderContent.Refurbish(),
                new OrderContent.Attest(EXAMPLES.nonce),
                new OrderContent.Release(Optional.empty()),
                new OrderContent.Release(Optional.of(
                        new OrderContent.NewHome("t7d3fz1abc-000001", "https://new.example:8444", anchors))),
                new OrderContent.Store("settings", Bytes.ofHex("a10102")));
    }

    @ParameterizedTest
    @EnumSource
    void saysTheSameInBothForms(CheckInForm form) throws MalformedException {
        assertThat(CheckInCodec.parseCheckIn(CheckInCodec.encode(EXAMPLES.checkIn, form), form))
                .isEqualTo(EXAMPLES.checkIn);
        assertThat(CheckInCodec.parseAnswer(CheckInCodec.encode(EXAMPLES.answer(), form), form))
                .isEqualTo(EXAMPLES.answer());
    }

    @Test
    void passesOverMembersThatItDoesNotKnow() throws MalformedException {
        String json = "{\"fleet\":\"f\",\"bootCount\":0,\"lastSequence\":0,\"new\":{\"a\":[null,1.5]}}";
        assertThat(CheckInCodec.parseCheckIn(Bytes.of(json.getBytes(StandardCharsets.UTF_8)), CheckInForm.JSON)
                        .fleet())
                .isEqualTo("f");
    }

    @Test
    void takesEveryKindOfOrderAndReadsItAsItWasPlaced() {
        for (OrderContent content : contents()) {
            Bytes signed = Examples.order(content, EXAMPLES.signerKey, EXAMPLES.signer);
            assertThat(verify(signed, 0, Examples.NOW)).isEqualTo(new OrderVerdict.Accepted(Examples.plain(content)));
        }
    }

    private static OrderVerdict verify(Bytes signed, long last, Instant now) {
        return EXAMPLES.verifier().verify(signed, last, now);
    }

    private static Reason reason(OrderVerdict verdict) {
        assertThat(verdict).isInstanceOf(OrderVerdict.Refused.class);
        return ((OrderVerdict.Refused) verdict).reason();
    }

    private static Bytes renewal() {
        return Examples.order(new OrderContent.RenewKey(), EXAMPLES.signerKey, EXAMPLES.signer);
    }

    @Test
    void refusesAnOrderThatIsReplayedOutOfOrderExpiredOrFromTheFuture() {
        long number = Examples.NOW.toEpochMilli();
        assertThat(reason(verify(renewal(), number, Examples.NOW))).isEqualTo(Reason.REPLAYED);
        assertThat(reason(verify(renewal(), number + 5, Examples.NOW))).isEqualTo(Reason.REPLAYED);
        assertThat(reason(verify(renewal(), 0, Examples.NOW.plus(Duration.ofDays(1)))))
                .isEqualTo(Reason.EXPIRED);
        assertThat(reason(verify(renewal(), 0, Examples.NOW.minus(Duration.ofMinutes(11)))))
                .isEqualTo(Reason.NOT_YET_VALID);
    }

    @Test
    void refusesEveryOrderWhereTheClockIsYearsOff() {
        assertThat(reason(verify(renewal(), 0, Instant.EPOCH))).isEqualTo(Reason.UNTRUSTED);
        assertThat(reason(verify(renewal(), 0, Instant.parse("2036-01-01T00:00:00Z"))))
                .isEqualTo(Reason.UNTRUSTED);
    }

    @Test
    void refusesAnOrderForAnotherDeviceOrChip() {
        TrustAnchors anchors = EXAMPLES.verifier().anchors();
        assertThat(reason(new OrderVerifier(anchors, Examples.CHIP, Optional.of(UUID.randomUUID()))
                        .verify(renewal(), 0, Examples.NOW)))
                .isEqualTo(Reason.OTHER_DEVICE);
        assertThat(reason(new OrderVerifier(anchors, "ffff", Optional.empty()).verify(renewal(), 0, Examples.NOW)))
                .isEqualTo(Reason.OTHER_DEVICE);
    }

    @Test
    void refusesAnOrderOfAnybodyWhoMayNotGiveOrders() {
        Examples.Key strange = Examples.key("stranger");
        Certificate strangeRoot = Examples.root(strange, "CN=Example root");
        Certificate strangeSigner =
                Examples.issued(strangeRoot, strange, strange, "CN=Order signing", SignedOrders.PURPOSE.toString());
        Certificate noPurpose =
                Examples.issued(EXAMPLES.root, EXAMPLES.rootKey, EXAMPLES.signerKey, "CN=Order signing");
        OrderContent content = new OrderContent.RenewKey();

        for (Bytes order : List.of(
                Examples.order(content, strange, strangeSigner),
                Examples.order(content, EXAMPLES.deviceKey, EXAMPLES.device),
                Examples.order(content, EXAMPLES.signerKey, noPurpose),
                Examples.order(content, EXAMPLES.rootKey, EXAMPLES.root))) {
            assertThat(reason(verify(order, 0, Examples.NOW))).isEqualTo(Reason.UNTRUSTED);
        }
        assertThat(reason(verify(Examples.order(content, strange, EXAMPLES.signer), 0, Examples.NOW)))
                .isEqualTo(Reason.MALFORMED);
    }

    @Test
    void refusesAMessageOfOneKindInPlaceOfAnother() {
        Bytes receipt = new Receipt(Examples.DEVICE, Examples.CHIP, Examples.ORDER, List.of())
                .sign(EXAMPLES.signerKey.signer(), Examples.encoded(EXAMPLES.signer));
        assertThat(reason(verify(receipt, 0, Examples.NOW))).isEqualTo(Reason.MALFORMED);
        assertThatThrownBy(() -> RelayedCheckIn.parse(renewal())).isInstanceOf(MalformedException.class);
    }

    @Test
    void refusesAnOrderInAnotherEncodingOfTheSame() throws MalformedException {
        Cbor.MapItem map = Cbor.read(Examples.plain(new OrderContent.RenewKey()).encode(), Order.LIMITS)
                .mapping("order");
        Cbor.Builder reordered = Cbor.map();
        map.entries().entrySet().stream().toList().reversed().forEach(e -> reordered.put(e.getKey(), e.getValue()));
        for (Bytes payload :
                List.of(reordered.build().encode(), Cbor.map().build().encode(), Bytes.EMPTY)) {
            Bytes signed = SignedMessages.sign(
                    SignedOrders.CONTENT_TYPE, payload, EXAMPLES.signerKey.signer(), Examples.encoded(EXAMPLES.signer));
            assertThat(reason(verify(signed, 0, Examples.NOW))).isEqualTo(Reason.MALFORMED);
        }
        CoseMessage good = CoseMessage.parse(renewal(), Order.LIMITS);
        CoseMessage hinted = new CoseMessage(
                good.kind(),
                good.protectedHeader(),
                good.protectedMap(),
                Cbor.map().put(99, Cbor.of(1)).build(),
                good.payload(),
                good.signature());
        assertThat(reason(verify(hinted.encode(), 0, Examples.NOW))).isEqualTo(Reason.MALFORMED);
    }

    @Test
    void takesTheServersAnswerToItsOwnSignedCheckInAndNoOther() throws MalformedException {
        TrustAnchors anchors = EXAMPLES.verifier().anchors();
        Bytes asked = EXAMPLES.relayed();
        Bytes answer = RelayedCheckIn.signAnswer(
                asked.sha256(), EXAMPLES.answer(), EXAMPLES.signerKey.signer(), Examples.encoded(EXAMPLES.signer));

        assertThat(RelayedCheckIn.parseAnswer(answer, asked, anchors)).isEqualTo(EXAMPLES.answer());
        assertThat(RelayedCheckIn.parse(asked).checkIn()).isEqualTo(EXAMPLES.checkIn);
        assertThatThrownBy(() -> RelayedCheckIn.parseAnswer(answer, Bytes.EMPTY, anchors))
                .hasMessageContaining("another check-in");
        assertThatThrownBy(() -> RelayedCheckIn.parseAnswer(answer, asked, TrustAnchors.of(EXAMPLES.birth)))
                .isInstanceOf(MalformedException.class);
    }

    @Test
    void takesTheServersAnswerToItsOwnSignedEnrolmentAndNoOther() throws MalformedException {
        TrustAnchors anchors = EXAMPLES.verifier().anchors();
        Bytes asked = EXAMPLES.relayedEnrolment();
        Bytes answer = enrolled(asked);

        assertThat(RelayedEnrolment.parseAnswer(answer, asked, anchors)).isEqualTo(EXAMPLES.enrolled());
        RelayedEnrolment read = RelayedEnrolment.parse(asked);
        assertThat(read.request()).isEqualTo(EXAMPLES.request());
        assertThat(read.renewal()).isFalse();
        assertThat(read.chain()).containsExactly(EXAMPLES.birth);
        assertThatThrownBy(() -> RelayedEnrolment.parseAnswer(answer, Bytes.EMPTY, anchors))
                .hasMessageContaining("another request");
        assertThatThrownBy(() -> RelayedEnrolment.parseAnswer(answer, asked, TrustAnchors.of(EXAMPLES.birth)))
                .isInstanceOf(MalformedException.class);
        assertThatThrownBy(() -> RelayedCheckIn.parse(asked)).isInstanceOf(MalformedException.class);
        assertThatThrownBy(() -> RelayedEnrolment.parse(EXAMPLES.relayed())).isInstanceOf(MalformedException.class);
    }

    @Test
    void takesTheServersRefusalOfItsOwnMessageAndNoOther() throws MalformedException {
        TrustAnchors anchors = EXAMPLES.verifier().anchors();
        for (Bytes asked : List.of(EXAMPLES.relayed(), EXAMPLES.relayedEnrolment())) {
            Bytes refused = EXAMPLES.refused(asked);
            assertThat(RelayedRefusal.parse(refused, asked, anchors)).isEqualTo(EXAMPLES.refusal());
            assertThatThrownBy(() -> RelayedRefusal.parse(refused, Bytes.EMPTY, anchors))
                    .hasMessageContaining("another message");
            assertThatThrownBy(() -> RelayedRefusal.parse(refused, asked, TrustAnchors.of(EXAMPLES.birth)))
                    .isInstanceOf(MalformedException.class);
            assertThatThrownBy(() -> RelayedCheckIn.parseAnswer(refused, asked, anchors))
                    .as("a no in the place of a yes")
                    .isInstanceOf(MalformedException.class);
            Bytes byTheDevice = EXAMPLES.refusal()
                    .sign(asked.sha256(), EXAMPLES.deviceKey.signer(), Examples.encoded(EXAMPLES.device));
            assertThatThrownBy(() -> RelayedRefusal.parse(byTheDevice, asked, anchors))
                    .as("whoever may not give orders")
                    .isInstanceOf(MalformedException.class);
        }
    }

    private static Bytes enrolled(Bytes asked) {
        return RelayedEnrolment.signAnswer(
                asked.sha256(), EXAMPLES.enrolled(), EXAMPLES.signerKey.signer(), Examples.encoded(EXAMPLES.signer));
    }

    @Test
    void readsAReceiptAndWhoSignedIt() throws MalformedException {
        Receipt receipt =
                new Receipt(Examples.DEVICE, Examples.CHIP, Examples.ORDER, List.of("operational-key", "objects"));
        Receipt.Signed signed =
                Receipt.parse(receipt.sign(EXAMPLES.birthKey.signer(), Examples.encoded(EXAMPLES.birth)));
        assertThat(signed.receipt()).isEqualTo(receipt);
        assertThat(signed.signer()).isEqualTo(EXAMPLES.birth);
    }

    @Test
    void readsWhatATpmIsIntroducedWith() throws MalformedException {
        KeyActivation.Wish wish = new KeyActivation.Wish("fleet", Bytes.of((byte) 1), List.of(Bytes.of((byte) 2)));
        assertThat(KeyActivation.Wish.parse(wish.encode())).isEqualTo(wish);
        KeyActivation.Challenge challenge = new KeyActivation.Challenge("id", Bytes.of((byte) 1), Bytes.of((byte) 2));
        assertThat(KeyActivation.Challenge.parse(challenge.encode())).isEqualTo(challenge);
        KeyActivation.Solved solved = new KeyActivation.Solved("fleet", "id", Bytes.of((byte) 3));
        assertThat(KeyActivation.Solved.parse(solved.encode())).isEqualTo(solved);
    }

    /// A parser of outside data.
    private interface Parser {
        void parse(Bytes input) throws MalformedException;
    }

    @Test
    void neverBreaksWhateverItReads() {
        TrustAnchors anchors = EXAMPLES.verifier().anchors();
        Bytes asked = EXAMPLES.relayed();
        Bytes answer = RelayedCheckIn.signAnswer(
                asked.sha256(), EXAMPLES.answer(), EXAMPLES.signerKey.signer(), Examples.encoded(EXAMPLES.signer));
        for (CheckInForm form : CheckInForm.values()) {
            feed(CheckInCodec.encode(EXAMPLES.checkIn, form), input -> CheckInCodec.parseCheckIn(input, form));
            feed(CheckInCodec.encode(EXAMPLES.answer(), form), input -> CheckInCodec.parseAnswer(input, form));
        }
        feed(asked, RelayedCheckIn::parse);
        feed(answer, input -> RelayedCheckIn.parseAnswer(input, asked, anchors));
        Bytes wanted = EXAMPLES.relayedEnrolment();
        feed(wanted, RelayedEnrolment::parse);
        feed(enrolled(wanted), input -> RelayedEnrolment.parseAnswer(input, wanted, anchors));
        feed(EXAMPLES.refused(asked), input -> RelayedRefusal.parse(input, asked, anchors));
        feed(
                new KeyActivation.Wish("t4h2k9x0qm-7d3fz1", Bytes.of(new byte[90]), List.of(EXAMPLES.root.encoded()))
                        .encode(),
                KeyActivation.Wish::parse);
        feed(
                new KeyActivation.Challenge("id", Bytes.of(new byte[60]), Bytes.of(new byte[258])).encode(),
                KeyActivation.Challenge::parse);
        feed(new KeyActivation.Solved("fleet", "id", Bytes.of(new byte[32])).encode(), KeyActivation.Solved::parse);
        contents().forEach(content -> feed(Examples.plain(content).encode(), Order::parse));
        feed(renewal(), input -> {
            boolean changed = !input.equals(renewal());
            assertThat(verify(input, 0, Examples.NOW) instanceof OrderVerdict.Accepted && changed)
                    .isFalse();
        });
    }

    private static void feed(Bytes seed, Parser parser) {
        Random random = new Random(42);
        for (int round = 0; round < MUTATIONS; round++) {
            byte[] input = mutated(seed.toArray(), random);
            try {
                parser.parse(Bytes.of(input));
            } catch (MalformedException _) {
                // The documented outcome.
            } catch (RuntimeException | StackOverflowError e) {
                fail("an unexpected exception for " + Bytes.of(input).hex(), e);
            }
        }
    }

    private static byte[] mutated(byte[] seed, Random random) {
        byte[] input = seed.clone();
        for (int edit = random.nextInt(4); edit >= 0 && input.length > 0; edit--) {
            int at = random.nextInt(input.length);
            switch (random.nextInt(4)) {
                case 0 -> input[at] = (byte) random.nextInt(256);
                case 1 -> input[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> input = Arrays.copyOf(input, at);
                default -> input = Arrays.copyOf(input, input.length + random.nextInt(8));
            }
        }
        return input;
    }
}
