// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.MGF1ParameterSpec;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

/// The verifier's side of credential activation (TPM 2.0 part 1 §24): a secret is wrapped so that only the
/// TPM that holds both the endorsement key and the attestation key can say it.
///
/// For endorsement keys of the default templates: SHA-256 and AES-128-CFB.
public final class CredentialActivation {
    private static final int SEED_SIZE = 32;
    private static final byte[] IDENTITY = {'I', 'D', 'E', 'N', 'T', 'I', 'T', 'Y', 0};

    /// What the device's TPM needs: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET.
    public record Challenge(Bytes idObject, Bytes encryptedSecret) {
        /// Both, in the file format of tpm2-tools.
        public Bytes toolsFile() {
            return Bytes.ofHex("badcc0de00000001").concat(idObject).concat(encryptedSecret);
        }
    }

    private CredentialActivation() {}

    /// Wraps `secret` (at most 32 bytes) for the TPM with this endorsement key, to be told only if it also
    /// has the key called `attestationKeyName`.
    public static Challenge challenge(
            PublicKeyInfo endorsementKey, Bytes attestationKeyName, byte[] secret, SecureRandom random) {
        if (secret.length == 0 || secret.length > SEED_SIZE) {
            throw new IllegalArgumentException("the secret must have 1 to 32 bytes");
        }
        try {
            return switch (endorsementKey.algorithm()) {
                case RSA_2048, RSA_3072, RSA_4096 -> {
                    byte[] seed = new byte[SEED_SIZE];
                    random.nextBytes(seed);
                    Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
                    cipher.init(
                            Cipher.ENCRYPT_MODE,
                            endorsementKey.key(),
                            new OAEPParameterSpec(
                                    "SHA-256", "MGF1", MGF1ParameterSpec.SHA256, new PSource.PSpecified(IDENTITY)),
                            random);
                    yield wrap(seed, Bytes.of(cipher.doFinal(seed)), attestationKeyName, secret);
                }
                case EC_P256 -> challengeEc(endorsementKey, attestationKeyName, secret, random);
                case EC_P384, ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87 ->
                    throw new IllegalArgumentException("endorsement keys are of RSA or P-256 here");
            };
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the JDK cannot wrap a credential", e);
        }
    }

    private static Challenge challengeEc(
            PublicKeyInfo endorsementKey, Bytes attestationKeyName, byte[] secret, SecureRandom random)
            throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"), random);
        KeyPair ephemeral = generator.generateKeyPair();
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH");
        agreement.init(ephemeral.getPrivate());
        agreement.doPhase(endorsementKey.key(), true);
        ECPoint own = ((ECPublicKey) ephemeral.getPublic()).getW();
        byte[] x = coordinate(own.getAffineX().toByteArray());
        byte[] y = coordinate(own.getAffineY().toByteArray());
        byte[] peerX = endorsementKey.encoded().slice(27, 59).toArray();
        // spec| TPM 2.0 part 1 §11.4.10.3: KDFe hashes counter, Z, label, and the x coordinates of both parties.
        byte[] seed = TpmHash.SHA256
                .digest(new byte[] {0, 0, 0, 1}, agreement.generateSecret(), IDENTITY, x, peerX)
                .toArray();
        Bytes point = sized(Bytes.of(x)).concat(sized(Bytes.of(y)));
        return wrap(seed, point, attestationKeyName, secret);
    }

    private static byte[] coordinate(byte[] number) {
        byte[] fixed = new byte[32];
        int length = Math.min(32, number.length);
        System.arraycopy(number, number.length - length, fixed, 32 - length, length);
        return fixed;
    }

    private static Challenge wrap(byte[] seed, Bytes encryptedSeed, Bytes name, byte[] secret)
            throws GeneralSecurityException {
        byte[] storageKey = Arrays.copyOf(kdf(seed, "STORAGE", name.toArray()), 16);
        Cipher cipher = Cipher.getInstance("AES/CFB/NoPadding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(storageKey, "AES"), new IvParameterSpec(new byte[16]));
        byte[] encrypted = cipher.doFinal(sized(Bytes.of(secret)).toArray());
        Mac mac = hmac(kdf(seed, "INTEGRITY", new byte[0]));
        mac.update(encrypted);
        Bytes integrity = Bytes.of(mac.doFinal(name.toArray()));
        return new Challenge(sized(sized(integrity).concat(Bytes.of(encrypted))), sized(encryptedSeed));
    }

    /// spec| TPM 2.0 part 1 §11.4.10.2: KDFa with HMAC-SHA-256; 128 bits for storage, 256 for integrity.
    private static byte[] kdf(byte[] seed, String label, byte[] contextU) throws GeneralSecurityException {
        int bits = label.equals("STORAGE") ? 128 : 256;
        Mac mac = hmac(seed);
        mac.update(new byte[] {0, 0, 0, 1});
        mac.update(label.getBytes(StandardCharsets.US_ASCII));
        mac.update((byte) 0);
        mac.update(contextU);
        return mac.doFinal(new byte[] {0, 0, (byte) (bits >> 8), (byte) bits});
    }

    private static Mac hmac(byte[] key) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac;
    }

    private static Bytes sized(Bytes content) {
        return Bytes.of((byte) (content.size() >> 8), (byte) content.size()).concat(content);
    }
}
