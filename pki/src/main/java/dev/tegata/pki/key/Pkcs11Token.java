// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.Deque;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentLinkedDeque;

/// One token: its sessions, its login, and the keys that were found in it.
///
/// A session serves one call at a time and is kept for the next. There are never more than calls at the
/// same time, which the vault bounds. What is lost is found again in two steps: new sessions and a new
/// login first, for every call that fails so; the module started again where that did not help.
final class Pkcs11Token {
    private static final int CACHED_KEYS = 1024;

    private final Pkcs11Module module;
    private final Cryptoki cryptoki;
    private final String label;
    private final String pin;
    /// Once the token has refused the PIN we never offer it again: tokens lock after a few attempts.
    private final RefusedPins refusedPins;
    private final Deque<Long> idle = new ConcurrentLinkedDeque<>();
    private final RecentlyUsed<Address, Pkcs11Key> keys = new RecentlyUsed<>(CACHED_KEYS);

    /// Guarded by this for writing. Counts the times when all sessions were given up.
    private volatile long generation;

    /// Guarded by this. The module's start that the sessions belong to.
    private long epoch;
    /// Guarded by this. Looked up once: a module may have thousands of slots.
    private OptionalLong slot = OptionalLong.empty();
    /// Guarded by this. Whether the token was ever there.
    private boolean known;

    /// Where a key lies; the space matters only where spaces share a token.
    record Address(KeySpace space, KeyHandle handle) {}

    /// A key that was found: the private key's object and the public half.
    record Pkcs11Key(long object, PublicKeyInfo publicKey) {}

    /// What is done in one session.
    interface Work<T> {
        T in(long session) throws CryptokiException;
    }

    Pkcs11Token(Pkcs11Module module, String label, String pin, RefusedPins refusedPins) {
        this.module = module;
        this.cryptoki = module.cryptoki();
        this.label = label;
        this.pin = pin;
        this.refusedPins = refusedPins;
        this.epoch = module.epoch();
    }

    RecentlyUsed<Address, Pkcs11Key> keys() {
        return keys;
    }

    /// Runs `work` in a session in which the user is logged in; again in a new one where the session, the
    /// login or an object was lost; and once more after the module was started again, where the module or
    /// the device was.
    <T> T use(String doing, Work<T> work) {
        try {
            long seen = generation;
            try {
                return module.call(() -> attempt(work));
            } catch (CryptokiException first) {
                if (!first.stale()) {
                    throw first;
                }
                startAfresh(seen);
            }
            long started = module.epoch();
            try {
                return module.call(() -> attempt(work));
            } catch (CryptokiException second) {
                if (!second.lost()) {
                    throw second;
                }
                module.restart(started, second);
            }
            return module.call(() -> attempt(work));
        } catch (CryptokiException e) {
            throw e.asVaultException(doing);
        }
    }

    private <T> T attempt(Work<T> work) throws CryptokiException {
        long mine = current();
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
            if (sound && mine == generation) {
                idle.addFirst(session);
            } else {
                closeQuietly(session);
            }
        }
    }

    /// The generation of sessions that belongs to the module's present start. Sessions of an earlier one
    /// are forgotten and not closed: their numbers may be those of new ones.
    private synchronized long current() {
        if (epoch != module.epoch()) {
            idle.clear();
            forget();
            epoch = module.epoch();
        }
        return generation;
    }

    /// A module that cannot even say any more which tokens there are has lost them: SoftHSM, whose folder was away for
    /// a moment, says so until it is started again.
    private long open() throws CryptokiException {
        try {
            return openNow();
        } catch (CryptokiException e) {
            throw e.code() == CryptokiException.GENERAL_ERROR ? CryptokiException.noToken(label) : e;
        }
    }

    /// One at a time, so that a wrong PIN is offered once.
    private synchronized long openNow() throws CryptokiException {
        refuse(refusedPins.told(label));
        if (slot.isEmpty()) {
            slot = Pkcs11Engine.slotOf(cryptoki, label);
        }
        if (slot.isEmpty()) {
            // Some modules show no tokens at all once they have lost their device.
            if (known || cryptoki.slots().length == 0) {
                throw CryptokiException.noToken(label);
            }
            throw new VaultException("there is no token called '" + label + "'", true);
        }
        known = true;
        long present = slot.getAsLong();
        long session = cryptoki.openSession(present);
        try {
            logIn(present, session);
            return session;
        } catch (CryptokiException | VaultException e) {
            closeQuietly(session);
            throw e;
        }
    }

    private static void refuse(Optional<String> why) {
        if (why.isPresent()) {
            throw new VaultException(why.get(), false);
        }
    }

    private void logIn(long present, long session) throws CryptokiException {
        if (cryptoki.loggedIn(session)) {
            return; // all sessions of a process share one login
        }
        Cryptoki.TokenInfo info = cryptoki.tokenInfo(present);
        refuse(refusedPins.find(label, info.serialNumber(), pin));
        if (info.locked() || info.finalTry()) {
            String why = said(
                    info.locked()
                            ? "is locked: its security officer must unlock the PIN"
                            : "has one attempt left before it locks, which is not spent: log in once by the HSM's own"
                                    + " tool, correct the secret file");
            refusedPins.note(label, why);
            throw new VaultException(why, false);
        }
        try {
            cryptoki.login(session, Cryptoki.USER, pin);
        } catch (CryptokiException e) {
            if (CryptokiException.REFUSED_PINS.contains(e.code())) {
                throw refused(e, info.serialNumber());
            }
            if (e.code() != CryptokiException.USER_ALREADY_LOGGED_IN) {
                throw e;
            }
        }
    }

    private VaultException refused(CryptokiException e, String serialNumber) {
        String why = said("refuses the PIN (" + CryptokiException.name(e.code())
                + "), which is not offered again: give the vault the secret that the token was made with");
        if (CryptokiException.WRONG_PINS.contains(e.code())) {
            refusedPins.put(label, serialNumber, pin, why);
        } else {
            refusedPins.note(label, why);
        }
        return new VaultException(why, false);
    }

    private String said(String what) {
        return "the token '" + label + "' " + what + ", then restart";
    }

    /// Gives up all sessions, unless somebody has since `seen`.
    private void startAfresh(long seen) throws CryptokiException {
        module.call(() -> {
            synchronized (this) {
                if (generation == seen) {
                    close();
                    forget();
                }
            }
            return seen;
        });
    }

    /// The caller holds the lock.
    @SuppressWarnings("NonAtomicVolatileUpdate") // written under the lock only
    private void forget() {
        slot = OptionalLong.empty();
        keys.clear();
        generation++;
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
