// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Validity;
import dev.tegata.pki.key.PublicKeyInfo;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class SignedElementsTest {
    private static final String SERIAL = "0123aabbccddeeff01";

    private final TestSigner signer = new TestSigner();
    private final PublicKeyInfo key = TestSigner.newKey();

    @Test
    @DisplayName("a good element")
    void good() throws Exception {
        Candidate candidate =
                one(signer.element(SERIAL, key), signer.trust()).candidates().getFirst();
        assertThat(candidate.serial()).isEqualTo(SERIAL);
        assertThat(candidate.model()).isEqualTo("ATECC608B-TEST");
        assertThat(candidate.keys()).containsExactly(BirthKey.of(0, key.encoded()));
    }

    @Test
    @DisplayName("JSON that cannot be read: the report says why, and where")
    void unreadable() {
        String good = signer.element(SERIAL, key);
        for (var value : Map.of(
                        "[".repeat(40) + "]".repeat(40),
                        "is nested too deep",
                        "9".repeat(100),
                        "has a number that is too long",
                        "{\"" + "n".repeat(70_000) + "\":1}",
                        "has a name that is too long",
                        "{\"a\" 1}",
                        "is not well-formed at byte 10",
                        "nul",
                        "is not well-formed at byte 5")
                .entrySet()) {
            assertDetail("the element " + value.getValue(), good.replaceFirst("\\{", "{\"x\":" + value.getKey() + ","));
        }
    }

    private void assertDetail(String detail, String element) {
        assertThat(one(element, signer.trust()).rejected())
                .extracting(Element.Rejected::detail)
                .containsExactly(detail);
    }

    @Nested
    @DisplayName("who signed it, and how")
    class Signature {
        @Test
        @DisplayName("forged: another payload, another header, another key, cut, empty")
        void forged() {
            String good = signer.element(SERIAL, key);
            String other = signer.element("0123aabbccddeeff02", key);
            assertReason(IssueReason.BAD_SIGNATURE, swapped(good, other, "signature"));
            assertReason(IssueReason.BAD_SIGNATURE, with(good, "signature", "AAAA"));
            assertReason(IssueReason.BAD_SIGNATURE, with(good, "signature", ""));
            assertReason(
                    IssueReason.BAD_SIGNATURE,
                    with(good, "signature", Bytes.of(new byte[64]).base64Url()));
            TestSigner impostor = new TestSigner();
            assertReason(
                    IssueReason.BAD_SIGNATURE,
                    impostor.element(signer.protectedHeader(), SERIAL, TestSigner.payload(SERIAL, key)));
        }

        @Test
        @DisplayName("alg none, HS256, ES384, es256, absent")
        void algorithms() {
            for (String algorithm : List.of("none", "HS256", "ES384", "es256", "")) {
                assertReason(IssueReason.ALGORITHM_NOT_ALLOWED, header(h -> h.replace("ES256", algorithm)));
            }
            assertReason(IssueReason.MALFORMED, header(h -> h.replace("\"alg\":\"ES256\",", "")));
        }

        @Test
        @DisplayName("an unknown thumbprint, or the kid of another signer")
        void unknown() {
            assertThat(one(signer.element(SERIAL, key), Trust.BUILT_IN).reasons())
                    .containsExactly(IssueReason.UNKNOWN_SIGNER);
            assertReason(
                    IssueReason.UNKNOWN_SIGNER,
                    header(h -> h.replace(signer.signer.keyId().base64Url(), "AAAA")));
        }

        @Test
        @DisplayName("a signer outside its time, judged by the moment of provisioning")
        void time() {
            Instant provisioned = Instant.parse(TestSigner.AT);
            TestSigner early = new TestSigner(new Validity(Instant.EPOCH, provisioned.minusSeconds(2)));
            TestSigner late = new TestSigner(new Validity(provisioned.plusSeconds(2), Validity.NO_EXPIRY));
            TestSigner exact = new TestSigner(new Validity(provisioned.minusSeconds(1), provisioned.plusSeconds(1)));
            assertThat(one(early.element(SERIAL), early.trust()).reasons())
                    .containsExactly(IssueReason.SIGNER_NOT_VALID);
            assertThat(one(late.element(SERIAL), late.trust()).reasons()).containsExactly(IssueReason.SIGNER_NOT_VALID);
            assertThat(one(exact.element(SERIAL), exact.trust()).reasons()).isEmpty();
        }

        @Test
        @DisplayName("critical parameters, another typ, parameters that are there twice")
        void parameters() {
            assertReason(IssueReason.MALFORMED, header(h -> h.replace("{", "{\"crit\":[\"b64\"],")));
            assertReason(IssueReason.MALFORMED, header(h -> h.replace("JWT", "JWS")));
            String twice = signer.element(SERIAL, key).replace("\"header\":{", "\"header\":{\"alg\":\"none\",");
            assertReason(IssueReason.MALFORMED, twice);
        }
    }

    @Nested
    @DisplayName("what it says")
    class Content {
        @Test
        @DisplayName("header and payload name different chips")
        void serials() {
            assertReason(
                    IssueReason.SERIAL_MISMATCH,
                    signer.element(signer.protectedHeader(), "0123aabbccddeeff02", TestSigner.payload(SERIAL, key)));
            assertReason(IssueReason.MALFORMED, signer.element("0123"));
            assertReason(IssueReason.MALFORMED, signer.element("xx23aabbccddeeff01"));
        }

        @Test
        @DisplayName("times with and without decimals, in another zone, and no times at all")
        void times() {
            for (String time : List.of("2024-05-06T07:08:09Z", "2024-05-06T07:08:09.5Z", "2024-05-06T09:08:09+02:00")) {
                assertThat(one(signer.element(signer.protectedHeader(), SERIAL, at(time)), signer.trust())
                                .reasons())
                        .isEmpty();
            }
            for (String time : List.of("", "2024-05-06", "2024-13-06T07:08:09.123Z", "2024-05-06T07:08:09.1 3Z")) {
                assertReason(IssueReason.MALFORMED, payload(_ -> at(time)));
            }
        }

        private String at(String time) {
            return TestSigner.payload(SERIAL, key).replace(TestSigner.AT, time);
        }

        @Test
        @DisplayName("versions other than 1, 2 and 3")
        void versions() {
            for (String version : List.of("0", "4", "-1", "\"3\"", "3.0", "null", "99999999999999999999")) {
                assertReason(
                        IssueReason.UNSUPPORTED_VERSION,
                        payload(p -> p.replace("\"version\":3", "\"version\":" + version)));
            }
        }

        @Test
        @DisplayName("a weak or malformed point is a conflict")
        void points() {
            Bytes y = key.encoded().slice(59, 91);
            assertReason(
                    IssueReason.WEAK_KEY,
                    payload(p -> p.replace(y.base64Url(), Bytes.of(new byte[32]).base64Url())));
            assertReason(
                    IssueReason.WEAK_KEY,
                    payload(p -> p.replace(y.base64Url(), y.slice(1, 32).base64Url())));
            assertThat(IssueReason.WEAK_KEY.outcome()).isEqualTo(ManifestIssue.Outcome.CONFLICT);
        }

        @Test
        @DisplayName("keys: one slot twice, one key in two slots, no slot, another curve")
        void keys() {
            String jwk = TestSigner.jwk(0, key);
            assertReason(
                    IssueReason.MALFORMED,
                    payload(p -> p.replace(jwk, jwk + "," + TestSigner.jwk(0, TestSigner.newKey()))));
            assertReason(IssueReason.WEAK_KEY, payload(p -> p.replace(jwk, jwk + "," + TestSigner.jwk(1, key))));
            for (String kid : List.of("16", "-1", "", "a", "00000000000", "٣")) {
                assertReason(
                        IssueReason.MALFORMED, payload(p -> p.replace("\"kid\":\"0\"", "\"kid\":\"" + kid + "\"")));
            }
            assertReason(IssueReason.MALFORMED, payload(p -> p.replace("P-256", "P-384")));
            assertReason(IssueReason.MALFORMED, payload(p -> p.replace("\"keys\":[", "\"keys\":[[],")));
        }

        @Test
        @DisplayName("duplicate names, wrong types, deep nesting: that element is rejected, the next is read")
        void json() {
            String good = signer.element("0123aabbccddeeff03");
            List<String> bad = List.of(
                    "{}",
                    "null",
                    "17",
                    "\"text\"",
                    "[]",
                    "{\"payload\":1}",
                    "{]",
                    good.replace("\"header\"", "\"payload\":\"x\",\"header\""),
                    good.replace("\"header\"", "\"x\":" + "[".repeat(50_000) + "]".repeat(50_000) + ",\"header\""),
                    "{\"x\":\"" + "y".repeat(200_000) + "\"}",
                    good.replace("{\"payload\":\"", "{\"payload\":\"*"));
            for (String element : bad) {
                Read read = Read.of(TestSigner.manifest(element, good), signer.trust(), ImportOptions.STRICT);
                if (!element.equals("{]")) {
                    assertThat(read.broken)
                            .as(element.substring(0, Math.min(80, element.length())))
                            .isNull();
                    assertThat(read.rejected())
                            .extracting(Element.Rejected::position)
                            .containsExactly(0L);
                    assertThat(read.candidates()).hasSize(1);
                }
            }
            assertReason(IssueReason.MALFORMED, payload(p -> p.replace("{\"version\"", "{\"version\":2,\"version\"")));
        }
    }

    @Nested
    @DisplayName("the certificates in x5c")
    class Chains {
        private final ChipFactory factory = new ChipFactory(new SecureRandom());
        private final VirtualChip chip = factory.make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
        private final List<Bytes> chain =
                chip.certificateChain().stream().map(Bytes::of).toList();

        @Test
        @DisplayName("an unknown root: taken, and said so; a known one: recorded by name")
        void anchors() throws Exception {
            assertThat(read(chain, signer.trust())
                            .candidates()
                            .getFirst()
                            .keys()
                            .getFirst())
                    .satisfies(birth -> {
                        assertThat(birth.certificate()).isEqualTo(chain.getFirst());
                        assertThat(birth.anchor()).isNull();
                    });
            Certificate root = Certificate.parse(Bytes.of(factory.rootCertificate()));
            Trust trust = new Trust(List.of(signer.signer), List.of(BirthChains.Anchor.of(root)));
            assertThat(read(chain, trust)
                            .candidates()
                            .getFirst()
                            .keys()
                            .getFirst()
                            .anchor())
                    .isEqualTo(root.subject().commonName().orElseThrow());
        }

        @Test
        @DisplayName("another chip's certificate, a broken chain, rubbish, the issuer's name without its signature")
        void broken() throws Exception {
            VirtualChip other = factory.make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"));
            Bytes otherLeaf = Bytes.of(other.certificateChain().getFirst());
            assertThat(read(List.of(otherLeaf), signer.trust()).reasons()).containsExactly(IssueReason.BAD_CERTIFICATE);
            assertThat(read(List.of(chain.get(1)), signer.trust()).reasons())
                    .containsExactly(IssueReason.BAD_CERTIFICATE);
            assertThat(read(List.of(Bytes.of(new byte[9])), signer.trust()).reasons())
                    .containsExactly(IssueReason.BAD_CERTIFICATE);
            assertThat(read(List.of(chain.getFirst(), otherLeaf), signer.trust())
                            .reasons())
                    .containsExactly(IssueReason.BAD_CHAIN);
            Bytes foreign = Bytes.of(new ChipFactory(new SecureRandom())
                    .make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"))
                    .certificateChain()
                    .get(1));
            assertThat(read(List.of(chain.getFirst(), foreign), signer.trust()).reasons())
                    .containsExactly(IssueReason.BAD_CHAIN);
            Certificate falseRoot = Certificate.parse(Bytes.of(new ChipFactory(new SecureRandom()).rootCertificate()));
            Trust trust = new Trust(List.of(signer.signer), List.of(BirthChains.Anchor.of(falseRoot)));
            assertThat(read(chain, trust).reasons()).containsExactly(IssueReason.BAD_CHAIN);
        }

        private Read read(List<Bytes> certificates, Trust trust) throws Exception {
            String serial = HexFormat.of().formatHex(chip.serial());
            byte[] point = chip.publicKey(0);
            PublicKeyInfo slot0 = PublicKeyInfo.ofP256Point(Bytes.of(point, 0, 32), Bytes.of(point, 32, 32));
            String x5c = certificates.stream()
                    .map(certificate -> '"' + Base64.getEncoder().encodeToString(certificate.toArray()) + '"')
                    .collect(Collectors.joining(",", ",\"x5c\":[", "]}"));
            String jwk = TestSigner.jwk(0, slot0);
            String payload = TestSigner.payload(serial, slot0).replace(jwk, jwk.substring(0, jwk.length() - 1) + x5c);
            return one(signer.element(signer.protectedHeader(), serial, payload), trust);
        }
    }

    private void assertReason(IssueReason reason, String element) {
        Read read = one(element, signer.trust());
        assertThat(read.reasons()).as(element).containsExactly(reason);
        assertThat(read.candidates()).isEmpty();
    }

    private static Read one(String element, Trust trust) {
        return Read.of(TestSigner.manifest(element), trust, ImportOptions.STRICT);
    }

    private String header(UnaryOperator<String> change) {
        return signer.element(change.apply(signer.protectedHeader()), SERIAL, TestSigner.payload(SERIAL, key));
    }

    private String payload(UnaryOperator<String> change) {
        return signer.element(signer.protectedHeader(), SERIAL, change.apply(TestSigner.payload(SERIAL, key)));
    }

    private static String swapped(String element, String from, String member) {
        String value = from.replaceFirst(".*\"" + member + "\":\"([^\"]*)\".*", "$1");
        return with(element, member, value);
    }

    private static String with(String element, String member, String value) {
        return element.replaceFirst("\"" + member + "\":\"[^\"]*\"", "\"" + member + "\":\"" + value + "\"");
    }
}
