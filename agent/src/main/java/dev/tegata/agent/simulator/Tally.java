// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import dev.tegata.agent.AgentEvent;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Pattern;

/// Counts what happens, by many threads.
final class Tally {
    private static final int SAMPLES = 1 << 14;
    private static final int MAX_REASONS = 100;
    private static final Pattern SINGULAR = Pattern.compile("[0-9a-fA-F:.TZ-]*[0-9][0-9a-fA-F:.TZ-]*");

    private final ConcurrentMap<String, LongAdder> counts = new ConcurrentHashMap<>();
    private final ConcurrentMap<String, LongAdder> reasons = new ConcurrentHashMap<>();

    /// Durations of steps in nanoseconds, of which a full reservoir keeps a fair sample. Guarded by itself.
    private final long[] samples = new long[SAMPLES];

    private final AtomicLong steps = new AtomicLong();

    private final AtomicLong latest = new AtomicLong();

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
            case AgentEvent.EnrolledBeside _ -> count("enrolledBeside");
            case AgentEvent.CheckedIn(CheckInAnswer.State state, Duration _) -> {
                count("checkIns");
                if (device.isClone()) {
                    count("cloneCheckIns");
                }
                switch (state) {
                    case SUSPENDED -> count("toldSuspended");
                    case REVOKED -> count("toldRevoked");
                    case CLAIMED, ACTIVE, REFURBISHING, RETIRED -> {}
                }
            }
            case AgentEvent.OrderDone(var kind, CheckIn.Status status, String _) ->
                count("order." + kind + "." + status);
            case AgentEvent.OrderRefused(var reason, String _) -> {
                count("ordersRefused");
                reason("an order: " + reason);
            }
            case AgentEvent.Moved _ -> count("moved");
            case AgentEvent.FellBack _ -> count("fellBack");
            case AgentEvent.ToldToWait _ -> count("toldToWait");
            case AgentEvent.Refused refused -> {
                count(device.fate() == SimulatedDevice.Fate.STOLEN && device.fateMet() ? "thievesRefused" : "refused");
                reason(refused.status() + " " + gist(refused.code()));
            }
            case AgentEvent.Failed(String why, Duration _) -> {
                count("failed");
                reason(gist(why));
            }
        }
    }

    /// What a step came to that ends with this; empty where what came before it says more.
    static Optional<String> words(AgentEvent event) {
        return switch (event) {
            case AgentEvent.CheckedIn(CheckInAnswer.State state, Duration _) ->
                Optional.of("it was told that it is " + name(state));
            case AgentEvent.Refused refused ->
                Optional.of("it was refused: " + refused.status() + " " + gist(refused.code()));
            case AgentEvent.ToldToWait _ -> Optional.of("it was told to wait");
            case AgentEvent.Failed(String why, Duration _)
            when !why.startsWith("the server does not") -> Optional.of(gist(why));
            case AgentEvent.Failed _,
                    AgentEvent.Enrolled _,
                    AgentEvent.EnrolledBeside _,
                    AgentEvent.Renewed _,
                    AgentEvent.OrderDone _,
                    AgentEvent.OrderRefused _,
                    AgentEvent.Moved _,
                    AgentEvent.FellBack _ -> Optional.empty();
        };
    }

    /// The first line without what differs from device to device.
    private static String gist(String why) {
        String words = SINGULAR.matcher(why.split("\n", 2)[0]).replaceAll("…");
        return words.substring(0, Math.min(words.length(), 120));
    }

    void powerCut() {
        count("powerCuts");
    }

    void powerCutSurvived() {
        count("powerCutsSurvived");
    }

    void updated() {
        count("updated");
    }

    void cloned() {
        count("clonesMade");
    }

    /// It woke up, and its certificate had ended.
    void overslept() {
        count("overslept");
    }

    /// It has a certificate again.
    void cameBack() {
        count("cameBack");
    }

    /// A turn came this much later than it was due, because all threads were busy.
    void late(long nanos) {
        latest.accumulateAndGet(nanos, Math::max);
    }

    void operatorFailed(String why) {
        count("operatorFailed");
        reason("operator: " + gist(why));
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

    /// @param elapsed of the scenario's time
    /// @param whole since the first device was switched on
    Report report(List<SimulatedDevice> devices, Duration elapsed, Duration whole) {
        SortedMap<String, Long> counted = new TreeMap<>();
        counts.forEach((what, number) -> counted.put(what, number.sum()));
        SortedMap<String, Long> why = new TreeMap<>();
        reasons.forEach((reason, number) -> why.put(reason, number.sum()));
        long active = 0;
        long rightByWrongClock = 0;
        long wrongClocks = 0;
        SortedMap<String, Long> versions = new TreeMap<>();
        SortedMap<String, Long> fates = new TreeMap<>();
        SortedMap<String, Long> proofs = new TreeMap<>();
        SortedMap<String, List<String>> lacks = new TreeMap<>();
        for (SimulatedDevice device : devices) {
            boolean has = device.state().flatMap(state -> state.identity()).isPresent();
            active += has ? 1 : 0;
            if (!has) {
                lacks.computeIfAbsent(device.lack(), _ -> new ArrayList<>()).add(device.serial());
            }
            wrongClocks += device.hasWrongClock() ? 1 : 0;
            rightByWrongClock += has && device.hasWrongClock() ? 1 : 0;
            versions.merge(device.version(), 1L, Long::sum);
            proofs.merge(name(device.proof()), 1L, Long::sum);
            if (device.fateMet()) {
                fates.merge(name(device.fate()), 1L, Long::sum);
            }
        }
        long[] sorted;
        synchronized (samples) {
            sorted = Arrays.copyOf(samples, (int) Math.min(steps.get(), SAMPLES));
        }
        Arrays.sort(sorted);
        return new Report(
                elapsed,
                whole,
                devices.size(),
                active,
                lacks,
                wrongClocks,
                rightByWrongClock,
                counted,
                fates,
                versions,
                proofs,
                why,
                percentile(sorted, 0.5),
                percentile(sorted, 0.99),
                Duration.ofNanos(latest.get()));
    }

    private static String name(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static Duration percentile(long[] sorted, double share) {
        return sorted.length == 0
                ? Duration.ZERO
                : Duration.ofNanos(sorted[(int) Math.min(sorted.length - 1, sorted.length * share)]);
    }
}
