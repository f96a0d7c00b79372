// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.platform.UnavailableException;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedPostgresTest {
    private static final int NOBODY = 65534;
    private static final int FREE_PORT = 14_999;

    /// A data folder with one row in it, copied for each test.
    @TempDir
    static Path template;

    @TempDir
    static Path folders;

    private static int number;

    private Path data;

    @BeforeAll
    static void makeTemplate() {
        try (EmbeddedPostgres postgres = EmbeddedPostgres.start(template, TestServers.binaries())) {
            execute(postgres, "CREATE TABLE kept (value text); INSERT INTO kept VALUES ('once written')");
        }
    }

    @BeforeEach
    void copyTemplate() throws IOException {
        data = folders.resolve("data-" + number++);
        run("cp", "-a", template.toString(), data.toString());
    }

    @Test
    void aSecondStartFindsWhatTheFirstOneMade() {
        int port;
        try (EmbeddedPostgres postgres = start()) {
            port = port(postgres);
            assertThat(query(postgres, "SELECT value FROM kept")).isEqualTo("once written");
            execute(postgres, "INSERT INTO kept VALUES ('again')");
        }
        try (EmbeddedPostgres postgres = start()) {
            assertThat(port(postgres)).isEqualTo(port);
            assertThat(query(postgres, "SELECT count(*) FROM kept")).isEqualTo("2");
        }
    }

    @Test
    void itIsDurableAndKeepsToItself() throws Exception {
        try (EmbeddedPostgres postgres = start()) {
            assertThat(query(postgres, "SHOW fsync")).isEqualTo("on");
            assertThat(query(postgres, "SHOW synchronous_commit")).isEqualTo("on");
            assertThat(query(postgres, "SHOW full_page_writes")).isEqualTo("on");
            assertThat(query(postgres, "SHOW data_checksums")).isEqualTo("on");
            assertThat(query(postgres, "SHOW server_encoding")).isEqualTo("UTF8");
            assertThat(query(postgres, "SELECT datcollate FROM pg_database WHERE datname = 'tegata'"))
                    .isEqualTo("C");
            assertThat(query(postgres, "SHOW listen_addresses")).isEqualTo("127.0.0.1");
            assertThat(
                            query(
                                    postgres,
                                    "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"))
                    .isEqualTo("f");
            DatabaseConfig config = postgres.config();
            assertThatThrownBy(() -> DriverManager.getConnection(config.jdbcUrl(), config.user(), "guess"))
                    .isInstanceOf(SQLException.class);
        }
        for (String secret : List.of("password", "superuser-password")) {
            Path file = data.resolve("postgres").resolve(secret);
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                    .isEqualTo("rw-------");
        }
    }

    @Test
    void theFolderIsNamedAfterTheVersionInTheArchive() throws Exception {
        Path program = TestServers.binaries().resolve("bin/postgres");
        Process version = new ProcessBuilder(program.toString(), "--version").start();
        assertThat(firstLine(version)).endsWith(" " + PostgresBinaries.VERSION);
    }

    @Test
    void aFirstStartThatWasCutOffIsBegunAnew() throws Exception {
        Path fresh = folders.resolve("fresh");
        Files.createDirectories(fresh.resolve("postgres/data.new/base"));
        Files.writeString(fresh.resolve("postgres/data.new/PG_VERSION"), "18");
        try (EmbeddedPostgres postgres = EmbeddedPostgres.start(fresh, TestServers.binaries())) {
            assertThat(query(postgres, "SELECT 1")).isEqualTo("1");
        }
    }

    @Test
    void twoInOneProcessDoNotShareAFolder() {
        try (EmbeddedPostgres postgres = start()) {
            for (int attempt = 0; attempt < 2; attempt++) {
                assertThatThrownBy(this::start)
                        .isInstanceOf(UnavailableException.class)
                        .hasMessageContaining(
                                "another Tegata (process %d",
                                ProcessHandle.current().pid());
            }
            assertThat(query(postgres, "SELECT 1")).isEqualTo("1");
        }
    }

    @Test
    void twoProcessesDoNotShareAFolder() throws Exception {
        try (EmbeddedPostgres postgres = start()) {
            Process other = program();
            assertThat(firstLine(other))
                    .contains("another Tegata (process %d)"
                            .formatted(ProcessHandle.current().pid()));
            assertThat(query(postgres, "SELECT 1")).isEqualTo("1");
        }
    }

    @Test
    void aProcessThatIsKilledTakesItsServerAlong() throws Exception {
        Process program = program();
        ProcessHandle server = serverOf(program);
        program.destroyForcibly();
        server.onExit().get(120, TimeUnit.SECONDS);
        try (EmbeddedPostgres postgres = start()) {
            assertThat(query(postgres, "SELECT value FROM kept")).isEqualTo("once written");
        }
    }

    @Test
    void aProcessThatEndsWithoutStoppingItsServerTakesItAlong() throws Exception {
        Process program = program();
        ProcessHandle server = serverOf(program);
        program.getOutputStream().close();
        server.onExit().get(120, TimeUnit.SECONDS);
    }

    @Test
    void aServerThatIsLeftBehindIsStoppedFirst() throws Exception {
        Path cluster = data.resolve("postgres/data");
        Process leftBehind = PostgresUser.choose(data.resolve("postgres"))
                .process(List.of(
                        TestServers.binaries().resolve("bin/postgres").toString(),
                        "-D",
                        cluster.toString(),
                        "-c",
                        "unix_socket_directories=",
                        "-c",
                        "port=" + FREE_PORT,
                        "-c",
                        "listen_addresses=" + addressOfThisProcess()))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        Path state = cluster.resolve("postmaster.pid");
        while (!Files.exists(state) || !Files.readString(state).contains("ready")) {
            assertThat(leftBehind.isAlive()).isTrue();
            Thread.sleep(10);
        }
        try (EmbeddedPostgres postgres = start()) {
            assertThat(leftBehind.isAlive()).isFalse();
            assertThat(query(postgres, "SELECT value FROM kept")).isEqualTo("once written");
        }
    }

    @Test
    void aServerThatCannotBeSeenIsWaitedFor() throws Exception {
        Path lock = data.resolve("postgres/server.lock");
        Process unseen = new ProcessBuilder("flock", lock.toString(), "sh", "-c", "echo locked; sleep 1").start();
        assertThat(firstLine(unseen)).isEqualTo("locked");
        try (EmbeddedPostgres postgres = start()) {
            assertThat(unseen.isAlive()).isFalse();
            assertThat(query(postgres, "SELECT 1")).isEqualTo("1");
        }
    }

    @Test
    void aNumberThatAnotherProcessHasByNowIsNoServer() throws Exception {
        Path cluster = data.resolve("postgres/data");
        Process innocent = new ProcessBuilder("sleep", "600").start();
        Files.writeString(
                cluster.resolve("postmaster.pid"), innocent.pid() + "\n" + cluster + "\n1\n1\n\n\n1 1\nready\n");
        try (EmbeddedPostgres postgres = start()) {
            assertThat(query(postgres, "SELECT 1")).isEqualTo("1");
            assertThat(innocent.isAlive()).isTrue();
        } finally {
            innocent.destroy();
        }
    }

    @Test
    void aPortThatIsTakenIsLeftAlone() throws Exception {
        int last =
                Integer.parseInt(Files.readString(data.resolve("postgres/port")).strip());
        try (ServerSocket other = new ServerSocket(last, 1, InetAddress.getByName("127.0.0.1"));
                EmbeddedPostgres postgres = start()) {
            assertThat(other.isBound()).isTrue();
            assertThat(port(postgres)).isNotEqualTo(last);
        }
    }

    @Test
    void aClusterOfAnotherVersionIsNotTouched() throws Exception {
        Files.writeString(data.resolve("postgres/data/PG_VERSION"), "17\n");
        assertThatThrownBy(() -> EmbeddedPostgres.start(data))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("was made by PostgreSQL 17");
    }

    @Test
    void whatKeepsItFromStartingIsSaid() throws Exception {
        Files.delete(data.resolve("postgres/data/global/pg_control"));
        assertThatThrownBy(this::start).isInstanceOf(UnavailableException.class).hasMessageContaining("pg_control");
    }

    @Test
    void rootHandsAFolderOfAnotherUserToThatUser() throws Exception {
        assumeTrue(isRoot(), "only root can become another user");
        openToOthers();
        Files.setAttribute(data.resolve("postgres"), "unix:uid", NOBODY);
        Path programs = copyForOthers(TestServers.binaries());
        try (EmbeddedPostgres postgres = EmbeddedPostgres.start(data, programs)) {
            assertThat(Files.getAttribute(Path.of("/proc/" + postgres.pid()), "unix:uid"))
                    .isEqualTo(NOBODY);
            assertThat(query(postgres, "SELECT value FROM kept")).isEqualTo("once written");
        }
    }

    @Test
    void anOrdinaryUserStartsItAsItIs() throws Exception {
        assumeTrue(isRoot(), "the other tests have shown it already");
        openToOthers();
        List<String> asNobody =
                List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups", "--no-new-privs");
        Path programs = copyForOthers(TestServers.binaries());
        StringJoiner classPath = new StringJoiner(File.pathSeparator);
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (Files.isDirectory(Path.of(entry)) || entry.contains("/slf4j-") || entry.contains("/logback-")) {
                classPath.add(copyForOthers(Path.of(entry)).toString());
            }
        }
        run("chown", "-R", NOBODY + ":" + NOBODY, data.toString());

        Process program = program(asNobody, programs, classPath.toString());
        ProcessHandle server = serverOf(program);
        assertThat(Files.getAttribute(Path.of("/proc/" + server.pid()), "unix:uid"))
                .isEqualTo(NOBODY);
        program.destroyForcibly();
        server.onExit().get(120, TimeUnit.SECONDS);
    }

    @Test
    void aFolderOfAnotherUserIsRefusedToAnOrdinaryUser() throws Exception {
        assumeTrue(isRoot(), "only root can make a folder of another user");
        Files.setAttribute(data.resolve("postgres"), "unix:uid", 2);
        Process program = program(
                List.of("unshare", "--user", "--map-user=1"),
                TestServers.binaries(),
                System.getProperty("java.class.path"));
        assertThat(firstLine(program)).contains("belongs to user");
    }

    /// Of this machine, and so that another run of this test beside this one has another.
    private static String addressOfThisProcess() {
        long pid = ProcessHandle.current().pid();
        return "127.%d.%d.%d".formatted(1 + (pid >> 16), pid >> 8 & 0xff, 1 + (pid & 0x7f));
    }

    private EmbeddedPostgres start() {
        return EmbeddedPostgres.start(data, TestServers.binaries());
    }

    private Process program() throws IOException {
        return program(List.of(), TestServers.binaries(), System.getProperty("java.class.path"));
    }

    private Process program(List<String> prefix, Path programs, String classPath) throws IOException {
        List<String> command = new ArrayList<>(prefix);
        command.add(Path.of(System.getProperty("java.home"), "bin/java").toString());
        command.addAll(List.of(
                "-XX:TieredStopAtLevel=1",
                "-Djdk.virtualThreadScheduler.parallelism=1",
                "-Djdk.virtualThreadScheduler.maxPoolSize=1",
                "-cp",
                classPath,
                EmbeddedPostgresProgram.class.getName()));
        command.addAll(List.of(data.toString(), programs.toString()));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .directory(folders.toFile())
                .start();
    }

    private static ProcessHandle serverOf(Process program) throws IOException {
        String line = firstLine(program);
        assertThat(line).startsWith("ready ");
        return ProcessHandle.of(Long.parseLong(line.substring("ready ".length())))
                .orElseThrow();
    }

    private static String firstLine(Process program) throws IOException {
        return String.valueOf(program.inputReader().readLine());
    }

    /// JUnit closes its folders to other users.
    private void openToOthers() throws IOException {
        Files.setPosixFilePermissions(folders, PosixFilePermissions.fromString("rwxr-xr-x"));
        Files.setPosixFilePermissions(data, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static Path copyForOthers(Path original) throws IOException {
        Path copy = folders.resolve("copy-" + number++ + "-" + original.getFileName());
        run("cp", "-RL", original.toString(), copy.toString());
        run("chmod", "-R", "a+rX", copy.toString());
        return copy;
    }

    private static void run(String... command) throws IOException {
        PostgresUser.ourselves().run(List.of(command), "");
    }

    private static boolean isRoot() throws IOException {
        return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
    }

    private static int port(EmbeddedPostgres postgres) {
        return Integer.parseInt(postgres.config().jdbcUrl().replaceAll(".*:(\\d+)/.*", "$1"));
    }

    private static void execute(EmbeddedPostgres postgres, String sql) {
        query(postgres, sql + "; SELECT ''");
    }

    private static String query(EmbeddedPostgres postgres, String sql) {
        DatabaseConfig config = postgres.config();
        try (Connection connection = DriverManager.getConnection(config.jdbcUrl(), config.user(), config.password());
                Statement statement = connection.createStatement()) {
            boolean rows = statement.execute(sql);
            while (!rows) {
                rows = statement.getMoreResults();
            }
            try (ResultSet result = statement.getResultSet()) {
                result.next();
                return result.getString(1);
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
