// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.RefusedException;
import dev.tegata.platform.device.RevocationReason;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Names in requests")
class NamesTest {
    @Test
    @DisplayName("RFC 5280 §5.3.1: reasons are read as the RFC spells them, too")
    void reasons() {
        assertThat(List.of(reason("caCompromise"), reason("cACompromise")))
                .containsOnly(RevocationReason.CA_COMPROMISE);
        assertThat(List.of(reason("aaCompromise"), reason("aACompromise")))
                .containsOnly(RevocationReason.AA_COMPROMISE);
        assertThat(reason("keyCompromise")).isEqualTo(RevocationReason.KEY_COMPROMISE);
        for (String text : List.of("CACompromise", "bACompromise", "cACompromised", "")) {
            assertThatThrownBy(() -> reason(text))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("caCompromise");
        }
    }

    private static RevocationReason reason(String text) {
        return Names.reason(RevocationReason.class, "revocationReason", text);
    }
}
