// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import dev.tegata.pki.key.Cryptoki.Attribute;
import dev.tegata.pki.key.Pkcs11Token.Address;
import dev.tegata.pki.key.Pkcs11Token.Pkcs11Key;
import java.io.OutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.DigestOutputStream;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.RSAPublicKeySpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// One loaded PKCS#11 v2.40 module and what is done in it, for [Pkcs11Vault], which takes another one where
/// this one hangs.
///
/// Keys are made sensitive and non-extractable, which is verified, and are found by CKA_ID (the handle) and
/// CKA_LABEL (the space). Calls run on platform threads of the engine's own: a module may take long, and a
/// native call holds the thread that a virtual thread runs on.
///
/// A call that does not end in its time is left alone with its thread and its session: nothing can end it.
/// Another thread takes its place, so that other sessions go on.
final class Pkcs11Engine {
    /// A key may take so many times as long as another call: RSA keys are looked for.
    private static final int MAKING = 10;
    private static final byte[] P256 = HexFormat.of().parseHex("06082a8648ce3d030107");
    private static final byte[] P384 = HexFormat.of().parseHex("06052b81040022");
    private static final byte[] ED25519 = HexFormat.of().parseHex("06032b6570");
    private static final byte[] PUBLIC_EXPONENT = {1, 0, 1};
    private static final byte OCTET_STRING = 0x04;
    /// More objects than ever have one handle.
    private static final int MAX_FOUND = 16;
    /// More tokens than anybody reads about.
    private static final int MAX_SURVEYED = 256;
    /// Label of the AES key that keys with replicas travel under.
    static final String WRAPPING_KEY = "tegata-replication";

    private static final List<KeyAlgorithm> CURVES =
            List.of(KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.ED25519);

    // The tests look into the module through what is package-private here.
    final Cryptoki cryptoki;
    private final Pkcs11Config config;
    private final RefusedPins refusedPins;
    private final SecureRandom random;
    private final Pkcs11Module module;
    private final ThreadPoolExecutor threads;
    private final Map<String, Pkcs11Token> tokens = new ConcurrentHashMap<>();
    private final AtomicInteger hanging = new AtomicInteger();
    private volatile long lastSuccess = System.nanoTime();
    /// Held while a token is made.
    private final Object creation = new Object();

    Pkcs11Engine(Pkcs11Module module, Pkcs11Config config, RefusedPins refusedPins, SecureRandom random) {
        this.module = module.use();
        this.cryptoki = module.cryptoki();
        this.config = config;
        this.refusedPins = refusedPins;
        this.random = random;
        this.threads = new ThreadPoolExecutor(
                config.sessions(),
                config.sessions(),
                1,
                TimeUnit.MINUTES,
                // As long as there are callers: each waits for its one call.
                new LinkedBlockingQueue<>(),
                Thread.ofPlatform().daemon().name("tegata-pkcs11-", 0).factory());
        threads.allowCoreThreadTimeOut(true);
    }

    /// Makes and initializes a token for the space, where each has its own. Two processes must not create
    /// the same space at the same time: PKCS#11 has no lock against it.
    void createSpace(KeySpace space) {
        run(config.timeout().multipliedBy(MAKING), () -> {
            if (config.sharedToken() == null) {
                module.call(() -> {
                    createToken(space.name());
                    return space;
                });
            }
            return token(space).use("opening the token", cryptoki::loggedIn);
        });
    }

    private void createToken(String label) {
        try {
            synchronized (creation) {
                if (slotOf(cryptoki, label).isEmpty()) {
                    cryptoki.initToken(freeSlot(label), pin("security officer", label), label);
                }
                long slot = slotOf(cryptoki, label)
                        .orElseThrow(() -> new VaultException("the new token '" + label + "' did not appear", true));
                // Unset also where an earlier attempt was cut off here.
                if (!cryptoki.tokenInfo(slot).userPinInitialized()) {
                    setUserPin(slot, label);
                }
            }
        } catch (CryptokiException e) {
            throw e.asVaultException("making the token '" + label + "'");
        }
    }

    private void setUserPin(long slot, String label) throws CryptokiException {
        long session = cryptoki.openSession(slot);
        try {
            cryptoki.login(session, Cryptoki.SECURITY_OFFICER, pin("security officer", label));
            cryptoki.initPin(session, pin("user", label));
            cryptoki.logout(session);
        } finally {
            cryptoki.closeSession(session);
        }
    }

