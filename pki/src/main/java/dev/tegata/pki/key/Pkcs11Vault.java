// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.key.Pkcs11Token.Address;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A vault whose keys live in the tokens of a PKCS#11 v2.40 module and are used there.
///
/// Every call ends in its time, be it with a refusal. A module in which calls hang, and none succeeds any
/// more, is given up as it is: to finalize it under a running call may bring the process down. The vault
/// goes on with another copy of the library, which knows nothing of the first. Where that one hangs too,
/// the next is loaded after a while, which doubles; meanwhile callers are refused at once.
public final class Pkcs11Vault implements Vault {
    /// So many copies that still hold threads are kept, and no more.
    private static final int MAX_GIVEN_UP = 64;

    private static final long FIRST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long LONGEST_PAUSE_NANOS = TimeUnit.MINUTES.toNanos(10);

    private final Pkcs11Config config;
    private final SecureRandom random;
    /// A PIN that was refused is offered by no other copy either.
    private final RefusedPins refusedPins;

    /// Written under the lock; null while calls are refused.
    private volatile @Nullable Pkcs11Engine engine;

    // Guarded by this: those whose calls have not come back, and when the next copy is loaded. There is no
    // pause while calls succeed.
    private final List<Pkcs11Engine> givenUp = new ArrayList<>();
    private long nextTry;
    private volatile long pause;
    private boolean closed;

    private Pkcs11Vault(Pkcs11Module module, Pkcs11Config config, SecureRandom random) {
        this.refusedPins = new RefusedPins(config.refusals(), config.library());
        this.engine = new Pkcs11Engine(module, config, refusedPins, random);
        this.config = config;
        this.random = random;
    }

    /// Loads and initializes the module.
    ///
    /// @throws VaultException where the library cannot be loaded, or does not initialize
    public static Pkcs11Vault open(Pkcs11Config config, SecureRandom random) {
        return open(Cryptoki.load(config.library()), config, random);
    }

    static Pkcs11Vault open(Cryptoki cryptoki, Pkcs11Config config, SecureRandom random) {
        try {
            return open(Pkcs11Module.started(cryptoki), config, random);
        } catch (CryptokiException e) {
            throw e.asVaultException("initializing " + config.library());
        }
    }

    static Pkcs11Vault open(Pkcs11Module module, Pkcs11Config config, SecureRandom random) {
        return new Pkcs11Vault(module, config, random);
    }

    /// The module in use, with what the tests look into it by.
    Pkcs11Engine engine() {
        Pkcs11Engine present = engine;
        return present != null ? present : another();
    }

    private synchronized Pkcs11Engine another() {
        Pkcs11Engine present = engine;
        if (present != null) {
            return present;
        }
        if (closed) {
            throw new VaultException("the vault is closed", false);
        }
        forgetEnded();
        long left = nextTry - System.nanoTime();
        if (left > 0) {
            throw new VaultException(
                    "calls hang in the PKCS#11 module, and it is not asked before "
                            + Duration.ofNanos(left).plusSeconds(1).toSeconds() + " seconds have passed: "
                            + CryptokiException.advice(CryptokiException.DEVICE_ERROR),
                    true);
        }
        if (givenUp.size() >= MAX_GIVEN_UP) {
            throw new VaultException(
                    "the PKCS#11 module was given up " + MAX_GIVEN_UP
                            + " times with calls that hang: restart the server",
                    true);
        }
        Pkcs11Module module = new Pkcs11Module(Cryptoki.loadCopy(config.library()));
        Pkcs11Engine fresh = new Pkcs11Engine(module, config, refusedPins, random);
        engine = fresh;
        return fresh;
    }

    private synchronized void giveUp(Pkcs11Engine stuck) {
        if (engine != stuck) {
            return;
        }
        engine = null;
        stuck.giveUp();
        givenUp.add(stuck);
        nextTry = System.nanoTime() + pause;
        pause = Math.min(Math.max(2 * pause, FIRST_PAUSE_NANOS), LONGEST_PAUSE_NANOS);
    }

