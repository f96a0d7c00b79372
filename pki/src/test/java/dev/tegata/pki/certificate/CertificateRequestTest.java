// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.InvalidRequestException.Reason;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CertificateRequestTest {
    private static final TestKeys KEYS = TestKeys.p256();
    private static final Extension AUTHORITY =
            new Extension(Extension.BASIC_CONSTRAINTS, true, Bytes.ofHex("30030101ff"));
    private static final Extension FOREIGN_NAME = new Extension(
            Extension.SUBJECT_ALTERNATIVE_NAME,
            false,
            Bytes.ofHex("300b8209"
                    + Bytes.of("other.tld".getBytes(StandardCharsets.US_ASCII)).hex()));

    private static Reason refusal(Bytes encoded) {
        return catchThrowableOfType(
                        InvalidRequestException.class,
                        () -> CertificateRequest.parse(encoded).prove())
                .reason();
    }

    @ParameterizedTest
    @EnumSource(
            names = {"RSA_3072", "RSA_4096"},
            mode = EnumSource.Mode.EXCLUDE)
    @DisplayName("RFC 2986: a request is made, read and proven with each kind of key")
    void roundTrip(KeyAlgorithm algorithm) throws Exception {
        TestKeys keys = TestKeys.generate(algorithm);
        CertificateRequest made = keys.request(
                "CN=device 1,O=Example",
                RequestAttribute.challengePassword("s3cret@"),
                RequestAttribute.extensionRequest(List.of(FOREIGN_NAME)));
        CertificateRequest request = CertificateRequest.parse(made.encoded());
        assertThat(request).isEqualTo(made);
        assertThat(request.subject()).hasToString("CN=device 1,O=Example");
        assertThat(request.publicKey()).isEqualTo(keys.publicKey());
        assertThat(request.challengePassword()).contains("s3cret@");
        assertThat(request.requestedExtensions()).containsExactly(FOREIGN_NAME);
        assertThat(request.prove().publicKey()).isEqualTo(keys.publicKey());
        assertThat(CertificateRequest.parsePem(request.pem())).isEqualTo(request);
        assertThat(request.toString() + request.attributes()).doesNotContain("s3cret");
    }

    /// Requests that are made to do harm, or by mistake.
    @Nested
    class Hostile {
        @Test
        void anotherKeysSignature() {
            TestKeys other = TestKeys.p256();
            CertificateRequest request =
                    CertificateRequest.create(Name.parse("CN=x"), KEYS.publicKey(), List.of(), other::sign);
            assertThat(refusal(request.encoded())).isEqualTo(Reason.BAD_SIGNATURE);
        }

        @Test
        void anotherSubjectThanWasSigned() {
            Bytes encoded = KEYS.request("CN=honest").encoded();
            Bytes changed = Bytes.ofHex(encoded.hex().replace(hex("honest"), hex("h0nest")));
            assertThat(refusal(changed)).isEqualTo(Reason.BAD_SIGNATURE);
        }

        @Test
        void aSignatureOfAnotherKindOfKey() {
            Bytes encoded = KEYS.request("CN=x").encoded();
            String changed = encoded.hex()
                    .replace(
                            SignatureAlgorithm.ECDSA_SHA256.identifier().hex(),
                            SignatureAlgorithm.ECDSA_SHA384.identifier().hex());
            assertThat(refusal(Bytes.ofHex(changed))).isEqualTo(Reason.BAD_SIGNATURE);
            String sha1 = encoded.hex()
                    .replace(SignatureAlgorithm.ECDSA_SHA256.identifier().hex(), "300906072a8648ce3d0401");
            assertThat(sha1).isNotEqualTo(encoded.hex());
            assertThat(refusal(Bytes.ofHex(shorten(sha1)))).isEqualTo(Reason.UNSUPPORTED_SIGNATURE);
        }

        private static String shorten(String hex) {
            int size = hex.length() / 2;
            return size - 3 >= 128
                    ? "3081%02x".formatted(size - 3) + hex.substring(6)
                    : "30%02x".formatted(size - 2) + hex.substring(4);
        }

        @Test
        void aPointThatIsNotOnItsCurve() {
            String key = KEYS.publicKey().encoded().hex();
            String off = key.substring(0, key.length() - 2) + (key.endsWith("00") ? "01" : "00");
            Bytes changed = Bytes.ofHex(KEYS.request("CN=x").encoded().hex().replace(key, off));
            assertThat(refusal(changed)).isEqualTo(Reason.INVALID_KEY);
        }

        @Test
        void thePointAtInfinity() {
            assertThat(refusal(requestWithKey("3019301306072a8648ce3d020106082a8648ce3d030107030200" + "00")))
                    .isEqualTo(Reason.INVALID_KEY);
        }

        @Test
        void anRsaKeyOf1024Bits() throws Exception {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(1024);
            KeyPair pair = generator.generateKeyPair();
            String key = Bytes.of(pair.getPublic().getEncoded()).hex();
            assertThat(refusal(requestWithKey(key))).isEqualTo(Reason.WEAK_KEY);
        }

        @Test
        void curvesThatWeDoNotSupport() throws Exception {
            String secp256k1 = "3056301006072a8648ce3d020106052b8104000a034200" + "04" + "11".repeat(64);
            assertThat(refusal(requestWithKey(secp256k1))).isEqualTo(Reason.UNSUPPORTED_KEY);
            KeyPairGenerator generator = KeyPairGenerator.getInstance("X25519");
            String x25519 = Bytes.of(generator.generateKeyPair().getPublic().getEncoded())
                    .hex();
            assertThat(refusal(requestWithKey(x25519))).isEqualTo(Reason.UNSUPPORTED_KEY);
        }

        @Test
        void aMegabyteOfSubject() {
            DerWriter writer = new DerWriter();
            writer.sequence(() -> writer.octetString(new byte[1 << 20]));
            assertThat(refusal(writer.toBytes())).isEqualTo(Reason.TOO_LARGE);
        }

        @Test
        void aSubjectOfManyAttributesOrManyBytes() {
            assertThat(refusal(requestWithSubject(40, 10))).isEqualTo(Reason.MALFORMED);
            assertThat(refusal(requestWithSubject(5, 1000))).isEqualTo(Reason.MALFORMED);
        }

        @Test
        void duplicateAttributes() {
            RequestAttribute password = RequestAttribute.challengePassword("a");
            assertThatThrownBy(() -> KEYS.request("CN=x", password, RequestAttribute.challengePassword("b")))
                    .hasMessageContaining("there twice");
            assertThatThrownBy(() ->
                            KEYS.request("CN=x", RequestAttribute.extensionRequest(List.of(AUTHORITY, AUTHORITY))))
                    .hasMessageContaining("requested twice");
        }

        @Test
        void cutOffAtEveryByte() {
            byte[] encoded = KEYS.request("CN=x", RequestAttribute.challengePassword("a"))
                    .encoded()
                    .toArray();
            for (int length = 0; length < encoded.length; length++) {
                assertThat(refusal(Bytes.of(encoded, 0, length))).isEqualTo(Reason.MALFORMED);
            }
        }

        @Test
        void bytesAfterTheEnd() {
            Bytes encoded = KEYS.request("CN=x").encoded();
            assertThat(refusal(encoded.concat(Bytes.of((byte) 0)))).isEqualTo(Reason.MALFORMED);
        }

        @Test
        @DisplayName("a request for CA:TRUE or a foreign name never gets it")
        void extensionsAreNotCopied() throws Exception {
            ProvenRequest request = KEYS.request(
                            "CN=x", RequestAttribute.extensionRequest(List.of(AUTHORITY, FOREIGN_NAME)))
                    .prove();
            TestAuthority authority = TestAuthority.root().issuing();
            CertificateProfile profile = CertificateProfile.device();
            Certificate device = Issuance.of(authority.certificate(), profile)
                    .grant(request, TestAuthority.VARIABLES, new SerialNumber(BigInteger.TEN), TestAuthority.NOW)
                    .lint()
                    .redeem(authority.keys()::sign);
            assertThat(device.isAuthority()).isFalse();
            assertThat(device.alternativeNames()).isEmpty();

            CertificateProfile strict = new CertificateProfile(
                    profile.name(),
                    profile.kind(),
                    profile.subject(),
                    profile.lifetime(),
                    profile.backdate(),
                    profile.keyAlgorithms(),
                    null,
                    profile.keyUsages(),
                    profile.extendedKeyUsages(),
                    List.of(),
                    profile.locations(),
                    CertificateProfile.RequestedExtensions.REFUSE);
            Issuance issuance = Issuance.of(authority.certificate(), strict);
            assertThat(catchThrowableOfType(
                                    InvalidRequestException.class,
                                    () -> issuance.grant(
                                            request,
                                            Map.of("device.id", "x"),
                                            new SerialNumber(BigInteger.TEN),
                                            TestAuthority.NOW))
                            .reason())
                    .isEqualTo(Reason.EXTENSIONS_REFUSED);
        }

        private static String hex(String text) {
            return Bytes.of(text.getBytes(StandardCharsets.US_ASCII)).hex();
        }

        private static Bytes requestWithKey(String keyHex) {
            return request(Name.parse("CN=x").encoded(), Bytes.ofHex(keyHex));
        }

        private static Bytes requestWithSubject(int attributes, int size) {
            DerWriter name = new DerWriter();
            name.sequence(() -> {
                for (int i = 0; i < attributes; i++) {
                    name.set(() -> name.sequence(() -> {
                        name.oid(Oid.of("2.5.4.3"));
                        name.text(Tag.UTF8_STRING, "x".repeat(size));
                    }));
                }
            });
            return request(name.toBytes(), KEYS.publicKey().encoded());
        }

        private static Bytes request(Bytes subject, Bytes key) {
            DerWriter writer = new DerWriter();
            writer.sequence(() -> {
                writer.sequence(() -> {
                    writer.integer(0);
                    writer.raw(subject);
                    writer.raw(key);
                    writer.setOf(Tag.context(0), List.of());
                });
                writer.raw(SignatureAlgorithm.ECDSA_SHA256.identifier());
                writer.bitString(new byte[70]);
            });
            return writer.toBytes();
        }
    }
}
