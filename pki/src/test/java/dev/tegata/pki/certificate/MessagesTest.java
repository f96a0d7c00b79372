// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.key.KeyAlgorithm;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class MessagesTest {
    private static final TestAuthority ROOT = TestAuthority.root();

    @Nested
    @DisplayName("RFC 7030 §4.1.3: certs-only messages")
    class CertsOnly {
        @Test
        void whatIsWrittenIsRead() throws Exception {
            Certificate issuing = ROOT.issuing().certificate();
            Bytes message = CertsOnlyCms.encode(List.of(ROOT.certificate(), issuing));
            assertThat(CertsOnlyCms.decode(message)).containsExactlyInAnyOrder(ROOT.certificate(), issuing);
        }

        @Test
        void whatIsNotCertsOnlyIsRefused() {
            String good = CertsOnlyCms.encode(List.of(ROOT.certificate())).hex();
            List<String> bad = List.of(
                    "",
                    "3000",
                    good + "00",
                    good.replace("06092a864886f70d010702", "06092a864886f70d010703"),
                    CertsOnlyCms.encode(List.of()).hex());
            for (String hex : bad) {
                assertThatThrownBy(() -> CertsOnlyCms.decode(Bytes.ofHex(hex)))
                        .isInstanceOf(InvalidCertificateException.class);
            }
            Bytes many = CertsOnlyCms.encode(Collections.nCopies(65, ROOT.certificate()));
            assertThatThrownBy(() -> CertsOnlyCms.decode(many)).hasMessageContaining("more than 64");
            Bytes large = CertsOnlyCms.encode(Collections.nCopies(3000, ROOT.certificate()));
            assertThatThrownBy(() -> CertsOnlyCms.decode(large)).hasMessageContaining("at most");
        }
    }

    @Nested
    @DisplayName("RFC 7030 §4.5.2 and RFC 9908: CSR attributes")
    class Attributes {
        @Test
        void theProfilesKeyAndSignature() throws Exception {
            CsrAttributes attributes = CsrAttributes.of(CertificateProfile.device());
            // ecPublicKey with prime256v1, then ecdsa-with-SHA256
            assertThat(attributes.encode().hex())
                    .isEqualTo("3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302");
            assertThat(CsrAttributes.decode(attributes.encode())).isEqualTo(attributes);
            assertThat(attributes.keyAlgorithm()).contains(KeyAlgorithm.EC_P256);
        }

        @Test
        @DisplayName("RFC 7030 §4.5.2: the example there")
        void anExample() throws Exception {
            // challengePassword; ecPublicKey with secp384r1; extensionRequest with macAddress; ecdsa-with-SHA384
            CsrAttributes attributes = CsrAttributes.decode(Bytes.ofBase64(
                    "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw=="));
            assertThat(attributes.wants(RequestAttribute.CHALLENGE_PASSWORD)).isTrue();
            assertThat(attributes.wants(RequestAttribute.EXTENSION_REQUEST)).isTrue();
            assertThat(attributes.keyAlgorithm()).contains(KeyAlgorithm.EC_P384);
            assertThat(attributes.attributes()).hasSize(4);
        }

        @Test
        void allKindsOfKeys() throws Exception {
            for (KeyAlgorithm key : KeyAlgorithm.values()) {
                CertificateProfile device = CertificateProfile.device();
                CertificateProfile profile = new CertificateProfile(
                        device.name(),
                        device.kind(),
                        device.subject(),
                        device.lifetime(),
                        device.backdate(),
                        List.of(key),
                        null,
                        device.keyUsages(),
                        device.extendedKeyUsages(),
                        List.of(),
                        device.locations(),
                        device.requestedExtensions());
                assertThat(CsrAttributes.decode(CsrAttributes.of(profile).encode())
                                .keyAlgorithm())
                        .contains(key);
            }
        }

        @Test
        void wrongOnesAreRefused() {
            for (String hex : List.of(
                    "", "31000500", "30020500", "300a06032a030406032a0304" + "00", "300a06032a030406032a0304")) {
                assertThatThrownBy(() -> CsrAttributes.decode(Bytes.ofHex(hex))).isInstanceOf(EncodingException.class);
            }
        }
    }
}
