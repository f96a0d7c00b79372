// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.tpm;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// A TPM simulator with a fresh TPM, on a port of this machine.
public final class Swtpm implements AutoCloseable {
    private static final Path PROGRAM = Path.of("/usr/bin/swtpm");

    private final Path folder;
    private final int port = freePort();
    private final int controlPort = freePort();
    private Process process;

    private Swtpm(Path folder) throws IOException, InterruptedException {
        this.folder = folder;
        this.process = switchOn("not-need-init,startup-clear");
    }

    /// Starts one and waits until it answers.
    public static Swtpm start() throws IOException, InterruptedException {
        if (!Files.isExecutable(PROGRAM)) {
            throw new IllegalStateException("swtpm is not installed: apt-get install swtpm");
        }
        return new Swtpm(Files.createTempDirectory("swtpm"));
    }

    private Process switchOn(String flags) throws IOException, InterruptedException {
        Process fresh = new ProcessBuilder(
                        PROGRAM.toString(),
                        "socket",
                        "--tpm2",
                        "--tpmstate",
                        "dir=" + folder,
                        "--server",
                        "type=tcp,port=" + port + ",bindaddr=127.0.0.1",
                        "--ctrl",
                        "type=tcp,port=" + controlPort + ",bindaddr=127.0.0.1",
                        "--flags",
                        flags)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log").toFile())
                .start();
        awaitListening(fresh);
        return fresh;
    }

    /// Takes its power away and gives it back. As real ones do, it waits for whoever starts it then.
    public void powerCut() throws IOException, InterruptedException {
        process.destroyForcibly().waitFor();
        process = switchOn("not-need-init");
    }

    /// A port for a program that cannot be told to take any: below those that the system gives to whoever
    /// asks for any, so that nobody is given it before the program has taken it.
    private static int freePort() throws IOException {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(20_000, 30_000);
            try (ServerSocket _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return port;
            } catch (BindException e) {
                // Another one, then.
            }
        }
    }

    /// The log says nothing of it; and a connection to see would be the only one that swtpm takes.
    private void awaitListening(Process fresh) throws IOException, InterruptedException {
        String listening = "0100007F:%04X 00000000:0000 0A".formatted(port);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!Files.readString(Path.of("/proc/net/tcp")).contains(listening)) {
            if (!fresh.isAlive() || System.nanoTime() > deadline) {
                throw new IllegalStateException("swtpm does not start: " + Files.readString(folder.resolve("log")));
            }
            Thread.sleep(20);
        }
    }

    public InetSocketAddress address() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    /// The one connection that it takes at a time.
    public Tpm connect() {
        return new Tpm(TpmPort.tcp(address(), 30_000));
    }

    @Override
    public void close() throws IOException {
        process.destroy();
        try {
            process.waitFor(5, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
