// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import java.util.Iterator;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What was read from the database, used again until it changes there: never older than the moment it is
/// asked for. Where that cannot be known, it is read anew.
///
/// Holds at most `capacity` values.
public final class Remembered<K, V> {
    private final ConcurrentHashMap<K, Entry<V>> entries = new ConcurrentHashMap<>();
    private final Changes changes;
    private final int capacity;
    private final Function<K, Found<V>> read;

    /// @param read reads a value; must not be called inside a transaction
    public Remembered(Changes changes, int capacity, Function<K, Found<V>> read) {
        this.changes = changes;
        this.capacity = capacity;
        this.read = read;
    }

    /// What was read.
    ///
    /// @param topic under which its changes are told; null where they are not, and it is not to be
    ///     remembered
    public record Found<V>(V value, @Nullable String topic) {}

    private record Entry<V>(V value, String topic, long reading) {}

    /// The value for `key`, with every change that was committed before `moment`.
    ///
    /// @param moment of [System#nanoTime], not later than now
    public V get(K key, long moment) {
        boolean heard = changes.heardUntil(moment);
        Entry<V> entry = heard ? entries.get(key) : null;
        if (entry != null && changes.isUnchanged(entry.topic, entry.reading)) {
            return entry.value;
        }
        long reading = changes.reading();
        Found<V> found = read.apply(key);
        String topic = found.topic;
        if (heard && topic != null) {
            makeRoom();
            entries.put(key, new Entry<>(found.value, topic, reading));
        }
        return found.value;
    }

    /// As [#get], without reading: null where it is not remembered.
    public @Nullable V peek(K key, long moment) {
        Entry<V> entry = changes.heardUntil(moment) ? entries.get(key) : null;
        return entry != null && changes.isUnchanged(entry.topic, entry.reading) ? entry.value : null;
    }

    /// How many values are held.
    public int size() {
        return entries.size();
    }

    /// Drops an eighth where it is full, whatever comes first, so that a flood does not look through all of
    /// it each time.
    private void makeRoom() {
        if (entries.size() >= capacity) {
            Iterator<K> victims = entries.keySet().iterator();
            for (int i = 0; i <= capacity / 8 && victims.hasNext(); i++) {
                victims.next();
                victims.remove();
            }
        }
    }
}
