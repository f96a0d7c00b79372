// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("A problem")
final class ProblemTest {
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @DisplayName("with the vault is one of ours that passes, and says nothing of tokens and keys")
    void vault(boolean retryable) {
        Problem problem = Problem.of(new VaultException("the token 'acme' refuses the PIN", retryable));
        assertThat(problem.code()).isEqualTo(ErrorCode.UNAVAILABLE);
        assertThat(problem.headers()).containsKey("Retry-After");
        assertThat(problem.detail()).doesNotContain("acme");
    }
}
