// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.mqtt;

import dev.tegata.platform.PeriodicWork;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Stands beside a broker, holds the API key, and tells the broker's plugin who may be in and who no more.
///
/// The plugin names certificates as their holders connect. From then on the guard waits for news of their
/// devices and asks the server about those, asks about all of them in each round, and says so at once when
/// an answer changes. A yes lasts for the lease only: if
/// the server or the guard is away for longer, the plugin cuts whoever is there. The lines between the two
/// stand in `connectors/mosquitto/tegata_auth.c`.
public final class MqttGuard implements AutoCloseable {
    /// How many certificates one question to the server holds.
    public static final int BATCH = 1000;

    private static final Logger LOG = LoggerFactory.getLogger(MqttGuard.class);
    private static final int LONGEST_LINE = 256;
    private static final int MOST_CONNECTIONS = 16;
    private static final int MOST_CERTIFICATES = 1_000_000;
    /// Between two questions for news, where the server does not wait.
    private static final Duration BREATH = Duration.ofMillis(100);
    /// After a question about everybody.
    private static final Duration REST = Duration.ofSeconds(1);
    /// After a question for news that was not answered.
    private static final Duration AWAY = Duration.ofSeconds(5);

    private static final Pattern ASK = Pattern.compile("ask ([0-9A-F]{1,40}) ([0-9a-f]{64})");
    private static final Pattern GONE = Pattern.compile("gone ([0-9A-F]{1,40})");

    private final Path socket;
    private final ServerSocketChannel listener;
    private final Judge judge;
    private final Duration lease;
    private final InstantSource clock;
    private final Set<Broker> brokers = ConcurrentHashMap.newKeySet();
    private final Thread acceptor;
    private final PeriodicWork rounds;
    private final Thread follower;
    /// How often there were news.
    private final AtomicLong news = new AtomicLong();
    private volatile boolean closed;

    /// What the server is asked.
    public interface Judge {
        /// The answers on these certificates, by their serial numbers.
        ///
        /// @throws RuntimeException where there is no answer
        Map<String, Answer> judge(List<Certificate> certificates);

        /// What has happened since a position; waits a while for something.
        ///
        /// @param after a position; empty for none
        /// @throws RuntimeException where there is no answer
        News news(String after);
    }

    /// @param everybody whether any device may be concerned
    public record News(String position, boolean everybody, Set<String> devices) {}

    /// @param serial in upper-case hex
    /// @param sha256 in lower-case hex
    public record Certificate(String serial, String sha256) {}

    /// @param device the device's id; null where the certificate is none of ours
    /// @param reason why not, in one word; empty where it may be in
    /// @param until when the answer ends; null where it does not
    public record Answer(
            @Nullable String device,
            Optional<String> reason,
            @Nullable Instant until) {}

    /// @param round the time between two questions about everybody
    /// @param lease how long a yes lasts without another
    public record Pace(Duration round, Duration lease) {}

    private MqttGuard(Path socket, ServerSocketChannel listener, Judge judge, Pace pace, InstantSource clock) {
        this.socket = socket;
        this.listener = listener;
        this.judge = judge;
        this.lease = pace.lease();
        this.clock = clock;
        this.acceptor = Thread.ofVirtual().name("mqtt-guard").start(this::accept);
        this.rounds = PeriodicWork.start("mqtt-guard-rounds", pace.round(), () -> round(_ -> true));
        this.follower = Thread.ofVirtual().name("mqtt-guard-news").start(this::follow);
    }

    /// Starts to listen; whoever may write to the socket may ask, which is its owner and its group.
    ///
    /// @throws UncheckedIOException where the socket cannot be made
    public static MqttGuard start(Path socket, Judge judge, Pace pace, InstantSource clock) {
        try {
            Files.deleteIfExists(socket);
            ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            listener.bind(UnixDomainSocketAddress.of(socket));
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-rw----"));
            return new MqttGuard(socket, listener, judge, pace, clock);
        } catch (IOException e) {
            throw new UncheckedIOException("the socket " + socket + " cannot be made: " + e.getMessage(), e);
        }
    }

    private void accept() {
        while (!closed) {
            try {
                SocketChannel channel = listener.accept();
                Broker broker = new Broker(channel);
                if (brokers.size() >= MOST_CONNECTIONS) {
                    broker.close();
                    continue;
                }
                brokers.add(broker);
                if (closed) {
                    // It came while the others were hung up on, and must not wait for answers that never come.
                    broker.close();
                    return;
                }
                Thread.ofVirtual().name("mqtt-guard-broker").start(broker::serve);
            } catch (IOException e) {
                if (!closed) {
                    LOG.error("The guard cannot take a connection.", e);
                }
                return;
            }
        }
    }

    private void round(Predicate<String> concerned) {
        for (Broker broker : brokers) {
            broker.round(concerned);
        }
    }

