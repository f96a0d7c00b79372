// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.run;

import dev.tegata.agent.Agent;
import dev.tegata.agent.run.AgentConfig.InvalidException;
import dev.tegata.agent.store.AgentState;
import dev.tegata.agent.store.Disk;
import dev.tegata.agent.store.StateStore;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/// The program `tegata-agent`.
public final class Main {
    private static final String HELP = """
            Usage: tegata-agent run --config FILE [--once]
                   tegata-agent status --config FILE

            The device's side of Tegata: gets the device its certificate, keeps it fresh, and obeys signed orders.

              run      Runs until it is told to stop. What happens goes to the standard output, a line each.
              status   Shows what the agent remembers.

              --config FILE   The settings: one 'key = value' per line. See docs/reference/agent-configuration.md.
              --once          Does what is due, and ends: 0 where the device has its identity, 1 where it has not.
              --help          Shows this.
              --version       Shows the version.
            """;

    private static final int DONE = 0;
    private static final int REFUSED = 1;
    private static final int USAGE = 2;

    /// Conscrypt writes stack traces of what the agent tells in a sentence. Held here, so that it stays quiet.
    private static final Logger CONSCRYPT = Logger.getLogger("org.conscrypt");

    private final PrintStream out;
    private final PrintStream err;

    Main(PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
    }

    /// Runs a command and ends with its exit code.
    public static void main(String[] arguments) {
        CONSCRYPT.setLevel(Level.OFF);
        System.exit(new Main(System.out, System.err).run(arguments));
    }

    /// @return the exit code
    int run(String... arguments) {
        List<String> rest = new ArrayList<>(Arrays.asList(arguments));
        if (rest.isEmpty()
                || rest.contains("--help")
                || rest.contains("-h")
                || rest.getFirst().equals("help")) {
            (rest.isEmpty() ? err : out).print(HELP);
            return rest.isEmpty() ? USAGE : DONE;
        }
        if (rest.contains("--version")) {
            String version = Main.class.getPackage().getImplementationVersion();
            out.println("tegata-agent " + (version == null ? "development" : version));
            return DONE;
        }
        try {
            return command(rest.removeFirst(), rest);
        } catch (InvalidException e) {
            err.println("tegata-agent: " + e.getMessage());
            return USAGE;
        } catch (IOException e) {
            err.println("tegata-agent: " + e.getMessage());
            return REFUSED;
        }
    }

    private int command(String command, List<String> rest) throws InvalidException, IOException {
        boolean once = rest.remove("--once");
        int at = rest.indexOf("--config");
        if (at < 0 || at + 1 >= rest.size() || rest.size() != 2) {
            throw new InvalidException("'" + command + "' takes --config FILE. See tegata-agent --help.");
        }
        AgentConfig config = AgentConfig.read(Path.of(rest.get(at + 1)));
        return switch (command) {
            case "run" -> live(config, once);
            case "status" -> status(config);
            default -> throw new InvalidException("there is no command '" + command + "'. See tegata-agent --help.");
        };
    }

    private static Path stateFile(AgentConfig config) throws InvalidException {
        return config.data().resolve("state");
    }

    private int live(AgentConfig config, boolean once) throws InvalidException, IOException {
        Disk disk = Disk.local();
        disk.makeFolder(config.data());
        try (FileChannel channel = FileChannel.open(
                        config.data().resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            if (lock == null) {
                throw new IOException("another agent works in " + config.data());
            }
            SecureRandom random = new SecureRandom();
            Holder holder = Holder.open(config, random);
            try (var _ = holder.keys()) {
                Agent agent = Agent.start(new Agent.Setup(
                        holder.keys(),
                        holder.serial(),
                        config.home(),
                        config.firmware(),
                        holder.attester(),
                        config.habits(),
                        StateStore.inFile(disk, stateFile(config)),
                        config.network(),
                        InstantSource.system(),
                        random,
                        Agent.Pace.USUAL,
                        event -> out.println(event.sentence())));
                out.println("tegata-agent: device " + holder.serial() + ", fleet "
                        + agent.state().home().fleet() + " at "
                        + config.find(AgentSetting.RELAY)
                                .map(relay -> "a server behind " + relay)
                                .orElse(agent.state().home().url()));
                return live(agent, new Published(disk, config.data().resolve("published")), once);
            }
        }
    }

    private int live(Agent agent, Published published, boolean once) throws IOException {
        if (once) {
            agent.step();
            published.follow(agent.state());
            return agent.state().identity().isPresent() ? DONE : REFUSED;
        }
        publish(agent, published);
        CountDownLatch stop = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            stop.countDown();
            awaitQuietly(stopped, Duration.ofSeconds(45));
        }));
        try {
            Duration wait = Duration.ZERO;
            while (!awaitQuietly(stop, wait)) {
                wait = agent.step();
                publish(agent, published);
            }
        } finally {
            stopped.countDown();
        }
        return DONE;
    }

    /// A full disk does not end the agent: the files are written after another step.
    private void publish(Agent agent, Published published) {
        try {
            published.follow(agent.state());
        } catch (IOException e) {
            out.println(e.getMessage());
        }
    }

    /// Whether the latch opened in this time.
    private static boolean awaitQuietly(CountDownLatch latch, Duration time) {
        try {
            return latch.await(time.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            return true;
        }
    }

    private int status(AgentConfig config) throws InvalidException, IOException {
        Optional<AgentState> found =
                StateStore.inFile(Disk.local(), stateFile(config)).load();
        if (found.isEmpty()) {
            out.println("The agent has not run yet: there is no state in " + config.data() + ".");
            return REFUSED;
        }
        AgentState state = found.get();
        line("Server", state.home().url());
        line("Fleet", state.home().fleet());
        line("Device", state.device().map(Object::toString).orElse("not known yet"));
        line("Boots", Long.toString(state.bootCount()));
        line("Last order", state.lastSequence() == 0 ? "none" : "number " + state.lastSequence());
        line("Trust anchors", Integer.toString(state.anchors().size()));
        line(
                "Objects",
                state.objects().isEmpty()
                        ? "none"
                        : String.join(", ", state.objects().keySet()));
        if (state.identity().isEmpty()) {
            line("Identity", "none: the device has only its birth identity");
            return REFUSED;
        }
        AgentState.Identity identity = state.identity().get();
        identity("Identity", identity.chain(), identity.renewAt());
        line("Key", identity.key());
        if (state.parallel().isPresent()) {
            AgentState.Parallel second = state.parallel().get();
            identity("Second chain", second.chain(), second.renewAt());
        }
        return DONE;
    }

    private void identity(String what, List<Bytes> chain, Instant renewAt) throws IOException {
        try {
            Certificate certificate = Certificate.parse(chain.getFirst());
            line(
                    what,
                    certificate.subject() + ", serial " + certificate.serial().hex());
            line("Valid until", certificate.validity().notAfter().toString());
        } catch (InvalidCertificateException e) {
            throw new IOException("the certificate in the device's state cannot be read", e);
        }
        line("Renewal from", renewAt.toString());
    }

    private void line(String what, String value) {
        out.printf("%-15s%s%n", what, value);
    }
}
