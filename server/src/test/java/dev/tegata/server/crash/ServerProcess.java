// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.crash;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// A server with its embedded database in processes of their own, to be killed.
final class ServerProcess implements AutoCloseable {
    private final Path data;
    private final Process process;
    private final BufferedReader output;
    final String apiUrl;
    final String devicesUrl;

    private ServerProcess(Path data, Process process) throws IOException {
        this.data = data;
        this.process = process;
        this.output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = output.readLine();
        if (line == null || !line.startsWith("ready ")) {
            throw new IOException("the server did not start, see " + log(data) + ": " + line);
        }
        String[] words = line.split(" ");
        this.apiUrl = words[1];
        this.devicesUrl = words[2];
    }

    /// Starts a server and returns when it answers.
    static ServerProcess start(Path data) throws IOException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx256m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ServerProgram.class.getName(),
                        data.toString())
                .redirectError(ProcessBuilder.Redirect.appendTo(log(data).toFile()))
                .start();
        try {
            return new ServerProcess(data, process);
        } catch (IOException e) {
            process.destroyForcibly();
            throw e;
        }
    }

    private static Path log(Path data) {
        return data.resolveSibling("server.log");
    }

    /// Ends the server's process without a word to it.
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /// Ends the database's main process without a word to it.
    void killDatabase() throws IOException {
        ProcessHandle.of(databasePid()).ifPresent(ProcessHandle::destroyForcibly);
    }

    /// Stops all processes of the database where they are, or lets them go on.
    void signalDatabase(String signal) throws IOException, InterruptedException {
        ProcessHandle main = ProcessHandle.of(databasePid()).orElseThrow();
        List<String> pids = Stream.concat(main.descendants(), Stream.of(main))
                .map(handle -> Long.toString(handle.pid()))
                .toList();
        new ProcessBuilder("sh", "-c", "kill -s " + signal + " " + String.join(" ", pids))
                .inheritIO()
                .start()
                .waitFor();
    }

    private long databasePid() throws IOException {
        return Long.parseLong(Files.readAllLines(data.resolve("postgres/data/postmaster.pid"))
                .getFirst()
                .strip());
    }

    /// Stops the server in order.
    @Override
    public void close() throws IOException {
        process.getOutputStream().close();
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        output.close();
    }
}
