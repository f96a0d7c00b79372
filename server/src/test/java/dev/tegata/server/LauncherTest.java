// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The scripts run as they are, in a checkout of which nothing else is there; in place of Maven and Java
/// stand scripts that write down what they were called with.
@DisplayName("The launcher")
final class LauncherTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    @TempDir
    Path folder;

    private Path checkout;
    private Path calls;

    @BeforeEach
    void makeCheckout() throws IOException {
        checkout = folder.resolve("a checkout");
        calls = Files.createFile(folder.resolve("calls"));
        Files.createDirectories(checkout.resolve("scripts"));
        Files.copy(ROOT.resolve("tegata"), checkout.resolve("tegata"));
        Files.copy(ROOT.resolve("scripts/build"), checkout.resolve("scripts/build"));
        Files.createFile(checkout.resolve("pom.xml"));
        Files.createDirectories(checkout.resolve("server/src/main"));
        Files.createFile(checkout.resolve("server/pom.xml"));
        program(folder.resolve("jdk/bin/javac"), "");
        Files.writeString(folder.resolve("jdk/release"), "JAVA_VERSION=\"25.0.1\"\n");
        program(folder.resolve("jdk/bin/java"), "[ \"${*: -1}\" = https://localhost:9 ] || echo \"java ${*: -2}\"");
        program(folder.resolve("bin/mvn"), "echo mvn >> '" + calls + "'; sleep 0.2; exit ${MVN_ENDS:-0}");
    }

    private static void program(Path file, String body) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/usr/bin/env bash\n" + body + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private record Ended(int code, String text) {}

    private Process start(Map<String, String> environment, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("bash", checkout + "/tegata"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("JAVA_HOME", folder.resolve("jdk").toString());
        builder.environment().put("PATH", folder.resolve("bin") + ":" + System.getenv("PATH"));
        builder.environment().putAll(environment);
        return builder.start();
    }

    private static Ended ended(Process process) throws Exception {
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), text);
    }

    private Ended run(String... arguments) throws Exception {
        return ended(start(Map.of(), arguments));
    }

    @Test
    @DisplayName("builds at the first start, then no more until a source is newer")
    void builds() throws Exception {
        assertThat(run("device", "list").text()).contains("building", "java device list");
        assertThat(run("device", "list")).isEqualTo(new Ended(0, "java device list\n"));
        assertThat(calls).hasContent("mvn");

        Path source = Files.createFile(checkout.resolve("server/src/main/New.java"));
        Files.setLastModifiedTime(
                source, FileTime.from(InstantSource.system().instant().plus(Duration.ofSeconds(5))));

        assertThat(run("status", "--json").text()).contains("building", "java status --json");
        assertThat(Files.readAllLines(calls)).containsExactly("mvn", "mvn");
    }

    @Test
    @DisplayName("started twice at the same moment, builds once")
    void onceForTwo() throws Exception {
        Process first = start(Map.of(), "serve", "now");
        Process second = start(Map.of(), "tenant", "list");

        assertThat(ended(first).text()).contains("java serve now");
        assertThat(ended(second).text()).contains("java tenant list");
        assertThat(calls).hasContent("mvn");
    }

    @Test
    @DisplayName("says that the build failed, and builds again the next time")
    void buildFails() throws Exception {
        Ended ended = ended(start(Map.of("MVN_ENDS", "1"), "serve", "now"));

        assertThat(ended.code()).isEqualTo(2);
        assertThat(ended.text()).contains("the build failed").doesNotContain("java serve");
        assertThat(run("serve", "now").text()).contains("java serve now");
    }

    @Test
    @DisplayName("says what is missing: a JDK, or Maven")
    void missing() throws Exception {
        Path build = checkout.resolve("scripts/build");
        String script = Files.readString(build);
        Files.writeString(build, script.replace("needed_java=25", "needed_java=9999"));

        Ended noJdk = run("serve", "now");

        assertThat(noJdk.code()).isEqualTo(2);
        assertThat(noJdk.text()).contains("needs a JDK of version 9999", "JAVA_HOME");
        Files.writeString(build, script.replace("command -v mvn", "command -v no-such-maven"));
        Ended noMaven = run("serve", "now");
        assertThat(noMaven.code()).isEqualTo(2);
        assertThat(noMaven.text()).contains("needs Maven", "apt-get install maven");
    }
}
