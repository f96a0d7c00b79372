// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import dev.tegata.agent.AgentEvent;
import dev.tegata.protocol.CheckIn;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// Counts what happens, by many threads.
final class Tally {
    private static final int SAMPLES = 1 << 14;
    private static final int MAX_REASONS = 100;

    private final ConcurrentMap<String, LongAdder> counts = new ConcurrentHashMap<>();
    private final ConcurrentMap<String, LongAdder> reasons = new ConcurrentHashMap<>();

    /// Durations of steps in nanoseconds, of which a full reservoir keeps a fair sample. Guarded by itself.
    private final long[] samples = new long[SAMPLES];

    private final AtomicLong steps = new AtomicLong();

    private void count(String what) {
        counts.computeIfAbsent(what, _ -> new LongAdder()).increment();
    }

    private void reason(String why) {
        if (reasons.size() < MAX_REASONS || reasons.containsKey(why)) {
            reasons.computeIfAbsent(why, _ -> new LongAdder()).increment();
        }
    }

    /// @param forbidden a device got what it should not have
    void event(SimulatedDevice device, AgentEvent event, boolean forbidden) {
        if (forbidden) {
            count("letInAfterRevocation");
        }
        switch (event) {
            case AgentEvent.Enrolled _ -> count("enrolled");
            case AgentEvent.Renewed(var _, boolean newKey) -> count(newKey ? "renewedWithNewKey" : "renewed");
            case AgentEvent.CheckedIn _ -> count("checkIns");
            case AgentEvent.OrderDone(var kind, CheckIn.Status status, String _) ->
                count("order." + kind + "." + status);
            case AgentEvent.OrderRefused(var reason, String _) -> {
                count("ordersRefused");
                reason("an order: " + reason);
            }
            case AgentEvent.Moved _ -> count("moved");
            case AgentEvent.FellBack _ -> count("fellBack");
            case AgentEvent.ToldToWait _ -> count("toldToWait");
            case AgentEvent.Refused(int status, String why) -> {
                count(device.fate() == SimulatedDevice.Fate.STOLEN && device.fateMet() ? "thievesRefused" : "refused");
                reason(status + " " + firstWords(why));
            }
            case AgentEvent.Failed(String why, Duration _) -> {
                count("failed");
                reason(firstWords(why));
            }
        }
    }

    /// What stands before the first colon, dot or line end: a code, or the gist.
    private static String firstWords(String why) {
        String words = why.split("[:\\n]", 2)[0];
        return words.substring(0, Math.min(words.length(), 80));
    }

    void powerCut() {
        count("powerCuts");
    }

    void operatorFailed(String why) {
        count("operatorFailed");
        reason("operator: " + firstWords(why));
    }

    void step(long nanos) {
        long number = steps.getAndIncrement();
        long place = number < SAMPLES ? number : ThreadLocalRandom.current().nextLong(number + 1);
        if (place < SAMPLES) {
            synchronized (samples) {
                samples[(int) place] = nanos;
            }
        }
    }

    Report report(List<SimulatedDevice> devices, Duration elapsed) {
        SortedMap<String, Long> counted = new TreeMap<>();
        counts.forEach((what, number) -> counted.put(what, number.sum()));
        SortedMap<String, Long> why = new TreeMap<>();
        reasons.forEach((reason, number) -> why.put(reason, number.sum()));
        long active = 0;
        long rightByWrongClock = 0;
        long wrongClocks = 0;
        SortedMap<String, Long> versions = new TreeMap<>();
        SortedMap<String, Long> fates = new TreeMap<>();
        for (SimulatedDevice device : devices) {
            boolean has = device.state().flatMap(state -> state.identity()).isPresent();
            active += has ? 1 : 0;
            wrongClocks += device.hasWrongClock() ? 1 : 0;
            rightByWrongClock += has && device.hasWrongClock() ? 1 : 0;
            versions.merge(device.version(), 1L, Long::sum);
            if (device.fateMet()) {
                fates.merge(device.fate().name().toLowerCase(java.util.Locale.ROOT), 1L, Long::sum);
            }
        }
        long[] sorted;
        synchronized (samples) {
            sorted = Arrays.copyOf(samples, (int) Math.min(steps.get(), SAMPLES));
        }
        Arrays.sort(sorted);
        return new Report(
                elapsed,
                devices.size(),
                active,
                wrongClocks,
                rightByWrongClock,
                counted,
                fates,
                versions,
                why,
                percentile(sorted, 0.5),
                percentile(sorted, 0.99));
    }

    private static Duration percentile(long[] sorted, double share) {
        return sorted.length == 0
                ? Duration.ZERO
                : Duration.ofNanos(sorted[(int) Math.min(sorted.length - 1, sorted.length * share)]);
    }
}
