// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.enrol.Candidate;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import java.time.Instant;
import java.util.List;

/// What policy wants a device to do. Asked at each check-in of a device that is active, or suspended until
/// it proves that it is good: so it thinks and looks up little.
public interface DueOrders {
    /// What is due for a device now. It is placed unless an order on the same topic is open or has failed
    /// in the last day; one for evidence is placed again soon, and less soon after each failure. A
    /// suspended device, and one without a good operational identity, is only asked for evidence.
    List<OrderContent> due(IssuingFleet fleet, Candidate device, CheckIn said, Instant now);
}
