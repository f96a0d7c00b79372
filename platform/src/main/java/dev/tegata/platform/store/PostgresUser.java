// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.UnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// As whom the programs of PostgreSQL run, which refuse to run as root: the words that go before their command line.
///
/// - An ordinary user runs them as they are.
/// - Root runs them in a user namespace of their own, where root's number outside is an ordinary user's inside. The
///   files stay root's.
/// - Where the kernel or the container forbids namespaces, or the folder already belongs to somebody else, root hands
///   the folder over and becomes that user for them.
record PostgresUser(List<String> prefix) {
    private static final int ROOT = 0;

    static PostgresUser ourselves() {
        return new PostgresUser(List.of());
    }

    /// Finds out as whom the server can work in `folder`.
    static PostgresUser choose(Path folder) throws IOException {
        int self = owner(Path.of("/proc/self"));
        int owner = owner(folder);
        Map<Integer, Integer> groups = groupsOfUsers();
        if (self != ROOT && owner != self) {
            throw new UnavailableException("%s belongs to user %d, and this is user %d".formatted(folder, owner, self));
        }
        // The Java launcher writes '?' where the number has no name, as containers with arbitrary users do.
        if (self != ROOT && !System.getProperty("user.name").equals("?")) {
            return ourselves();
        }
        int nobody = nobody(groups);
        PostgresUser inNamespace = new PostgresUser(List.of("unshare", "--user", "--map-user=" + nobody));
        if (owner == self && inNamespace.canWorkIn(folder)) {
            return inNamespace;
        }
        int other = owner == ROOT ? nobody : owner;
        int group = groups.getOrDefault(other, other);
        PostgresUser handedOver =
                new PostgresUser(List.of("setpriv", "--reuid=" + other, "--regid=" + group, "--clear-groups"));
        if (self == ROOT) {
            hand(folder, other, group);
            if (handedOver.canWorkIn(folder)) {
                return handedOver;
            }
        }
        throw new UnavailableException("user %d cannot work in %s: choose a folder that this user can reach"
                .formatted(self == ROOT ? other : self, folder));
    }

    /// Gives a file that we made to the owner of the folder it is in.
    static void handOver(Path file) throws IOException {
        Files.setAttribute(file, "unix:uid", owner(file.resolveSibling(".")));
    }

    List<String> command(List<String> command) {
        List<String> whole = new ArrayList<>(prefix);
        whole.addAll(command);
        return whole;
    }

    /// A process with nothing of our environment, which might hold secrets or change the server's behaviour.
    ProcessBuilder process(List<String> command) {
        ProcessBuilder builder = new ProcessBuilder(command(command)).redirectErrorStream(true);
        builder.environment().clear();
        builder.environment().putAll(Map.of("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL", "C", "TZ", "UTC"));
        return builder;
    }

    /// Runs a command to its end.
    ///
    /// @throws IOException where it fails; the message is what it printed
    void run(List<String> command, String input) throws IOException {
        Process process = process(command).start();
        try (OutputStream stdin = process.getOutputStream()) {
            stdin.write(input.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // It ended without reading: what it printed says why.
        }
        String output;
        try (InputStream stdout = process.getInputStream()) {
            output = new String(stdout.readAllBytes(), StandardCharsets.UTF_8);
        }
        try {
            if (process.waitFor() != 0) {
                throw new IOException(Path.of(command.getFirst()).getFileName() + ": " + output.strip());
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private boolean canWorkIn(Path folder) {
        try {
            run(List.of("sh", "-c", "test -w \"$0\"", folder.toString()), "");
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /// The first step of a cluster wants a user that has a name.
    private static int nobody(Map<Integer, Integer> groups) {
        for (int candidate : new int[] {65534, 99}) {
            if (groups.containsKey(candidate)) {
                return candidate;
            }
        }
        throw new UnavailableException("there is no user 'nobody' to run PostgreSQL as");
    }

    /// User number to main group.
    private static Map<Integer, Integer> groupsOfUsers() throws IOException {
        Map<Integer, Integer> groups = new HashMap<>();
        for (String line : Files.readAllLines(Path.of("/etc/passwd"))) {
            String[] fields = line.split(":");
            groups.put(Integer.parseInt(fields[2]), Integer.parseInt(fields[3]));
        }
        return groups;
    }

    private static void hand(Path folder, int user, int group) throws IOException {
        try (Stream<Path> tree = Files.walk(folder)) {
            for (Path path : tree.toList()) {
                Files.setAttribute(path, "unix:uid", user, LinkOption.NOFOLLOW_LINKS);
                Files.setAttribute(path, "unix:gid", group, LinkOption.NOFOLLOW_LINKS);
            }
        }
    }

    private static int owner(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:uid");
    }
}
