// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import java.security.SecureRandom;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("The operator's key")
final class OperatorKeyTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static OperatorKey operatorKey() {
        TestClock clock = TestClock.create();
        return new OperatorKey(DATABASE.database(), new LoginThrottle(clock), clock, new SecureRandom());
    }

    @Test
    void isMadeOnceAndShownOnce() {
        OperatorKey key = operatorKey();
        String text = key.ensure().orElseThrow();
        assertThat(text).startsWith("tgo_").hasSize(47);
        assertThat(key.ensure()).isEmpty();
        assertThat(operatorKey().ensure()).isEmpty();
        assertThat(operatorKey().authenticate(text, "::1")).isEqualTo(Actor.OPERATOR);
        for (int i = 0; i < 20; i++) {
            assertCode(ErrorCode.UNAUTHENTICATED, key, "tgo_" + "A".repeat(43));
        }
        assertCode(ErrorCode.TOO_MANY_ATTEMPTS, key, text);

        String replaced = operatorKey().replace();
        assertThat(operatorKey().authenticate(replaced, "::1")).isEqualTo(Actor.OPERATOR);
        assertCode(ErrorCode.UNAUTHENTICATED, operatorKey(), text);
    }

    private static void assertCode(ErrorCode code, OperatorKey key, String text) {
        assertThatThrownBy(() -> key.authenticate(text, "::1"))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.code()).isEqualTo(code));
    }
}
