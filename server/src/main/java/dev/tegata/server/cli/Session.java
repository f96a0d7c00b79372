// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/// What all commands have in common: their options, the terminal, the way to the server and back.
final class Session {
    @Option(
            names = "--json",
            order = 1000,
            scope = ScopeType.INHERIT,
            description = "Print JSON for programs: the server's answer, unchanged.")
    boolean json;

    @Option(
            names = "--url",
            order = 1001,
            paramLabel = "URL",
            scope = ScopeType.INHERIT,
            description = "The server; otherwise TEGATA_URL, the profile, or https://localhost:8443.")
    @Nullable
    String url;

    @Option(
            names = "--profile",
            order = 1002,
            paramLabel = "FILE",
            scope = ScopeType.INHERIT,
            description = "The file that says which server and key to use; otherwise TEGATA_PROFILE, or"
                    + " ~/.config/tegata/profile.yaml.")
    @Nullable
    Path profile;

    @Option(
            names = "--with-approval",
            order = 1003,
            paramLabel = "APPROVAL",
            scope = ScopeType.INHERIT,
            description =
                    "For a command that was answered 'approval-required': the approval that another key has given.")
    @Nullable
    String approval;

    @Option(
            names = {"-h", "--help"},
            order = 1004,
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Show this help.")
    boolean help;

    private final Terminal terminal;

    Session(Terminal terminal) {
        this.terminal = terminal;
    }

    Terminal terminal() {
        return terminal;
    }

    Output output() {
        return new Output(terminal, json);
    }

    /// The program as the user called it, for commands that they may copy.
    String program() {
        return System.getProperty("tegata.program", "tegata");
    }

    /// Asks the person at the terminal; anything but yes ends the command.
    void confirm(String question) {
        if (!terminal.interactive() || json) {
            throw CommandFailure.usage("nothing was sent: nobody is there to ask; add --yes");
        }
        terminal.err().print(question + " [y/N] ");
        terminal.err().flush();
        try {
            int answer = terminal.in().read();
            if (answer != 'y' && answer != 'Y') {
                throw CommandFailure.refused("nothing was sent");
            }
        } catch (IOException e) {
            throw CommandFailure.usage("nothing was sent: the answer cannot be read");
        }
    }

    /// Writes what the server exports into a file; null for the output.
    ///
    /// @param check the command that checks the file
    void export(ApiClient api, String path, @Nullable Path file, String check) {
        if (file == null) {
            output().stream(api, path);
            return;
        }
        OutputFile.write(file, out -> {
            api.download(path, out);
            return file;
        });
        output().done("Exported to %s. Check it at any time: %s %s %1$s".formatted(file, program(), check));
    }

    Path profileFile() {
        return profile == null ? Profile.file(terminal.environment()) : profile;
    }

    Access access() {
        return access(null);
    }

    /// @param data the server's data folder, where it is on this machine
    Access access(@Nullable Path data) {
        return Access.find(url, data, profileFile(), terminal.environment());
    }

    /// The server, as the holder of an API key.
    ApiClient api() {
        Access access = access();
        Access.Found key = access.apiKey()
                .orElseThrow(() -> CommandFailure.usage(
                        "no API key: set TEGATA_API_KEY, or store one with '%1$s profile set --api-key-file FILE'.%n"
                                        .formatted(program())
                                + "'%s tenant create' makes a tenant with its first key.".formatted(program())));
        if (key.from().equals(profileFile().toString()) && Profile.isOpenToOthers(profileFile())) {
            terminal.err()
                    .println("tegata: warning: other users can read " + profileFile() + "; run 'chmod 600' on it");
        }
        return new ApiClient(access, key.value(), approval);
    }

    /// The server, as the installation's operator.
    ApiClient operatorApi(@Nullable Path data) {
        Path folder = data == null ? Access.dataFolder(terminal.environment()) : data;
        return new ApiClient(access(data), Access.operatorKey(folder, terminal));
    }
}
