// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.server.InvalidConfigException;
import dev.tegata.server.Server;
import dev.tegata.server.ServerConfig;
import dev.tegata.server.Setting;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// `tegata demo`: starts a server, plays the main job on it, and leaves it running.
@Command(
        name = "demo",
        description = {
            "Shows the main job on this machine: a company gets its own PKI, claims a batch of chips from the vendor's "
                    + "signed manifest, and every device gets its certificate at its first connection. From 40 devices"
                    + " on, some live further: new keys for all, one theft, one refurbishment, one sale. Then a release is"
                    + " revoked, and an MQTT broker shuts out whoever runs it until it has been updated.",
            "",
            "The server keeps running until Ctrl-C, so that you can look around."
        },
        footer = {"  tegata demo", "  tegata demo --devices 10000 --once"})
public final class DemoCommand implements Callable<Integer> {
    private static final int MAX_DEVICES = 1_000_000;
    private static final int USUAL_PORT = 8443;

    @Option(
            names = "--devices",
            paramLabel = "N",
            defaultValue = "1000",
            description = "How many devices there are (default: ${DEFAULT-VALUE}).")
    int devices;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description =
                    "Folder for the server's data, kept afterwards. Without it, a temporary one is used and deleted.")
    @Nullable
    Path data;

    @Option(
            names = "--port",
            paramLabel = "PORT",
            description = "Port of the API; the device port is the next one (default: 8443, or any free one).")
    @Nullable
    Integer port;

    @Option(names = "--once", description = "End when the story has been told.")
    boolean once;

    @Spec
    CommandSpec spec;

    private final BooleanSupplier json;

    /// @param json whether the story goes beside the output, and a summary of it for programs there
    public DemoCommand(BooleanSupplier json) {
        this.json = json;
        spec = CommandSpec.create();
    }

    @Override
    public Integer call() throws Exception {
        if (devices < 1 || devices > MAX_DEVICES) {
            throw new ParameterException(spec.commandLine(), "--devices must be from 1 to " + MAX_DEVICES);
        }
        PrintWriter out = json.getAsBoolean()
                ? spec.commandLine().getErr()
                : spec.commandLine().getOut();
        Path folder = data == null ? Files.createTempDirectory("tegata-demo") : data;
        CountDownLatch ended = new CountDownLatch(1);
        Thread story = Thread.currentThread();
        // Ctrl-C breaks the story off, and ends the process only after everything has been closed and cleared away
        // below.
        Thread hook = new Thread(() -> {
            story.interrupt();
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        Runtime.getRuntime().addShutdownHook(hook);
        try (Server server = start(folder, out)) {
            return tell(server, folder, out);
        } finally {
            if (data == null) {
                delete(folder);
            }
            ended.countDown();
        }
    }

    private int tell(Server server, Path folder, PrintWriter out) throws IOException {
        try {
            Demo demo = new Demo(server, folder, devices, out);
            boolean allActive = demo.run();
            if (json.getAsBoolean()) {
                PrintWriter summary = spec.commandLine().getOut();
                // Where the server ends here, there is no way to go on.
                summary.println(
                        demo.summary().without(once ? Demo.WAY_ON : List.of()).toPrettyString());
                summary.flush();
            }
            if (!once) {
                out.println("The server keeps running at " + server.apiUrl() + " until you press Ctrl-C.");
                out.flush();
                new CountDownLatch(1).await();
            }
            return allActive ? 0 : 1;
        } catch (InterruptedException e) {
            return 1;
        } catch (RuntimeException e) {
            if (Thread.currentThread().isInterrupted()) {
                return 1;
            }
            throw e;
        } finally {
            // Closing waits for what it closes.
            Thread.interrupted();
        }
    }

    private Server start(Path folder, PrintWriter out) {
        out.println("Starting the server (embedded PostgreSQL, software vault) in " + folder + " …");
        out.flush();
        if (port != null) {
            return start(folder, port, port + 1);
        }
        try {
            return start(folder, USUAL_PORT, USUAL_PORT + 1);
        } catch (InvalidConfigException e) {
            // Taken: any others do.
            return start(folder, 0, 0);
        }
    }

    private static Server start(Path folder, int api, int devices) {
        Map<Setting, String> settings = new EnumMap<>(Setting.class);
        settings.put(Setting.DATA, folder.toString());
        settings.put(Setting.API_PORT, Integer.toString(api));
        settings.put(Setting.DEVICE_PORT, Integer.toString(devices));
        settings.put(Setting.PUBLIC_PORT, "0");
        settings.put(Setting.METRICS_PORT, "0");
        return Server.start(ServerConfig.read(settings, Map.of(), null));
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
