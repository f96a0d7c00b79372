// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.Deque;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentLinkedDeque;
import org.jspecify.annotations.Nullable;

/// One token: its sessions, its login, and the keys that were found in it.
///
/// A session serves one call at a time and is kept for the next. There are never more than calls at the same time,
/// which the vault bounds.
final class Pkcs11Token {
    private static final int CACHED_KEYS = 1024;

    private final Cryptoki cryptoki;
    private final String label;
    private final String pin;
    private final Deque<Long> idle = new ConcurrentLinkedDeque<>();
    private final RecentlyUsed<Address, Pkcs11Key> keys = new RecentlyUsed<>(CACHED_KEYS);

    /// Guarded by this. Looked up once: a module may have thousands of slots.
    private OptionalLong slot = OptionalLong.empty();
    /// Guarded by this. Once the module has refused the PIN we never offer it again: tokens lock after a few attempts.
    private @Nullable String pinRefusal;

    /// Where a key lies; the space matters only where spaces share a token.
    record Address(KeySpace space, KeyHandle handle) {}

    /// A key that was found: the private key's object and the public half.
    record Pkcs11Key(long object, PublicKeyInfo publicKey) {}

    /// What is done in one session.
    interface Work<T> {
        T in(long session) throws CryptokiException;
    }

    Pkcs11Token(Cryptoki cryptoki, String label, String pin) {
        this.cryptoki = cryptoki;
        this.label = label;
        this.pin = pin;
    }

    RecentlyUsed<Address, Pkcs11Key> keys() {
        return keys;
    }

    /// Runs `work` in a session in which the user is logged in; once more in a new one where the session, the login or
    /// an object was lost.
    <T> T use(String doing, Work<T> work) {
        try {
            return attempt(work);
        } catch (CryptokiException first) {
            if (!first.stale()) {
                throw first.asVaultException(doing);
            }
            try {
                startAfresh(first);
                return attempt(work);
            } catch (CryptokiException second) {
                throw second.asVaultException(doing);
            }
        }
    }

    private <T> T attempt(Work<T> work) throws CryptokiException {
        Long held = idle.pollFirst();
        long session = held != null ? held : open();
        boolean sound = false;
        try {
            T result = work.in(session);
            sound = true;
            return result;
        } catch (VaultException e) {
            sound = true; // a refusal of ours: the module did what it was told
            throw e;
        } finally {
            if (sound) {
                idle.addFirst(session);
            } else {
                closeQuietly(session);
            }
        }
    }

    /// One at a time, so that a wrong PIN is offered once.
    private synchronized long open() throws CryptokiException {
        if (pinRefusal != null) {
            throw new VaultException(pinRefusal, false);
        }
        if (slot.isEmpty()) {
            slot = Pkcs11Vault.slotOf(cryptoki, label);
        }
        long session = cryptoki.openSession(
                slot.orElseThrow(() -> new VaultException("there is no token called '" + label + "'", true)));
        try {
            logIn(session);
            return session;
        } catch (CryptokiException | VaultException e) {
            closeQuietly(session);
            throw e;
        }
    }

    private void logIn(long session) throws CryptokiException {
        try {
            cryptoki.login(session, Cryptoki.USER, pin);
        } catch (CryptokiException e) {
            if (e.code() == CryptokiException.PIN_INCORRECT || e.code() == CryptokiException.PIN_LOCKED) {
                pinRefusal = "the token '" + label + "' refuses the PIN (" + CryptokiException.name(e.code())
                        + "): give the vault the secret that the token was made with, then restart";
                throw new VaultException(pinRefusal, false);
            }
            // All sessions of a process share one login.
            if (e.code() != CryptokiException.USER_ALREADY_LOGGED_IN) {
                throw e;
            }
        }
    }

    private synchronized void startAfresh(CryptokiException cause) throws CryptokiException {
        if (cause.code() == CryptokiException.CRYPTOKI_NOT_INITIALIZED) {
            cryptoki.initialize(); // somebody else in this process shut the module down
        }
        slot = OptionalLong.empty();
        keys.clear();
        close();
    }

    void close() {
        for (Long session = idle.pollFirst(); session != null; session = idle.pollFirst()) {
            closeQuietly(session);
        }
    }

    private void closeQuietly(long session) {
        try {
            cryptoki.closeSession(session);
        } catch (CryptokiException e) {
            // It is gone already, or the module is: there is nothing left to close.
        }
    }
}
