// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import dev.tegata.platform.store.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// Until when kinds of keys are strong enough, and who says so. Data, from `health/algorithms.json`.
public record AlgorithmPolicy(List<Limit> limits) {
    /// @param until the last day, as a date
    /// @param advice whether it binds only those who follow its source; such limits are not findings by
    /// themselves
    public record Limit(List<String> algorithms, String until, boolean advice, String source) {
        public Limit {
            algorithms = List.copyOf(algorithms);
        }

        Instant end() {
            return LocalDate.parse(until)
                    .plusDays(1)
                    .atStartOfDay(ZoneOffset.UTC)
                    .toInstant();
        }
    }

    public AlgorithmPolicy {
        limits = List.copyOf(limits);
    }

    public static AlgorithmPolicy standard() {
        try (InputStream in =
                Objects.requireNonNull(AlgorithmPolicy.class.getResourceAsStream("/health/algorithms.json"))) {
            return new AlgorithmPolicy(
                    List.of(Json.read(new String(in.readAllBytes(), StandardCharsets.UTF_8), Limit[].class)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// The limit that a key meets while its certificate is still valid; the nearest one.
    Optional<Limit> met(String algorithm, Instant notAfter) {
        return limits.stream()
                .filter(limit -> !limit.advice()
                        && limit.algorithms().contains(algorithm)
                        && limit.end().isBefore(notAfter))
                .min(java.util.Comparator.comparing(Limit::end));
    }
}