    private long freeSlot(String label) throws CryptokiException {
        for (long slot : cryptoki.slots()) {
            if (!cryptoki.tokenInfo(slot).initialized()) {
                return slot;
            }
        }
        throw new VaultException(
                "the PKCS#11 module has no free token for '" + label
                        + "': add one, or let all key spaces share one token",
                false);
    }

    static OptionalLong slotOf(Cryptoki cryptoki, String label) throws CryptokiException {
        OptionalLong found = OptionalLong.empty();
        for (long slot : cryptoki.slots()) {
            Cryptoki.TokenInfo info = cryptoki.tokenInfo(slot);
            if (info.initialized() && info.label().equals(label)) {
                if (found.isPresent()) {
                    throw new VaultException("two tokens are called '" + label + "': remove the unused one", false);
                }
                found = OptionalLong.of(slot);
            }
        }
        return found;
    }

    KeyHandle generate(KeySpace space, KeyAlgorithm algorithm) {
        // A handle per attempt: the first may have left its key behind.
        return making(
                space,
                "generating a key of " + algorithm.id(),
                session -> generate(session, new Address(space, KeyHandle.random(random)), algorithm));
    }

    void generate(KeySpace space, KeyHandle key, KeyAlgorithm algorithm) {
        Address address = new Address(space, key);
        making(space, "generating a key of " + algorithm.id(), session -> {
            destroyAll(session, address);
            return generate(session, address, algorithm);
        });
        token(space).keys().remove(address);
    }

    private KeyHandle generate(long session, Address address, KeyAlgorithm algorithm) throws CryptokiException {
        try {
            Cryptoki.KeyPair pair = generatePair(session, address, algorithm, privateTemplate(address));
            require(Pkcs11KeyProtection.read(cryptoki, session, pair.privateKey())
                    .flawsOfGenerated());
        } catch (CryptokiException | VaultException e) {
            removeRemains(session, address);
            throw e;
        }
        return address.handle();
    }

    private Cryptoki.KeyPair generatePair(
            long session, Address address, KeyAlgorithm algorithm, List<Attribute> privateKey)
            throws CryptokiException {
        List<Attribute> publicKey = publicTemplate(address);
        long mechanism = switch (algorithm) {
            case EC_P256, EC_P384 -> Cryptoki.EC_KEY_PAIR_GEN;
            case ED25519 -> Cryptoki.EC_EDWARDS_KEY_PAIR_GEN;
            case RSA_2048, RSA_3072, RSA_4096 -> Cryptoki.RSA_PKCS_KEY_PAIR_GEN;
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw unsupported(algorithm);
        };
        switch (algorithm) {
            case EC_P256, EC_P384, ED25519 -> publicKey.add(new Attribute(Cryptoki.EC_PARAMS, parameters(algorithm)));
            case RSA_2048, RSA_3072, RSA_4096 -> {
                publicKey.add(Attribute.of(Cryptoki.MODULUS_BITS, bits(algorithm)));
                publicKey.add(new Attribute(Cryptoki.PUBLIC_EXPONENT, PUBLIC_EXPONENT));
            }
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw unsupported(algorithm);
        }
        return cryptoki.generateKeyPair(session, mechanism, publicKey, privateKey);
    }

    /// Makes a key that may leave the token once, wrapped, for [#receive] by another one; then [#shut].
    void generateToShare(Address address, KeyAlgorithm algorithm) {
        making(address.space(), "generating a key of " + algorithm.id(), session -> {
            List<Attribute> privateKey = privateTemplate(address);
            privateKey.removeIf(attribute -> attribute.type() == Cryptoki.EXTRACTABLE);
            privateKey.add(Attribute.of(Cryptoki.EXTRACTABLE, true));
            return generatePair(session, address, algorithm, privateKey);
        });
    }

    /// The private key, encrypted by the token under the wrapping key that its replicas have too.
    byte[] wrap(Address address) {
        return use(
                address.space(),
                "wrapping a key for its replicas",
                session -> cryptoki.wrapKey(
                        session, Cryptoki.AES_KEY_WRAP_PAD, wrappingKey(session), privateObjects(session, address)[0]));
    }

