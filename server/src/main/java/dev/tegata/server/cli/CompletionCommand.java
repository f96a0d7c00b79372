// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// Prints a script that completes commands and options.
@Command(
        footer = {
            "  source <(tegata completion bash)     # in ~/.bashrc",
            "  source <(tegata completion zsh)      # in ~/.zshrc"
        })
final class CompletionCommand implements Runnable {
    /// The shells that the script is for; it finds out itself which of them runs it.
    enum Shell {
        bash,
        zsh
    }

    @Parameters(paramLabel = "SHELL", description = "bash or zsh.")
    Shell shell = Shell.bash;

    private final Session session;

    CompletionCommand(Session session) {
        this.session = session;
    }

    @Override
    public void run() {
        String script = AutoComplete.bash("tegata", Tegata.whole(session.terminal()));
        session.output().document("script", script);
    }
}
