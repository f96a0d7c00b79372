// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.UnavailableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.List;

/// A PostgreSQL server of our own in the data folder: made at the first start, and run as a child of this process.
///
/// ```text
/// <data>/postgres/
///   lock                 held while a Tegata works here; names its process
///   18.6/                the server's programs
///   data/                the cluster
///   server.lock          held while a server works on the cluster
///   port                 the last one used, so that notes and tools stay right
///   password             of role tegata, which owns the database tegata and is no superuser
///   superuser-password   of role postgres: for backups and repairs
/// ```
///
/// The cluster is made under another name and gets its own when it is complete, so that a first start that was cut off
/// is begun anew.
public final class EmbeddedPostgres implements AutoCloseable {
    private static final String DATABASE = "tegata";
    private static final String ROLE = "tegata";
    private static final String SUPERUSER = "postgres";

    private final Path folder;
    private final FolderLock lock;
    private final PostgresServer server;

    private EmbeddedPostgres(Path folder, FolderLock lock, PostgresServer server) {
        this.folder = folder;
        this.lock = lock;
        this.server = server;
    }

    /// Starts the server of `data`, which is made where it does not exist yet, and returns when it answers.
    ///
    /// @throws UnavailableException with a sentence that says why it cannot be started
    public static EmbeddedPostgres start(Path data) {
        return start(data, folder -> {
            requireSameMajor(folder.resolve("data"));
            return PostgresBinaries.unpack(folder);
        });
    }

    /// With programs that are somewhere already.
    static EmbeddedPostgres start(Path data, Path binaries) {
        return start(data, folder -> binaries);
    }

    private static EmbeddedPostgres start(Path data, BinariesSource binaries) {
        try {
            Path folder = folder(data);
            PostgresUser user = PostgresUser.choose(folder);
            FolderLock lock = FolderLock.take(folder);
            try {
                return startLocked(folder, user, lock, binaries.find(folder));
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UnavailableException(
                    "the embedded PostgreSQL in %s cannot be started: %s".formatted(data, e.getMessage()), e);
        }
    }

    /// How to reach the database, as its owner.
    public DatabaseConfig config() {
        return config(DATABASE, ROLE, "password");
    }

    /// How to reach the server as its superuser: for backups and repairs.
    public DatabaseConfig superuserConfig() {
        return config(SUPERUSER, SUPERUSER, "superuser-password");
    }

    /// The number of the server's process, for those who watch or disturb it.
    public long pid() {
        return server.pid();
    }

    /// Stops the server in order; what is under way is rolled back.
    @Override
    public void close() {
        server.close();
        lock.close();
    }

    private static Path folder(Path data) throws IOException {
        Files.createDirectories(data);
        Path folder = data.toRealPath().resolve("postgres");
        if (!Files.exists(folder)) {
            Files.createDirectory(
                    folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
        return folder;
    }

    private static EmbeddedPostgres startLocked(Path folder, PostgresUser user, FolderLock lock, Path binaries)
            throws IOException {
        Path cluster = folder.resolve("data");
        if (!Files.exists(cluster)) {
            makeCluster(cluster, binaries, user);
        }
        return new EmbeddedPostgres(folder, lock, PostgresServer.start(binaries, cluster, user));
    }

    private static void makeCluster(Path cluster, Path binaries, PostgresUser user) throws IOException {
        String password = randomPassword();
        Path superuserPassword = writeSecret(cluster.resolveSibling("superuser-password"), randomPassword());
        PostgresUser.handOver(superuserPassword);
        writeSecret(cluster.resolveSibling("password"), password);

        Path unfinished = cluster.resolveSibling("data.new");
        PostgresBinaries.deleteTree(unfinished);
        user.run(
                List.of(
                        binaries.resolve("bin/initdb").toString(),
                        "--pgdata=" + unfinished,
                        "--username=" + SUPERUSER,
                        "--pwfile=" + superuserPassword,
                        "--auth-host=scram-sha-256",
                        "--auth-local=reject",
                        "--encoding=UTF8",
                        "--locale=C",
                        "--data-checksums",
                        "--no-instructions"),
                "");
        String sql = """
                CREATE ROLE %1$s LOGIN PASSWORD '%3$s';
                CREATE DATABASE %2$s OWNER %1$s;
                REVOKE ALL ON DATABASE %2$s FROM PUBLIC;
                """.formatted(ROLE, DATABASE, password);
        user.run(
                List.of(
                        binaries.resolve("bin/postgres").toString(),
                        "--single",
                        "-D",
                        unfinished.toString(),
                        SUPERUSER),
                sql);
        Files.move(unfinished, cluster, StandardCopyOption.ATOMIC_MOVE);
    }

    private static void requireSameMajor(Path cluster) throws IOException {
        if (!Files.exists(cluster)) {
            return;
        }
        String made = Files.readString(cluster.resolve("PG_VERSION")).strip();
        if (!PostgresBinaries.VERSION.startsWith(made + ".")) {
            throw new UnavailableException("""
                    %s was made by PostgreSQL %s, and this Tegata brings %s: start the Tegata that made it, or move its \
                    data with pg_dump to a server that you name with --database""".formatted(cluster, made, PostgresBinaries.VERSION));
        }
    }

    private static String randomPassword() {
        byte[] random = new byte[24];
        new SecureRandom().nextBytes(random);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(random);
    }

    private static Path writeSecret(Path file, String secret) throws IOException {
        Files.deleteIfExists(file);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            ByteBuffer content = StandardCharsets.US_ASCII.encode(secret + "\n");
            while (content.hasRemaining()) {
                channel.write(content);
            }
            channel.force(true);
        }
        return file;
    }

    private DatabaseConfig config(String database, String role, String passwordFile) {
        try {
            String password = Files.readString(folder.resolve(passwordFile)).strip();
            // Whoever takes the port while the server is down must not be told the password.
            String url =
                    "jdbc:postgresql://127.0.0.1:%d/%s?requireAuth=scram-sha-256".formatted(server.port(), database);
            return new DatabaseConfig(url, role, password, DatabaseConfig.DEFAULT_POOL_SIZE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Where the server's programs are.
    private interface BinariesSource {
        Path find(Path folder) throws IOException;
    }
}
