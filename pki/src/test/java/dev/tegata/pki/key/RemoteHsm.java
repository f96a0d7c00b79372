// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// SoftHSM in a process of its own, which a test may kill: `p11-kit server`, reached by p11-kit's client
/// module.
final class RemoteHsm implements AutoCloseable {
    static final Path LIBRARY = Path.of(
            "/usr/lib",
            (System.getProperty("os.arch", "").equals("aarch64") ? "aarch64" : "x86_64") + "-linux-gnu",
            "pkcs11/p11-kit-client.so");
    private static final Path SERVER = Path.of("/usr/libexec/p11-kit/p11-kit-server");

    private final Path socket;
    private final Path config;
    private Process process;

    /// Starts the HSM with its tokens in `directory`, and points the client module to it.
    RemoteHsm(Path directory) throws IOException {
        assertThat(SERVER).as("install the package p11-kit").exists();
        assertThat(LIBRARY).as("install the package p11-kit-modules").exists();
        socket = directory.resolve("hsm.socket");
        config = SoftHsm.configuration(directory);
        SoftHsm.setEnvironment("P11_KIT_SERVER_ADDRESS", "unix:path=" + socket);
        process = start();
    }

    private Process start() throws IOException {
        Files.deleteIfExists(socket);
        ProcessBuilder builder = new ProcessBuilder(List.of(
                SERVER.toString(),
                "--foreground",
                "--provider",
                SoftHsm.LIBRARY.toString(),
                "--name",
                socket.toString(),
                "pkcs11:"));
        builder.environment().put("SOFTHSM2_CONF", config.toString());
        Process started = builder.redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!listens()) {
            if (System.nanoTime() > patience || !started.isAlive()) {
                throw new IllegalStateException("p11-kit server does not start");
            }
            Thread.onSpinWait();
        }
        return started;
    }

    /// The socket's file is there before the server listens on it.
    private boolean listens() {
        try (SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /// Ends the server and the processes that serve its clients, as kill -9 does.
    void kill() throws InterruptedException {
        List<ProcessHandle> all = process.descendants().toList();
        process.destroyForcibly().waitFor();
        for (ProcessHandle child : all) {
            child.destroyForcibly();
            child.onExit().join();
        }
    }

    /// Sends `STOP` or `CONT` to all of it: a stopped HSM neither answers nor hangs up.
    void signal(String name) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("kill", "-" + name, Long.toString(process.pid())));
        process.descendants().map(each -> Long.toString(each.pid())).forEach(command::add);
        new ProcessBuilder(command).start().waitFor();
    }

    void restart() throws IOException {
        process = start();
    }

    @Override
    public void close() throws InterruptedException {
        kill();
    }
}
