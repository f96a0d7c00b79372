// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.TestAuthority;
import dev.tegata.pki.certificate.TestKeys;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Answers of other CAs' OCSP responders")
class OcspReplyTest {
    private static final Instant NOW = TestAuthority.NOW.plusSeconds(60);
    private static final Bytes SERIAL = Bytes.ofHex("0123");

    private final TestAuthority root = TestAuthority.root();
    private final TestKeys keys = TestKeys.p256();
    private final Certificate responder = root.issue(keys, CertificateProfile.ocspResponder());

    private byte[] answer(Certificate signer, TestKeys of, Bytes serial, CertificateStatus status) throws Exception {
        CertificateId id = CertificateId.sha1(root.certificate(), serial);
        return new OcspResponder(root.certificate(), signer, of::sign)
                .sign(List.of(new OcspAnswer(id, status, NOW, NOW.plus(Duration.ofDays(1)))), null, NOW);
    }

    private OcspReply read(byte[] answer) throws RefusedAnswerException {
        return OcspReply.read(Bytes.of(answer), root.certificate(), SERIAL, NOW);
    }

    private void assertRefused(byte[] answer, String why) {
        assertThatThrownBy(() -> read(answer))
                .isInstanceOf(RefusedAnswerException.class)
                .hasMessageContaining(why);
    }

    @Test
    @DisplayName("RFC 6960 §4.2.1: good, revoked and unknown, by a delegate and by the CA itself")
    void statuses() throws Exception {
        for (CertificateStatus status : List.of(
                new CertificateStatus.Good(),
                new CertificateStatus.Unknown(),
                new CertificateStatus.Revoked(NOW, 0),
                new CertificateStatus.Revoked(NOW, 6))) {
            OcspReply reply = read(answer(responder, keys, SERIAL, status));
            assertThat(reply.status()).isEqualTo(status);
            assertThat(reply.thisUpdate()).isEqualTo(NOW);
            assertThat(reply.nextUpdate()).isEqualTo(NOW.plus(Duration.ofDays(1)));
            assertThat(reply.signer()).isEqualTo(responder);
        }
        CertificateStatus good = new CertificateStatus.Good();
        assertThat(read(answer(root.certificate(), root.keys(), SERIAL, good)).signer())
                .isEqualTo(root.certificate());
    }

    @Test
    @DisplayName("RFC 6960 §4.2.2.2: whom the CA has not given the right is not believed")
    void signers() throws Exception {
        CertificateStatus good = new CertificateStatus.Good();
        TestAuthority stranger = TestAuthority.root();
        assertRefused(answer(stranger.certificate(), stranger.keys(), SERIAL, good), "not given that right");
        TestKeys other = TestKeys.p256();
        Certificate foreign = stranger.issue(other, CertificateProfile.ocspResponder());
        assertRefused(answer(foreign, other, SERIAL, good), "not given that right");
        Certificate device = root.issue(other, CertificateProfile.device());
        assertRefused(answer(device, other, SERIAL, good), "not given that right");
        assertRefused(answer(responder, other, SERIAL, good), "does not verify");
        Bytes late = Bytes.of(answer(responder, keys, SERIAL, good));
        assertThatThrownBy(() -> OcspReply.read(
                        late,
                        root.certificate(),
                        SERIAL,
                        responder.validity().notAfter().plusSeconds(1)))
                .hasMessageContaining("not valid now");
    }

    @Test
    @DisplayName("an answer about another certificate, and none, are told")
    void others() throws Exception {
        CertificateStatus good = new CertificateStatus.Good();
        assertRefused(answer(responder, keys, Bytes.ofHex("0124"), good), "another certificate");
        assertRefused(Bytes.ofHex("30030a0106").toArray(), "not authorized");
        assertRefused(Bytes.ofHex("30030a0103").toArray(), "try again later");
        assertRefused(new byte[0], "cannot be read");
        assertRefused(new byte[OcspReply.MAX_SIZE + 1], "more than");
    }

    @Test
    @DisplayName("RFC 5019 §2.1: a question is what a responder reads")
    void question() throws Exception {
        OcspRequest request =
                OcspRequest.parse(OcspReply.question(root.certificate(), SERIAL).toArray());
        assertThat(request.certificates()).containsExactly(CertificateId.sha1(root.certificate(), SERIAL));
        assertThat(request.nonce()).isNull();
        OcspResponder ours = new OcspResponder(root.certificate(), responder, keys::sign);
        assertThat(ours.answersFor(request.certificates().getFirst())).isTrue();
    }

    @Test
    @DisplayName("mutated answers are refused by name, and nothing else happens")
    void mutated() throws Exception {
        TestAuthority other = TestAuthority.root();
        byte[] answer = answer(responder, keys, SERIAL, new CertificateStatus.Revoked(NOW, 1));
        Random random = new Random(5019);
        for (int round = 0; round < 20_000; round++) {
            byte[] mutated = Arrays.copyOf(answer, answer.length - (random.nextInt(4) == 0 ? random.nextInt(200) : 0));
            for (int i = random.nextInt(4); i >= 0; i--) {
                mutated[random.nextInt(mutated.length)] = (byte) random.nextInt();
            }
            try {
                OcspReply read = OcspReply.read(Bytes.of(mutated), other.certificate(), SERIAL, NOW);
                throw new AssertionError("is believed: " + read);
            } catch (RefusedAnswerException e) {
                assertThat(e.getMessage()).isNotBlank();
            }
            try {
                // What is signed is as it was.
                assertThat(read(mutated).status()).isInstanceOf(CertificateStatus.Revoked.class);
            } catch (RefusedAnswerException e) {
                assertThat(e.getMessage()).isNotBlank();
            }
        }
    }
}
