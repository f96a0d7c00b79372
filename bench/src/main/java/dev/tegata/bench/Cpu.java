// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import java.time.Duration;

/// Processor time that was used up to some moment.
record Cpu(Duration used) {
    static Cpu ofThisProcess() {
        return new Cpu(own(ProcessHandle.current()));
    }

    /// A process without its children.
    static Cpu of(ProcessHandle process) {
        return new Cpu(own(process));
    }

    /// The children of a process, and theirs: of a Tegata, its embedded database.
    static Cpu below(ProcessHandle process) {
        return new Cpu(process.descendants().map(Cpu::own).reduce(Duration.ZERO, Duration::plus));
    }

    private static Duration own(ProcessHandle process) {
        return process.info().totalCpuDuration().orElse(Duration.ZERO);
    }

    Cpu since(Cpu before) {
        return new Cpu(used.minus(before.used));
    }

    double seconds() {
        return used.toNanos() / 1e9;
    }

    /// Microseconds for each of `count`.
    double microsPer(long count) {
        return used.toNanos() / 1e3 / count;
    }
}
