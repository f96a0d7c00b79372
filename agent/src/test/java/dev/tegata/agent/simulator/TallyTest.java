// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("The report of a simulation")
final class TallyTest {
    @Test
    @DisplayName("says why the server refused what the operator wanted, without what differs from device to device")
    void refusedOperator() {
        Tally tally = new Tally();
        for (String device : List.of("01a20394-8d76-71b4-b35e-ecf3ac4fec60", "01a20394-a150-743c-ae57-972ec4c32806")) {
            tally.operatorFailed("the server refused: device " + device + " cannot be refurbished (conflict)");
        }
        assertThat(tally.report(List.of(), Duration.ZERO, Duration.ZERO).reasons())
                .hasSize(1)
                .containsEntry("operator: the server refused: device … cannot be refurbished (conflict)", 2L);
    }
}