    private void follow() {
        String position = "";
        while (!closed) {
            try {
                News latest = judge.news(position);
                position = latest.position();
                if (latest.everybody() || !latest.devices().isEmpty()) {
                    news.incrementAndGet();
                    round(device -> latest.everybody() || latest.devices().contains(device));
                }
                Thread.sleep(latest.everybody() ? REST : BREATH);
            } catch (InterruptedException e) {
                return;
            } catch (RuntimeException e) {
                LOG.debug("No news from the server: {}", e.getMessage());
                try {
                    Thread.sleep(AWAY);
                } catch (InterruptedException _) {
                    return;
                }
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        rounds.close();
        try {
            listener.close();
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            LOG.warn("The guard's socket cannot be closed: {}", e.getMessage());
        }
        brokers.forEach(Broker::close);
        acceptor.interrupt();
        follower.interrupt();
    }

    /// One plugin that is connected.
    private final class Broker {
        private final SocketChannel channel;
        /// Who was told to be in and is not gone.
        private final Map<String, Present> present = new ConcurrentHashMap<>();

        Broker(SocketChannel channel) {
            this.channel = channel;
        }

        /// @param renewAt when the yes is to be said again
        private record Present(Certificate certificate, String device, Instant renewAt) {}

        void serve() {
            ByteBuffer input = ByteBuffer.allocate(16 * LONGEST_LINE);
            try {
                while (channel.read(input) >= 0) {
                    answer(lines(input));
                }
            } catch (IOException e) {
                LOG.debug("A broker is gone: {}", e.getMessage());
            } finally {
                close();
            }
        }

        /// The whole lines that have come in; the rest stays.
        private List<String> lines(ByteBuffer input) throws IOException {
            List<String> lines = new ArrayList<>();
            input.flip();
            int start = 0;
            for (int i = 0; i < input.limit(); i++) {
                if (input.get(i) == '\n') {
                    byte[] line = new byte[i - start];
                    input.get(start, line);
                    lines.add(new String(line, StandardCharsets.US_ASCII));
                    start = i + 1;
                }
            }
            input.position(start);
            input.compact();
            if (input.position() >= LONGEST_LINE) {
                throw new IOException("a line is too long");
            }
            return lines;
        }

        private void answer(List<String> lines) throws IOException {
            List<Certificate> asked = new ArrayList<>();
            for (String line : lines) {
                Matcher ask = ASK.matcher(line);
                Matcher gone = GONE.matcher(line);
                if (ask.matches() && present.size() < MOST_CERTIFICATES) {
                    Certificate certificate = new Certificate(ask.group(1), ask.group(2));
                    asked.add(certificate);
                } else if (gone.matches()) {
                    present.remove(gone.group(1));
                } else {
                    throw new IOException("a line that cannot be read");
                }
            }
            long before = news.get();
            judge(asked, true);
            // What came while the server was asked did not concern those who were not in yet.
            if (news.get() != before) {
                judge(asked, false);
            }
        }

        void round(Predicate<String> concerned) {
            List<Certificate> batch = new ArrayList<>();
            for (Present one : present.values()) {
                if (!concerned.test(one.device)) {
                    continue;
                }
                batch.add(one.certificate);
                if (batch.size() == BATCH) {
                    judge(batch, false);
                    batch = new ArrayList<>();
                }
            }
            judge(batch, false);
        }

        /// Asks the server, and tells the plugin what it does not know yet.
        ///
        /// @param waits whether the plugin waits for an answer
        private void judge(List<Certificate> certificates, boolean waits) {
            if (certificates.isEmpty()) {
                return;
            }
            Map<String, Answer> answers;
            try {
                answers = MqttGuard.this.judge.judge(certificates);
            } catch (RuntimeException e) {
                LOG.warn("The server does not say who may be in: {}", e.getMessage());
                if (waits) {
                    say(certificates.stream()
                            .map(one -> "no " + one.serial + " server-unreachable\n")
                            .collect(Collectors.joining()));
                }
                return;
            }
            Instant now = clock.instant();
            StringBuilder text = new StringBuilder();
            for (Certificate certificate : certificates) {
                Answer answer = answers.get(certificate.serial);
                if (answer != null) {
                    tell(certificate, answer, now, waits, text);
                }
            }
            say(text.toString());
        }

        private void tell(Certificate certificate, Answer answer, Instant now, boolean waits, StringBuilder text) {
            long seconds = seconds(answer, now);
            Present before = present.get(certificate.serial);
            String device = answer.device();
            if (!waits && before == null) {
                return; // it left while the server was asked
            }
            if (device == null || answer.reason().isPresent() || seconds <= 0) {
                present.remove(certificate.serial);
                text.append(
                        "no " + certificate.serial + " " + word(answer.reason().orElse("expired")) + "\n");
                return;
            }
            // It is said again after a third of its time, so that one lost answer does no harm.
            Present renewed = new Present(certificate, device, now.plusSeconds(seconds / 3));
            if (waits) {
                present.put(certificate.serial, renewed);
            } else if (before == null
                    || now.isBefore(before.renewAt)
                    || !present.replace(certificate.serial, before, renewed)) {
                return;
            }
            text.append("yes " + certificate.serial + " " + device + " " + seconds + "\n");
        }

        private long seconds(Answer answer, Instant now) {
            Instant until = answer.until();
            return until == null
                    ? lease.toSeconds()
                    : Math.min(lease.toSeconds(), Duration.between(now, until).toSeconds());
        }

        private static String word(String reason) {
            String word = reason.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9-]+", "-");
            return word.substring(0, Math.min(word.length(), 60));
        }

        private synchronized void say(String text) {
            ByteBuffer buffer = ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
            try {
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
            } catch (IOException e) {
                close();
            }
        }

        void close() {
            brokers.remove(this);
            try {
                channel.close();
            } catch (IOException e) {
                LOG.debug("A broker's connection cannot be closed: {}", e.getMessage());
            }
        }
    }
}
