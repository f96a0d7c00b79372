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
import java.util.concurrent.CountDownLatch;
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
    /// Devices are switched on within this share of the time.
    private static final double BORN = 0.1;

    /// When old tokens are sent again.
    private static final double REPLAY = 0.3;

    /// When those that sleep wake up.
    private static final double AWAKE = 0.85;

    /// How long an update takes to reach all devices.
    private static final double SPREAD = 0.05;

    private final Scenario scenario;
    private final Settings settings;
    private final Tally tally = new Tally();

    /// The devices' next steps.
    private final DelayQueue<Turn> turns = new DelayQueue<>();

    /// What befalls them, by a thread of its own: it comes in time however busy the devices are.
    private final DelayQueue<Turn> acts = new DelayQueue<>();

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

    /// Switches the devices on, and lets them live until the scenario's time is over, which begins when the
    /// last of them has done its first step.
    ///
    /// @param progress called about once a second
    public Report run(List<VirtualChip> chips, Consumer<Report> progress) throws IOException, InterruptedException {
        SplittableRandom seeds = new SplittableRandom(settings.seed());
        List<SimulatedDevice> devices = new ArrayList<>(chips.size());
        // Keys are stolen from those that sign tokens.
        VirtualChip neighbour = chips.stream()
                .filter(SimulatedDevice::isVouchedFor)
                .reduce((_, last) -> last)
                .orElse(chips.getLast());
        for (VirtualChip chip : chips) {
            RandomGenerator random = new SplittableRandom(seeds.nextLong());
            devices.add(new SimulatedDevice(chip, neighbour, scenario, settings, tally, random));
            neighbour = SimulatedDevice.isVouchedFor(chip) ? chip : neighbour;
        }
        Timeline birth = new Timeline(System.nanoTime(), scenario.duration().toNanos());
        CountDownLatch unborn = new CountDownLatch(devices.size());
        for (SimulatedDevice device : devices) {
            turns.add(new Turn(birth.at(BORN * seeds.nextDouble()), () -> beginLife(device, unborn)));
        }
        List<Thread> threads = begin();
        while (!unborn.await(1, TimeUnit.SECONDS)) {
            progress.accept(tally.report(devices, Duration.ZERO, birth.elapsed()));
        }
        Timeline life = new Timeline(System.nanoTime(), scenario.duration().toNanos());
        devices.forEach(device -> schedule(device, life, seeds));
        scenario.attestation()
                .vulnerable()
                .ifPresent(found -> acts.add(new Turn(life.at(found.at()), () -> vulnerable(found.version()))));
        while (System.nanoTime() < life.at(1)) {
            Thread.sleep(Math.clamp((life.at(1) - System.nanoTime()) / 1_000_000, 1, 1000));
            progress.accept(tally.report(devices, life.elapsed(), birth.elapsed()));
        }
        over = true;
        for (Thread thread : threads) {
            thread.join();
        }
        return tally.report(devices, life.elapsed(), birth.elapsed());
    }

    private List<Thread> begin() {
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < settings.threads(); i++) {
            threads.add(
                    Thread.ofPlatform().name("simulated-devices-" + i).daemon().start(() -> work(turns)));
        }
        threads.add(Thread.ofPlatform().name("simulated-owner").daemon().start(() -> work(acts)));
        return threads;
    }

    /// The points of the time in nanoseconds.
    private record Timeline(long begin, long length) {
        long at(double point) {
            return begin + (long) (length * point);
        }

        Duration elapsed() {
            return Duration.ofNanos(System.nanoTime() - begin);
        }
    }

    /// Fates fall into the middle, so that there is time left to see what comes of them.
    private void schedule(SimulatedDevice device, Timeline life, SplittableRandom random) {
        long fate = life.at(random.nextDouble(0.4, 0.6));
        switch (device.fate()) {
            case NONE -> {}
            case STOLEN, REFURBISHED, SOLD, CLONED -> acts.add(new Turn(fate, () -> befall(device)));
            case ASLEEP -> {
                long wakes = life.at(AWAKE);
                long certificate = scenario.certificateLife().toNanos();
                device.sleeps(Math.max(life.begin, wakes - certificate - certificate / 5), wakes);
            }
        }
        if (device.proof() == SimulatedDevice.Proof.REPLAYED) {
            // Whoever boots is asked again.
            acts.add(new Turn(life.at(REPLAY), device::reboot));
        }
        for (Scenario.Update update : scenario.updates()) {
            double chance = random.nextDouble();
            long at = life.at(Math.min(1, update.at() + SPREAD * random.nextDouble()));
            if (chance < update.share()) {
                acts.add(new Turn(at, () -> device.update(update)));
            }
        }
    }

    private void befall(SimulatedDevice device) {
        device.meetFate().ifPresent(clone -> {
            tally.cloned();
            turns.add(new Turn(System.nanoTime(), () -> live(clone)));
        });
    }

    private void vulnerable(String version) {
        try {
            settings.operator().vulnerable(version);
        } catch (IOException e) {
            tally.operatorFailed(String.valueOf(e.getMessage()));
        }
    }

    private void beginLife(SimulatedDevice device, CountDownLatch unborn) {
        try {
            live(device);
        } finally {
            unborn.countDown();
        }
    }

    private void live(SimulatedDevice device) {
        long now = System.nanoTime();
        long wakes = device.sleepsUntil(now);
        if (wakes > now) {
            turns.add(new Turn(wakes, () -> live(device)));
            return;
        }
        turns.add(new Turn(device.step(), () -> live(device)));
    }

    private void work(DelayQueue<Turn> queue) {
        try {
            while (!over) {
                Turn turn = queue.poll(100, TimeUnit.MILLISECONDS);
                if (turn != null) {
                    tally.late(System.nanoTime() - turn.at());
                    turn.work().run();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
