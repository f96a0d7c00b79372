// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.path;

import dev.tegata.pki.certificate.Certificate;
import java.util.List;

/// What a peer shows: its own certificate, and others that may lead from it to a trust anchor, in any order.
public record Presented(Certificate leaf, List<Certificate> intermediates) {
    public Presented {
        intermediates = List.copyOf(intermediates);
    }

    /// A chain as TLS carries it: the peer's own certificate first.
    ///
    /// @throws IllegalArgumentException where it is empty
    public static Presented of(List<Certificate> chain) {
        if (chain.isEmpty()) {
            throw new IllegalArgumentException("a chain has at least one certificate");
        }
        return new Presented(chain.getFirst(), chain.subList(1, chain.size()));
    }

    public static Presented of(Certificate leaf, Certificate... intermediates) {
        return new Presented(leaf, List.of(intermediates));
    }
}
