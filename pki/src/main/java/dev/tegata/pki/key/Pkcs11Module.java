// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// A module that is started again when it, or the device behind it, has died.
///
/// Calls hold the lock for reading. Who starts the module again holds it for writing: a module that is
/// finalized under a running call may bring the process down.
final class Pkcs11Module {
    private static final long RESTART_WAIT_SECONDS = 10;
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    private final Cryptoki cryptoki;
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final AtomicInteger users = new AtomicInteger();

    /// Written under the write lock.
    private volatile boolean started;
    /// Guarded by the write lock.
    private boolean initializedHere;

    /// Counts starts: what was opened in an earlier one is gone. Written under the write lock.
    private volatile long epoch;

    /// Guarded by the write lock: a module that does not come back is asked now and then, not by every
    /// caller.
    private long lastTry = System.nanoTime() - RETRY_NANOS;

    /// A module that starts with its first call: that may take as long as any call.
    Pkcs11Module(Cryptoki cryptoki) {
        this.cryptoki = cryptoki;
    }

    static Pkcs11Module started(Cryptoki cryptoki) throws CryptokiException {
        Pkcs11Module module = new Pkcs11Module(cryptoki);
        module.start();
        return module;
    }

    private void start() throws CryptokiException {
        lock.writeLock().lock();
        try {
            if (!started) {
                initializedHere = cryptoki.initialize();
                started = true;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    /// What is done in the module.
    interface Call<T> {
        T run() throws CryptokiException;
    }

    Cryptoki cryptoki() {
        return cryptoki;
    }

    /// Counts one more vault that will [#close].
    Pkcs11Module use() {
        users.incrementAndGet();
        return this;
    }

    long epoch() {
        return epoch;
    }

    <T> T call(Call<T> call) throws CryptokiException {
        if (!started) {
            start();
        }
        lock.readLock().lock();
        try {
            return call.run();
        } finally {
            lock.readLock().unlock();
        }
    }

    /// Starts the module again, unless somebody has since `seen`.
    ///
    /// @param cause thrown again where that was tried a moment ago
    void restart(long seen, CryptokiException cause) throws CryptokiException {
        boolean held;
        try {
            held = lock.writeLock().tryLock(RESTART_WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VaultException("interrupted while the PKCS#11 module was started again", true, e);
        }
        if (!held) {
            throw new VaultException("the PKCS#11 module is lost, and calls hang in it", true);
        }
        try {
            if (epoch == seen) {
                if (System.nanoTime() - lastTry < RETRY_NANOS) {
                    throw cause;
                }
                restartNow();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // written under the write lock only
    private void restartNow() throws CryptokiException {
        lastTry = System.nanoTime();
        try {
            cryptoki.shutDown();
        } catch (CryptokiException e) {
            // It is down already, or can no longer say so.
        }
        cryptoki.initialize();
        epoch++;
    }

    /// Shuts the module down after its last user, if this object was the one that started it.
    void close() {
        if (users.decrementAndGet() > 0) {
            return;
        }
        lock.writeLock().lock();
        try {
            if (initializedHere) {
                cryptoki.shutDown();
            }
        } catch (CryptokiException e) {
            // Somebody else in this process did it.
        } finally {
            lock.writeLock().unlock();
        }
    }
}
