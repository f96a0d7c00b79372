// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeyEncryptionKeyTest {
    private static final Bytes SALT = Bytes.of(new byte[16]);
    private static final SecureRandom RANDOM = new SecureRandom();

    @Test
    void aPassphraseAndItsSaltGiveTheKey() {
        KeyEncryptionKey key = KeyEncryptionKey.of(Secret.of("correct horse battery"), SALT);

        assertThat(KeyEncryptionKey.of(Secret.of("correct horse battery"), SALT).id())
                .isEqualTo(key.id());
        assertThat(KeyEncryptionKey.of(
                                Secret.of("correct horse battery"),
                                SALT.slice(1, 16).concat(Bytes.of((byte) 1)))
                        .id())
                .isNotEqualTo(key.id());
        assertThat(key).hasToString("key-encryption key " + key.id());
    }

    @Test
    void shortPassphrasesAndSaltsAreRefused() {
        assertThatThrownBy(() -> KeyEncryptionKey.of(Secret.of("hunter2"), SALT))
                .isInstanceOf(VaultException.class)
                .hasMessageNotContaining("hunter2");
        assertThatThrownBy(() -> KeyEncryptionKey.of(Secret.of("correct horse battery"), Bytes.EMPTY))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aSecretComesFromAFile(@TempDir Path directory) throws Exception {
        String base64 = Bytes.of(new byte[32]).base64();
        KeyEncryptionKey key = KeyEncryptionKey.of(Secret.of(base64), SALT);
        Path file = directory.resolve("kek");
        Files.writeString(file, base64 + "\r\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r-----"));

        assertThat(KeyEncryptionKey.of(Secret.ofFile(file), SALT).id()).isEqualTo(key.id());
        assertThat(Secret.ofFile(file).toString()).doesNotContain(base64.substring(0, 4));

        assertThatThrownBy(() -> Secret.ofFile(directory.resolve("absent"))).isInstanceOf(VaultException.class);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        assertThatThrownBy(() -> Secret.ofFile(file))
                .isInstanceOf(VaultException.class)
                .hasMessageContaining("chmod 600");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        Files.writeString(file, "\n");
        assertThatThrownBy(() -> Secret.ofFile(file)).hasMessageContaining("empty");
        Files.writeString(file, "x".repeat(5_000));
        assertThatThrownBy(() -> Secret.ofFile(file)).hasMessageContaining("longer");
    }

    @Test
    void aKeyFileIsMadeOnceForItsOwnerOnly(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("data").resolve("kek");
        KeyEncryptionKey key = KeyEncryptionKey.ofFile(file, RANDOM);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        assertThat(KeyEncryptionKey.ofFile(file, RANDOM).id()).isEqualTo(key.id());
        assertThat(KeyEncryptionKey.of(Secret.ofFile(file), SALT).id()).isEqualTo(key.id());
        try (Stream<Path> entries = Files.list(directory.resolve("data"))) {
            assertThat(entries).containsExactly(file);
        }

        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
        assertThatThrownBy(() -> KeyEncryptionKey.ofFile(file, RANDOM))
                .isInstanceOf(VaultException.class)
                .hasMessageContaining("chmod 600");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        Files.writeString(file, "cut o");
        assertThatThrownBy(() -> KeyEncryptionKey.ofFile(file, RANDOM)).hasMessageContaining("damaged");
    }

    @Test
    void processesThatStartTogetherAgreeOnOneKey(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("kek");
        List<Future<Bytes>> ids = new ArrayList<>();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 16; i++) {
                ids.add(threads.submit(
                        () -> KeyEncryptionKey.ofFile(file, RANDOM).id()));
            }
        }
        for (Future<Bytes> id : ids) {
            assertThat(id.get()).isEqualTo(ids.getFirst().get());
        }
    }
}
