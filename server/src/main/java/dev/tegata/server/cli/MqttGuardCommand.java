// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.server.mqtt.AdmissionQuestion;
import dev.tegata.server.mqtt.MqttGuard;
import dev.tegata.server.mqtt.MqttGuard.Answer;
import dev.tegata.server.mqtt.MqttGuard.Certificate;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Tells an MQTT broker's plugin who may be in, until it is told to end.
@Command(footer = {"  tegata mqtt-guard --socket /run/tegata/guard.sock --service telemetry"})
final class MqttGuardCommand implements Callable<Integer> {
    /// A certificate that is nobody's, to try whether the server answers.
    private static final Certificate NOBODY = new Certificate("1", "0".repeat(64));

    private final Session session;

    @Option(
            names = "--socket",
            paramLabel = "FILE",
            required = true,
            description = "The unix socket that the broker's plugin asks at. Its owner and its group may.")
    Path socket = Path.of("");

    @Option(
            names = "--service",
            paramLabel = "NAME",
            defaultValue = "mqtt",
            description = "What devices use here, as decisions call it (default: mqtt).")
    String service = "";

    @Option(
            names = "--every",
            paramLabel = "SECONDS",
            defaultValue = "10",
            description = {
                "How often the server is asked about everybody who is connected (default: 10).",
                "What happens to a device is told to the guard at once."
            })
    int every;

    @Option(
            names = "--lease",
            paramLabel = "SECONDS",
            defaultValue = "60",
            description = "How long devices stay connected when the server cannot be asked (default: 60).")
    int lease;

    MqttGuardCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (every < 1 || lease < 3 * every || lease > 86_400) {
            throw CommandFailure.usage("--every is a second or more, and --lease three times that, up to a day");
        }
        MqttGuard.Pace pace = new MqttGuard.Pace(Duration.ofSeconds(every), Duration.ofSeconds(lease));
        try (ApiClient api = session.api();
                MqttGuard guard = start(new Server(api), pace)) {
            Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(guard::close));
            session.output().say("The guard is ready at " + socket + ". Stop it with Ctrl-C.");
            new CountDownLatch(1).await();
        } catch (UncheckedIOException e) {
            throw CommandFailure.unreachable(String.valueOf(e.getMessage()));
        }
        return 0;
    }

    /// A key that may not ask would have the broker refuse everybody: that is said at once. A server that is
    /// away may come back.
    private MqttGuard start(Server server, MqttGuard.Pace pace) {
        try {
            server.judge(List.of(NOBODY));
        } catch (CommandFailure e) {
            if (e.exitCode() != CommandFailure.UNREACHABLE) {
                throw e;
            }
            session.terminal().err().println("No device is let in yet: " + e.message());
            session.terminal().err().flush();
        }
        return MqttGuard.start(socket, server, pace, InstantSource.system());
    }

    /// The server as the guard sees it.
    private final class Server implements MqttGuard.Judge {
        private final ApiClient api;

        Server(ApiClient api) {
            this.api = api;
        }

        @Override
        public Map<String, Answer> judge(List<Certificate> certificates) {
            return MqttGuardCommand.this.judge(api, certificates);
        }

        @Override
        public MqttGuard.News news(String after) {
            return AdmissionQuestion.news(
                    api.get("/admissions/changes", after.isEmpty() ? Map.of() : Map.of("after", after)));
        }
    }

    private Map<String, Answer> judge(ApiClient api, List<Certificate> asked) {
        return AdmissionQuestion.answers(asked, api.act("/admissions", AdmissionQuestion.of(service, asked)));
    }
}
