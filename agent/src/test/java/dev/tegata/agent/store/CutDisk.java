// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.store;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;

/// A disk whose power fails at a chosen step, and which then has what a real one may have: all that was
/// synced, and of the rest whatever chance leaves.
public final class CutDisk implements Disk {
    /// The power failed. Nothing may catch it.
    public static final class PowerCut extends Error {
        private static final long serialVersionUID = 1L;
    }

    /// What the running system sees. A null name was deleted.
    private final Map<Path, byte[]> cached = new HashMap<>();

    private final Map<Path, byte[]> durableContent = new HashMap<>();
    private final Map<Path, Path> durableNames = new HashMap<>();

    /// A file's content lives under a name of its own, as an inode does.
    private final Map<Path, Path> names = new HashMap<>();

    private final RandomGenerator random;
    private int inodes;
    private int steps;
    private int cutAt = Integer.MAX_VALUE;

    /// Whether there is no room left.
    public boolean full;

    public CutDisk(RandomGenerator random) {
        this.random = random;
    }

    /// How many steps there were.
    public int steps() {
        return steps;
    }

    /// The names in a folder.
    public Set<Path> files(Path folder) {
        return names.keySet().stream()
                .filter(name -> folder.equals(name.getParent()))
                .collect(Collectors.toSet());
    }

    /// Lets the power fail at step `step` from now on, counted from 0.
    public void cutAt(int step) {
        steps = 0;
        cutAt = step;
    }

    private void step() {
        if (steps++ == cutAt) {
            throw new PowerCut();
        }
    }

    /// What is there when the power is back.
    public void restart() {
        cutAt = Integer.MAX_VALUE;
        // Each name that was not synced is as it was or as it is.
        names.forEach((name, inode) -> {
            if (!inode.equals(durableNames.get(name)) && random.nextBoolean()) {
                durableNames.put(name, inode);
            }
        });
        for (Path name : durableNames.keySet().stream().toList()) {
            if (!names.containsKey(name) && random.nextBoolean()) {
                durableNames.remove(name);
            }
        }
        for (Path inode : durableNames.values()) {
            byte[] whole = cached.get(inode);
            if (!durableContent.containsKey(inode)) {
                durableContent.put(
                        inode, whole == null ? new byte[0] : Arrays.copyOf(whole, random.nextInt(whole.length + 1)));
            }
        }
        names.clear();
        names.putAll(durableNames);
        cached.clear();
        cached.putAll(durableContent);
    }

    @Override
    public Optional<byte[]> read(Path file) {
        Path inode = names.get(file);
        byte[] content = inode == null ? null : cached.get(inode);
        return content == null ? Optional.empty() : Optional.of(content.clone());
    }

    @Override
    public void write(Path file, byte[] content) throws IOException {
        if (full) {
            throw new IOException("No space left on device");
        }
        Path inode = Path.of("inode-" + inodes++);
        names.put(file, inode);
        cached.put(inode, Arrays.copyOf(content, content.length / 2));
        step();
        cached.put(inode, content.clone());
    }

    @Override
    public void sync(Path file) {
        step();
        Path inode = Objects.requireNonNull(names.get(file));
        durableContent.put(inode, Objects.requireNonNull(cached.get(inode)));
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        step();
        Path inode = names.remove(from);
        if (inode == null) {
            throw new IOException("no file " + from);
        }
        names.put(to, inode);
    }

    @Override
    public void syncFolder(Path folder) {
        step();
        durableNames.clear();
        durableNames.putAll(names);
    }

    @Override
    public void delete(Path file) {
        step();
        names.remove(file);
    }

    @Override
    public void makeFolder(Path folder) {}
}
