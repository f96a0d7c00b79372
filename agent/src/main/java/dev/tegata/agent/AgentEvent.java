// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInAnswer;
import dev.tegata.protocol.OrderKind;
import dev.tegata.protocol.OrderVerdict;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What happens in an agent's life, for logs and counters.
public sealed interface AgentEvent {
    /// A sentence for a log.
    String sentence();

    /// It has its first certificate, or its first after it had lost one.
    record Enrolled(Certificate certificate) implements AgentEvent {
        @Override
        public String sentence() {
            return "enrolled: certificate " + certificate.serial().hex() + " until "
                    + certificate.validity().notAfter();
        }
    }

    /// It has a certificate of the second chain.
    record EnrolledBeside(Certificate certificate) implements AgentEvent {
        @Override
        public String sentence() {
            return "enrolled in the second chain: certificate "
                    + certificate.serial().hex() + ", good until "
                    + certificate.validity().notAfter();
        }
    }

    record Renewed(Certificate certificate, boolean newKey) implements AgentEvent {
        @Override
        public String sentence() {
            return (newKey ? "renewed with a new key: certificate " : "renewed: certificate ")
                    + certificate.serial().hex() + " until "
                    + certificate.validity().notAfter();
        }
    }

    record CheckedIn(CheckInAnswer.State state, Duration next) implements AgentEvent {
        @Override
        public String sentence() {
            return "checked in: " + state + ", again in " + next.toSeconds() + " s";
        }
    }

    record OrderDone(OrderKind kind, CheckIn.Status status, String detail) implements AgentEvent {
        @Override
        public String sentence() {
            return "order " + kind + ": " + status + (detail.isEmpty() ? "" : ", " + detail);
        }
    }

    /// An order that was not to be obeyed.
    record OrderRefused(OrderVerdict.Reason reason, String detail) implements AgentEvent {
        @Override
        public String sentence() {
            return "refused an order (" + reason + "): " + detail;
        }
    }

    /// It left its owner.
    record Moved(String url, String fleet) implements AgentEvent {
        @Override
        public String sentence() {
            return "moved to fleet " + fleet + " at " + url;
        }
    }

    /// The operational identity is not good any more; the birth identity takes its place.
    record FellBack(String why) implements AgentEvent {
        @Override
        public String sentence() {
            return "back to the birth identity: " + why;
        }
    }

    /// The server wants to be asked later.
    record ToldToWait(Duration pause) implements AgentEvent {
        @Override
        public String sentence() {
            return "told to come back in " + pause.toSeconds() + " s";
        }
    }

    /// The server said no.
    record Refused(int status, String reason) implements AgentEvent {
        private static final Pattern CODE = Pattern.compile("\"code\" *: *\"([a-z-]{1,80})\"");

        /// Why, in one stable word: the code of a problem document, or what stands before the first colon.
        public String code() {
            Matcher code = CODE.matcher(reason);
            return code.find() ? code.group(1) : reason.split(":", 2)[0];
        }

        @Override
        public String sentence() {
            return "refused with status " + status + ": " + reason;
        }
    }

    /// Something that the agent needs was not reached: the server, or what holds the keys.
    record Failed(String why, Duration pause) implements AgentEvent {
        @Override
        public String sentence() {
            return why + "; again in " + pause.toSeconds() + " s";
        }
    }
}
