// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Iterator;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Remembers values for a short time, so that what is asked for thousands of times a second is read from the database
/// once in a while. A change on another node is seen when the time is over; a change on this one calls [#forget].
///
/// Holds at most `capacity` values. Several threads that miss the same value wait for one load.
public final class RecentValues<K, V> {
    private final ConcurrentHashMap<K, Entry<V>> entries = new ConcurrentHashMap<>();
    private final InstantSource clock;
    private final Duration lifetime;
    private final int capacity;
    private final Function<K, V> load;

    /// @param load reads a value; must not be called inside a transaction, nor call back. What it throws passes through
    public RecentValues(InstantSource clock, Duration lifetime, int capacity, Function<K, V> load) {
        this.clock = clock;
        this.lifetime = lifetime;
        this.capacity = capacity;
        this.load = load;
    }

    private record Entry<V>(V value, Instant loaded) {}

    /// The value for `key`, never older than the lifetime.
    public V get(K key) {
        Instant now = clock.instant();
        Entry<V> entry = entries.get(key);
        if (entry != null && isFresh(entry, now)) {
            return entry.value();
        }
        makeRoom(now);
        return entries.compute(key, (k, old) -> {
                    // Its age counts from before the load: a change during the load may have been missed.
                    Instant before = clock.instant();
                    return old != null && isFresh(old, before) ? old : new Entry<>(load.apply(k), before);
                })
                .value();
    }

    /// The value for `key` where it is remembered, without loading it.
    public @Nullable V peek(K key) {
        Entry<V> entry = entries.get(key);
        return entry != null && isFresh(entry, clock.instant()) ? entry.value() : null;
    }

    /// Makes the next [#get] load again. To be called once the change is committed.
    public void forget(K key) {
        entries.remove(key);
    }

    /// How many values are held.
    public int size() {
        return entries.size();
    }

    private boolean isFresh(Entry<V> entry, Instant now) {
        // A clock that was set back must not make an entry live longer.
        return !now.isBefore(entry.loaded()) && now.isBefore(entry.loaded().plus(lifetime));
    }

    /// Drops what is over its time, and where that is not enough an eighth of the rest, so that a flood of misses does
    /// not look through all of it each time.
    private void makeRoom(Instant now) {
        if (entries.size() < capacity) {
            return;
        }
        entries.values().removeIf(entry -> !isFresh(entry, now));
        Iterator<K> victims = entries.keySet().iterator();
        while (entries.size() > capacity - capacity / 8 - 1 && victims.hasNext()) {
            victims.next();
            victims.remove();
        }
    }
}
