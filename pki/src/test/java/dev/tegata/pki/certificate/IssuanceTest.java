// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class IssuanceTest {
    @Test
    void aRootAnIssuingAuthorityAndADevice() throws Exception {
        TestAuthority root = TestAuthority.root();
        TestAuthority issuing = root.issuing();
        Certificate device = issuing.device();
        assertThat(device.isSignedBy(issuing.certificate().publicKey())).isTrue();
        assertThat(device.subject().toString()).isEqualTo("CN=dev-0001");
    }
}
