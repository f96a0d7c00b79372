// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestCertificates;
import dev.tegata.attestation.TestCertificates.Authority;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.Vectors;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Reason;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.attestation.dice.DiceChain;
import dev.tegata.attestation.dice.OpenDice;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.TrustAnchors;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Evidence with certificates")
class CertifiedEvidenceTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");
    private static final Bytes HASH = Bytes.of(new byte[32]);
    private static final String INSTANCE_A = "01" + "aa".repeat(32);
    private static final String INSTANCE_B = "01" + "bb".repeat(32);

    private final Authority root = TestCertificates.root("IAK Root");
    private final KeyPair device = TestKeys.pair("secp256r1");

    private Evidence token(String instance, Certificate certificate) {
        PsaToken token = new PsaToken(
                PsaProfile.RFC_9783,
                HASH,
                Bytes.ofHex(instance),
                HASH,
                1,
                0x3000,
                null,
                null,
                List.of(new SoftwareComponent("BL", HASH, null, null, null)),
                null);
        return new Evidence(Evidence.PSA, token.sign(TestKeys.signer(device), List.of(certificate.encoded())));
    }

    private EvidenceOutcome verify(Evidence evidence, Instant at, Trust.Revocation.Status status) {
        Trust trust = new Trust(
                Endorsements.of(List.of(), at),
                Trust.KnownKeys.none(),
                TrustAnchors.of(root.certificate()),
                new PathCheck(16),
                _ -> status);
        boolean psa = evidence.mediaType().equals(Evidence.PSA);
        return new EvidenceVerifier(trust, psa ? HASH : null, at)
                .verify(evidence)
                .getFirst();
    }

    private void assertRejected(EvidenceOutcome outcome, Reason reason) {
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        Rejected.class,
                        rejected -> assertThat(rejected.reason())
                                .as(rejected.sentence())
                                .isEqualTo(reason));
    }

    @Test
    @DisplayName("an attestation key's certificate makes known the instance that it names")
    void certified() {
        Certificate certificate = TestCertificates.leaf(root, INSTANCE_A.substring(2), device);
        assertThat(verify(token(INSTANCE_A, certificate), NOW, Trust.Revocation.Status.GOOD))
                .isInstanceOf(Verified.class);
        Bytes hash = Bytes.of(device.getPublic().getEncoded()).sha256();
        Certificate other = TestCertificates.leaf(root, "a lamp", device);
        assertThat(verify(token("01" + hash.hex(), other), NOW, Trust.Revocation.Status.GOOD))
                .isInstanceOf(Verified.class);
    }

    @Test
    @DisplayName("the token of one device with the certificate of another is refused")
    void wrongDevice() {
        Certificate certificate = TestCertificates.leaf(root, INSTANCE_B.substring(2), device);
        assertRejected(verify(token(INSTANCE_A, certificate), NOW, Trust.Revocation.Status.GOOD), Reason.WRONG_DEVICE);
        Certificate otherKey = TestCertificates.leaf(root, INSTANCE_A.substring(2), TestKeys.pair("secp256r1"));
        assertRejected(verify(token(INSTANCE_A, otherKey), NOW, Trust.Revocation.Status.GOOD), Reason.BAD_SIGNATURE);
    }

    private static Triple.Keys identity(String instance, Cbor... keys) {
        return new Triple.Keys(false, Environment.ofBytes(HASH, Bytes.ofHex(instance)), List.of(keys), null, List.of());
    }

    /// The explanation of the instance's identity where these statements hold; null where the evidence
    /// proves nothing.
    private @Nullable Explanation identified(Evidence evidence, Triple... triples) {
        Tag.Comid comid =
                new Tag.Comid(null, new TagIdentity(Cbor.of("lamp/1"), 1), List.of(), List.of(), List.of(triples));
        Corim corim = new Corim(
                Cbor.of("lamp"), triples.length == 0 ? List.of() : List.of(comid), List.of(), null, null, List.of());
        Endorsements endorsements = Endorsements.of(List.of(new Endorsements.Source(corim, "Lamp Maker")), NOW);
        Trust trust = new Trust(
                endorsements,
                Trust.KnownKeys.none(),
                TrustAnchors.of(root.certificate()),
                new PathCheck(16),
                _ -> Trust.Revocation.Status.GOOD);
        EvidenceOutcome outcome =
                new EvidenceVerifier(trust, HASH, NOW).verify(evidence).getFirst();
        if (!(outcome instanceof Verified verified)) {
            return null;
        }
        Verified stored;
        try {
            stored = Verified.parse(verified.encode());
        } catch (MalformedException e) {
            throw new AssertionError(e);
        }
        assertThat(stored).isEqualTo(verified);
        return new Appraiser(endorsements, Policy.defaultPolicy())
                .appraise(List.of(stored), Map.of()).explanations().values().iterator().next().stream()
                        .filter(each -> each.claim() == TrustClaim.INSTANCE_IDENTITY)
                        .findFirst()
                        .orElseThrow();
    }

    @Test
    @DisplayName("identity triples vouch for the device that shows a key of theirs, and for no other")
    void identity() {
        PublicKeyInfo key = key(device);
        Cbor own = CryptoKeys.of(key);
        Cbor other = CryptoKeys.of(key(TestKeys.pair("secp256r1")));
        Certificate named = TestCertificates.leaf(root, INSTANCE_A.substring(2), device);
        Evidence token = token(INSTANCE_A, named);
        List<Cbor> forms = List.of(
                own,
                new Cbor.Tagged(557, Cbor.array(Cbor.of(1), Cbor.of(key.fingerprint()))),
                new Cbor.Tagged(555, Cbor.of(named.pem())),
                new Cbor.Tagged(562, Cbor.of(named.encoded())));
        for (Cbor form : forms) {
            Explanation why = Objects.requireNonNull(identified(token, identity(INSTANCE_A, other, form)));
            assertThat(why.value()).isEqualTo(2);
            assertThat(why.rule()).isEqualTo("identity-key");
            assertThat(why.origin()).isEqualTo(new Endorsements.Origin("lamp", "lamp/1", 1, "Lamp Maker"));
        }
        // Withdrawn, it is the certificate's word alone.
        assertThat(Objects.requireNonNull(identified(token)).rule()).isEqualTo("known-key");
        // Other keys are listed, or the key as another device's.
        for (Triple contrary : List.of(identity(INSTANCE_A, other), identity(INSTANCE_B, own))) {
            Explanation why = Objects.requireNonNull(identified(token, contrary));
            assertThat(why.value()).isEqualTo(97);
            assertThat(Objects.requireNonNull(why.origin()).signer()).isEqualTo("Lamp Maker");
            assertThat(why.remedy()).isNotNull();
        }
        // A key that signs evidence need not be the one that identifies the device.
        Triple.Keys signs = new Triple.Keys(
                true, Environment.ofBytes(HASH, Bytes.ofHex(INSTANCE_A)), List.of(own), null, List.of());
        Explanation signing = Objects.requireNonNull(identified(token, identity(INSTANCE_A, other), signs));
        assertThat(signing.value()).isEqualTo(2);
        assertThat(Objects.requireNonNull(signing.origin()).tag()).isEqualTo("lamp/1");
    }

    @Test
    @DisplayName("identity triples hold only for the element and for the authors that they name")
    void conditionedIdentity() {
        Cbor own = CryptoKeys.of(key(device));
        Cbor other = CryptoKeys.of(key(TestKeys.pair("secp256r1")));
        Evidence token = token(INSTANCE_A, TestCertificates.leaf(root, INSTANCE_A.substring(2), device));
        Environment environment = Environment.ofBytes(HASH, Bytes.ofHex(INSTANCE_A));
        Cbor element = Cbor.of("psa.software-component");
        assertThat(List.of(
                        rule(token, new Triple.Keys(false, environment, List.of(own), element, List.of(own))),
                        rule(token, new Triple.Keys(false, environment, List.of(own), Cbor.of("other"), List.of())),
                        rule(token, new Triple.Keys(false, environment, List.of(own), null, List.of(other)))))
                .containsExactly("identity-key", "known-key", "known-key");
    }

    private String rule(Evidence evidence, Triple triple) {
        return Objects.requireNonNull(identified(evidence, triple)).rule();
    }

    @Test
    @DisplayName("a certificate that names no device is of the one whose identity key it has")
    void linkedByIdentity() {
        Evidence token = token(INSTANCE_A, TestCertificates.leaf(root, "a lamp", device));
        Cbor own = CryptoKeys.of(key(device));
        assertThat(identified(token)).isNull();
        assertThat(identified(token, identity(INSTANCE_B, own))).isNull();
        assertThat(identified(token, identity(INSTANCE_A, own), identity(INSTANCE_B, own)))
                .isNull();
        assertThat(Objects.requireNonNull(identified(token, identity(INSTANCE_A, own)))
                        .rule())
                .isEqualTo("identity-key");
    }

    private static PublicKeyInfo key(KeyPair pair) {
        try {
            return PublicKeyInfo.parse(Bytes.of(pair.getPublic().getEncoded()));
        } catch (InvalidKeyInfoException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    @DisplayName("a certificate that is revoked, of unknown status, expired or of another root is refused")
    void untrusted() {
        Evidence good = token(INSTANCE_A, TestCertificates.leaf(root, INSTANCE_A.substring(2), device));
        assertRejected(verify(good, NOW, Trust.Revocation.Status.REVOKED), Reason.REVOKED_CERTIFICATE);
        assertRejected(verify(good, NOW, Trust.Revocation.Status.UNKNOWN), Reason.UNKNOWN_REVOCATION);
        assertRejected(
                verify(good, Instant.parse("2028-01-01T00:00:00Z"), Trust.Revocation.Status.GOOD),
                Reason.UNTRUSTED_CERTIFICATE);
        Evidence foreign = token(
                INSTANCE_A, TestCertificates.leaf(TestCertificates.root("IAK Root"), INSTANCE_A.substring(2), device));
        assertRejected(verify(foreign, NOW, Trust.Revocation.Status.GOOD), Reason.UNTRUSTED_CERTIFICATE);
    }

    // TcbInfo: vendor, model, version, svn 5, layer 1, SHA-256 of zeros, flags debug.
    private static final Bytes TCB_INFO = Bytes.ofHex("304b" + "800441434d45" + "81044c616d70" + "8203312e30" + "830105"
            + "840101" + "a62f" + "302d" + "0609608648016503040201" + "0420" + "00".repeat(32) + "87020410");

    private static Evidence chain(Authority... authorities) {
        StringBuilder pem = new StringBuilder();
        for (Authority authority : authorities) {
            pem.append(authority.certificate().pem());
        }
        return new Evidence(Evidence.DICE_CHAIN, Bytes.of(pem.toString().getBytes(StandardCharsets.US_ASCII)));
    }

    @Test
    @DisplayName("DICE: the layers' measurements count where the chain leads to the root")
    void dice() {
        Authority first = TestCertificates.layer(root, "layer 0", "2.23.133.5.4.1", tcbInfo());
        Authority second = TestCertificates.layer(first, "layer 1", "2.23.133.5.4.1", tcbInfo());
        EvidenceOutcome outcome = verify(chain(second, first), NOW, Trust.Revocation.Status.GOOD);
        assertThat(outcome).isInstanceOfSatisfying(Verified.class, verified -> {
            assertThat(verified.measured()).hasSize(2);
            Measurement measurement = verified.measured().getFirst().measurement();
            assertThat(measurement.version()).isEqualTo("1.0");
            assertThat(verified.environment().vendor()).isEqualTo("ACME");
            assertThat(verified.claims().toString()).contains("debug");
        });
        Authority foreign =
                TestCertificates.layer(TestCertificates.root("IAK Root"), "layer 0", "2.23.133.5.4.1", tcbInfo());
        assertRejected(verify(chain(foreign), NOW, Trust.Revocation.Status.GOOD), Reason.UNTRUSTED_CERTIFICATE);
        assertRejected(verify(chain(second, foreign), NOW, Trust.Revocation.Status.GOOD), Reason.UNTRUSTED_CERTIFICATE);
        assertRejected(verify(chain(first), NOW, Trust.Revocation.Status.REVOKED), Reason.REVOKED_CERTIFICATE);
    }

    /// The constant with its length put right.
    private static Bytes tcbInfo() {
        Bytes content = TCB_INFO.slice(2, TCB_INFO.size());
        return Bytes.of((byte) 0x30, (byte) content.size()).concat(content);
    }

    @Test
    @DisplayName("mutations of DICE certificates and attestation bundles are read or refused, nothing else")
    void fuzz() {
        Authority layer = TestCertificates.layer(root, "layer 0", "2.23.133.5.4.1", tcbInfo());
        List<Bytes> seeds =
                List.of(layer.certificate().encoded(), Vectors.bytes("dice/open-dice/descriptorinput-x509-p256.der"));
        Mutations.feed(seeds, 10_000, input -> {
            try {
                return DiceChain.of(List.of(Certificate.parse(input))).claims();
            } catch (InvalidCertificateException e) {
                return e;
            }
        });
        Mutations.feed(
                List.of(Vectors.bytes("dice/open-dice/descriptorinput-cbor-p256.cose")),
                10_000,
                OpenDice.CborCertificate::parse);
        Bytes bundle = Bytes.ofHex("301a3016301406066781050514013" + "00a0401000401000402000005" + "00");
        Mutations.feed(List.of(bundle), 10_000, AttestationBundle::parse);
    }
}
