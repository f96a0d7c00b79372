// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.Vectors;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.interfaces.ECPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.util.Arrays;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("TPM 2.0")
class TpmTest {
    private static final Bytes NAME = Bytes.ofHex("000b").concat(Bytes.of(new byte[32]));
    private static final byte[] SECRET = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

    private static TpmEvidence evidence(String boot) throws MalformedException {
        TpmPublic key = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
        Bytes quote = Vectors.bytes("tpm/swtpm/quote-" + boot + ".attest");
        PcrValues pcrs = PcrValues.ofConcatenated(
                ((TpmAttest.Quote) TpmAttest.parse(quote).statement()).selections(),
                Vectors.bytes("tpm/swtpm/quote-" + boot + ".pcrs"));
        return new TpmEvidence(
                key.encoded(),
                quote,
                Vectors.bytes("tpm/swtpm/quote-" + boot + ".tpmt_signature"),
                pcrs,
                null,
                List.of());
    }

    @Test
    @DisplayName("a quote with another boot's values, signature or log is refused")
    void mixedEvidence() throws MalformedException {
        TpmEvidence good = evidence("fw1");
        TpmEvidence other = evidence("fw2");
        assertThat(good.verify().attest().safe()).isTrue();
        assertThatThrownBy(() -> new TpmEvidence(
                                good.publicArea(), good.quote(), good.signature(), other.pcrs(), null, List.of())
                        .verify())
                .hasMessageContaining("not the quoted ones");
        assertThatThrownBy(() -> new TpmEvidence(
                                good.publicArea(), good.quote(), other.signature(), good.pcrs(), null, List.of())
                        .verify())
                .hasMessageContaining("signature is wrong");
        Bytes log = Vectors.bytes("eventlog/rhel8-uefi.bin");
        assertThatThrownBy(() -> new TpmEvidence(
                                good.publicArea(), good.quote(), good.signature(), good.pcrs(), log, List.of())
                        .verify())
                .hasMessageContaining("does not lead to the quoted PCRs");
    }

    @Test
    @DisplayName("an endorsement key signs no evidence")
    void wrongKey() throws MalformedException {
        TpmEvidence good = evidence("fw1");
        Bytes ek =
                TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ek.tpm2b_public")).encoded();
        assertThatThrownBy(() ->
                        new TpmEvidence(ek, good.quote(), good.signature(), good.pcrs(), null, List.of()).verify())
                .hasMessageContaining("TPM key");
    }

    @Test
    @DisplayName("a certification with another nonce or for another request's key is refused")
    void certification() throws MalformedException {
        TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
        TpmPublic key = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ldevid.tpm2b_public"));
        Bytes statement = Vectors.bytes("tpm/swtpm/ldevid.certifycreation.attest");
        KeyCertification certification = new KeyCertification(
                statement, Vectors.bytes("tpm/swtpm/ldevid.certifycreation.tpmt_signature"), key.encoded());
        Bytes nonce = TpmAttest.parse(statement).extraData();
        assertThat(certification.verify(ak, nonce, key.key()).extraData()).isEqualTo(nonce);
        assertThatThrownBy(() -> certification.verify(ak, Bytes.ofHex("00"), key.key()))
                .hasMessageContaining("nonce");
        assertThatThrownBy(() -> certification.verify(
                        ak, nonce, TestKeys.signer("secp256r1").publicKey()))
                .hasMessageContaining("another key");
        assertThatThrownBy(() -> certification.verify(key, nonce, key.key())).hasMessageContaining("TPM key");
    }

