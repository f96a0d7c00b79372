// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.key.Pkcs11Token.Address;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/// The same keys in several tokens, of one module or of several: signing goes on where a token is away.
///
/// A key is made in the first token, travels once to each other one, wrapped by the token under an AES key
/// that all have (`tegata-replication`), and is then closed: it leaves no token again. Where a token cannot
/// wrap, nothing is made and it is said so. Where the HSMs keep themselves equal by their own means, one
/// token is all that is needed.
public final class ReplicatedVault implements Vault {
    private static final long AVOIDED_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final List<Pkcs11Vault> tokens;
    private final SecureRandom random;

    // Where the next use begins: the token that answered last, until it is time to ask the first again.
    private volatile int preferred;
    private volatile long preferredUntil;

    private ReplicatedVault(List<Pkcs11Vault> tokens, SecureRandom random) {
        this.tokens = tokens;
        this.random = random;
    }

    /// @param configs each with a shared token; the first is where keys are made
    /// @throws VaultException where a library cannot be loaded, or does not initialize
    public static ReplicatedVault open(List<Pkcs11Config> configs, SecureRandom random) {
        Map<Path, Pkcs11Module> modules = new HashMap<>();
        List<Pkcs11Vault> tokens = new ArrayList<>();
        try {
            for (Pkcs11Config config : configs) {
                if (config.sharedToken() == null) {
                    throw new IllegalArgumentException("only shared tokens have replicas");
                }
                Pkcs11Module module = modules.get(config.library());
                if (module == null) {
                    module = Pkcs11Module.started(Cryptoki.load(config.library()));
                    modules.put(config.library(), module);
                }
                tokens.add(Pkcs11Vault.open(module, config, random));
            }
            return new ReplicatedVault(List.copyOf(tokens), random);
        } catch (CryptokiException e) {
            tokens.forEach(Pkcs11Vault::close);
            throw e.asVaultException("initializing the PKCS#11 modules");
        }
    }

    /// Each token's vault, the first first: for looking at them.
    public List<Pkcs11Vault> tokens() {
        return tokens;
    }

    @Override
    public void createSpace(KeySpace space) {
        tokens.forEach(token -> token.createSpace(space));
    }

    @Override
    public KeyHandle generate(KeySpace space, KeyAlgorithm algorithm) {
        Address address = new Address(space, KeyHandle.random(random));
        Pkcs11Vault first = tokens.getFirst();
        return everywhere(address, () -> {
            first.generateToShare(address, algorithm);
            PublicKeyInfo publicKey = first.publicKey(space, address.handle());
            byte[] wrapped = first.wrap(address);
            for (Pkcs11Vault token : tokens.subList(1, tokens.size())) {
                token.receive(address, publicKey, wrapped);
            }
            first.shut(address);
        });
    }

    @Override
    public KeyHandle importKey(KeySpace space, byte[] pkcs8) {
        SoftwareKey key = SoftwareKey.toImport(pkcs8);
        Address address = new Address(space, KeyHandle.random(random));
        return everywhere(address, () -> tokens.forEach(token -> token.importKey(address, key)));
    }

    /// Makes a key in all tokens or in none.
    private KeyHandle everywhere(Address address, Runnable making) {
        try {
            making.run();
            return address.handle();
        } catch (VaultException e) {
            for (Pkcs11Vault token : tokens) {
                try {
                    token.destroy(address.space(), address.handle());
                } catch (VaultException ignored) {
                    // It is away; nobody was told of the key.
                }
            }
            throw e;
        }
    }

    @Override
    public PublicKeyInfo publicKey(KeySpace space, KeyHandle key) {
        return anywhere(token -> token.publicKey(space, key));
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, byte[] data) {
        return anywhere(token -> token.sign(space, key, algorithm, data));
    }

    @Override
    public byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, LongData data) {
        return anywhere(token -> token.sign(space, key, algorithm, data));
    }

    /// The answer of the first token that is there, beginning with the one that answered last.
    private <T> T anywhere(Function<Pkcs11Vault, T> use) {
        int begin = System.nanoTime() - preferredUntil < 0 ? preferred : 0;
        VaultException failure = null;
        for (int i = 0; i < tokens.size(); i++) {
            int index = (begin + i) % tokens.size();
            try {
                T result = use.apply(tokens.get(index));
                if (index != begin) {
                    preferred = index;
                    preferredUntil = System.nanoTime() + AVOIDED_NANOS;
                }
                return result;
            } catch (VaultException e) {
                // A token that says no, such as to a wrong PIN, is no reason to stop where another one has the key.
                failure = failure == null || e.retryable() ? e : failure;
            }
        }
        throw failure == null ? new VaultException("the vault has no tokens", false) : failure;
    }

    /// Destroys the key in every token; fails, after all have been asked, where one is away.
    @Override
    public void destroy(KeySpace space, KeyHandle key) {
        VaultException failure = null;
        for (Pkcs11Vault token : tokens) {
            try {
                token.destroy(space, key);
            } catch (VaultException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public VaultCondition condition() {
        List<VaultCondition> each = tokens.stream().map(Pkcs11Vault::condition).toList();
        return new VaultCondition(
                each.stream().anyMatch(VaultCondition::answers),
                each.stream().mapToInt(VaultCondition::hangingCalls).sum());
    }

    @Override
    public String kind() {
        return "pkcs11";
    }

    @Override
    public void close() {
        tokens.reversed().forEach(Pkcs11Vault::close);
    }

    /// Nothing of the secrets.
    @Override
    public String toString() {
        return tokens.size() + " replicas, the first of them a " + tokens.getFirst();
    }
}
