// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench.claim;

import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.Signatures;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// How many P-256 signatures this machine verifies.
///
/// @param perSecond by the clock, on all cores
/// @param perCpuSecond by the processor time that it took, which others on the machine hardly change
record VerificationRate(double perSecond, double perCpuSecond) {
    private static final int MESSAGES = 512;

    static VerificationRate measure(int seconds) throws GeneralSecurityException, InterruptedException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair pair = generator.generateKeyPair();
        PublicKeyInfo key = publicKey(pair);
        byte[][] messages = new byte[MESSAGES][];
        byte[][] signatures = new byte[MESSAGES][];
        for (int i = 0; i < MESSAGES; i++) {
            messages[i] = ("message " + i).repeat(60).getBytes(StandardCharsets.US_ASCII);
            signatures[i] = Signatures.sign(pair.getPrivate(), SignatureAlgorithm.ECDSA_SHA256, messages[i]);
        }
        onAllCores(() -> verify(key, messages, signatures, 1)); // warms up
        Duration before = Cpu.here();
        double count = onAllCores(() -> verify(key, messages, signatures, seconds));
        return new VerificationRate(
                count / seconds, count / (Cpu.here().minus(before).toNanos() / 1e9));
    }

    private static double onAllCores(Callable<Long> work) throws InterruptedException {
        int cores = Runtime.getRuntime().availableProcessors();
        double total = 0;
        try (ExecutorService threads = Executors.newFixedThreadPool(cores)) {
            List<Callable<Long>> all = new ArrayList<>();
            for (int i = 0; i < cores; i++) {
                all.add(work);
            }
            for (Future<Long> count : threads.invokeAll(all)) {
                total += count.get();
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
        return total;
    }

    private static long verify(PublicKeyInfo key, byte[][] messages, byte[][] signatures, int seconds) {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        long count = 0;
        while (System.nanoTime() < end) {
            for (int i = 0; i < MESSAGES; i++) {
                if (!key.verifies(SignatureAlgorithm.ECDSA_SHA256, messages[i], signatures[i])) {
                    throw new IllegalStateException("a good signature does not verify");
                }
            }
            count += MESSAGES;
        }
        return count;
    }

    private static PublicKeyInfo publicKey(KeyPair pair) {
        try {
            return PublicKeyInfo.of(pair.getPublic());
        } catch (InvalidKeyInfoException e) {
            throw new IllegalStateException(e);
        }
    }
}
