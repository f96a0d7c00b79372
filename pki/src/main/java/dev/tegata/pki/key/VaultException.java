// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// A vault could not do what it was asked.
public final class VaultException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean retryable;

    /// @param retryable whether the same call may succeed later (a device away, sessions used up), as opposed to a key
    ///     that does not exist or a refusal
    public VaultException(String message, boolean retryable, Throwable cause) {
        super(message, cause);
        this.retryable = retryable;
    }

    public VaultException(String message, boolean retryable) {
        super(message);
        this.retryable = retryable;
    }

    static VaultException noSuchKey(KeySpace space, KeyHandle key) {
        return new VaultException("there is no key " + key.id() + " in " + space.name(), false);
    }

    public boolean retryable() {
        return retryable;
    }
}
