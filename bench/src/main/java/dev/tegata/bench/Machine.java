// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Locale;
import java.util.stream.Stream;

/// What the numbers were measured on.
///
/// @param load of the last minute before the run, which says how far the numbers can be trusted
record Machine(String cpu, int cores, long memoryMib, String kernel, String jdk, double load, String date) {

    static Machine describe(InstantSource clock) {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        return new Machine(
                cpuModel(),
                system.getAvailableProcessors(),
                system.getTotalMemorySize() >> 20,
                system.getName() + " " + system.getVersion(),
                System.getProperty("java.vm.vendor") + " " + Runtime.version(),
                system.getSystemLoadAverage(),
                LocalDate.ofInstant(clock.instant(), ZoneOffset.UTC).toString());
    }

    private static String cpuModel() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(System.getProperty("os.arch"));
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "Measured on %s: %s, %d cores, %,d MiB, %s, JDK %s; load average at the start %.1f.",
                date,
                cpu,
                cores,
                memoryMib,
                kernel,
                jdk,
                load);
    }
}
