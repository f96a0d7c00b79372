// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench.claim;

import java.time.Duration;

/// Processor time.
final class Cpu {
    private Cpu() {}

    /// What this process has used.
    static Duration here() {
        return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
    }

    /// What the running descendants of a process have used, and it itself.
    static Duration ofTree(long pid) {
        ProcessHandle root = ProcessHandle.of(pid).orElseThrow();
        return root.descendants()
                .map(process -> process.info().totalCpuDuration().orElse(Duration.ZERO))
                .reduce(root.info().totalCpuDuration().orElse(Duration.ZERO), Duration::plus);
    }
}
