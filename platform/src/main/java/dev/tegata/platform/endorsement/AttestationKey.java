// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.corim.Environment;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.DeviceId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// An attestation key that a TPM proved to hold beside a trusted endorsement key.
///
/// @param environment what it speaks for
/// @param source why it is believed, for people
public record AttestationKey(
        PublicKeyInfo publicKey,
        @Nullable DeviceId device,
        Environment environment,
        String source,
        Instant activatedAt) {}
