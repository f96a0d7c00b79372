// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.util.List;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `tegata help device list` for those who do not write `tegata device list --help`.
@Command(footer = "  tegata help device list")
final class HelpFor implements Runnable {
    @Parameters(paramLabel = "COMMAND", arity = "0..*", description = "The command, word for word.")
    List<String> names = List.of();

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before run().
    CommandSpec spec;

    @Override
    public void run() {
        CommandLine command = Objects.requireNonNull(spec.parent()).commandLine();
        for (String name : names) {
            CommandLine inner = command.getSubcommands().get(name);
            if (inner == null) {
                throw CommandFailure.usage(
                        "'" + command.getCommandSpec().qualifiedName() + "' has no command '" + name + "'");
            }
            command = inner;
        }
        command.usage(command.getOut());
    }
}
