// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.crash;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegata.agent.EstClient;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// `-Dtegata.crash.seconds=3600` goes on killing for an hour.
@DisplayName("What a device was answered is on disk, and nothing is half done")
final class CrashTest {
    private static final Duration KILLING = Duration.ofSeconds(Integer.getInteger("tegata.crash.seconds", 25));
    private static final int DEVICES_AT_ONCE = 12;
    private static final int BULK = 12_000;

    @TempDir
    static Path folder;

    private static ServerProcess server;
    private static CrashWorld world;

    private final RandomGenerator random = RandomGenerator.getDefault();

    @BeforeAll
    static void start() throws Exception {
        Path data = folder.resolve("data");
        server = ServerProcess.start(data);
        world = new CrashWorld(data, server);
    }

    @AfterAll
    static void stop() throws IOException {
        server.close();
    }

    @Test
    @DisplayName("when server, database or both are killed at any moment under load, again and again")
    void killed() throws Exception {
        long end = System.nanoTime() + KILLING.toNanos();
        int kills = 0;
        while (kills < 3 || System.nanoTime() < end) {
            boolean serverToo = kills % 3 != 1;
            try (CrashWorld.Load _ = world.new Load(server, DEVICES_AT_ONCE)) {
                world.awaitAnswers(1);
                Thread.sleep(random.nextInt(50, 1000));
                if (kills % 3 > 0) {
                    server.killDatabase();
                }
                if (serverToo) {
                    server.kill();
                } else {
                    // The server starts its database again by itself.
                    world.awaitAnswers(DEVICES_AT_ONCE);
                }
            }
            if (serverToo) {
                server = ServerProcess.start(folder.resolve("data"));
            }
            kills++;
            world.check(server);
        }
        System.out.println(kills + " kills, " + world.summary());
    }

    @Test
    @DisplayName(
            "when the server is killed in the middle of a bulk job: it goes on where it was, and does nothing twice")
    void killedInABulkJob() throws Exception {
        CrashWorld owner = new CrashWorld(folder.resolve("data"), server);
        String fleet = owner.claimMany(server, BULK);
        String job = owner.startRevoking(server, fleet);
        JsonNode seen = owner.awaitJob(server, job, found -> found.path("done").asLong() > 0);
        server.kill();
        server = ServerProcess.start(folder.resolve("data"));

        JsonNode end = owner.awaitJob(
                server, job, found -> !found.path("state").asString().equals("running"));
        System.out.println("killed after " + seen.path("done").asLong() + " of " + BULK);
        assertThat(end.path("state").asString()).as(end.toString()).isEqualTo("completed");
        assertThat(end.path("done").asLong()).isEqualTo(BULK);
        owner.checkRevoked(fleet, BULK);
    }

    @Test
    @DisplayName("when the database hangs: devices are told to come later, and get their certificates when it goes on")
    void hangs() throws Exception {
        int before = world.later();
        try (CrashWorld.Load _ = world.new Load(server, DEVICES_AT_ONCE)) {
            world.awaitAnswers(DEVICES_AT_ONCE);
            server.signalDatabase("STOP");
            try {
                long deadline = System.nanoTime() + Duration.ofSeconds(90).toNanos();
                while (world.later() < before + DEVICES_AT_ONCE) {
                    assertThat(System.nanoTime()).as(world.summary()).isLessThan(deadline);
                    Thread.sleep(20);
                }
            } finally {
                server.signalDatabase("CONT");
            }
            world.awaitAnswers(DEVICES_AT_ONCE);
        }
        world.check(server);
    }

    @Test
    @DisplayName(
            "when the disk is full: devices are told to come later, and get their certificates when there is space")
    void diskFull() throws Exception {
        Path data = Files.createDirectory(folder.resolve("small"));
        assumeTrue(mount(data), "only root, outside of some containers, can make a small disk");
        try {
            try (ServerProcess small = ServerProcess.start(data)) {
                CrashWorld tight = new CrashWorld(data, small);
                EstClient est = tight.est(small);
                assertThat(tight.enrolOnce(est)).isTrue();
                fill(data.resolve("filler"));
                for (int i = 0; tight.later() == 0; i++) {
                    assertThat(i).as("enrolments on a full disk").isLessThan(10_000);
                    tight.enrolOnce(est);
                }
                Files.delete(data.resolve("filler"));
                try (CrashWorld.Load _ = tight.new Load(small, DEVICES_AT_ONCE)) {
                    tight.awaitAnswers(DEVICES_AT_ONCE);
                }
                tight.check(small);
            }
        } finally {
            run("umount", data.toString());
        }
    }

    private static boolean mount(Path mountPoint) throws IOException, InterruptedException {
        return run("mount", "-t", "tmpfs", "-o", "size=250m", "tmpfs", mountPoint.toString()) == 0;
    }

    private static int run(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command).inheritIO().start().waitFor();
    }

    /// Takes all but a megabyte of the disk.
    private static void fill(Path file) throws IOException {
        byte[] block = new byte[1 << 16];
        long left = Files.getFileStore(file.getParent()).getUsableSpace() - (1 << 20);
        try (OutputStream output = Files.newOutputStream(file)) {
            for (; left > 0; left -= block.length) {
                output.write(block);
            }
        }
    }
}
