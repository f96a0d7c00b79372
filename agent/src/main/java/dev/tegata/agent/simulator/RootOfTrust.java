// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import dev.tegata.agent.Attester;
import dev.tegata.agent.DeviceKey;
import dev.tegata.agent.PsaAttester;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/// Makes a device's PSA tokens, signed by a chip. It measures what is said to run.
///
/// @param fleet the devices of one fleet are of one kind, whose implementation id follows from this
public record RootOfTrust(VirtualChip chip, String fleet, CheckIn.Component firmware) implements Attester {
    /// The key that the vendor has certified; the one that attests to keys signs nothing from outside.
    private static final int SIGNING_SLOT = 0;

    @Override
    public CheckIn.Evidence attest(Bytes nonce, Optional<String> keyName) throws IOException {
        SoftwareComponent measured =
                new SoftwareComponent(firmware.component(), digest(firmware.version()), firmware.version(), null, null);
        return new PsaAttester(
                        DeviceKey.inChip(chip, SIGNING_SLOT),
                        chip.certificateChain().stream().map(Bytes::of).toList(),
                        implementationId(fleet),
                        List.of(measured))
                .attest(nonce, keyName);
    }

    /// What is measured where this version runs.
    public static Bytes digest(String version) {
        return hash("firmware " + version);
    }

    /// What the tokens call the hardware.
    public static Bytes implementationId(String fleet) {
        return hash("hardware " + fleet);
    }

    private static Bytes hash(String text) {
        return Bytes.sha256(text.getBytes(StandardCharsets.UTF_8));
    }
}
