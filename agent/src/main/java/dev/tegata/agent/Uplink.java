// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// How a device speaks with its server: itself, over mutual TLS, or by signed messages that a gateway
/// carries.
interface Uplink {
    /// Asks for a certificate.
    ///
    /// @param as who asks: the birth identity for the first certificate, the operational one for the next
    /// @param made the key that the certificate is to be for
    /// @param subject that of the current certificate, where there is one
    Enrolment enrol(DeviceIdentity as, DeviceKeys.Made made, Optional<Name> subject) throws IOException;

    Reply checkIn(DeviceIdentity as, CheckIn said) throws IOException;

    /// Why the device would not hear its server any more if it trusted these anchors only; empty where it
    /// would.
    ///
    /// @param order that says so, signed
    Optional<String> lockedOutBy(List<Certificate> anchors, Bytes order, DeviceIdentity as) throws IOException;

    /// The uplink of a device that belongs there.
    static Uplink of(Home home, List<Certificate> anchors, Agent.Setup setup, DeviceClock clock) {
        return setup.network().isGateway()
                ? new RelayedUplink(home, anchors, setup, clock)
                : new DirectUplink(home, anchors, setup, clock);
    }

    /// What came of asking for a certificate.
    sealed interface Enrolment {
        /// @param authorities the fleet's CA certificates
        record Issued(Certificate certificate, List<Certificate> authorities) implements Enrolment {}

        /// Ask again later: somebody has to approve first, or the server is busy.
        record Later(Duration retryAfter) implements Enrolment {}

        /// @param status of HTTP
        /// @param authorities the fleet's CA certificates, where they are known all the same
        record Refused(int status, String reason, List<Certificate> authorities) implements Enrolment {}
    }

    /// What came of a check-in.
    sealed interface Reply {
        record Heard(CheckInAnswer answer) implements Reply {}

        record Later(Duration retryAfter) implements Reply {}

        /// What a no means that is not about being busy.
        static Reply refused(int status, String reason) throws IOException {
            if (status == 401 || status == 403 || status == 404) {
                return new Refused(status, reason);
            }
            throw new IOException("the server answers a check-in with status " + status);
        }

        /// The server does not take this identity.
        ///
        /// @param status of HTTP
        record Refused(int status, String reason) implements Reply {}
    }
}
