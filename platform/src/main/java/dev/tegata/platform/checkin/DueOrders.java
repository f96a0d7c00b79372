// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.platform.enrol.Candidate;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import java.time.Instant;
import java.util.List;

/// What policy wants a device to do. Asked at each check-in with the operational identity, so it thinks and
/// does not look up.
public interface DueOrders {
    /// What is due for an active device now. It is placed unless an order on the same topic is open or has
    /// failed in the last day.
    List<OrderContent> due(IssuingFleet fleet, Candidate device, CheckIn said, Instant now);
}
