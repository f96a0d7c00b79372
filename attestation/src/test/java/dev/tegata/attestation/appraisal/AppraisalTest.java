// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.Vectors;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Reason;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Rejected;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.tpm.PcrValues;
import dev.tegata.attestation.tpm.TpmAttest;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.TrustAnchors;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("Appraisal")
class AppraisalTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");
    private static final Bytes NONCE = Bytes.of(new byte[32]);
    private static final Bytes IMPLEMENTATION = Bytes.ofHex("aa".repeat(32));
    private static final Bytes INSTANCE = Bytes.ofHex("01" + "bb".repeat(32));
    private static final Bytes MAKER = Bytes.ofHex("cc".repeat(32));
    private static final Environment CLASS = Environment.ofBytes(IMPLEMENTATION, null);
    private static final SoftwareComponent FIRMWARE =
            new SoftwareComponent("PRoT", Bytes.ofHex("11".repeat(32)), "1.3.5", MAKER, null);
    private static final Policy POLICY = Policy.defaultPolicy();

    private final Signer device = TestKeys.signer("secp256r1");

    private static PsaToken token(PsaProfile profile, int lifecycle, SoftwareComponent component) {
        return new PsaToken(
                profile, NONCE, INSTANCE, IMPLEMENTATION, 1, lifecycle, NONCE, null, List.of(component), null);
    }

    private Triple key() {
        return new Triple.Keys(
                true,
                Environment.ofBytes(IMPLEMENTATION, INSTANCE),
                List.of(CryptoKeys.of(device.publicKey())),
                null,
                List.of());
    }

    private static Endorsements endorsements(Triple... triples) {
        Tag.Comid comid =
                new Tag.Comid(null, new TagIdentity(Cbor.of("lamp/1"), 1), List.of(), List.of(), List.of(triples));
        Corim corim = new Corim(Cbor.of("lamp"), List.of(comid), List.of(), null, null, List.of());
        return Endorsements.of(List.of(new Endorsements.Source(corim, "Lamp Maker")), NOW);
    }

    private static Triple reference(SoftwareComponent component) {
        return new Triple.Reference(CLASS, List.of(component.toMeasurement()));
    }

    private static Trust trust(Endorsements endorsements) {
        return trust(endorsements, Trust.KnownKeys.none());
    }

    private static Trust trust(Endorsements endorsements, Trust.KnownKeys keys) {
        return new Trust(
                endorsements, keys, TrustAnchors.of(List.of()), new PathCheck(16), _ -> Trust.Revocation.Status.GOOD);
    }

    private static Verdict appraise(Endorsements endorsements, Evidence evidence) {
        return appraise(trust(endorsements), evidence, NONCE);
    }

    private static Verdict appraise(Trust trust, Evidence evidence, Bytes nonce) {
        List<EvidenceOutcome> outcomes = new EvidenceVerifier(trust, nonce, NOW).verify(evidence);
        return new Appraiser(trust.endorsements(), POLICY).appraise(outcomes, Map.of());
    }

    private static Map<TrustClaim, Integer> vector(Verdict verdict, String label) {
        return Objects.requireNonNull(
                        Objects.requireNonNull(verdict.appraisals().get(label)).vector())
                .values();
    }

    private Evidence psa(PsaToken token) {
        return new Evidence(Evidence.PSA, token.sign(device, List.of()));
    }

    @Test
    @DisplayName("the recorded token and endorsements of another verifier's test give its values")
    void endToEnd() throws MalformedException {
        Corim corim = Corim.parse(Vectors.bytes("psa/veraison-e2e/psa-endorsements.cbor"));
        Endorsements endorsements = Endorsements.of(List.of(new Endorsements.Source(corim, "ACME")), NOW);
        Bytes nonce = Bytes.ofHex("414a7c174141b3d0e9a1d28af31520f0d42299feac4007ded89d68ae6cd92f19");
        Evidence evidence = new Evidence(Evidence.PSA_2_0_0, Vectors.bytes("psa/veraison-e2e/psa-evidence.cbor"));
        Verdict verdict = appraise(trust(endorsements), evidence, nonce);
        assertThat(vector(verdict, "PSA_IOT"))
                .containsExactlyInAnyOrderEntriesOf(
                        Map.of(TrustClaim.INSTANCE_IDENTITY, 2, TrustClaim.HARDWARE, 2, TrustClaim.EXECUTABLES, 2));
        assertThat(verdict.status()).isEqualTo(Tier.AFFIRMING);
        assertThat(vector(appraise(trust(endorsements), evidence, NONCE), "PSA_IOT"))
                .hasSize(8)
                .containsValue(99);
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("a good token of each profile is affirmed")
    void affirmed(PsaProfile profile) {
        Verdict verdict = appraise(endorsements(key(), reference(FIRMWARE)), psa(token(profile, 0x3000, FIRMWARE)));
        assertThat(verdict.status()).isEqualTo(Tier.AFFIRMING);
        assertThat(verdict.explanations().get("PSA_IOT"))
                .allSatisfy(explanation -> assertThat(explanation.reason()).isNotEmpty());
    }

    @Test
    @DisplayName("software never seen is 33, and the explanation says what would do")
    void unrecognized() {
        SoftwareComponent old = new SoftwareComponent("PRoT", Bytes.ofHex("22".repeat(32)), "1.3.4", MAKER, null);
        Verdict verdict =
                appraise(endorsements(key(), reference(FIRMWARE)), psa(token(PsaProfile.RFC_9783, 0x3000, old)));
        assertThat(vector(verdict, "PSA_IOT")).containsEntry(TrustClaim.EXECUTABLES, 33);
        assertThat(verdict.status()).isEqualTo(Tier.WARNING);
        Explanation why = Objects.requireNonNull(verdict.explanations().get("PSA_IOT")).stream()
                .filter(explanation -> explanation.claim() == TrustClaim.EXECUTABLES)
                .findFirst()
                .orElseThrow();
        assertThat(why.reason()).isEqualTo("PRoT 1.3.4 has none of its reference values");
        assertThat(why.remedy()).startsWith("update to PRoT 1.3.5");
        assertThat(Objects.requireNonNull(why.origin()).signer()).isEqualTo("Lamp Maker");
        Cbor.MapItem claims = (Cbor.MapItem) Objects.requireNonNull(
                Objects.requireNonNull(verdict.appraisals().get("PSA_IOT")).verifierClaims());
        assertThat(Json.of(Objects.requireNonNull(claims.get("explanations"))).valueStream())
                .filteredOn(told -> told.path("claim").asString().equals("executables"))
                .singleElement()
                .hasToString("""
                        {"claim":"executables","value":33,"rule":"reference-values",\
                        "reason":"PRoT 1.3.4 has none of its reference values",\
                        "reference":"version 1.3.5, sha-256 %s, PRoT, signed by %s",\
                        "corim":"lamp","tag":"lamp/1","tag_version":1,"signer":"Lamp Maker",\
                        "remedy":"update to PRoT 1.3.5, or endorse what was measured"}""".formatted("11".repeat(32), "cc".repeat(32)));
    }

    @Test
    @DisplayName("what a rule of the policy made of a claim tells the reference value and its manifest, too")
    void ruled() {
        Triple revoked = new ReleaseStatus(ReleaseStatus.Status.REVOKED, null, null, null, List.of(), null)
                .forRelease(CLASS, List.of(FIRMWARE.toMeasurement()));
        Verdict verdict = appraise(
                endorsements(key(), reference(FIRMWARE), revoked), psa(token(PsaProfile.RFC_9783, 0x3000, FIRMWARE)));
        assertThat(vector(verdict, "PSA_IOT")).containsEntry(TrustClaim.EXECUTABLES, 96);
        assertThat(verdict.explanations().get("PSA_IOT"))
                .filteredOn(explanation -> explanation.claim() == TrustClaim.EXECUTABLES)
                .singleElement()
                .satisfies(explanation -> {
                    assertThat(explanation.rule()).isEqualTo("tegata-default/1#release-revoked");
                    assertThat(Objects.requireNonNull(explanation.reference())
                                    .measurement()
                                    .describe())
                            .contains("11".repeat(32));
                    assertThat(Objects.requireNonNull(explanation.origin()).tag())
                            .isEqualTo("lamp/1");
                    assertThat(explanation.remedy()).isNotEmpty();
                });
    }

    @Test
    @DisplayName("the same digest signed by another is not affirmed")
    void otherSigner() {
        SoftwareComponent forged =
                new SoftwareComponent("PRoT", FIRMWARE.measurement(), "1.3.5", Bytes.ofHex("dd".repeat(32)), null);
        Verdict verdict =
                appraise(endorsements(key(), reference(FIRMWARE)), psa(token(PsaProfile.RFC_9783, 0x3000, forged)));
        assertThat(vector(verdict, "PSA_IOT")).containsEntry(TrustClaim.EXECUTABLES, 33);
    }

    @Test
    @DisplayName("a withdrawn reference value changes the next judgement of stored evidence")
    void stored() throws MalformedException {
        Endorsements before = endorsements(key(), reference(FIRMWARE));
        Verified verified = (Verified) new EvidenceVerifier(trust(before), NONCE, NOW)
                .verify(psa(token(PsaProfile.RFC_9783, 0x3000, FIRMWARE)))
                .getFirst();
        Verified stored = Verified.parse(verified.encode());
        assertThat(stored).isEqualTo(verified);
        assertThat(new Appraiser(before, POLICY)
                        .appraise(List.of(stored), Map.of())
                        .status())
                .isEqualTo(Tier.AFFIRMING);
        Endorsements after = endorsements(key());
        assertThat(vector(new Appraiser(after, POLICY).appraise(List.of(stored), Map.of()), "PSA_IOT"))
                .containsEntry(TrustClaim.EXECUTABLES, 33);
        ReleaseStatus revoked = new ReleaseStatus(
                ReleaseStatus.Status.REVOKED, "PSA", "1234567890123 - 12345", NOW, List.of("CVE-2026-1"), null);
        Endorsements recalled =
                endorsements(key(), reference(FIRMWARE), revoked.forRelease(CLASS, List.of(FIRMWARE.toMeasurement())));
        Verdict verdict = new Appraiser(recalled, POLICY).appraise(List.of(stored), Map.of());
        assertThat(vector(verdict, "PSA_IOT")).containsEntry(TrustClaim.EXECUTABLES, 96);
        assertThat(verdict.appraisals().get("PSA_IOT")).asString().contains("1234567890123 - 12345");
    }

    @Test
    @DisplayName("a device whose life is over is contraindicated")
    void lifecycle() {
        Verdict verdict =
                appraise(endorsements(key(), reference(FIRMWARE)), psa(token(PsaProfile.RFC_9783, 0x6000, FIRMWARE)));
        assertThat(verdict.status()).isEqualTo(Tier.CONTRAINDICATED);
        assertThat(vector(verdict, "PSA_IOT")).containsEntry(TrustClaim.INSTANCE_IDENTITY, 96);
    }

    @Test
    @DisplayName("evidence that proves nothing gives a signed result with its reason, never an exception")
    void rejected() throws MalformedException {
        Endorsements good = endorsements(key(), reference(FIRMWARE));
        PsaToken token = token(PsaProfile.RFC_9783, 0x3000, FIRMWARE);
        Map<Reason, Evidence> cases = Map.of(
                Reason.UNSUPPORTED_FORMAT, new Evidence("application/other", Bytes.ofHex("00")),
                Reason.MALFORMED, new Evidence(Evidence.PSA, Bytes.ofHex("d28440")),
                Reason.BAD_SIGNATURE, new Evidence(Evidence.PSA, token.sign(TestKeys.signer("secp256r1"), List.of())),
                Reason.WRONG_NONCE,
                        psa(new PsaToken(
                                PsaProfile.RFC_9783,
                                MAKER,
                                INSTANCE,
                                IMPLEMENTATION,
                                1,
                                0x3000,
                                null,
                                null,
                                List.of(FIRMWARE),
                                null)),
                Reason.UNKNOWN_DEVICE,
                        psa(new PsaToken(
                                PsaProfile.RFC_9783,
                                NONCE,
                                Bytes.ofHex("01" + "ee".repeat(32)),
                                IMPLEMENTATION,
                                1,
                                0x3000,
                                null,
                                null,
                                List.of(FIRMWARE),
                                null)));
        Signer verifier = TestKeys.signer("secp256r1");
        for (Map.Entry<Reason, Evidence> each : cases.entrySet()) {
            List<EvidenceOutcome> outcomes = new EvidenceVerifier(trust(good), NONCE, NOW).verify(each.getValue());
            assertThat(outcomes)
                    .singleElement()
                    .isInstanceOfSatisfying(
                            Rejected.class,
                            rejected -> assertThat(rejected.reason()).isEqualTo(each.getKey()));
            Verdict verdict = new Appraiser(good, POLICY).appraise(outcomes, Map.of());
            assertThat(verdict.status()).isEqualTo(Tier.CONTRAINDICATED);
            Ear ear = verdict.toEar(
                    new Verdict.Issue(
                            EarProfile.DRAFT_04, new Ear.VerifierId("Tegata", "test"), NOW, NOW.plusSeconds(60), NONCE),
                    each.getValue());
            Ear read = Ear.verifyJwt(ear.signJwt("k", verifier), CoseKey.of(verifier.publicKey()), NOW);
            assertThat(new String(read.toJson().toArray(), StandardCharsets.UTF_8))
                    .contains("\"problem\":\"" + each.getKey().code() + "\"");
        }
    }

    @Test
    @DisplayName("each member of a collection is judged by itself, and the worst counts")
    void collection() {
        Cmw good = new Cmw.Single(
                new Cmw.MediaType(Evidence.PSA),
                psa(token(PsaProfile.RFC_9783, 0x3000, FIRMWARE)).content(),
                Cmw.EVIDENCE);
        Cmw bad = new Cmw.Single(new Cmw.ContentFormat(10003), Bytes.ofHex("00"), 0);
        Cmw collection = new Cmw.Collection(
                null,
                Map.of(
                        Cbor.of("main"),
                        good,
                        Cbor.of("board"),
                        new Cmw.Collection(null, Map.of(Cbor.of("radio"), bad))));
        Evidence evidence = new Evidence(Evidence.CMW_CBOR, collection.toCbor().encode());
        Verdict verdict = appraise(endorsements(key(), reference(FIRMWARE)), evidence);
        assertThat(verdict.appraisals().keySet()).containsExactlyInAnyOrder("main", "board/radio");
        assertThat(Objects.requireNonNull(verdict.appraisals().get("main")).status())
                .isEqualTo(Tier.AFFIRMING);
        assertThat(verdict.status()).isEqualTo(Tier.CONTRAINDICATED);
    }

    @Test
    @DisplayName("two attesters of one label cannot hide each other")
    void labels() {
        Cmw good = new Cmw.Single(
                new Cmw.MediaType(Evidence.PSA),
                psa(token(PsaProfile.RFC_9783, 0x3000, FIRMWARE)).content(),
                Cmw.EVIDENCE);
        Endorsements endorsements = endorsements(key(), reference(FIRMWARE));
        for (Cmw.Collection collection : List.of(
                new Cmw.Collection(null, Map.of(Cbor.of("1"), good, Cbor.of(1), good)),
                new Cmw.Collection(null, Map.of(Cbor.of("a/b"), good)))) {
            Verdict verdict = appraise(
                    endorsements,
                    new Evidence(Evidence.CMW_CBOR, collection.toCbor().encode()));
            assertThat(verdict.status()).isEqualTo(Tier.CONTRAINDICATED);
        }
    }

    /// Known keys of a test: one for every question.
    private record OneKey(Trust.KnownKey key) implements Trust.KnownKeys {
        @Override
        public List<Trust.KnownKey> ofInstance(Environment environment) {
            return List.of(key);
        }

        @Override
        public Optional<Trust.KnownKey> ofFingerprint(Bytes fingerprint) {
            return key.key() instanceof CoseKey.Public(var info)
                            && info.fingerprint().equals(fingerprint)
                    ? Optional.of(key)
                    : Optional.empty();
        }

        @Override
        public Optional<Environment> ofCertificate(Certificate certificate) {
            return Optional.of(key.environment());
        }
    }

    @Test
    @DisplayName("a TPM's good boot is affirmed, its tampered one is not")
    void tpm() throws MalformedException {
        TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
        Environment gateway = Environment.ofModel("Example", "Gateway");
        Trust.KnownKeys keys = new OneKey(new Trust.KnownKey(CoseKey.of(ak.key()), gateway, "activated"));
        Map<String, Tier> tiers = Map.of("fw1", Tier.AFFIRMING, "fw2", Tier.WARNING, "tampered-boot", Tier.WARNING);
        Measurement reference = null;
        for (String boot : List.of("fw1", "fw2", "tampered-boot")) {
            String file = "tpm/swtpm/quote-" + boot;
            TpmAttest attest = TpmAttest.parse(Vectors.bytes(file + ".attest"));
            TpmAttest.Quote quote = (TpmAttest.Quote) attest.statement();
            PcrValues pcrs = PcrValues.ofConcatenated(quote.selections(), Vectors.bytes(file + ".pcrs"));
            reference = reference == null ? pcrs.toMeasurement(quote) : reference;
            Endorsements endorsements = endorsements(new Triple.Reference(gateway, List.of(reference)));
            TpmEvidence evidence = new TpmEvidence(
                    ak.encoded(),
                    Vectors.bytes(file + ".attest"),
                    Vectors.bytes(file + ".tpmt_signature"),
                    pcrs,
                    null,
                    List.of());
            Evidence sent = new Evidence(TpmEvidence.MEDIA_TYPE, evidence.encode());
            Verdict verdict = appraise(trust(endorsements, keys), sent, attest.extraData());
            assertThat(verdict.status()).as(boot).isEqualTo(tiers.get(boot));
            assertThat(appraise(trust(endorsements), sent, attest.extraData()).status())
                    .isEqualTo(Tier.CONTRAINDICATED);
        }
    }

    @Test
    @DisplayName("a PSA token is one, whatever EAT its media type says; the newest release is what to update to")
    void profileByContent() {
        SoftwareComponent older = new SoftwareComponent("PRoT", Bytes.ofHex("33".repeat(32)), "1.3.10", MAKER, null);
        SoftwareComponent unknown = new SoftwareComponent("PRoT", Bytes.ofHex("44".repeat(32)), null, MAKER, null);
        Endorsements endorsements = endorsements(key(), reference(FIRMWARE), reference(older));
        Evidence evidence = new Evidence(
                Evidence.EAT_CWT,
                psa(token(PsaProfile.RFC_9783, 0x3000, unknown)).content());
        Verdict verdict = appraise(endorsements, evidence);
        assertThat(vector(verdict, "EAT")).containsEntry(TrustClaim.EXECUTABLES, 33);
        assertThat(verdict.explanations().get("EAT"))
                .extracting(Explanation::remedy)
                .contains("update to PRoT 1.3.10, or endorse what was measured");
    }

    @Test
    @DisplayName("a generic EAT is judged by its measured components")
    void eat() throws MalformedException {
        Cbor component = Vectors.diagnostic("eat/measured-component/ex2.diag");
        Bytes ueid = Bytes.ofHex("01" + "ab".repeat(16));
        Cbor.MapItem claims = Cbor.map()
                .put(Eat.NONCE, Cbor.of(NONCE))
                .put(Eat.UEID, Cbor.of(ueid))
                .put(Eat.MEASUREMENTS, Cbor.array(Cbor.array(Cbor.of(600), component)))
                .put(Eat.DEBUG_STATUS, Cbor.of(3))
                .build();
        Bytes token = CoseMessage.sign1(Cbor.map().build(), Cbor.map().build(), claims.encode(), device)
                .encode();
        Trust.KnownKeys keys = new OneKey(
                new Trust.KnownKey(CoseKey.of(device.publicKey()), Environment.ofModel("Example", "Lamp"), "claimed"));
        Measurement reference = Measurement.of(Cbor.map()
                .put(0, Cbor.of("measured-component"))
                .put(
                        1,
                        Cbor.map()
                                .put(
                                        2,
                                        Cbor.array(
                                                component.mapping("component").require(2, "digest")))
                                .build())
                .build());
        Endorsements endorsements = endorsements(new Triple.Reference(
                new Environment(null, null, null, null, null, new Cbor.Tagged(550, Cbor.of(ueid)), null),
                List.of(reference)));
        Verdict verdict = appraise(trust(endorsements, keys), new Evidence(Evidence.EAT_CWT, token), NONCE);
        assertThat(verdict.status()).isEqualTo(Tier.AFFIRMING);
        Verdict unknown = appraise(trust(endorsements(), keys), new Evidence(Evidence.EAT_CWT, token), NONCE);
        assertThat(unknown.status()).isEqualTo(Tier.WARNING);
    }

    @Test
    @DisplayName("mutations of evidence of every format end in an answer")
    void fuzz() {
        Trust trust = trust(endorsements(key(), reference(FIRMWARE)));
        EvidenceVerifier verifier = new EvidenceVerifier(trust, NONCE, NOW);
        Appraiser appraiser = new Appraiser(trust.endorsements(), POLICY);
        List<String> types = List.of(
                Evidence.PSA,
                Evidence.EAT_CWT,
                Evidence.EAT_JWT,
                Evidence.CMW_CBOR,
                Evidence.CMW_JSON,
                Evidence.DICE_CHAIN,
                TpmEvidence.MEDIA_TYPE,
                "application/vnd.tegata.ecc608-evidence+cbor");
        List<Bytes> seeds = new ArrayList<>();
        seeds.add(psa(token(PsaProfile.RFC_9783, 0x3000, FIRMWARE)).content());
        Vectors.files("cmw", ".json").forEach(file -> seeds.add(Vectors.bytes(file)));
        seeds.add(Vectors.bytes("tpm/gce-ek-ak/uca_tpm_ecc_sign_cert.pem"));
        for (String type : types) {
            Mutations.feed(
                    seeds, 500, input -> appraiser.appraise(verifier.verify(new Evidence(type, input)), Map.of()));
        }
    }
}
