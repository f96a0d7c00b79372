// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

/// Tries a vault out before anything depends on it: makes a key of each algorithm, looks at its protection,
/// signs, verifies, measures, and removes every key again.
public final class VaultCheck {
    private static final byte[] PROBE = "tegata vault check".getBytes(StandardCharsets.US_ASCII);
    private static final int MAX_THREADS = 64;

    private final Vault vault;
    private final KeySpace space;
    private final Duration measured;

    /// What one algorithm came to.
    ///
    /// @param works whether a key was made, protected as asked, signed with, and its signature verified
    /// @param detail the token's attributes of the key; or what failed, and what to do
    public record Trial(KeyAlgorithm algorithm, boolean works, String detail) {}

    /// @param callers how many signed at the same time
    public record Rate(KeyAlgorithm algorithm, int callers, long signaturesPerSecond) {}

    /// @param sound whether the vault can do what the defaults need
    public record Report(boolean sound, List<Trial> trials, List<Rate> rates) {
        public Report {
            trials = List.copyOf(trials);
            rates = List.copyOf(rates);
        }
    }

    /// @param space where the test keys are made and removed
    /// @param measured how long each rate is measured
    public VaultCheck(Vault vault, KeySpace space, Duration measured) {
        this.vault = vault;
        this.space = space;
        this.measured = measured;
    }

    /// @param sessions the most callers to measure with
    /// @throws VaultException where the vault cannot be used at all
    public Report run(int sessions) {
        vault.createSpace(space);
        List<Trial> trials = new ArrayList<>();
        List<Rate> rates = new ArrayList<>();
        for (KeyAlgorithm algorithm : KeyAlgorithm.values()) {
            trials.add(attempt(algorithm, sessions, rates));
        }
        boolean sound = trials.stream().allMatch(trial -> trial.works() || trial.algorithm() != KeyAlgorithm.EC_P256);
        return new Report(sound, trials, rates);
    }

    private Trial attempt(KeyAlgorithm algorithm, int sessions, List<Rate> rates) {
        KeyHandle key;
        try {
            key = vault.generate(space, algorithm);
        } catch (VaultException e) {
            return new Trial(algorithm, false, String.valueOf(e.getMessage()));
        }
        try {
            byte[] signature = vault.sign(space, key, algorithm.signatureAlgorithm(), PROBE);
            if (!vault.publicKey(space, key).verifies(algorithm.signatureAlgorithm(), PROBE, signature)) {
                return new Trial(algorithm, false, "its signature does not verify");
            }
            if (algorithm == KeyAlgorithm.EC_P256) {
                for (int callers = 1; callers <= Math.min(sessions, MAX_THREADS); callers *= 2) {
                    rates.add(measure(key, algorithm, callers));
                }
            } else {
                rates.add(measure(key, algorithm, 1));
            }
            return new Trial(algorithm, true, protection(key));
        } catch (VaultException e) {
            return new Trial(algorithm, false, String.valueOf(e.getMessage()));
        } finally {
            vault.destroy(space, key);
        }
    }

    private String protection(KeyHandle key) {
        return vault instanceof Pkcs11Vault hsm
                ? hsm.protection(space, key).toString()
                : "sealed under the key-encryption key";
    }

    private Rate measure(KeyHandle key, KeyAlgorithm algorithm, int callers) {
        AtomicLong count = new AtomicLong();
        long begun = System.nanoTime();
        long end = begun + measured.toNanos();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> signers = new ArrayList<>();
            for (int i = 0; i < callers; i++) {
                signers.add(threads.submit(() -> {
                    while (System.nanoTime() < end) {
                        vault.sign(space, key, algorithm.signatureAlgorithm(), PROBE);
                        count.incrementAndGet();
                    }
                }));
            }
            for (Future<?> signer : signers) {
                await(signer);
            }
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        return new Rate(algorithm, callers, Math.round(count.get() / seconds));
    }

    private static void await(Future<?> signer) {
        try {
            signer.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof VaultException refusal
                    ? refusal
                    : new IllegalStateException("a signature failed", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VaultException("interrupted while measuring", true, e);
        }
    }
}
