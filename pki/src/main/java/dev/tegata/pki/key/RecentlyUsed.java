// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A cache of bounded size that drops what was used longest ago.
final class RecentlyUsed<K, V> {
    // Both guarded by this.
    private final Map<K, V> entries;
    private long removals;

    RecentlyUsed(int capacity) {
        if (capacity < 1) {
            throw new IllegalArgumentException("a cache holds at least one entry, not " + capacity);
        }
        entries = new LinkedHashMap<>(16, 0.75f, true) {
            private static final long serialVersionUID = 1L;

            @Override
            protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
                return size() > capacity;
            }
        };
    }

    /// Fetches a value from where it lives.
    interface Load<V, X extends Exception> {
        V load() throws X;
    }

    /// The value of `key`, loaded where it is not held. Two threads that miss at the same time both load.
    <X extends Exception> V get(K key, Load<V, X> load) throws X {
        long removalsBefore;
        synchronized (this) {
            @Nullable V held = entries.get(key);
            if (held != null) {
                return held;
            }
            removalsBefore = removals;
        }
        V loaded = load.load();
        synchronized (this) {
            // What was removed while it was being loaded must not come back.
            if (removals == removalsBefore) {
                entries.put(key, loaded);
            }
        }
        return loaded;
    }

    synchronized void remove(K key) {
        entries.remove(key);
        removals++;
    }

    synchronized void clear() {
        entries.clear();
        removals++;
    }
}
