// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.tpm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.agent.tpm.Tpm.Created;
import dev.tegata.agent.tpm.Tpm.Kind;
import dev.tegata.agent.tpm.Tpm.Loaded;
import dev.tegata.agent.tpm.Tpm.Signed;
import dev.tegata.agent.tpm.Tpm.TpmException;
import dev.tegata.attestation.tpm.CredentialActivation;
import dev.tegata.attestation.tpm.KeyCertification;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.SortedMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("A TPM 2.0 (swtpm)")
final class TpmTest {
    private static final Bytes NONCE = Bytes.sha256(new byte[] {1});
    private static final long PERSISTENT = 0x81010055L;

    private static Swtpm swtpm;
    private static Tpm tpm;

    @BeforeAll
    static void start() throws Exception {
        swtpm = Swtpm.start();
        tpm = swtpm.connect();
    }

    @AfterAll
    static void stop() throws Exception {
        tpm.close();
        swtpm.close();
    }

    private static boolean verifies(Bytes publicArea, byte[] message, byte[] raw) throws Exception {
        return TpmPublic.parse(publicArea)
                .key()
                .verifies(SignatureAlgorithm.ECDSA_SHA256, message, EcdsaSignature.derOf(raw));
    }

    @Test
    @DisplayName("makes a key, loads it, and signs with it")
    void signs() throws Exception {
        Loaded parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE);
        Created made = tpm.create(parent.handle(), Kind.SIGNING);
        long key = tpm.load(parent.handle(), made.privatePart(), made.publicArea());
        byte[] message = {1, 2, 3};
        for (int i = 0; i < 20; i++) {
            byte[] raw = tpm.sign(key, Bytes.sha256(message).toArray());
            assertThat(verifies(made.publicArea(), message, raw)).isTrue();
        }
        assertThat(tpm.readPublic(key)).isEqualTo(made.publicArea());
        tpm.flush(key);
        tpm.flush(parent.handle());
        assertThat(TpmPublic.parse(made.publicArea()).isBoundToTpm()).isTrue();
        assertThatThrownBy(() -> tpm.sign(key, new byte[32])).isInstanceOf(TpmException.class);
    }

    @Test
    @DisplayName("keeps a key under a persistent handle, and gives it up")
    void persists() throws Exception {
        Loaded primary = tpm.createPrimary(Tpm.OWNER, Kind.SIGNING);
        tpm.evict(primary.handle(), PERSISTENT);
        tpm.flush(primary.handle());
        byte[] message = {4};
        assertThat(verifies(
                        tpm.readPublic(PERSISTENT),
                        message,
                        tpm.sign(PERSISTENT, Bytes.sha256(message).toArray())))
                .isTrue();
        tpm.evict(PERSISTENT, PERSISTENT);
        assertThatThrownBy(() -> tpm.readPublic(PERSISTENT)).isInstanceOf(TpmException.class);
    }

    @Test
    @DisplayName("reads and extends PCRs")
    void pcrs() throws Exception {
        List<Integer> all = List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 23);
        SortedMap<Integer, Bytes> before = tpm.readPcrs(all);
        assertThat(before.keySet()).containsExactlyElementsOf(all);
        tpm.extendPcr(16, NONCE);
        assertThat(tpm.readPcrs(List.of(16)))
                .containsEntry(
                        16, Objects.requireNonNull(before.get(16)).concat(NONCE).sha256());
    }

    @Test
    @DisplayName("certifies that it made a key, as the verifier reads it")
    void certifiesCreation() throws Exception {
        Loaded attester = tpm.createPrimary(Tpm.OWNER, Kind.ATTESTATION);
        Loaded parent = tpm.createPrimary(Tpm.OWNER, Kind.STORAGE);
        Created made = tpm.create(parent.handle(), Kind.SIGNING);
        long key = tpm.load(parent.handle(), made.privatePart(), made.publicArea());
        tpm.flush(parent.handle());
        Signed signed = tpm.certifyCreation(attester.handle(), key, NONCE, made);
        tpm.flush(key);
        tpm.flush(attester.handle());
        new KeyCertification(signed.statement(), signed.signature(), made.publicArea())
                .verify(
                        TpmPublic.parse(attester.publicArea()),
                        NONCE,
                        TpmPublic.parse(made.publicArea()).key());
    }

    @Test
    @DisplayName("says the secret that was wrapped for its endorsement and attestation keys, and for no others")
    void activatesCredential() throws Exception {
        Loaded endorsement = tpm.createPrimary(Tpm.ENDORSEMENT, Kind.ENDORSEMENT);
        Loaded attester = tpm.createPrimary(Tpm.OWNER, Kind.ATTESTATION);
        Bytes secret = NONCE.slice(0, 16);
        var challenge = CredentialActivation.challenge(
                TpmPublic.parse(endorsement.publicArea()).key(), attester.name(), secret.toArray(), new SecureRandom());
        assertThat(tpm.activateCredential(
                        attester.handle(), endorsement.handle(), challenge.idObject(), challenge.encryptedSecret()))
                .isEqualTo(secret);
        var forOther = CredentialActivation.challenge(
                TpmPublic.parse(endorsement.publicArea()).key(),
                endorsement.name(),
                secret.toArray(),
                new SecureRandom());
        assertThatThrownBy(() -> tpm.activateCredential(
                        attester.handle(), endorsement.handle(), forOther.idObject(), forOther.encryptedSecret()))
                .isInstanceOf(TpmException.class);
        tpm.flush(attester.handle());
        tpm.flush(endorsement.handle());
    }

    @Test
    @DisplayName("has no index that nobody defined")
    void noSuchIndex() {
        assertThatThrownBy(() -> tpm.readNv(0x01C0_0FFFL)).isInstanceOf(TpmException.class);
    }

    @Test
    @DisplayName("is cleared of what was left in its memory by who was killed, and started after a loss of power")
    void leftBehind() throws Exception {
        try (Swtpm own = Swtpm.start()) {
            for (int user = 0; user < 3; user++) {
                try (Tpm killed = own.connect()) {
                    for (int key = 0; key < 3; key++) {
                        killed.createPrimary(Tpm.OWNER, Kind.STORAGE);
                    }
                    assertThatThrownBy(() -> killed.createPrimary(Tpm.OWNER, Kind.STORAGE))
                            .hasMessageContaining("no room");
                }
            }
            try (Tpm living = own.connect()) {
                living.evict(living.createPrimary(Tpm.OWNER, Kind.SIGNING).handle(), PERSISTENT);
                Bytes key = living.readPublic(PERSISTENT);
                own.powerCut();
                assertThatThrownBy(() -> living.readPublic(PERSISTENT)).isInstanceOf(IOException.class);
                assertThat(living.readPublic(PERSISTENT)).isEqualTo(key);
            }
        }
    }

    @Test
    @DisplayName("is asked again while it tests itself or is busy, and not for ever")
    void busy() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        AtomicInteger busy = new AtomicInteger();
        try (Swtpm real = Swtpm.start();
                TpmPort port = TpmPort.tcp(real.address(), 30_000);
                Tpm patient = new Tpm(new TpmPort() {
                    @Override
                    public boolean connect() throws IOException {
                        port.connect();
                        return false;
                    }

                    @Override
                    public byte[] exchange(byte[] command) throws IOException {
                        asked.incrementAndGet();
                        if (busy.getAndDecrement() <= 0) {
                            return port.exchange(command);
                        }
                        int code = busy.get() % 2 == 0 ? 0x922 : 0x90a;
                        return new byte[] {(byte) 0x80, 1, 0, 0, 0, 10, 0, 0, (byte) (code >> 8), (byte) code};
                    }

                    @Override
                    public void close() {}
                })) {
            busy.set(3);
            assertThat(patient.readPcrs(List.of(0))).hasSize(1);
            assertThat(asked).hasValue(4);
            busy.set(Integer.MAX_VALUE);
            assertThatThrownBy(() -> patient.readPcrs(List.of(0))).hasMessageContaining("code 9");
        }
    }

    @Test
    @DisplayName("is not believed: whatever it answers, nothing but an IOException comes of it (40 000 cases)")
    void fuzz() {
        Random random = new Random(42);
        byte[] answer = new byte[200];
        try (Tpm liar = new Tpm(new TpmPort() {
            @Override
            public boolean connect() {
                return random.nextInt(4) == 0;
            }

            @Override
            public byte[] exchange(byte[] command) {
                random.nextBytes(answer);
                byte[] sent = java.util.Arrays.copyOf(answer, random.nextInt(answer.length));
                byte[] header = {
                    (byte) 0x80, (byte) (random.nextBoolean() ? 1 : 2), 0, 0, 0, (byte) sent.length, 0, 0, 0, 0
                };
                System.arraycopy(header, 0, sent, 0, Math.min(header.length, sent.length));
                for (int i = 10; i < sent.length; i++) {
                    sent[i] = (byte) (random.nextInt(4) == 0 ? sent[i] : 0);
                }
                return sent;
            }

            @Override
            public void close() {}
        })) {
            for (int i = 0; i < 10_000; i++) {
                quietly(() -> liar.createPrimary(Tpm.OWNER, Kind.STORAGE));
                quietly(() -> liar.sign(1, new byte[32]));
                quietly(() -> liar.quote(1, NONCE, List.of(1)));
                quietly(() -> liar.readPcrs(List.of(1)));
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private interface Call {
        Object run() throws IOException;
    }

    private static void quietly(Call call) {
        try {
            call.run();
        } catch (IOException e) {
            // as it should be
        }
    }
}
