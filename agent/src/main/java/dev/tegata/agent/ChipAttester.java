// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.attestation.csr.AttestationBundle.Statement;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// Lets a chip's attestation key vouch for the key in use: that it is in this chip, in a slot that gives
/// none out.
public final class ChipAttester implements Attester {
    private static final int ATTESTATION_SLOT = 1;
    private static final int GEN_KEY_PUBLIC = 0x08;
    private static final int SIGN_INTERNAL = 0x40;

    private final Ecc608 chip;

    public ChipAttester(Ecc608 chip) {
        this.chip = chip;
    }

    /// The evidence is about the key itself.
    @Override
    public List<Statement> vouch(Bytes nonce, DeviceKeys.Made made) throws IOException {
        return List.of(Attester.message(attest(nonce, Optional.of(made.name()))));
    }

    @Override
    public CheckIn.Evidence attest(Bytes nonce, Optional<String> keyName) throws IOException {
        int slot = keyName.isPresent() ? ChipKeys.slot(keyName.get()) : ChipKeys.BIRTH_SLOT;
        var made = chip.attest(
                ATTESTATION_SLOT, slot, KeyAttestation.challenge(nonce, true).toArray(), false);
        KeyAttestation evidence = new KeyAttestation(
                Bytes.of(made.serial()),
                slot,
                Bytes.of(made.publicKey()),
                Bytes.of(made.randomOut()),
                GEN_KEY_PUBLIC,
                SIGN_INTERNAL,
                made.slotLocked(),
                Bytes.of(made.signature()));
        return new CheckIn.Evidence(KeyAttestation.MEDIA_TYPE, evidence.encode(), nonce);
    }
}
