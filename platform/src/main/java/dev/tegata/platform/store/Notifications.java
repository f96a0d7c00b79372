// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Hears what transactions on any node tell when they commit.
///
/// Implementation notes:
/// - What is told while the connection is down is lost: [Hearer#connected] is called after each new
///   beginning.
/// - The connection is proven alive every half second. Whoever must know that it has heard everything asks
///   [Changes].
public final class Notifications implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Notifications.class);
    private static final int WAIT_MILLIS = 500;
    private static final Duration PAUSE = Duration.ofMillis(500);

    private final DataSource source;
    private final String channel;
    private final Hearer hearer;
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Thread thread;
    private volatile @Nullable Connection connection;

    /// Who is told, on one thread.
    public interface Hearer {
        /// Something may have been missed before now.
        void connected();

        void heard(String payload);
    }

    private Notifications(DataSource source, String channel, Hearer hearer) {
        this.source = source;
        this.channel = channel;
        this.hearer = hearer;
        this.thread =
                Thread.ofPlatform().daemon().name("notifications-" + channel).unstarted(this::run);
    }

    static Notifications start(DataSource source, String channel, Hearer hearer) {
        if (!channel.matches("[a-z_]{1,60}")) {
            throw new IllegalArgumentException("a channel has a plain name");
        }
        Notifications notifications = new Notifications(source, channel, hearer);
        notifications.thread.start();
        return notifications;
    }

    @Override
    public void close() {
        closing.countDown();
        Connection open = connection;
        if (open != null) {
            closeQuietly(open);
        }
        try {
            thread.join(Duration.ofSeconds(5));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        boolean ended = false;
        while (!ended) {
            try {
                hear();
            } catch (SQLException e) {
                if (closing.getCount() > 0) {
                    LOG.warn("Nothing is heard from the database, will try again: {}", e.getMessage());
                }
            } catch (RuntimeException e) {
                LOG.error("What the database told could not be worked with, will go on.", e);
            }
            try {
                ended = closing.await(PAUSE.toMillis(), TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private void hear() throws SQLException {
        try (Connection opened = source.getConnection()) {
            connection = opened;
            PGConnection postgres = opened.unwrap(PGConnection.class);
            try (Statement statement = opened.createStatement()) {
                statement.execute("LISTEN " + channel);
                hearer.connected();
                while (closing.getCount() > 0) {
                    for (PGNotification notification : postgres.getNotifications(WAIT_MILLIS)) {
                        hearer.heard(notification.getParameter());
                    }
                    statement.execute("");
                }
            }
        } finally {
            connection = null;
        }
    }

    private static void closeQuietly(Connection connection) {
        try {
            connection.close();
        } catch (SQLException e) {
            LOG.debug("The connection was gone already: {}", e.getMessage());
        }
    }
}
