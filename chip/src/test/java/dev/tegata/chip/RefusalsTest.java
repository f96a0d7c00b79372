// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// What each command refuses whatever the slots say; what slots forbid is in [PolicyTest].
@DisplayName("Each opcode refuses")
class RefusalsTest {
    private final Rig rig = Rig.of(Preset.TRUST_GO);

    @ParameterizedTest
    @EnumSource(Opcode.class)
    @DisplayName("data that is too long, and changes nothing by it")
    void tooMuchData(Opcode opcode) {
        byte[] before = configuration();
        for (int param1 = 0; param1 < 256; param1++) {
            byte[] answer = rig.exchange(opcode, param1, 0, new byte[148]);
            assertThat(answer).as("%s %02x", opcode, param1).hasSize(1);
            assertThat(Status.of(answer[0])).as("%s %02x", opcode, param1).isNotEqualTo(Status.SUCCESS);
        }
        assertThat(configuration()).isEqualTo(before);
    }

    /// Those that a preset's chip carries out with any key or mode, and what they take at least.
    @ParameterizedTest(name = "{0} {1} {2}: {3}")
    @CsvSource({
        // opcode, param1, param2, status, bytes of data; numbers in hex but for the last
        "AES, 00, 10, PARSE_ERROR, 16",
        "AES, 00, 0, PARSE_ERROR, 15",
        "CHECK_MAC, 00, 10, PARSE_ERROR, 77",
        "CHECK_MAC, 00, 0, PARSE_ERROR, 76",
        "CHECK_MAC, 80, 0, PARSE_ERROR, 77",
        "COUNTER, 00, 2, PARSE_ERROR, 0",
        "COUNTER, 02, 0, PARSE_ERROR, 0",
        "COUNTER, 00, 0, PARSE_ERROR, 4",
        "DERIVE_KEY, FF, 0, PARSE_ERROR, 0",
        "DERIVE_KEY, 00, 10, PARSE_ERROR, 0",
        "ECDH, 0C, 10, PARSE_ERROR, 64",
        "ECDH, 0C, 2, PARSE_ERROR, 63",
        "ECDH, F0, 2, PARSE_ERROR, 64",
        "GEN_DIG, 09, 0, PARSE_ERROR, 0",
        "GEN_DIG, 02, 10, PARSE_ERROR, 0",
        "GEN_KEY, 00, 10, PARSE_ERROR, 0",
        "GEN_KEY, FF, 0, PARSE_ERROR, 0",
        "INFO, FF, 0, PARSE_ERROR, 0",
        "INFO, 00, 0, PARSE_ERROR, 1",
        "KDF, FF, 0, PARSE_ERROR, 20",
        "KDF, 00, 0, PARSE_ERROR, 0",
        "LOCK, 04, 0, PARSE_ERROR, 1",
        "LOCK, 3F, 0, PARSE_ERROR, 0",
        "MAC, 00, 10, PARSE_ERROR, 32",
        "MAC, 00, 0, PARSE_ERROR, 31",
        "MAC, 80, 0, PARSE_ERROR, 32",
        "NONCE, 00, 0, PARSE_ERROR, 19",
        "NONCE, 03, 0, PARSE_ERROR, 31",
        "NONCE, 02, 0, PARSE_ERROR, 20",
        "PRIV_WRITE, 00, 10, PARSE_ERROR, 36",
        "PRIV_WRITE, 00, 0, PARSE_ERROR, 35",
        "RANDOM, 02, 0, PARSE_ERROR, 0",
        "RANDOM, 00, 0, PARSE_ERROR, 1",
        "READ, 03, 0, PARSE_ERROR, 0",
        "READ, 00, 20, PARSE_ERROR, 0",
        "READ, 00, 0, PARSE_ERROR, 1",
        "SHA, 0F, 0, PARSE_ERROR, 0",
        "SIGN, 80, 10, PARSE_ERROR, 0",
        "SIGN, 80, 0, PARSE_ERROR, 1",
        "SECURE_BOOT, 00, 0, PARSE_ERROR, 96",
        "SELF_TEST, 00, 0, PARSE_ERROR, 1",
        "UPDATE_EXTRA, 04, 0, PARSE_ERROR, 0",
        "VERIFY, 02, 4, PARSE_ERROR, 127",
        "VERIFY, FF, 4, PARSE_ERROR, 128",
        "WRITE, 03, 0, PARSE_ERROR, 4",
        "WRITE, 00, 0, PARSE_ERROR, 3"
    })
    void malformed(Opcode opcode, String param1, String param2, Status status, int length) {
        assertThat(rig.status(opcode, Integer.parseInt(param1, 16), Integer.parseInt(param2, 16), new byte[length]))
                .isEqualTo(status);
    }

    @Test
    @DisplayName("to use what is not in TempKey")
    void nothingInTempKey() {
        for (Runnable fresh : List.<Runnable>of(rig.chip::powerCycle, rig.chip::sleep)) {
            fresh.run();
            rig.chip.wake();
            List<Status> answers = new ArrayList<>();
            answers.add(rig.status(Opcode.SIGN, 0x80, 0));
            answers.add(rig.status(Opcode.SIGN, 0x00, 1));
            answers.add(rig.status(Opcode.VERIFY, 0x02, 4, new byte[128]));
            answers.add(rig.status(Opcode.GEN_DIG, 2, 5));
            answers.add(rig.status(Opcode.MAC, 0x01, 5));
            assertThat(answers).containsOnly(Status.EXECUTION_ERROR);
        }
    }

    private byte[] configuration() {
        byte[] all = new byte[0];
        for (int block = 0; block < 4; block++) {
            all = Rig.join(all, rig.ok(Opcode.READ, 0x80, block << 3));
        }
        return all;
    }
}
