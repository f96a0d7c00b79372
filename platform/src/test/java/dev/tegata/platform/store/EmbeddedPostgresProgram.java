// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/// A process that starts a server in the folder of its first argument, with the programs of its second,
/// says so, and ends without stopping the server when its input ends. It says so in a virtual thread, and
/// is given one thread to carry those: what holds that up shows.
final class EmbeddedPostgresProgram {
    private static final Duration LONGEST = Duration.ofSeconds(60);

    private EmbeddedPostgresProgram() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        try {
            EmbeddedPostgres postgres = EmbeddedPostgres.start(Path.of(arguments[0]), Path.of(arguments[1]));
            Thread virtual = Thread.ofVirtual().start(() -> System.out.println("ready " + postgres.pid()));
            if (!virtual.join(LONGEST)) {
                System.out.println("no virtual thread comes to run");
            }
            while (System.in.read() >= 0) {
                // Told nothing yet.
            }
        } catch (RuntimeException e) {
            System.out.println(e.getMessage());
        }
    }
}