    /// Takes in what [#wrap] of another token gave.
    void receive(Address address, PublicKeyInfo publicKey, byte[] wrapped) {
        use(address.space(), "unwrapping a key of another token", session -> {
            KeyAlgorithm algorithm = publicKey.algorithm();
            List<Attribute> privateKey = privateTemplate(address);
            privateKey.add(Attribute.of(Cryptoki.CLASS, Cryptoki.PRIVATE_KEY));
            privateKey.add(Attribute.of(Cryptoki.KEY_TYPE, keyType(algorithm)));
            long object =
                    cryptoki.unwrapKey(session, Cryptoki.AES_KEY_WRAP_PAD, wrappingKey(session), wrapped, privateKey);
            List<Attribute> publicHalf = publicTemplate(address);
            publicHalf.add(Attribute.of(Cryptoki.CLASS, Cryptoki.PUBLIC_KEY));
            addPublicMaterial(publicKey, publicHalf);
            cryptoki.createObject(session, publicHalf);
            require(Pkcs11KeyProtection.read(cryptoki, session, object).flaws());
            find(session, address);
            return object;
        });
    }

    /// After this the key leaves the token no more, not even wrapped.
    void shut(Address address) {
        use(address.space(), "closing a key", session -> {
            long object = privateObjects(session, address)[0];
            cryptoki.setAttributes(session, object, List.of(Attribute.of(Cryptoki.EXTRACTABLE, false)));
            require(Pkcs11KeyProtection.read(cryptoki, session, object).flaws());
            return object;
        });
    }

    private long wrappingKey(long session) throws CryptokiException {
        long[] found = cryptoki.findObjects(
                session,
                List.of(Attribute.of(Cryptoki.CLASS, Cryptoki.SECRET_KEY), Attribute.of(Cryptoki.LABEL, WRAPPING_KEY)),
                2);
        if (found.length != 1) {
            throw new VaultException(
                    "the token '" + config.sharedToken() + "' has " + (found.length == 0 ? "no" : "more than one")
                            + " secret key called '" + WRAPPING_KEY
                            + "', which keys with replicas travel under: put the same AES key into each token",
                    false);
        }
        return found[0];
    }

    private static long keyType(KeyAlgorithm algorithm) {
        return switch (algorithm) {
            case EC_P256, EC_P384 -> Cryptoki.EC;
            case ED25519 -> Cryptoki.EC_EDWARDS;
            case RSA_2048, RSA_3072, RSA_4096 -> Cryptoki.RSA;
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw unsupported(algorithm);
        };
    }

    private static void require(List<String> flaws) {
        if (!flaws.isEmpty()) {
            throw new VaultException(
                    "the PKCS#11 module does not protect keys as it was asked to (" + String.join(", ", flaws)
                            + "): do not use it. The key was destroyed",
                    false);
        }
    }

    /// After a failure: nothing half-made stays behind, and the failure is what is told.
    private void removeRemains(long session, Address address) {
        try {
            destroyAll(session, address);
        } catch (CryptokiException e) {
            // The token is gone, or so full that it cannot even delete; the handle was told to nobody.
        }
    }

    /// Takes a key in by C_CreateObject, which some modules allow in no mode, or not in their FIPS mode.
    KeyHandle importKey(KeySpace space, byte[] pkcs8) {
        SoftwareKey key = SoftwareKey.toImport(pkcs8);
        return importKey(new Address(space, KeyHandle.random(random)), key);
    }

    KeyHandle importKey(Address address, SoftwareKey key) {
        return use(address.space(), "importing a key", session -> importKey(session, address, key));
    }

    private KeyHandle importKey(long session, Address address, SoftwareKey key) throws CryptokiException {
        List<Attribute> publicKey = publicTemplate(address);
        List<Attribute> privateKey = privateTemplate(address);
        publicKey.add(Attribute.of(Cryptoki.CLASS, Cryptoki.PUBLIC_KEY));
        privateKey.add(Attribute.of(Cryptoki.CLASS, Cryptoki.PRIVATE_KEY));
        addMaterial(key, publicKey, privateKey);
        try {
            // A key exists once its private half does.
            cryptoki.createObject(session, publicKey);
            long object = cryptoki.createObject(session, privateKey);
            require(Pkcs11KeyProtection.read(cryptoki, session, object).flaws());
        } catch (CryptokiException | VaultException e) {
            removeRemains(session, address);
            throw e;
        }
        return address.handle();
    }

