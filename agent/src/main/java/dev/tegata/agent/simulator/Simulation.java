// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import dev.tegata.agent.Network;
import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.chip.VirtualChip;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/// A fleet that lives for a while.
///
/// The devices share a few threads; each thread has at most one connection. A device that has nothing to do
/// is an entry in a queue and some kilobytes of state.
public final class Simulation {
    private final Scenario scenario;
    private final Settings settings;
    private final Tally tally = new Tally();
    private final DelayQueue<Turn> turns = new DelayQueue<>();

    /// Says that the time is over. Threads look at it between two steps.
    private volatile boolean over;

    /// What a simulation is made of.
    ///
    /// @param threads how many devices work, and how many connections there are, at the same moment
    /// @param seed two simulations with the same one decide the same; what the server and the machine do
    /// differs
    public record Settings(
            Home home, Network network, Operator operator, InstantSource clock, int threads, long seed) {}

    public Simulation(Scenario scenario, Settings settings) {
        this.scenario = scenario;
        this.settings = settings;
    }

    /// A device's next turn: a step of its agent, or something that befalls it.
    private record Turn(long at, Runnable work) implements Delayed {
        @Override
        public long getDelay(TimeUnit unit) {
            return unit.convert(at - System.nanoTime(), TimeUnit.NANOSECONDS);
        }

        @Override
        public int compareTo(Delayed other) {
            return Long.compare(at, ((Turn) other).at);
        }
    }

    /// Lets the devices live until the scenario's time is over.
    ///
    /// @param progress called about once a second
    public Report run(List<VirtualChip> chips, Consumer<Report> progress) throws IOException, InterruptedException {
        SplittableRandom seeds = new SplittableRandom(settings.seed());
        long begun = System.nanoTime();
        long end = begun + scenario.duration().toNanos();
        List<SimulatedDevice> devices = new ArrayList<>(chips.size());
        for (VirtualChip chip : chips) {
            RandomGenerator random = new SplittableRandom(seeds.nextLong());
            SimulatedDevice device = new SimulatedDevice(chip, scenario, settings, tally, random);
            devices.add(device);
            schedule(device, begun, random);
        }
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < settings.threads(); i++) {
            threads.add(
                    Thread.ofPlatform().name("simulated-devices-" + i).daemon().start(() -> work(end)));
        }
        while (System.nanoTime() < end) {
            Thread.sleep(Math.clamp((end - System.nanoTime()) / 1_000_000, 1, 1000));
            progress.accept(tally.report(devices, Duration.ofNanos(System.nanoTime() - begun)));
        }
        over = true;
        for (Thread thread : threads) {
            thread.join();
        }
        return tally.report(devices, Duration.ofNanos(System.nanoTime() - begun));
    }

    /// The fleet comes to life within the first tenth of the time; fates fall into the middle, so that
    /// there is time left to see what comes of them.
    private void schedule(SimulatedDevice device, long begun, RandomGenerator random) {
        long whole = scenario.duration().toNanos();
        long birth = begun + (long) (whole * 0.1 * random.nextDouble());
        turns.add(new Turn(birth, () -> live(device)));
        if (device.hasFate()) {
            long fate = begun + (long) (whole * random.nextDouble(0.4, 0.6));
            turns.add(new Turn(fate, device::meetFate));
        }
    }

    private void live(SimulatedDevice device) {
        Duration pause = device.step();
        turns.add(new Turn(System.nanoTime() + pause.toNanos(), () -> live(device)));
    }

    private void work(long end) {
        try {
            while (!over && System.nanoTime() < end) {
                Turn turn = turns.poll(100, TimeUnit.MILLISECONDS);
                if (turn != null) {
                    turn.work().run();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
