// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// A root of trust in software that makes PSA tokens (RFC 9783): for trials, and for platforms whose secure
/// side hands this agent its attestation key.
///
/// @param key the initial attestation key
/// @param keyChain DER certificates of the key; may be empty, where the verifier knows the key
/// @param implementationId 32 bytes that name the hardware
/// @param components what was measured at boot
public record PsaAttester(
        DeviceKey key, List<Bytes> keyChain, Bytes implementationId, List<SoftwareComponent> components)
        implements Attester {
    private static final String MEDIA_TYPE =
            "application/eat+cwt; eat_profile=\"" + PsaProfile.RFC_9783.profileName() + "\"";
    /// Where the point begins in the encoding of a P-256 key.
    private static final int POINT = 26;

    private static final int SECURED = 0x3000;
    private static final int NON_SECURE_CALLER = -1;

    public PsaAttester {
        keyChain = List.copyOf(keyChain);
        components = List.copyOf(components);
    }

    /// The instance id: a random UEID by its type byte, derived from the key as RFC 9783 §4.2.1 has it.
    public Bytes instanceId() {
        return Bytes.of((byte) 1)
                .concat(key.publicKey().encoded().slice(POINT, POINT + 65).sha256());
    }

    @Override
    public CheckIn.Evidence attest(Bytes nonce, Optional<String> keyName) throws IOException {
        if (nonce.size() != 32 && nonce.size() != 48 && nonce.size() != 64) {
            throw new IOException("a PSA token takes a nonce of 32, 48 or 64 bytes");
        }
        PsaToken token = new PsaToken(
                PsaProfile.RFC_9783,
                nonce,
                instanceId(),
                implementationId,
                NON_SECURE_CALLER,
                SECURED,
                null,
                null,
                components,
                null);
        Bytes signed = token.sign(new Signer(key.publicKey(), key::sign), keyChain);
        return new CheckIn.Evidence(MEDIA_TYPE, signed, nonce);
    }
}