    private static void addMaterial(SoftwareKey key, List<Attribute> publicKey, List<Attribute> privateKey) {
        KeyAlgorithm algorithm = key.publicKey().algorithm();
        addPublicMaterial(key.publicKey(), publicKey);
        Attribute type = Attribute.of(Cryptoki.KEY_TYPE, keyType(algorithm));
        switch (algorithm) {
            case EC_P256, EC_P384, ED25519 ->
                privateKey.addAll(List.of(
                        type,
                        new Attribute(Cryptoki.EC_PARAMS, parameters(algorithm)),
                        new Attribute(Cryptoki.VALUE, secret(key))));
            case RSA_2048, RSA_3072, RSA_4096 -> {
                RSAPrivateCrtKey rsa = (RSAPrivateCrtKey) key.privateKey();
                privateKey.addAll(List.of(
                        type,
                        new Attribute(Cryptoki.MODULUS, unsigned(rsa.getModulus())),
                        new Attribute(Cryptoki.PUBLIC_EXPONENT, unsigned(rsa.getPublicExponent())),
                        new Attribute(Cryptoki.PRIVATE_EXPONENT, unsigned(rsa.getPrivateExponent())),
                        new Attribute(Cryptoki.PRIME_1, unsigned(rsa.getPrimeP())),
                        new Attribute(Cryptoki.PRIME_2, unsigned(rsa.getPrimeQ())),
                        new Attribute(Cryptoki.EXPONENT_1, unsigned(rsa.getPrimeExponentP())),
                        new Attribute(Cryptoki.EXPONENT_2, unsigned(rsa.getPrimeExponentQ())),
                        new Attribute(Cryptoki.COEFFICIENT, unsigned(rsa.getCrtCoefficient()))));
            }
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw unsupported(algorithm);
        }
    }

    private static void addPublicMaterial(PublicKeyInfo key, List<Attribute> publicKey) {
        KeyAlgorithm algorithm = key.algorithm();
        publicKey.add(Attribute.of(Cryptoki.KEY_TYPE, keyType(algorithm)));
        switch (algorithm) {
            case EC_P256, EC_P384, ED25519 -> {
                byte[] point = key.bitString().toArray();
                byte[] wrapped = new byte[2 + point.length];
                wrapped[0] = OCTET_STRING;
                wrapped[1] = (byte) point.length;
                System.arraycopy(point, 0, wrapped, 2, point.length);
                publicKey.add(new Attribute(Cryptoki.EC_PARAMS, parameters(algorithm)));
                publicKey.add(new Attribute(Cryptoki.EC_POINT, wrapped));
            }
            case RSA_2048, RSA_3072, RSA_4096 -> {
                RSAPublicKey rsa = (RSAPublicKey) key.key();
                publicKey.add(new Attribute(Cryptoki.MODULUS, unsigned(rsa.getModulus())));
                publicKey.add(new Attribute(Cryptoki.PUBLIC_EXPONENT, unsigned(rsa.getPublicExponent())));
            }
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw unsupported(algorithm);
        }
    }

    /// CKA_VALUE: the scalar of an EC key, or the seed of an Ed25519 key.
    private static byte[] secret(SoftwareKey key) {
        if (key.privateKey() instanceof ECPrivateKey ec) {
            return unsigned(ec.getS());
        }
        // The encoding that our engines make ends with the seed (RFC 8410 §7).
        byte[] pkcs8 = key.pkcs8();
        return Arrays.copyOfRange(pkcs8, pkcs8.length - 32, pkcs8.length);
    }

    private static byte[] unsigned(BigInteger value) {
        byte[] bytes = value.toByteArray();
        return bytes[0] == 0 ? Arrays.copyOfRange(bytes, 1, bytes.length) : bytes;
    }

    private static List<Attribute> publicTemplate(Address address) {
        List<Attribute> template = new ArrayList<>(named(address));
        template.add(Attribute.of(Cryptoki.TOKEN, true));
        template.add(Attribute.of(Cryptoki.PRIVATE, false));
        template.add(Attribute.of(Cryptoki.VERIFY, true));
        return template;
    }

