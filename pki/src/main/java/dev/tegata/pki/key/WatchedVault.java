// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A vault that remembers how its signatures go, space by space: a token that was removed, or refuses its
/// PIN, takes one tenant's keys away while the vault as a whole answers.
///
/// Only signatures are watched. That another call fails may be the fault of whoever calls, such as with a
/// key to import that is none.
public final class WatchedVault implements Vault {
    private final Vault vault;
    private final InstantSource clock;
    private final AtomicLong calls = new AtomicLong();
    private final ConcurrentMap<KeySpace, Signing> spaces = new ConcurrentHashMap<>();

    public WatchedVault(Vault vault, InstantSource clock) {
        this.vault = vault;
        this.clock = clock;
    }

    /// How signing goes in a space, on this node since it was started.
    ///
    /// @param signedAt when a signature was made last; null where none was
    /// @param failure the last one; null where there was none
    /// @param signed the number of the call that made the last signature; calls are numbered
    ///     as they begin, so that one which hung, and is given up after others went well, does not count
    public record Signing(
            @Nullable Instant signedAt, @Nullable Failure failure, long signed) {
        private static final Signing NONE = new Signing(null, null, 0);

        /// Why nothing is signed at present; empty where the last signature was made.
        public Optional<Failure> failing() {
            return failure != null && failure.call() > signed ? Optional.of(failure) : Optional.empty();
        }
    }

    /// A signature that was not made.
    ///
    /// @param problem for the operator of the vault
    /// @param passing whether it may pass by itself
    public record Failure(Instant at, String problem, boolean passing, long call) {
        /// What everybody may know of it.
        public String told() {
            return passing
                    ? "the key vault cannot be used now"
                    : "the key vault refuses: its token is locked or its PIN wrong, or a key is lost";
        }
    }

    /// The vault that is watched.
    public Vault watched() {
        return vault;
    }

    /// How signing goes in a space.
    public Signing signing(KeySpace space) {
        return spaces.getOrDefault(space, Signing.NONE);
    }

    /// The spaces whose last signature failed, by their names.
    public Map<String, Signing> failing() {
        Map<String, Signing> failing = new TreeMap<>();
        spaces.forEach((space, signing) -> {
            if (signing.failing().isPresent()) {
                failing.put(space.name(), signing);
            }
        });
        return failing;
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, byte[] data) {
        return watch(space, () -> vault.sign(space, key, algorithm, data));
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, LongData data) {
        return watch(space, () -> vault.sign(space, key, algorithm, data));
    }

    private byte[] watch(KeySpace space, Supplier<byte[]> work) {
        long call = calls.incrementAndGet();
        try {
            byte[] signature = work.get();
            Instant now = clock.instant();
            spaces.compute(
                    space,
                    (_, known) -> new Signing(
                            now,
                            known == null ? null : known.failure(),
                            Math.max(call, known == null ? 0 : known.signed())));
            return signature;
        } catch (VaultException e) {
            Failure failure = new Failure(clock.instant(), String.valueOf(e.getMessage()), e.retryable(), call);
            spaces.compute(
                    space,
                    (_, known) -> known == null
                            ? new Signing(null, failure, 0)
                            : known.failure() != null && known.failure().call() > call
                                    ? known
                                    : new Signing(known.signedAt(), failure, known.signed()));
            throw e;
        }
    }

    @Override
    public void createSpace(KeySpace space) {
        vault.createSpace(space);
    }

    @Override
    public KeyHandle generate(KeySpace space, KeyAlgorithm algorithm) {
        return vault.generate(space, algorithm);
    }

    @Override
    public KeyHandle importKey(KeySpace space, byte[] pkcs8) {
        return vault.importKey(space, pkcs8);
    }

    @Override
    public PublicKeyInfo publicKey(KeySpace space, KeyHandle key) {
        return vault.publicKey(space, key);
    }

    @Override
    public void destroy(KeySpace space, KeyHandle key) {
        vault.destroy(space, key);
    }

    @Override
    public VaultCondition condition() {
        return vault.condition();
    }

    @Override
    public String kind() {
        return vault.kind();
    }

    @Override
    public void close() {
        vault.close();
    }

    @Override
    public String toString() {
        return vault.toString();
    }
}
