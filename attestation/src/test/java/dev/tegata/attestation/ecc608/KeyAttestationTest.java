// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.ecc608;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("ECC608 key attestation")
class KeyAttestationTest {
    private static final Bytes NONCE = Bytes.ofHex("000102030405060708090a0b0c0d0e0f");
    private static final Bytes SERIAL = Bytes.ofHex("0123456789abcdef01");

    /// Signs as a chip does.
    private static KeyAttestation attest(Signer chip, int slot, boolean random, Bytes key) {
        KeyAttestation unsigned = new KeyAttestation(
                SERIAL, slot, key, random ? Bytes.of(new byte[32]) : null, 0x04, 0x40, true, Bytes.of(new byte[64]));
        Bytes message = unsigned.message(ChipPreset.TRUST_GO, NONCE);
        return new KeyAttestation(
                SERIAL, slot, key, unsigned.randomOut(), 0x04, 0x40, true, Bytes.of(chip.signRaw(message.toArray())));
    }

    private static Bytes key() {
        return TestKeys.signer("secp256r1").publicKey().encoded().slice(27, 91);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @DisplayName("the chip's signature over the slot, its key and the nonce verifies, and over nothing else")
    void verifies(boolean random) throws MalformedException {
        Signer chip = TestKeys.signer("secp256r1");
        KeyAttestation good =
                KeyAttestation.parse(attest(chip, 2, random, key()).encode());
        assertThat(good.verifies(chip.publicKey(), ChipPreset.TRUST_GO, NONCE)).isTrue();
        assertThat(good.verifies(chip.publicKey(), ChipPreset.TRUST_GO, Bytes.ofHex("00")))
                .isFalse();
        assertThat(good.verifies(chip.publicKey(), ChipPreset.TRUST_MANAGER, NONCE))
                .isFalse();
        assertThat(good.verifies(TestKeys.signer("secp256r1").publicKey(), ChipPreset.TRUST_GO, NONCE))
                .isFalse();
        KeyAttestation otherKey =
                new KeyAttestation(SERIAL, 2, key(), good.randomOut(), 0x04, 0x40, true, good.signature());
        assertThat(otherKey.verifies(chip.publicKey(), ChipPreset.TRUST_GO, NONCE))
                .isFalse();
        KeyAttestation unlocked =
                new KeyAttestation(SERIAL, 2, good.publicKey(), good.randomOut(), 0x04, 0x40, false, good.signature());
        assertThat(unlocked.verifies(chip.publicKey(), ChipPreset.TRUST_GO, NONCE))
                .isFalse();
    }

    @Test
    @DisplayName("a slot that holds no secret private key proves nothing, whatever is signed")
    void otherSlots() {
        Signer chip = TestKeys.signer("secp256r1");
        assertThat(attest(chip, 8, true, key()).verifies(chip.publicKey(), ChipPreset.TRUST_GO, NONCE))
                .isFalse();
        assertThat(attest(chip, 1, true, key()).verifies(chip.publicKey(), ChipPreset.TRUST_GO, NONCE))
                .isFalse();
    }

    @Test
    @DisplayName("a point that is not on the curve is refused")
    void badPoint() {
        KeyAttestation attestation = attest(TestKeys.signer("secp256r1"), 2, true, Bytes.of(new byte[64]));
        assertThatThrownBy(attestation::key).isInstanceOf(MalformedException.class);
    }

    @Test
    @DisplayName("mutations are read or refused, nothing else, and do not verify")
    void fuzz() {
        Signer chip = TestKeys.signer("secp256r1");
        Bytes good = attest(chip, 2, true, key()).encode();
        Mutations.feed(List.of(good), 2_000, input -> {
            KeyAttestation attestation = KeyAttestation.parse(input);
            if (attestation.verifies(chip.publicKey(), ChipPreset.TRUST_GO, NONCE)) {
                assertThat(attestation.encode()).isEqualTo(good);
            }
            return attestation;
        });
    }
}
