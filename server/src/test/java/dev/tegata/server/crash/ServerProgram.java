// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.crash;

import dev.tegata.server.Server;
import dev.tegata.server.ServerConfig;
import java.io.IOException;
import java.nio.file.Path;

/// A process that runs a server on the data folder of its first argument, says where, and stops in order when its
/// input ends.
final class ServerProgram {
    private ServerProgram() {}

    public static void main(String[] arguments) throws IOException {
        try (Server server = Server.start(ServerConfig.onFreePorts(Path.of(arguments[0])))) {
            System.out.println("ready " + server.apiUrl() + " " + server.devicesUrl());
            while (System.in.read() >= 0) {
                // Told nothing yet.
            }
        }
    }
}
