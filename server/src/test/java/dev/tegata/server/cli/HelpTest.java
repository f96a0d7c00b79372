// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

class HelpTest {
    private static final Pattern SHELL = Pattern.compile("(?ms)^ *```sh\\n(.*?)^ *```");
    private static final Pattern CALL = Pattern.compile("(?:^|[|&;(] ?|\\bsudo |\\bthen )(?:\\./)?tegata(?= )");
    private static final Pattern WORD =
            Pattern.compile(" +((?![#<>|&;)])(?:\"[^\"]*\"|'[^']*'|\\$\\([^)]*\\)|[^ |&;<>\"')])+)");

    @TempDir
    Path home;

    /// All commands below `command`, itself included.
    static List<CommandLine> all(CommandLine command) {
        List<CommandLine> all = new ArrayList<>(List.of(command));
        command.getSubcommands().values().forEach(inner -> all.addAll(all(inner)));
        return all;
    }

    static CommandLine whole() {
        return Tegata.whole(Terminal.of(
                Map.of(),
                java.io.InputStream.nullInputStream(),
                java.io.OutputStream.nullOutputStream(),
                java.io.OutputStream.nullOutputStream(),
                false));
    }

    @TestFactory
    List<DynamicTest> theHelpOfEveryCommandNamesItsOptionsAndGivesAnExample() {
        return all(whole()).stream()
                .map(command -> DynamicTest.dynamicTest(command.getCommandSpec().qualifiedName(), () -> check(command)))
                .toList();
    }

    private void check(CommandLine command) {
        String name = command.getCommandSpec().qualifiedName();
        List<String> words = new ArrayList<>(List.of(name.split(" ")));
        words.removeFirst();
        words.add("--help");
        Shell.Result result = Shell.in(home).run(words.toArray(String[]::new));
        String help = result.text();

        assertThat(result.err()).isEmpty();
        for (OptionSpec option : command.getCommandSpec().options()) {
            // One that can be negated is shown as --[no-]approval.
            assertThat(help).contains(option.longestName().substring(2));
            assertThat(option.description()).as(option.longestName()).isNotEmpty();
        }
        for (PositionalParamSpec parameter : command.getCommandSpec().positionalParameters()) {
            assertThat(help).contains(parameter.paramLabel());
            assertThat(parameter.description()).as(parameter.paramLabel()).isNotEmpty();
        }
        assertThat(command.getCommandSpec().usageMessage().description()).isNotEmpty();
        assertThat(help.lines().mapToInt(String::length).max().orElse(0)).isLessThanOrEqualTo(120);
        if (command.getSubcommands().isEmpty()) {
            assertThat(help.substring(help.indexOf("\nExample"))).contains(name);
        }
    }

    @Test
    void oneOfSeveralIsNotMarkedAsNeededItself() {
        for (CommandLine command : all(whole())) {
            String help = command.getUsageMessage(CommandLine.Help.Ansi.OFF);
            String name = command.getCommandSpec().qualifiedName();
            for (ArgGroupSpec group : command.getCommandSpec().argGroups()) {
                assertThat(help).as(name).contains("One of these must be given:");
                assertThat(group.exclusive()).as(name).isTrue();
                for (OptionSpec option : group.options()) {
                    assertThat(help).as(name).containsPattern("(?m)^ +" + option.longestName());
                }
            }
            assertThat(help.contains("(* must be given)"))
                    .as(name)
                    .isEqualTo(help.lines().anyMatch(line -> line.startsWith("*")));
        }
    }

    /// What a length of time or a number is where it is left out.
    @Test
    void optionsSayWhatHoldsWithoutThem() {
        Set<String> amounts = Set.of("TIME", "SECONDS", "N", "PERCENT", "PORT", "DEVICES", "DAYS", "BYTES");
        Pattern said = Pattern.compile("(?i)default|at first|otherwise|from now on|^only |^list ");
        List<String> silent = new ArrayList<>();
        for (CommandLine command : all(whole())) {
            for (OptionSpec option : command.getCommandSpec().options()) {
                boolean amount = amounts.contains(option.paramLabel()) && !option.required();
                if (amount
                        && !said.matcher(String.join(" ", option.description())).find()) {
                    silent.add(command.getCommandSpec().qualifiedName() + " " + option.longestName());
                }
            }
        }
        assertThat(silent).isEmpty();
    }

    @Test
    void everyCommandTakesJson() {
        assertThat(all(whole()))
                .allSatisfy(command ->
                        assertThat(command.getCommandSpec().optionsMap()).containsKeys("--json", "--help"));
    }

    @Test
    void helpIsAlsoACommand() {
        Shell shell = Shell.in(home);

        assertThat(shell.run("help", "device", "list").text())
                .isEqualTo(shell.run("device", "list", "--help").text());
        assertThat(shell.run("help").text()).isEqualTo(shell.run("--help").text());
        assertThat(shell.run("help", "device", "fly").exitCode()).isEqualTo(2);
    }

    @Test
    void theVersionIsShown() {
        assertThat(Shell.in(home).run("--version").text()).startsWith("tegata ");
    }

