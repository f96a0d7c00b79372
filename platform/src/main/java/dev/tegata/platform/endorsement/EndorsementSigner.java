// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;

/// Who may sign endorsements.
///
/// @param name as results call the signer; no two of a tenant have the same
public record EndorsementSigner(String name, PublicKeyInfo publicKey, Instant createdAt) {}
