// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.server.InvalidConfigException;
import dev.tegata.server.demo.DemoCommand;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/// The program. Only the commands whose names stand on the command line are loaded; of the others, help
/// needs no more than a sentence.
@Command(
        name = "tegata",
        versionProvider = Tegata.Version.class,
        description = "Gives your devices their certificates, from your own PKI, by the keys in the chips you bought.",
        footerHeading = "%nExamples:%n",
        footer = {
            "  tegata demo                          everything at once, with a virtual fleet",
            "  tegata serve                         the server, which says how to begin",
            "  tegata tenant create --organization \"Example GmbH\" --country DE",
            "  tegata manifest import reel.json --fleet FLEET",
            "",
            "In a checkout, ./tegata test runs all tests and ./tegata bench measures."
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:refused by the server, or a check failed",
            "2:the command line, a file or a setting is wrong",
            "3:the server cannot be reached, or cannot start"
        })
public final class Tegata {
    /// Above options of which one must be given.
    static final String ALTERNATIVES = "%nOne of these must be given:%n";

    private static final int WIDTH = 100;

    private static final List<Entry> COMMANDS = List.of(
            new Entry(
                    "demo",
                    "Show the main job on this machine, with a virtual fleet.",
                    session -> new DemoCommand(() -> session.json)),
            new Entry("serve", "Start the server.", ServeCommand::spec),
            new Entry("status", "Show what runs, who asks, and how many devices there are.", StatusCommand::new),
            new Entry("tenant", "Tenants: the organisations that share an installation.", TenantCommands::new),
            new Entry("authority", "Authorities: the tenant's CAs.", AuthorityCommands::new),
            new Entry("fleet", "Fleets: devices of one product under one set of rules.", FleetCommands::new),
            new Entry("manifest", "Manifests: claim the chips that you bought.", ManifestCommands::new),
            new Entry("trust", "Trust: manifest signers and CAs, each for one purpose.", TrustCommands::new),
            new Entry(
                    "attest", "Attestation: nonces, appraisals, the keys of results and of TPMs.", AttestCommands::new),
            new Entry(
                    "endorsement",
                    "Endorsements: what is known to be good, and who says so.",
                    EndorsementCommands::new),
            new Entry(
                    "release",
                    "Releases: firmware versions, their certification and their flaws.",
                    ReleaseCommands::new),
            new Entry("posture", "Posture: how devices are, by their last evidence.", PostureCommands::new),
            new Entry("decision", "Decisions at the door: may a device come in now?", DecisionCommands::new),
            new Entry("policy", "Appraisal policies: test, add, activate, roll back.", PolicyCommands::new),
            new Entry("token", "Claim tokens: one-time secrets for devices without keys.", TokenCommands::new),
            new Entry("acme", "ACME: certificates for the gateways of a fleet.", AcmeCommands::spec),
            new Entry("device", "Devices: find them, decide about them, shut them out.", DeviceCommands::new),
            new Entry("order", "Orders: what devices were told to do, and what came of it.", OrderCommands::new),
            new Entry("gateway", "Carry check-ins of devices without a network of their own.", GatewayCommand::new),
            new Entry("mqtt-guard", "Tell an MQTT broker who may be in, and who no more.", MqttGuardCommand::new),
            new Entry("transfer", "Transfers: devices change owners.", TransferCommands::new),
            new Entry("grant", "Grants: others use a device until a date.", GrantCommands::new),
            new Entry("custody", "Custody: who owned a device, as a signed chain.", CustodyCommands::new),
            new Entry("chip", "Virtual chips: make them, and serve one on a TCP port.", ChipCommands::new),
            new Entry("simulate", "Simulate a fleet that lives its life in haste.", SimulateCommand::new),
            new Entry("usage", "Usage: which devices count in which month, and why.", UsageCommands::new),
            new Entry("health", "Health: what is wrong with chains, and what to do.", HealthCommands::new),
            new Entry("rollover", "Rollovers: moving devices from one authority to another.", RolloverCommands::new),
            new Entry("job", "Jobs: long work, how far it is, and what came of it.", JobCommands::new),
            new Entry("webhook", "Webhooks: events, signed, to an address of yours.", WebhookCommands::new),
            new Entry("apikey", "API keys: who may do what.", ApiKeyCommands::new),
            new Entry("approval", "Approvals: what needs a second person.", ApprovalCommands::new),
            new Entry("vault", "The vault: where private keys live.", VaultCommands::spec),
            new Entry("backup", "Backups: a tenant with its keys in one sealed file.", BackupCommands::spec),
            new Entry("audit", "The audit chain: list, export and verify it.", AuditCommands::new),
            new Entry("profile", "The profile: which server and which key commands use.", ProfileCommands::new),
            new Entry("completion", "Print a script that completes commands in a shell.", CompletionCommand::new),
            new Entry("help", "Show help for a command.", _ -> new HelpFor()));

    @Mixin
    final Session session;

    @Option(names = "--version", versionHelp = true, order = 1100, description = "Show the version.")
    boolean version;

    private Tegata(Session session) {
        this.session = session;
    }

    /// A command or a group of them.
    ///
    /// @param make gives an annotated object or a [CommandSpec]
    private record Entry(String name, String description, Function<Session, Object> make) {
        CommandLine load(Session session) {
            CommandLine command = new CommandLine(make.apply(session));
            if (command.getCommandSpec().usageMessage().description().length == 0) {
                describe(command.getCommandSpec());
            }
            return command;
        }

