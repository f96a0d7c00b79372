// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.io.IOException;
import java.nio.file.Path;

/// A process that starts a server in the folder of its first argument, with the programs of its second, says so, and
/// ends without stopping the server when its input ends.
final class EmbeddedPostgresProgram {
    private EmbeddedPostgresProgram() {}

    public static void main(String[] arguments) throws IOException {
        try {
            EmbeddedPostgres postgres = EmbeddedPostgres.start(Path.of(arguments[0]), Path.of(arguments[1]));
            System.out.println("ready " + postgres.pid());
            while (System.in.read() >= 0) {
                // Told nothing yet.
            }
        } catch (RuntimeException e) {
            System.out.println(e.getMessage());
        }
    }
}
