// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import java.time.Instant;

/// Something that is wrong, and whom it affects.
///
/// @param subject `authority:…`: the authority itself, or the one that issued the certificates
/// @param affected devices; 0 where it is about the authority itself
/// @param detail of one of them
public record Finding(FindingCode code, String subject, long affected, String detail, Instant foundAt) {}
