// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

/// A claim token that protocols with message authentication codes can use too.
///
/// @param reference its public name, which such a protocol sends so that the secret is found
public record SharedSecret(ClaimToken token, String reference) {}
