// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import java.time.Instant;
import java.util.List;

/// What a device proves itself with. The protocol adapter vouches for no more than its form.
public sealed interface DeviceCredential {
    /// A certificate chain, leaf first, DER, whose leaf key was proven by the TLS handshake. Nothing else
    /// about it has been checked.
    record TlsCertificate(List<Bytes> chain) implements DeviceCredential {
        public TlsCertificate {
            chain = List.copyOf(chain);
            if (chain.isEmpty()) {
                throw new IllegalArgumentException("a chain has a leaf");
            }
        }
    }

    /// A certificate chain, leaf first, DER, whose leaf key was proven by a signature over the message
    /// (CMP). Nothing else about it has been checked.
    record SignedMessage(List<Bytes> chain) implements DeviceCredential {
        public SignedMessage {
            chain = List.copyOf(chain);
            if (chain.isEmpty()) {
                throw new IllegalArgumentException("a chain has a leaf");
            }
        }
    }

    /// A one-time claim token, sent as it is, or proven by a MAC made with it.
    ///
    /// @param chain as of [TlsCertificate], where a certificate was shown beside it
    record ClaimToken(String secret, List<Bytes> chain) implements DeviceCredential {
        public ClaimToken {
            chain = List.copyOf(chain);
        }

        public ClaimToken(String secret) {
            this(secret, List.of());
        }

        @Override
        public String toString() {
            return "ClaimToken[…]";
        }
    }

    /// An account whose key signed the request (ACME), and that was made for this device at `since`.
    record Account(DeviceId device, Instant since) implements DeviceCredential {}

    /// The device showed nothing.
    record None() implements DeviceCredential {}
}