    @Test
    void whatIsMistypedIsAnsweredByWhatIsMeant() {
        Shell.Result result = Shell.in(home).run("device", "lst");

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("device list").contains("See 'tegata device --help'");
        assertThat(Shell.in(home).run().exitCode()).isEqualTo(2);
        assertThat(Shell.in(home).run("device").err()).contains("Commands:");
        assertThat(Shell.in(home).run("tenant", "create").err()).contains("--organization", "--country");
        assertThat(Shell.in(home).run("device", "list", "--limit", "many").exitCode())
                .isEqualTo(2);
    }

    @Test
    void coloursAreForPeopleWhoWantThem() {
        assertThat(Shell.in(home).run("--help").out()).doesNotContain("\u001b");
        assertThat(Shell.in(home).watched().run("--help").out()).contains("\u001b");
        assertThat(Shell.in(home).watched().with("NO_COLOR", "1").run("--help").out())
                .doesNotContain("\u001b");
    }

    @Test
    void theCompletionScriptIsGoodBash() throws Exception {
        String script = Shell.in(home).run("completion", "bash").text();
        Path file = Files.writeString(home.resolve("completion.sh"), script);

        assertThat(script).contains("manifest", "--fleet");
        assertThat(new ProcessBuilder("bash", "-n", file.toString()).start().waitFor())
                .isZero();
        assertThat(Shell.in(home).run("completion", "fish").exitCode()).isEqualTo(2);
    }

    /// Run with `-Dtests.args=-Dtegata.write-docs` to bring the file up to date.
    @Test
    void theDocumentedCommandsAreTheOnesInTheCode() throws Exception {
        Path page = Path.of("..", "docs", "reference", "cli.md");
        String text = page(whole());
        if (System.getProperty("tegata.write-docs") != null) {
            Files.createDirectories(page.getParent());
            Files.writeString(page, text);
        }

        assertThat(page).hasContent(text);
    }

    @Test
    void whatThePagesTellToTypeIsUnderstood() throws Exception {
        List<String> wrong = new ArrayList<>();
        CommandLine program = whole();
        int commands = 0;
        for (Path page : pages()) {
            Matcher fence = SHELL.matcher(Files.readString(page));
            while (fence.find()) {
                for (List<String> words : commands(fence.group(1))) {
                    commands++;
                    try {
                        program.parseArgs(words.toArray(String[]::new));
                    } catch (CommandLine.ParameterException e) {
                        wrong.add("%s: %s: %s".formatted(page, String.join(" ", words), e.getMessage()));
                    }
                }
            }
        }

        assertThat(wrong).isEmpty();
        assertThat(commands).isGreaterThan(100);
    }

    private static List<Path> pages() throws Exception {
        try (Stream<Path> docs = Files.walk(Path.of("..", "docs"))) {
            return Stream.concat(docs, Stream.of(Path.of("..", "README.md")))
                    .filter(path -> path.toString().endsWith(".md"))
                    .toList();
        }
    }

    /// The calls of `tegata` in a piece of shell, as words. What they are joined to ends them; a variable
    /// stays what it is called.
    private static List<List<String>> commands(String shell) {
        List<List<String>> commands = new ArrayList<>();
        for (String line : shell.replace("\\\n", " ").split("\n")) {
            Matcher call = CALL.matcher(line);
            while (call.find()) {
                List<String> words = new ArrayList<>();
                Matcher word = WORD.matcher(line).region(call.end(), line.length());
                while (word.lookingAt()) {
                    words.add(word.group(1).replaceAll("[\"']", ""));
                    word.region(word.end(), line.length());
                }
                if (!words.isEmpty() && !Set.of("test", "bench").contains(words.getFirst())) {
                    commands.add(words);
                }
            }
        }
        return commands;
    }

    private static String page(CommandLine program) {
        StringBuilder page = new StringBuilder("""
                # Commands

                What each command prints for `--help`, in one place. This page is made from the commands themselves: do not
                edit it. `./tegata test --projects server --also-make -Dtest=HelpTest -Dsurefire.failIfNoSpecifiedTests=false
                -Dtests.args=-Dtegata.write-docs` brings it up to date.

                Which server a command speaks to, with which key, and by which CA it knows the server: options come before
                environment variables (`TEGATA_URL`, `TEGATA_API_KEY`, `TEGATA_CA`), these before the profile file. `tegata
                profile show` says what was found where. Keys never stand on command lines, which other users can see.

                With `--json`, the standard output is one JSON document: what the server answered, a listing as `items` and,
                where there is more, the cursor `next`. Where a command fails, the last line of the standard error is one: a
                problem document of the server, or `{"title": …}`. The exit code says how it ended.

                """);
        for (CommandLine command : all(program)) {
            page.append("## ")
                    .append(command.getCommandSpec().qualifiedName())
                    .append("\n\n```\n")
                    .append(command.getUsageMessage(CommandLine.Help.Ansi.OFF).strip())
                    .append("\n```\n\n");
        }
        return page.toString().stripTrailing() + "\n";
    }
}