    private static List<Attribute> privateTemplate(Address address) {
        List<Attribute> template = new ArrayList<>(named(address));
        template.add(Attribute.of(Cryptoki.TOKEN, true));
        template.add(Attribute.of(Cryptoki.PRIVATE, true));
        template.add(Attribute.of(Cryptoki.SENSITIVE, true));
        template.add(Attribute.of(Cryptoki.EXTRACTABLE, false));
        template.add(Attribute.of(Cryptoki.SIGN, true));
        template.add(Attribute.of(Cryptoki.DECRYPT, false));
        template.add(Attribute.of(Cryptoki.UNWRAP, false));
        template.add(Attribute.of(Cryptoki.DERIVE, false));
        return template;
    }

    private static List<Attribute> named(Address address) {
        return List.of(
                new Attribute(
                        Cryptoki.ID, HexFormat.of().parseHex(address.handle().id())),
                Attribute.of(Cryptoki.LABEL, address.space().name()));
    }

    private static byte[] parameters(KeyAlgorithm algorithm) {
        return switch (algorithm) {
            case EC_P256 -> P256;
            case EC_P384 -> P384;
            case ED25519 -> ED25519;
            case RSA_2048, RSA_3072, RSA_4096, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                throw new IllegalArgumentException(algorithm.id() + " keys have no curve");
        };
    }

    private static long bits(KeyAlgorithm algorithm) {
        return switch (algorithm) {
            case RSA_2048 -> 2048;
            case RSA_3072 -> 3072;
            case RSA_4096 -> 4096;
            case EC_P256, EC_P384, ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                throw new IllegalArgumentException(algorithm.id() + " keys have one size");
        };
    }

    PublicKeyInfo publicKey(KeySpace space, KeyHandle key) {
        Address address = new Address(space, key);
        return use(space, "reading a key", session -> find(session, address)).publicKey();
    }

    byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, byte[] data) {
        Address address = new Address(space, key);
        byte[] digest = digest(algorithm, data);
        return use(space, "signing", session -> sign(session, find(session, address), algorithm, digest));
    }

    /// Signs a SHA-256 digest with an EC key, for TLS, which hashes by itself. The signature is DER.
    byte[] signDigest(KeySpace space, KeyHandle key, byte[] sha256) {
        Address address = new Address(space, key);
        return use(
                space,
                "signing",
                session -> sign(session, find(session, address), SignatureAlgorithm.ECDSA_SHA256, sha256));
    }

    byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, LongData data) {
        if (hashesInToken(algorithm)) {
            return sign(space, key, algorithm, data.toArray());
        }
        MessageDigest hash = hash(algorithm);
        data.writeUnchecked(new DigestOutputStream(OutputStream.nullOutputStream(), hash));
        byte[] digest = hash.digest();
        Address address = new Address(space, key);
        return use(space, "signing", session -> sign(session, find(session, address), algorithm, digest));
    }

    private byte[] sign(long session, Pkcs11Key key, SignatureAlgorithm algorithm, byte[] digest)
            throws CryptokiException {
        KeyAlgorithm kind = key.publicKey().algorithm();
        if (!kind.signsWith(algorithm)) {
            throw new VaultException("a key of " + kind.id() + " cannot sign with " + algorithm, false);
        }
        return switch (kind) {
            case EC_P256 -> ecdsa(session, key, digest, 32);
            case EC_P384 -> ecdsa(session, key, digest, 48);
            case ED25519 -> cryptoki.sign(session, Cryptoki.EDDSA, key.object(), digest);
            case RSA_2048, RSA_3072, RSA_4096 ->
                cryptoki.sign(session, Cryptoki.RSA_PKCS, key.object(), digestInfo(algorithm, digest));
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> throw unsupported(kind);
        };
    }

    private static VaultException unsupported(KeyAlgorithm algorithm) {
        return new VaultException(
                "keys of " + algorithm.id()
                        + " are made by the software vault only: PKCS#11 names them from version 3.2 on",
                false);
    }

    private byte[] ecdsa(long session, Pkcs11Key key, byte[] digest, int size) throws CryptokiException {
        // FIPS 186-5 §6.4.1: of a digest that is longer than the order, the leftmost bits count.
        byte[] leftmost = Arrays.copyOf(digest, Math.min(digest.length, size));
        byte[] raw = cryptoki.sign(session, Cryptoki.ECDSA, key.object(), leftmost);
        if (raw.length != 2 * size) {
            throw new VaultException("the PKCS#11 module made a signature of " + raw.length + " bytes", false);
        }
        return EcdsaSignature.derOf(raw);
    }

    /// What goes to the token; Ed25519 hashes there, and twice.
    private static byte[] digest(SignatureAlgorithm algorithm, byte[] data) {
        return hashesInToken(algorithm) ? data : hash(algorithm).digest(data);
    }

    private static boolean hashesInToken(SignatureAlgorithm algorithm) {
        return switch (algorithm) {
            case ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512, RSA_SHA256, RSA_SHA384, RSA_SHA512 -> false;
            case ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87 -> true;
        };
    }

    private static MessageDigest hash(SignatureAlgorithm algorithm) {
        try {
            return MessageDigest.getInstance(
                    switch (algorithm) {
                        case ECDSA_SHA256, RSA_SHA256 -> "SHA-256";
                        case ECDSA_SHA384, RSA_SHA384 -> "SHA-384";
                        case ECDSA_SHA512, RSA_SHA512 -> "SHA-512";
                        case ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                            throw new IllegalArgumentException(algorithm + " hashes in the token");
                    });
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-2", e);
        }
    }

    /// DER DigestInfo (RFC 8017 §9.2).
    private static byte[] digestInfo(SignatureAlgorithm algorithm, byte[] digest) {
        byte hash = switch (algorithm) {
            case RSA_SHA256 -> 1;
            case RSA_SHA384 -> 2;
            case RSA_SHA512 -> 3;
            case ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512, ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                throw new IllegalArgumentException(algorithm + " has no DigestInfo");
        };
        byte[] info = HexFormat.of().parseHex("3000300d06096086480165030402000500" + "0400");
        info[1] = (byte) (17 + digest.length);
        info[14] = hash;
        info[18] = (byte) digest.length;
        byte[] whole = Arrays.copyOf(info, info.length + digest.length);
        System.arraycopy(digest, 0, whole, info.length, digest.length);
        return whole;
    }

    void destroy(KeySpace space, KeyHandle key) {
        Address address = new Address(space, key);
        use(space, "destroying a key", session -> {
            destroyAll(session, address);
            return address;
        });
        token(space).keys().remove(address);
    }

    private void destroyAll(long session, Address address) throws CryptokiException {
        // The private half first: without it the key no longer exists, whatever follows.
        for (long object : privateObjects(session, address)) {
            cryptoki.destroyObject(session, object);
        }
        for (long object : cryptoki.findObjects(session, template(Cryptoki.PUBLIC_KEY, address), MAX_FOUND)) {
            cryptoki.destroyObject(session, object);
        }
    }

    private long[] privateObjects(long session, Address address) throws CryptokiException {
        long[] objects = cryptoki.findObjects(session, template(Cryptoki.PRIVATE_KEY, address), MAX_FOUND);
        if (objects.length == 0 && !cryptoki.loggedIn(session)) {
            // They are invisible, not absent.
            throw new CryptokiException("C_FindObjects", CryptokiException.USER_NOT_LOGGED_IN);
        }
        return objects;
    }

    private static List<Attribute> template(long type, Address address) {
        List<Attribute> template = new ArrayList<>(named(address));
        template.add(Attribute.of(Cryptoki.CLASS, type));
        return template;
    }

    /// What the token says of the protection of a key.
    Pkcs11KeyProtection protection(KeySpace space, KeyHandle key) {
        Address address = new Address(space, key);
        return use(
                space,
                "reading the attributes of a key",
                session -> Pkcs11KeyProtection.read(
                        cryptoki, session, find(session, address).object()));
    }

    /// What the module says of itself, its tokens and their mechanisms.
    VaultSurvey survey() {
        return run(config.timeout(), () -> {
            try {
                return module.call(this::surveyNow);
            } catch (CryptokiException e) {
                throw e.asVaultException("looking at the module");
            }
        });
    }

    private VaultSurvey surveyNow() throws CryptokiException {
        Cryptoki.ModuleInfo info = cryptoki.info();
        List<VaultSurvey.Token> found = new ArrayList<>();
        long[] slots = cryptoki.slots();
        for (long slot : Arrays.copyOf(slots, Math.min(slots.length, MAX_SURVEYED))) {
            found.add(survey(slot));
        }
        return new VaultSurvey(
                config.library().toString(),
                info.manufacturer(),
                info.description(),
                info.version(),
                info.cryptokiVersion(),
                found);
    }

    private VaultSurvey.Token survey(long slot) throws CryptokiException {
        Cryptoki.TokenInfo info = cryptoki.tokenInfo(slot);
        List<VaultSurvey.Mechanism> mechanisms = new ArrayList<>();
        for (long type : cryptoki.mechanisms(slot)) {
            Cryptoki.MechanismInfo sizes = cryptoki.mechanismInfo(slot, type);
            mechanisms.add(new VaultSurvey.Mechanism(MechanismNames.of(type), sizes.minKeySize(), sizes.maxKeySize()));
        }
        String shared = config.sharedToken();
        return new VaultSurvey.Token(
                slot,
                cryptoki.slotDescription(slot),
                info.label(),
                info.manufacturer(),
                info.model(),
                info.serialNumber(),
                shared == null ? tokens.containsKey(info.label()) : info.label().equals(shared),
                state(info),
                info.maxSessions(),
                info.freeMemory(),
                mechanisms);
    }

    private static String state(Cryptoki.TokenInfo info) {
        if (!info.initialized()) {
            return "not initialized";
        }
        if (!info.userPinInitialized()) {
            return "the user PIN is not set";
        }
        return info.locked()
                ? "the user PIN is locked"
                : info.finalTry() ? "one more wrong user PIN locks it" : "ready";
    }

    Pkcs11Key find(long session, Address address) throws CryptokiException {
        return token(address.space()).keys().get(address, () -> {
            long[] objects = privateObjects(session, address);
            long[] publicObjects = cryptoki.findObjects(session, template(Cryptoki.PUBLIC_KEY, address), MAX_FOUND);
            if (objects.length == 0 || publicObjects.length == 0) {
                throw VaultException.noSuchKey(address.space(), address.handle());
            }
            if (objects.length > 1 || publicObjects.length > 1) {
                throw new VaultException(
                        "two objects in the token have the id "
                                + address.handle().id(),
                        false);
            }
            Pkcs11Key key = new Pkcs11Key(objects[0], readPublicKey(session, publicObjects[0]));
            requireMatch(session, key, address);
            return key;
        });
    }

    /// Proves by a signature that the two halves fit: many modules let anybody replace a public object.
    private void requireMatch(long session, Pkcs11Key key, Address address) throws CryptokiException {
        SignatureAlgorithm algorithm = key.publicKey().algorithm().signatureAlgorithm();
        byte[] probe = ("tegata key check " + address.handle().id()).getBytes(StandardCharsets.US_ASCII);
        byte[] signature = sign(session, key, algorithm, digest(algorithm, probe));
        if (!key.publicKey().verifies(algorithm, probe, signature)) {
            throw new VaultException(
                    "the public key of " + address.handle().id() + " does not fit its private key", false);
        }
    }

    private PublicKeyInfo readPublicKey(long session, long object) throws CryptokiException {
        try {
            byte[] type = cryptoki.attribute(session, object, Cryptoki.KEY_TYPE);
            if (Arrays.equals(
                    type, Attribute.of(Cryptoki.KEY_TYPE, Cryptoki.RSA).value())) {
                BigInteger modulus = new BigInteger(1, cryptoki.attribute(session, object, Cryptoki.MODULUS));
                BigInteger exponent = new BigInteger(1, cryptoki.attribute(session, object, Cryptoki.PUBLIC_EXPONENT));
                return PublicKeyInfo.of(KeyFactories.of("RSA").generatePublic(new RSAPublicKeySpec(modulus, exponent)));
            }
            byte[] parameters = cryptoki.attribute(session, object, Cryptoki.EC_PARAMS);
            byte[] point = cryptoki.attribute(session, object, Cryptoki.EC_POINT);
            for (KeyAlgorithm algorithm : CURVES) {
                if (Arrays.equals(parameters, parameters(algorithm))) {
                    return PublicKeyInfo.ofPoint(algorithm, unwrapped(point, algorithm));
                }
            }
            throw new InvalidKeyInfoException("its curve is not supported");
        } catch (InvalidKeyInfoException | GeneralSecurityException e) {
            throw new VaultException("the PKCS#11 module holds a bad public key: " + e.getMessage(), false);
        }
    }

    /// PKCS#11 v2.40 §2.3.3 wraps the point in an OCTET STRING; some modules do not.
    private static byte[] unwrapped(byte[] point, KeyAlgorithm algorithm) {
        int size = switch (algorithm) {
            case EC_P256 -> 1 + 2 * 32;
            case EC_P384 -> 1 + 2 * 48;
            case ED25519 -> 32;
            case RSA_2048, RSA_3072, RSA_4096, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                throw new IllegalArgumentException(algorithm.id() + " keys have no point");
        };
        boolean wrapped = point.length == 2 + size && point[0] == OCTET_STRING && point[1] == size;
        return wrapped ? Arrays.copyOfRange(point, 2, point.length) : point;
    }

    private Pkcs11Token token(KeySpace space) {
        String shared = config.sharedToken();
        String label = shared != null ? shared : space.name();
        return tokens.computeIfAbsent(
                label,
                name -> new Pkcs11Token(
                        module, name, shared != null ? config.secret().text() : pin("user", name), refusedPins));
    }

    /// A PIN of 32 hex digits that only the holder of the secret can work out.
    private String pin(String role, String label) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(config.secret().text().getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            byte[] derived = mac.doFinal(("tegata " + role + " pin " + label).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(derived, 0, 16);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
        }
    }

    <T> T use(KeySpace space, String doing, Pkcs11Token.Work<T> work) {
        return use(config.timeout(), space, doing, work);
    }

    private <T> T making(KeySpace space, String doing, Pkcs11Token.Work<T> work) {
        return use(config.timeout().multipliedBy(MAKING), space, doing, work);
    }

    private <T> T use(Duration limit, KeySpace space, String doing, Pkcs11Token.Work<T> work) {
        return run(limit, () -> token(space).use(doing, work));
    }

    private <T> T run(Duration limit, Callable<T> task) {
        Pkcs11Call<T> call = new Pkcs11Call<>(task);
        try {
            threads.execute(call);
        } catch (RejectedExecutionException e) {
            throw new VaultException("the vault is closed", false, e);
        }
        try {
            T result = call.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            lastSuccess = System.nanoTime();
            return result;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof VaultException refusal) {
                throw refusal;
            }
            throw new IllegalStateException("a PKCS#11 call failed", e.getCause());
        } catch (TimeoutException e) {
            if (call.leave(this::returned)) {
                hangs();
            }
            throw new VaultException(
                    "the PKCS#11 module did not answer within " + limit.toSeconds() + " seconds: "
                            + CryptokiException.advice(CryptokiException.DEVICE_ERROR),
                    true,
                    e);
        } catch (CancellationException e) {
            throw new VaultException("the PKCS#11 module hangs and was given up", true, e);
        } catch (InterruptedException e) {
            call.leave(() -> {});
            Thread.currentThread().interrupt();
            throw new VaultException("interrupted while waiting for the PKCS#11 module", true, e);
        }
    }

    /// One more thread is gone for now.
    private synchronized void hangs() {
        int gone = hanging.incrementAndGet();
        threads.setMaximumPoolSize(config.sessions() + gone);
        threads.setCorePoolSize(config.sessions() + gone);
    }

    private synchronized void returned() {
        int gone = hanging.decrementAndGet();
        threads.setCorePoolSize(config.sessions() + gone);
        threads.setMaximumPoolSize(config.sessions() + gone);
    }

    /// How many calls are in the module that were given up.
    int hanging() {
        return hanging.get();
    }

    /// Whether this engine is to be given up: calls hang, and since the first of them began none has
    /// succeeded, or as many hang as there should be sessions.
    boolean stuck() {
        int gone = hanging.get();
        return gone >= config.sessions()
                || gone > 0
                        && System.nanoTime() - lastSuccess >= config.timeout().toNanos();
    }

    /// Lets nobody in any more; who waits is told at once. Threads that hang in the module are left there.
    void giveUp() {
        threads.shutdown();
        List<Runnable> waiting = new ArrayList<>();
        threads.getQueue().drainTo(waiting);
        waiting.forEach(call -> ((Pkcs11Call<?>) call).cancel(false));
    }

    /// Whether all calls have come back after all.
    boolean ended() {
        return threads.isTerminated();
    }

    /// Waits for the calls that run, closes all sessions, and shuts the module down if this engine started
    /// it.
    void close() {
        threads.shutdown();
        try {
            // A call that hangs is not waited for, and pulling the module away under it would bring the
            // process down.
            if (hanging() > 0 || !threads.awaitTermination(config.timeout().toNanos(), TimeUnit.NANOSECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        tokens.values().forEach(Pkcs11Token::close);
        tokens.clear();
        module.close();
    }
}
