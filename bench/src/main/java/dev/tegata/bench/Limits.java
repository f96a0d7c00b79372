// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// What this machine itself can do, with nothing of ours around it. Measured when first asked for.
final class Limits {
    private static final Duration WARM_UP = Duration.ofSeconds(1);
    private static final Duration DURATION = Duration.ofSeconds(3);
    private static final int MESSAGES = 256;
    private static final int BLOCK = 8192;

    private final SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final byte[][] messages = new byte[MESSAGES][];
    private final byte[][] signatures = new byte[MESSAGES][];
    private @Nullable Speed signing;
    private @Nullable Speed verifying;

    Limits() {
        for (int i = 0; i < MESSAGES; i++) {
            messages[i] = ("message " + i).repeat(40).getBytes(StandardCharsets.US_ASCII);
            signatures[i] = key.sign(SignatureAlgorithm.ECDSA_SHA256, messages[i]);
        }
    }

    /// How often something can be done.
    ///
    /// @param onOneCore per second
    /// @param onAllCores per second
    /// @param perCpuSecond which others on the machine hardly change
    record Speed(double onOneCore, double onAllCores, double perCpuSecond) {}

    /// P-256 signatures.
    Speed signing() {
        if (signing == null) {
            signing = speed(i -> key.sign(SignatureAlgorithm.ECDSA_SHA256, messages[i % MESSAGES]));
        }
        return signing;
    }

    /// P-256 verifications.
    Speed verifying() {
        if (verifying == null) {
            verifying = speed(i -> {
                if (!key.publicKey()
                        .verifies(SignatureAlgorithm.ECDSA_SHA256, messages[i % MESSAGES], signatures[i % MESSAGES])) {
                    throw new IllegalStateException("a good signature does not verify");
                }
            });
        }
        return verifying;
    }

    /// What is left on all cores where each piece of work needs one signature and one verification.
    double signedAndVerified() {
        return 1 / (1 / signing().onAllCores() + 1 / verifying().onAllCores());
    }

    /// Blocks that are appended to a file of `folder` and forced to the disk, one after the other, per second.
    double durableWrites(Path folder) throws IOException {
        Path file = folder.resolve("fsync");
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE)) {
            ByteBuffer block = ByteBuffer.allocateDirect(BLOCK);
            long count = 0;
            long begun = System.nanoTime();
            while (System.nanoTime() - begun < DURATION.toNanos()) {
                channel.write(block.clear());
                channel.force(false);
                count++;
            }
            return count / seconds(begun);
        }
    }

    private static Speed speed(Load.Operation operation) {
        int cores = Runtime.getRuntime().availableProcessors();
        Load.repeat(1, WARM_UP, operation);
        double alone = Load.repeat(1, DURATION, operation).perSecond();
        Cpu before = Cpu.ofThisProcess();
        Load.Outcome all = Load.repeat(cores, DURATION, operation);
        return new Speed(
                alone,
                all.perSecond(),
                all.count() / Cpu.ofThisProcess().since(before).seconds());
    }

    private static double seconds(long begun) {
        return (System.nanoTime() - begun) / 1e9;
    }
}
