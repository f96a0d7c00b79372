// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Where a PKCS#11 vault finds its module, and how key spaces lie in it.
///
/// @param library the module's shared library
/// @param sharedToken the label of the one token that holds all spaces; null where each space has a token
/// of its own
/// @param secret what the PINs of all tokens are derived from, or the PIN of the shared token
/// @param sessions how many calls run in the module at the same time, and so how many sessions a token has
/// at most
/// @param timeout after which a call that has not ended is given up; one that makes a key has ten times as
/// long
/// @param refusals the file in which PINs that were refused are remembered, for this and other processes;
/// null where only this one remembers
public record Pkcs11Config(
        Path library,
        @Nullable String sharedToken,
        Secret secret,
        int sessions,
        Duration timeout,
        @Nullable Path refusals) {
    private static final Duration TIMEOUT = Duration.ofSeconds(20);
    private static final int MIN_SECRET_LENGTH = 16;

    public Pkcs11Config {
        if (sessions < 1) {
            throw new IllegalArgumentException("a PKCS#11 vault needs at least one session, not " + sessions);
        }
        if (!timeout.isPositive()) {
            throw new IllegalArgumentException("calls of a PKCS#11 vault need more time than " + timeout);
        }
        if (sharedToken == null && secret.text().length() < MIN_SECRET_LENGTH) {
            throw new VaultException(
                    "the secret of the PKCS#11 vault has fewer than " + MIN_SECRET_LENGTH + " characters", false);
        }
    }

    /// A token of its own for each space, initialized by the vault, with PINs derived from `secret` (at
    /// least 16 characters).
    public static Pkcs11Config tokenPerSpace(Path library, Secret secret) {
        return new Pkcs11Config(library, null, secret, defaultSessions(), TIMEOUT, null);
    }

    /// All spaces in the one token called `label`, which the operator has initialized: for modules that
    /// cannot make tokens at run time. Keys of a space carry its name as their label.
    public static Pkcs11Config sharedToken(Path library, String label, Secret userPin) {
        return new Pkcs11Config(library, label, userPin, defaultSessions(), TIMEOUT, null);
    }

    /// The same settings for another token, which holds the same keys and has the same PIN.
    public Pkcs11Config withToken(Path otherLibrary, String label) {
        return new Pkcs11Config(otherLibrary, label, secret, sessions, timeout, refusals);
    }

    public Pkcs11Config withSessions(int sessions) {
        return new Pkcs11Config(library, sharedToken, secret, sessions, timeout, refusals);
    }

    public Pkcs11Config withTimeout(Duration timeout) {
        return new Pkcs11Config(library, sharedToken, secret, sessions, timeout, refusals);
    }

    public Pkcs11Config withRefusals(Path file) {
        return new Pkcs11Config(library, sharedToken, secret, sessions, timeout, file);
    }

    private static int defaultSessions() {
        return 2 * Runtime.getRuntime().availableProcessors();
    }
}
