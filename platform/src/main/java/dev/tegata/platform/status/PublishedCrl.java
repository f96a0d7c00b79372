// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.Bytes;
import java.time.Instant;

/// A revocation list as it is published.
///
/// @param partition 0 for the full list
/// @param size of its DER in bytes
/// @param digest SHA-256 of its DER
public record PublishedCrl(
        int partition, long number, Instant thisUpdate, Instant nextUpdate, long entries, long size, Bytes digest) {}