    @Test
    @DisplayName("a credential is told by the TPM with both keys: RSA")
    void activationRsa() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        KeyPair ek = generator.generateKeyPair();
        CredentialActivation.Challenge challenge =
                CredentialActivation.challenge(PublicKeyInfo.of(ek.getPublic()), NAME, SECRET, new SecureRandom());
        Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
        byte[] label = "IDENTITY\0".getBytes(StandardCharsets.US_ASCII);
        cipher.init(
                Cipher.DECRYPT_MODE,
                ek.getPrivate(),
                new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, new PSource.PSpecified(label)));
        byte[] seed = cipher.doFinal(challenge
                .encryptedSecret()
                .slice(2, challenge.encryptedSecret().size())
                .toArray());
        assertThat(activate(challenge, seed, NAME)).isEqualTo(SECRET);
        assertThat(activate(challenge, seed, Bytes.ofHex("000b01"))).isEmpty();
    }

    @Test
    @DisplayName("a credential is told by the TPM with both keys: P-256")
    void activationEc() throws Exception {
        KeyPair ek = TestKeys.pair("secp256r1");
        CredentialActivation.Challenge challenge =
                CredentialActivation.challenge(TestKeys.info(ek), NAME, SECRET, new SecureRandom());
        Bytes point = challenge.encryptedSecret();
        Bytes x = point.slice(4, 36);
        PublicKeyInfo ephemeral = PublicKeyInfo.ofP256Point(x, point.slice(38, 70));
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH");
        agreement.init(ek.getPrivate());
        agreement.doPhase(ephemeral.key(), true);
        Bytes own = TestKeys.info(ek).encoded().slice(27, 59);
        assertThat(((ECPublicKey) ek.getPublic()).getW()).isNotNull();
        byte[] seed = Bytes.sha256(
                        new byte[] {0, 0, 0, 1},
                        agreement.generateSecret(),
                        "IDENTITY\0".getBytes(StandardCharsets.US_ASCII),
                        x.toArray(),
                        own.toArray())
                .toArray();
        assertThat(activate(challenge, seed, NAME)).isEqualTo(SECRET);
    }

    /// What a TPM does with the challenge; empty where the integrity value is wrong.
    private static byte[] activate(CredentialActivation.Challenge challenge, byte[] seed, Bytes name)
            throws GeneralSecurityException {
        Bytes object = challenge.idObject().slice(2, challenge.idObject().size());
        byte[] encrypted = object.slice(34, object.size()).toArray();
        Mac integrity = hmac(hmac(seed).doFinal(kdfInput("INTEGRITY", new byte[0], 256)));
        integrity.update(encrypted);
        if (!Arrays.equals(
                integrity.doFinal(name.toArray()), object.slice(2, 34).toArray())) {
            return new byte[0];
        }
        byte[] key = Arrays.copyOf(hmac(seed).doFinal(kdfInput("STORAGE", name.toArray(), 128)), 16);
        Cipher cipher = Cipher.getInstance("AES/CFB/NoPadding");
        cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(new byte[16]));
        byte[] sized = cipher.doFinal(encrypted);
        return Arrays.copyOfRange(sized, 2, sized.length);
    }

    private static byte[] kdfInput(String label, byte[] context, int bits) {
        return Bytes.ofHex("00000001")
                .concat(Bytes.of((label + "\0").getBytes(StandardCharsets.US_ASCII)))
                .concat(Bytes.of(context))
                .concat(Bytes.of((byte) 0, (byte) 0, (byte) (bits >> 8), (byte) bits))
                .toArray();
    }

    private static Mac hmac(byte[] key) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac;
    }

    @Test
    @DisplayName("mutations of structures and logs are read or refused, nothing else")
    void fuzz() throws MalformedException {
        Mutations.feed(List.of(Vectors.bytes("tpm/swtpm/quote-fw1.attest")), 10_000, TpmAttest::parse);
        Mutations.feed(
                List.of(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"), Vectors.bytes("tpm/keylime/ak.pub")),
                10_000,
                TpmPublic::parseSized);
        Mutations.feed(
                List.of(Vectors.bytes("tpm/swtpm/quote-fw1.tpmt_signature"), Vectors.bytes("tpm/keylime/quotesig.out")),
                10_000,
                TpmSignature::parse);
        Mutations.feed(
                List.of(evidence("fw1").encode()),
                5_000,
                input -> TpmEvidence.parse(input).verify());
        List<Bytes> logs = List.of("debian-10.bin", "rhel8-uefi.bin", "ubuntu-2104-no-dbx.bin").stream()
                .map(log -> Vectors.bytes("eventlog/" + log))
                .toList();
        Mutations.feed(logs, 1_000, input -> EventLog.parse(input).replay(TpmHash.SHA256));
    }
}
