// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.IntegrityException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/// Seals stored answers with AES-256-GCM under HMAC-SHA-256(API key, name of the answer). An API key ends in 256 random
/// bits and is stored as a hash only, so what is sealed opens for its holder and nobody else.
final class AnswerSeal {
    private static final int NONCE = 12;
    private static final int TAG_BITS = 128;

    private final SecureRandom random;

    AnswerSeal(SecureRandom random) {
        this.random = random;
    }

    Bytes seal(byte[] answer, String name, String apiKey) {
        byte[] nonce = new byte[NONCE];
        random.nextBytes(nonce);
        try {
            return Bytes.of(nonce)
                    .concat(Bytes.of(
                            cipher(Cipher.ENCRYPT_MODE, nonce, name, apiKey).doFinal(answer)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has AES-GCM", e);
        }
    }

    byte[] open(Bytes sealed, String name, String apiKey) {
        byte[] all = sealed.toArray();
        try {
            return cipher(Cipher.DECRYPT_MODE, Arrays.copyOf(all, NONCE), name, apiKey)
                    .doFinal(all, NONCE, all.length - NONCE);
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new IntegrityException("a stored answer does not open with the key that it was sealed with", e);
        }
    }

    private static Cipher cipher(int mode, byte[] nonce, String name, String apiKey) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(apiKey.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        byte[] key = mac.doFinal(("tegata answer " + name).getBytes(StandardCharsets.UTF_8));
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(TAG_BITS, nonce));
        return cipher;
    }
}
