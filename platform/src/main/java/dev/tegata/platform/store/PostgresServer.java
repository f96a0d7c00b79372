// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/// A running server on a cluster: started, watched, started again when it ends by itself, stopped.
///
/// Implementation notes:
/// - One thread of its own starts the server and waits for it to end. The kernel is told to interrupt the server when
///   that thread is gone (`setpriv --pdeathsig`), so that a Tegata that was killed takes its database along, in order
///   and within moments. `setsid` keeps a Ctrl-C in the terminal from the server: we stop it when we are done with it.
/// - What is left of an earlier run all the same is ended first. Its processes are known by their working folder, which
///   is the cluster, and not by a number in a file, which another process may have by now.
/// - Processes that we cannot see (in another container, say) hold a lock that the server and its children inherit
///   (`flock`): two servers on one cluster would destroy it.
/// - A server that ends by itself is started again on the same port. What was committed is on disk.
final class PostgresServer {
    private static final Logger LOG = LoggerFactory.getLogger("dev.tegata.postgres");

    private static final String HOST = "127.0.0.1";
    private static final int FIRST_PORT = 15_000;
    private static final int LAST_PORT = 30_000; // ports above may be taken for outgoing connections at any time
    private static final int PORT_ATTEMPTS = 5;

    private static final Duration POLL = Duration.ofMillis(10);
    private static final Duration STOP_IN_ORDER = Duration.ofSeconds(20);
    private static final Duration STOP_AT_ONCE = Duration.ofSeconds(5);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(200);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);
    private static final int LAST_LINES = 20;
    private static final int LOCKED = 75; // exit code of flock, as asked for

    /// What an operator should see. Errors of statements reach whoever sent the statement.
    private static final Pattern BAD = Pattern.compile("WARNING|FATAL|PANIC");

    /// What differs from the server's defaults, or must never differ. It has to be small beside the rest on
    /// a small machine, and answered means written. There is no `commit_delay`: commits that arrive during
    /// a flush share the next one anyway, and a delay would be added to each lone commit.
    private static final Map<String, String> SETTINGS = new TreeMap<>(Map.ofEntries(
            Map.entry("listen_addresses", HOST),
            Map.entry("unix_socket_directories", ""),
            Map.entry("max_connections", "100"),
            Map.entry("fsync", "on"),
            Map.entry("synchronous_commit", "on"),
            Map.entry("full_page_writes", "on"),
            Map.entry("shared_buffers", sharedBuffers() + "MB"),
            // Fewer checkpoints mean fewer full pages in the log; recovery of a gigabyte takes seconds.
            Map.entry("max_wal_size", "1GB"),
            Map.entry("checkpoint_timeout", "15min"),
            // To fill each new file of the log with zeros before its use makes every commit wait for 16 MiB of them.
            // Commits force what they write just the same.
            Map.entry("wal_init_zero", "off"),
            // Cleaning is not urgent, and takes no whole core from those who wait for an answer.
            Map.entry("autovacuum_vacuum_cost_delay", "10ms"),
            // That a table has grown is noticed soon: a plan from when it was empty reads all of it.
            Map.entry("autovacuum_naptime", "10s"),
            // Statements are short: compiling them costs more than it saves.
            Map.entry("jit", "off"),
            Map.entry("random_page_cost", "1.1"),
            Map.entry("timezone", "UTC"),
            Map.entry("log_timezone", "UTC"),
            Map.entry("log_line_prefix", ""),
            // Statements and values stay out of the log.
            Map.entry("log_min_error_statement", "panic"),
            Map.entry("log_error_verbosity", "terse"),
            Map.entry("log_checkpoints", "off")));

    /// How many MiB of pages the server keeps: those it has not it asks the system for, and checks, each
    /// time. Taken only as the store grows. Keys and serial numbers are random, so that a large store has
    /// no part that suffices.
    private static long sharedBuffers() {
        long memory =
                ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();
        return Math.clamp((memory >> 20) / 8, 128, 4096);
    }

    private final Path binaries;
    private final Path cluster;
    private final PostgresUser user;
    private final Thread supervisor;
    private final CompletableFuture<@Nullable Void> firstStart = new CompletableFuture<>();
    private final Deque<String> lastLines = new ArrayDeque<>(); // guarded by itself

    private volatile int port;
    private volatile boolean stopping;
    private volatile @Nullable Process process;

    private PostgresServer(Path binaries, Path cluster, PostgresUser user) {
        this.binaries = binaries;
        this.cluster = cluster;
        this.user = user;
        this.supervisor = Thread.ofPlatform().name("embedded-postgres").daemon().unstarted(this::supervise);
    }

    /// Starts a server on `cluster` and returns when it answers.
    ///
    /// @throws IOException with the server's last words, where it does not start
    static PostgresServer start(Path binaries, Path cluster, PostgresUser user) throws IOException {
        PostgresServer server = new PostgresServer(binaries, cluster.toRealPath(), user);
        server.supervisor.start();
        try {
            server.firstStart.get();
            return server;
        } catch (ExecutionException e) {
            throw new IOException(server.firstStart.exceptionNow().getMessage(), e.getCause());
        } catch (InterruptedException e) {
            server.close();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    int port() {
        return port;
    }

    long pid() {
        Process current = process;
        return current == null ? -1 : current.pid();
    }

    /// Stops the server in order; what is under way is rolled back.
    void close() {
        supervisor.interrupt();
        try {
            supervisor.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// The life of the thread whose end takes the server along. An interrupt ends it.
    private void supervise() {
        try {
            stopLeftOver();
            Process current = startOnFreePort();
            firstStart.complete(null);
            while (true) {
                int exitCode = current.waitFor();
                LOG.warn("the embedded PostgreSQL ended by itself (exit code {}); starting it again", exitCode);
                current = startAgain();
            }
        } catch (IOException | RuntimeException e) {
            firstStart.completeExceptionally(e);
        } catch (InterruptedException e) {
            // Told to stop.
        } finally {
            stopping = true;
            Process current = process;
            if (current != null) {
                stop(List.of(current.toHandle()));
            }
        }
    }

    private Process startOnFreePort() throws IOException, InterruptedException {
        Path file = cluster.resolveSibling("port");
        int last = Files.exists(file) ? Integer.parseInt(Files.readString(file).strip()) : 0;
        port = isFree(last) ? last : randomFreePort();
        Process started;
        try {
            started = launch();
        } catch (IOException e) {
            if (isFree(port)) {
                throw e;
            }
            LOG.info("port {} was taken at the last moment; trying another", port);
            port = randomFreePort();
            started = launch();
        }
        Files.writeString(file, port + "\n");
        return started;
    }

    private Process startAgain() throws InterruptedException {
        for (Duration pause = FIRST_PAUSE; ; pause = longer(pause)) {
            Thread.sleep(pause);
            try {
                stopLeftOver();
                return launch();
            } catch (IOException e) {
                LOG.error("the embedded PostgreSQL cannot be started again: {}", e.getMessage());
            }
        }
    }

    private static Duration longer(Duration pause) {
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(LONGEST_PAUSE) < 0 ? twice : LONGEST_PAUSE;
    }

    private Process launch() throws IOException, InterruptedException {
        Process started = user.process(command()).start();
        process = started;
        // A virtual one would keep the thread that carries it for as long as the server lives: half of them on two
        // cores.
        Thread relay = Thread.ofPlatform().daemon().name("postgres-log").start(() -> relay(started));
        while (!isReady(started)) {
            if (!started.isAlive()) {
                relay.join(STOP_AT_ONCE);
                throw new IOException(lastWords(started.exitValue()));
            }
            Thread.sleep(POLL);
        }
        return started;
    }

    private List<String> command() {
        List<String> command = new ArrayList<>(List.of("setsid", "setpriv", "--pdeathsig=INT", "--no-new-privs"));
        command.addAll(List.of("flock", "--no-fork", "--timeout=" + STOP_IN_ORDER.toSeconds()));
        command.addAll(List.of(
                "--conflict-exit-code=" + LOCKED,
                cluster.resolveSibling("server.lock").toString()));
        command.addAll(List.of(
                binaries.resolve("bin/postgres").toString(), "-D", cluster.toString(), "-p", Integer.toString(port)));
        SETTINGS.forEach((name, value) -> command.addAll(List.of("-c", name + "=" + value)));
        return command;
    }

    /// The server keeps its state in the eighth line of its pid file.
    private boolean isReady(Process started) throws IOException {
        try {
            List<String> lines = Files.readAllLines(pidFile());
            return lines.size() >= 8
                    && lines.getFirst().equals(Long.toString(started.pid()))
                    && lines.get(7).strip().equals("ready");
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    private Path pidFile() {
        return cluster.resolve("postmaster.pid");
    }

    private void stopLeftOver() throws IOException {
        List<ProcessHandle> left =
                ProcessHandle.allProcesses().filter(this::worksOnCluster).toList();
        if (!left.isEmpty()) {
            LOG.warn("stopping the database server that an earlier run has left behind");
            if (!stop(left)) {
                throw new IOException("the database server of an earlier run does not end");
            }
        }
        // The number in it may be another process by now, which the server would take for another server.
        Files.deleteIfExists(pidFile());
    }

    private boolean worksOnCluster(ProcessHandle candidate) {
        Path process = Path.of("/proc", Long.toString(candidate.pid()));
        try {
            Path program = Files.readSymbolicLink(process.resolve("exe")).getFileName();
            return program.toString().startsWith("postgres")
                    && Files.readSymbolicLink(process.resolve("cwd")).equals(cluster);
        } catch (IOException e) {
            // Gone meanwhile, or another user's.
            return false;
        }
    }

    /// Stops processes, in order if they let us.
    private static boolean stop(List<ProcessHandle> processes) {
        return stop(processes, "INT", STOP_IN_ORDER)
                || stop(processes, "QUIT", STOP_AT_ONCE)
                || stop(processes, "KILL", STOP_AT_ONCE);
    }

    private static boolean stop(List<ProcessHandle> processes, String signal, Duration patience) {
        // Children are told by their parent; a signal means something else to some of them.
        List<String> kill = new ArrayList<>(List.of("sh", "-c", "kill -s \"$0\" \"$@\"", signal));
        for (ProcessHandle process : processes) {
            if (process.parent().filter(processes::contains).isEmpty()) {
                kill.add(Long.toString(process.pid()));
            }
        }
        try {
            PostgresUser.ourselves().run(kill, "");
        } catch (IOException e) {
            // Gone meanwhile: seen below.
        }
        CompletableFuture<?>[] ends =
                processes.stream().map(ProcessHandle::onExit).toArray(CompletableFuture<?>[]::new);
        try {
            CompletableFuture.allOf(ends).get(patience.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /// Passes on what the server says, until it ends.
    private void relay(Process started) {
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(started.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                synchronized (lastLines) {
                    lastLines.add(line);
                    if (lastLines.size() > LAST_LINES) {
                        lastLines.remove();
                    }
                }
                boolean bad = BAD.matcher(line).lookingAt();
                LOG.atLevel(bad && !stopping ? Level.WARN : Level.DEBUG).log(line);
            }
        } catch (IOException e) {
            LOG.debug("the server's output ended: {}", e.getMessage());
        }
    }

    private String lastWords(int exitCode) {
        if (exitCode == LOCKED) {
            return "another database server, which is not ours to stop, works on " + cluster;
        }
        synchronized (lastLines) {
            return lastLines.stream()
                    .filter(line -> BAD.matcher(line).lookingAt())
                    .reduce((first, second) -> second)
                    .orElse("exit code " + exitCode + " " + String.join(" ", lastLines));
        }
    }

    private static int randomFreePort() throws IOException {
        for (int attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
            int candidate = ThreadLocalRandom.current().nextInt(FIRST_PORT, LAST_PORT);
            if (isFree(candidate)) {
                return candidate;
            }
        }
        throw new IOException("found no free port");
    }

    private static boolean isFree(int candidate) {
        if (candidate == 0) {
            return false;
        }
        try (ServerSocket probe = new ServerSocket(candidate, 1, InetAddress.getByName(HOST))) {
            return probe.isBound();
        } catch (IOException e) {
            return false;
        }
    }
}