        /// Enough of the command for the help of the program.
        CommandLine announce() {
            CommandLine command = new CommandLine(CommandSpec.create());
            describe(command.getCommandSpec());
            return command;
        }

        private void describe(CommandSpec spec) {
            spec.usageMessage().description(description);
        }
    }

    /// The version of this build.
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Tegata.class.getPackage().getImplementationVersion();
            return new String[] {
                "tegata " + (version == null ? "development" : version),
                "Java " + System.getProperty("java.version") + ", " + System.getProperty("java.vendor")
            };
        }
    }

    /// Runs a command and ends with its exit code.
    public static void main(String[] arguments) {
        System.exit(run(Terminal.system(), arguments));
    }

    /// Runs a command.
    ///
    /// @return the exit code
    static int run(Terminal terminal, String... arguments) {
        int exitCode = commandLine(terminal, Set.copyOf(Arrays.asList(arguments))::contains)
                .execute(arguments);
        terminal.out().flush();
        Optional<String> lost = terminal.bytes().failure();
        lost.ifPresent(reason -> terminal.err().println("tegata: the output could not be written: " + reason));
        return exitCode == 0 && lost.isPresent() ? CommandFailure.USAGE : exitCode;
    }

    /// All commands with all their options.
    static CommandLine whole(Terminal terminal) {
        return commandLine(terminal, _ -> true);
    }

    private static CommandLine commandLine(Terminal terminal, Predicate<String> wanted) {
        Session session = new Session(terminal);
        CommandLine program = new CommandLine(new Tegata(session));
        for (Entry entry : COMMANDS) {
            program.addSubcommand(entry.name(), wanted.test(entry.name()) ? entry.load(session) : entry.announce());
        }
        present(program);
        return program.registerConverter(Instant.class, Tegata::instant)
                .setOut(terminal.out())
                .setErr(terminal.err())
                .setUsageHelpWidth(WIDTH)
                .setColorScheme(Help.defaultColorScheme(terminal.colours() ? Help.Ansi.ON : Help.Ansi.OFF))
                .setParameterExceptionHandler(Tegata::wrongCommand)
                .setExecutionExceptionHandler((e, _, _) -> failed(session, e));
    }

    private static Instant instant(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException e) {
            throw new TypeConversionException("'" + text + "' is no time in UTC like 2027-01-31T00:00:00Z");
        }
    }

    /// Gives the help of all commands the same form.
    private static void present(CommandLine command) {
        UsageMessageSpec usage = command.getCommandSpec().usageMessage();
        usage.sortOptions(false);
        usage.abbreviateSynopsis(true);
        usage.requiredOptionMarker('*');
        usage.descriptionHeading("%n");
        // Of alternatives one must be given, which their own heading says.
        boolean marked = command.getCommandSpec().args().stream()
                .anyMatch(argument -> argument.required() && argument.group() == null);
        usage.parameterListHeading(marked ? "%nParameters (* must be given):%n" : "%nParameters:%n");
        usage.optionListHeading(marked ? "%nOptions (* must be given):%n" : "%nOptions:%n");
        usage.commandListHeading("%nCommands:%n");
        if (usage.footer().length > 0 && usage.footerHeading().isEmpty()) {
            usage.footerHeading("%nExample:%n");
        }
        command.getSubcommands().values().forEach(Tegata::present);
    }

    private static int wrongCommand(ParameterException e, String[] arguments) {
        CommandLine command = e.getCommandLine();
        boolean nothingAsked = e.getClass() == ParameterException.class
                && e.getArgSpec() == null
                && !command.getSubcommands().isEmpty();
        if (Arrays.asList(arguments).contains("--json")) {
            command.getErr().println(ApiClient.object().put("title", String.valueOf(e.getMessage())));
        } else if (nothingAsked) {
            command.usage(command.getErr());
        } else {
            command.getErr().println("tegata: " + e.getMessage());
            UnmatchedArgumentException.printSuggestions(e, command.getErr());
            command.getErr().println("See '" + command.getCommandSpec().qualifiedName() + " --help'.");
        }
        return CommandFailure.USAGE;
    }

    private static int failed(Session session, Exception e) {
        Terminal terminal = session.terminal();
        CommandFailure failure = e instanceof CommandFailure known ? known : unexpected(terminal, e);
        if (session.json) {
            terminal.err()
                    .println(
                            failure.problem() != null
                                    ? failure.problem()
                                    : ApiClient.object().put("title", failure.message()));
        } else {
            terminal.err().println("tegata: " + failure.message());
        }
        return failure.exitCode();
    }

    private static CommandFailure unexpected(Terminal terminal, Exception e) {
        if (e instanceof InvalidConfigException wrong) {
            return CommandFailure.usage("the server cannot start:\n" + wrong.getMessage());
        }
        if ("DEBUG".equals(terminal.environment().get("TEGATA_LOG_LEVEL"))) {
            e.printStackTrace(terminal.err());
        }
        return CommandFailure.refused(
                "something went wrong inside: " + e + "\nPlease report it, with what TEGATA_LOG_LEVEL=DEBUG shows.");
    }
}