    /// The caller holds the lock.
    private void forgetEnded() {
        givenUp.removeIf(each -> {
            if (each.ended()) {
                each.close();
                return true;
            }
            return false;
        });
    }

    private <T> T call(Function<Pkcs11Engine, T> use) {
        Pkcs11Engine present = engine();
        try {
            T result = use.apply(present);
            if (pause != 0) {
                answered();
            }
            return result;
        } catch (VaultException e) {
            if (e.retryable() && present.stuck()) {
                giveUp(present);
            }
            throw e;
        }
    }

    private synchronized void answered() {
        pause = 0;
    }

    private void run(Consumer<Pkcs11Engine> use) {
        call(present -> {
            use.accept(present);
            return present;
        });
    }

    @Override
    public synchronized VaultCondition condition() {
        forgetEnded();
        Pkcs11Engine present = engine;
        int hanging = givenUp.stream().mapToInt(Pkcs11Engine::hanging).sum();
        return present == null
                ? new VaultCondition(false, hanging)
                : new VaultCondition(pause == 0 && !present.stuck(), hanging + present.hanging());
    }

    @Override
    public void createSpace(KeySpace space) {
        run(present -> present.createSpace(space));
    }

    @Override
    public KeyHandle generate(KeySpace space, KeyAlgorithm algorithm) {
        return call(present -> present.generate(space, algorithm));
    }

    /// Makes a key pair under a handle of the caller's choice, who so knows it before there is a key. What a
    /// call before left under it is destroyed.
    public void generate(KeySpace space, KeyHandle key, KeyAlgorithm algorithm) {
        run(present -> present.generate(space, key, algorithm));
    }

    @Override
    public KeyHandle importKey(KeySpace space, byte[] pkcs8) {
        return call(present -> present.importKey(space, pkcs8));
    }

    @Override
    public PublicKeyInfo publicKey(KeySpace space, KeyHandle key) {
        return call(present -> present.publicKey(space, key));
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, byte[] data) {
        return call(present -> present.sign(space, key, algorithm, data));
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, LongData data) {
        return call(present -> present.sign(space, key, algorithm, data));
    }

    /// Signs a SHA-256 digest with an EC key, for TLS, which hashes by itself. The signature is DER.
    public byte[] signDigest(KeySpace space, KeyHandle key, byte[] sha256) {
        return call(present -> present.signDigest(space, key, sha256));
    }

    @Override
    public void destroy(KeySpace space, KeyHandle key) {
        run(present -> present.destroy(space, key));
    }

    /// Takes a key in under a handle of the caller's choice.
    void importKey(Address address, SoftwareKey key) {
        run(present -> present.importKey(address, key));
    }

    void generateToShare(Address address, KeyAlgorithm algorithm) {
        run(present -> present.generateToShare(address, algorithm));
    }

    byte[] wrap(Address address) {
        return call(present -> present.wrap(address));
    }

    void receive(Address address, PublicKeyInfo publicKey, byte[] wrapped) {
        run(present -> present.receive(address, publicKey, wrapped));
    }

    void shut(Address address) {
        run(present -> present.shut(address));
    }

    /// What the token says of the protection of a key.
    Pkcs11KeyProtection protection(KeySpace space, KeyHandle key) {
        return call(present -> present.protection(space, key));
    }

    /// What the module says of itself, its tokens and their mechanisms.
    public VaultSurvey survey() {
        return call(Pkcs11Engine::survey);
    }

    @Override
    public String kind() {
        return "pkcs11";
    }

    /// Waits for the calls that run, closes all sessions, and shuts the module down if this vault started
    /// it. Another vault of this process over the same library must be idle meanwhile; it starts the module
    /// again. Calls that hang are not waited for.
    @Override
    public void close() {
        Pkcs11Engine present;
        synchronized (this) {
            closed = true;
            present = engine;
            engine = null;
        }
        if (present != null) {
            present.close();
        }
    }

    /// Nothing of the secrets.
    @Override
    public String toString() {
        return "PKCS#11 vault over " + config.library();
    }
}
