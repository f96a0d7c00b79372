// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;

/// Counts failed logins per source address and per key id, and says when it is enough. Both counts begin
/// anew after [#WINDOW].
///
/// Holds a bounded number of counts. Where more sources fail than it can hold, the sources it has no
/// room for share one count, so that a flood from many addresses is slowed as a whole.
public final class LoginThrottle {
    /// How long to wait at the most after being told to: what `Retry-After` says.
    public static final Duration WINDOW = Duration.ofMinutes(1);

    private static final int PER_SOURCE = 20;
    private static final int PER_KEY = 10;
    private static final int PER_REST = 1000;
    private static final int MAX_COUNTS = 50_000;
    private static final String REST = "";

    private final InstantSource clock;

    // Guarded by this.
    private Instant windowStart;
    private final Map<String, Integer> failures = new HashMap<>();

    public LoginThrottle(InstantSource clock) {
        this.clock = clock;
        this.windowStart = clock.instant();
    }

    /// Whether `source` has failed too often to be let near the database.
    synchronized boolean blocksSource(String source) {
        beginWindow();
        String counted = "source " + source;
        return failures.getOrDefault(counted, 0) >= PER_SOURCE
                || !failures.containsKey(counted) && failures.getOrDefault(REST, 0) >= PER_REST;
    }

    /// Whether `keyId`, or whatever else a secret is for, was tried with wrong secrets too often.
    public synchronized boolean blocksKey(String keyId) {
        beginWindow();
        return failures.getOrDefault("key " + keyId, 0) >= PER_KEY;
    }

    synchronized void sourceFailed(String source) {
        count("source " + source);
    }

    public synchronized void keyFailed(String keyId) {
        count("key " + keyId);
    }

    private void count(String counted) {
        beginWindow();
        boolean room = failures.size() < MAX_COUNTS || failures.containsKey(counted);
        failures.merge(room ? counted : REST, 1, Integer::sum);
    }

    private void beginWindow() {
        Instant now = clock.instant();
        if (now.isBefore(windowStart) || !now.isBefore(windowStart.plus(WINDOW))) {
            failures.clear();
            windowStart = now;
        }
    }
}
