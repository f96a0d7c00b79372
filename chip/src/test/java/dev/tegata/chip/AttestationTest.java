// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Rig.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import org.junit.jupiter.api.Test;

/// A verifier that knows the data sheet and the JDK only checks what the chip says of its keys.
class AttestationTest {
    @Test
    void aNewKeyIsAttestedByTheInternalKey() throws Exception {
        Rig rig = Rig.of(Preset.TRUST_GO);
        PublicKey attester = key(rig.chip.publicKey(1));

        byte[] challenge = Rig.random(20);
        byte[] randomOut = rig.ok(Opcode.NONCE, 0, 0, challenge);
        byte[] publicKey = rig.ok(Opcode.GEN_KEY, 0x0C, 2);
        byte[] signature = rig.ok(Opcode.SIGN, 0x00, 1);

        assertThat(publicKey).isEqualTo(rig.chip.publicKey(2));
        assertThat(verifies(attester, message(rig, challenge, randomOut, 0x0C, publicKey, 0x00, true), signature))
                .isTrue();
        byte[] otherKey = rig.chip.publicKey(3);
        assertThat(verifies(attester, message(rig, challenge, randomOut, 0x0C, otherKey, 0x00, true), signature))
                .isFalse();
        assertThat(verifies(attester, message(rig, Rig.random(20), randomOut, 0x0C, publicKey, 0, true), signature))
                .isFalse();
    }

    @Test
    void anExistingKeyIsAttestedWithTheWholeSerialNumber() throws Exception {
        Rig rig = Rig.of(Preset.TRUST_GO);
        rig.ok(Opcode.LOCK, 0x02 | 2 << 2, 0);
        byte[] challenge = Rig.random(20);
        byte[] randomOut = rig.ok(Opcode.NONCE, 0, 0, challenge);
        byte[] publicKey = rig.ok(Opcode.GEN_KEY, 0x08, 2);
        byte[] signature = rig.ok(Opcode.SIGN, 0x40, 1);
        assertThat(verifies(
                        key(rig.chip.publicKey(1)),
                        message(rig, challenge, randomOut, 0x08, publicKey, 0x40, false),
                        signature))
                .isTrue();
    }

    @Test
    void theConfigurationIsAttested() throws Exception {
        Rig rig = Rig.of(Preset.TRUST_GO);
        byte[] nonce = rig.randomNonce();
        rig.ok(Opcode.GEN_DIG, 0, 3);
        byte[] signature = rig.ok(Opcode.SIGN, 0x00, 1);
        byte[] serial = rig.serial();
        byte[] digest = sha256(
                rig.ok(Opcode.READ, 0x80, 3 << 3),
                bytes(0x15, 0, 3, 0, serial[8], serial[0], serial[1]),
                new byte[25],
                nonce);
        // slot 3 is what the flags name: GenDig (bit 5) of block 3
        byte[] message = sha256(
                digest,
                bytes(0x41, 0x00, 1, 0),
                bytes(0x85, 0x20, 0x73, 0x00),
                bytes(0x23, 0, 0, serial[8], 0, 0, 0, 0, serial[0], serial[1], 0, 0),
                bytes(1, 0, 0));
        assertThat(verifies(key(rig.chip.publicKey(1)), message, signature)).isTrue();
    }

    @Test
    void onlyARandomNonceWillDo() {
        Rig rig = Rig.of(Preset.TRUST_GO);
        rig.load(Rig.random(32));
        assertThat(rig.status(Opcode.GEN_KEY, 0x0C, 2)).isEqualTo(Status.EXECUTION_ERROR);
        byte[] before = rig.chip.publicKey(2);
        rig.chip.sleep();
        rig.chip.wake();
        assertThat(rig.status(Opcode.GEN_KEY, 0x0C, 2)).isEqualTo(Status.EXECUTION_ERROR);
        assertThat(rig.chip.publicKey(2))
                .as("a refused GenKey leaves the old key")
                .isEqualTo(before);
    }

    @Test
    void theInternalKeySignsNothingFromOutside() {
        Rig rig = Rig.of(Preset.TRUST_GO);
        rig.load(Rig.random(32));
        assertThat(rig.status(Opcode.SIGN, 0x80, 1)).isEqualTo(Status.EXECUTION_ERROR);
        assertThat(rig.status(Opcode.SIGN, 0x00, 1)).isEqualTo(Status.EXECUTION_ERROR);
        rig.randomNonce();
        assertThat(rig.status(Opcode.SIGN, 0x00, 1)).isEqualTo(Status.EXECUTION_ERROR);
        rig.ok(Opcode.GEN_KEY, 0x08, 2);
        assertThat(rig.status(Opcode.SIGN, 0x00, 0))
                .as("nor does the external key sign internal state")
                .isEqualTo(Status.EXECUTION_ERROR);
        assertThat(rig.status(Opcode.SIGN, 0x80, 0)).isEqualTo(Status.EXECUTION_ERROR);
    }

    /// The message that Sign(internal) signs over GenKey's digest of slot 2, byte by byte.
    private static byte[] message(
            Rig rig, byte[] challenge, byte[] randomOut, int genKeyMode, byte[] publicKey, int signMode, boolean open)
            throws Exception {
        byte[] sn = rig.serial();
        byte[] nonce = sha256(randomOut, challenge, bytes(0x16, 0x00, 0x00));
        byte[] digest =
                sha256(nonce, bytes(0x40, genKeyMode, 2, 0), bytes(sn[8], sn[0], sn[1]), new byte[25], publicKey);
        boolean wholeSerial = signMode == 0x40;
        return sha256(
                digest,
                bytes(0x41, signMode, 1, 0),
                bytes(0x85, 0x20), // SlotConfig of slot 2
                bytes(0x73, 0x00), // KeyConfig of slot 2
                bytes(0x42), // TempKey: GenKey of slot 2, from a random nonce
                bytes(0, 0),
                bytes(sn[8]),
                wholeSerial ? bytes(sn[4], sn[5], sn[6], sn[7]) : new byte[4],
                bytes(sn[0], sn[1]),
                wholeSerial ? bytes(sn[2], sn[3]) : new byte[2],
                bytes(open ? 1 : 0),
                bytes(0, 0));
    }

    private static byte[] sha256(byte[]... parts) throws Exception {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.write(part);
        }
        return MessageDigest.getInstance("SHA-256").digest(all.toByteArray());
    }

    private static boolean verifies(PublicKey key, byte[] digest, byte[] signature) throws Exception {
        Signature verifier = Signature.getInstance("NONEwithECDSAinP1363Format");
        verifier.initVerify(key);
        verifier.update(digest);
        return verifier.verify(signature);
    }

    private static PublicKey key(byte[] raw) throws Exception {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        ECPoint point = new ECPoint(new BigInteger(1, raw, 0, 32), new BigInteger(1, raw, 32, 32));
        return KeyFactory.getInstance("EC")
                .generatePublic(new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class)));
    }
}
