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
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.attestation.jose.Jws;
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
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.node.ObjectNode;

@DisplayName("Submodules of an EAT (RFC 9711 §4.2.18) are judged by themselves")
class SubmodulesTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");
    private static final Bytes NONCE = Bytes.ofHex("0b".repeat(32));
    private static final Bytes UEID = Bytes.ofHex("01" + "ab".repeat(16));
    private static final Bytes IMPLEMENTATION = Bytes.ofHex("aa".repeat(32));
    private static final Bytes INSTANCE = Bytes.ofHex("01" + "bb".repeat(32));
    private static final Bytes GOOD = Bytes.ofHex("11".repeat(32));
    private static final Bytes BAD = Bytes.ofHex("22".repeat(32));
    private static final Environment GATEWAY = Environment.ofModel("Example", "Gateway");
    private static final SoftwareComponent FIRMWARE = new SoftwareComponent("PRoT", GOOD, "1.3.5", null, null);

    private final Signer host = TestKeys.signer("secp256r1");
    private final Signer radio = TestKeys.signer("secp256r1");
    private final Endorsements endorsements;
    private final Trust trust;

    SubmodulesTest() throws MalformedException {
        TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
        Environment board = new Environment(null, null, null, null, null, ueid(UEID), null);
        endorsements = endorsements(
                new Triple.Reference(board, List.of(FIRMWARE.toMeasurement(Cbor.of("measured-component")))),
                new Triple.Reference(Environment.ofBytes(IMPLEMENTATION, null), List.of(FIRMWARE.toMeasurement())),
                new Triple.Reference(GATEWAY, List.of(boot("fw1"))));
        Map<Cbor, Signer> signers = Map.of(ueid(UEID), host, ueid(INSTANCE), radio);
        Trust.KnownKeys keys = new Trust.KnownKeys() {
            @Override
            public List<Trust.KnownKey> ofInstance(Environment environment) {
                Signer signer = signers.get(environment.instance());
                return signer == null
                        ? List.of()
                        : List.of(new Trust.KnownKey(CoseKey.of(signer.publicKey()), environment, "claimed"));
            }

            @Override
            public Optional<Trust.KnownKey> ofFingerprint(Bytes fingerprint) {
                return ak.key().fingerprint().equals(fingerprint)
                        ? Optional.of(new Trust.KnownKey(CoseKey.of(ak.key()), GATEWAY, "activated"))
                        : Optional.empty();
            }

            @Override
            public Optional<Environment> ofCertificate(Certificate certificate) {
                return Optional.empty();
            }
        };
        trust = new Trust(
                endorsements, keys, TrustAnchors.of(List.of()), new PathCheck(16), _ -> Trust.Revocation.Status.GOOD);
    }

    private static Cbor ueid(Bytes value) {
        return new Cbor.Tagged(Environment.UEID_TAG, Cbor.of(value));
    }

    private static Endorsements endorsements(Triple... triples) {
        Tag.Comid comid =
                new Tag.Comid(null, new TagIdentity(Cbor.of("unit/1"), 1), List.of(), List.of(), List.of(triples));
        Corim corim = new Corim(Cbor.of("unit"), List.of(comid), List.of(), null, null, List.of());
        return Endorsements.of(List.of(new Endorsements.Source(corim, "Maker")), NOW);
    }

    private static Measurement boot(String name) throws MalformedException {
        TpmAttest.Quote quote = (TpmAttest.Quote) TpmAttest.parse(Vectors.bytes("tpm/swtpm/quote-" + name + ".attest"))
                .statement();
        return PcrValues.ofConcatenated(quote.selections(), Vectors.bytes("tpm/swtpm/quote-" + name + ".pcrs"))
                .toMeasurement(quote);
    }

    private static Cbor.Builder claims(Bytes digest) {
        Cbor component = Cbor.map()
                .put(1, Cbor.array(Cbor.of("PRoT"), Cbor.array(Cbor.of("1.3.5"))))
                .put(2, Cbor.array(Cbor.of(1), Cbor.of(digest)))
                .build();
        return Cbor.map().put(Eat.MEASUREMENTS, Cbor.array(Cbor.array(Cbor.of(600), component)));
    }

    private static Cbor.Builder whole(Cbor submodules) {
        return claims(GOOD)
                .put(Eat.NONCE, Cbor.of(NONCE))
                .put(Eat.UEID, Cbor.of(UEID))
                .put(Eat.SUBMODULES, submodules);
    }

    private Evidence cwt(Cbor submodules) {
        return new Evidence(Evidence.EAT_CWT, sign(whole(submodules).build()));
    }

    private Bytes sign(Cbor claims) {
        return CoseMessage.sign1(Cbor.map().build(), Cbor.map().build(), claims.encode(), host)
                .encode();
    }

    private Bytes psa(Bytes digest, Bytes nonce, Signer signer) {
        SoftwareComponent component = new SoftwareComponent("PRoT", digest, "1.3.5", null, null);
        return new PsaToken(
                        PsaProfile.RFC_9783,
                        nonce,
                        INSTANCE,
                        IMPLEMENTATION,
                        1,
                        0x3000,
                        null,
                        null,
                        List.of(component),
                        null)
                .sign(signer, List.of());
    }

    private Verdict appraise(Evidence evidence) {
        return appraise(evidence, Policy.defaultPolicy());
    }

    private Verdict appraise(Evidence evidence, Policy policy) {
        return new Appraiser(endorsements, policy)
                .appraise(new EvidenceVerifier(trust, NONCE, NOW).verify(evidence), Map.of());
    }

    private static Map<String, Tier> statuses(Verdict verdict) {
        return verdict.appraisals().entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey, entry -> entry.getValue().status()));
    }

    private Map<String, Reason> problems(Evidence evidence) {
        return new EvidenceVerifier(trust, NONCE, NOW)
                .verify(evidence).stream()
                        .filter(Rejected.class::isInstance)
                        .map(Rejected.class::cast)
                        .collect(Collectors.toMap(Rejected::label, Rejected::reason));
    }

    @Test
    @DisplayName("a claims set is covered by the token around it and has an entry of its own")
    void claimsSet() {
        Cbor parts = Cbor.map()
                .put("app", claims(GOOD).build())
                .put("modem", claims(BAD).build())
                .build();
        Verdict verdict = appraise(cwt(parts));
        assertThat(statuses(verdict))
                .containsOnly(
                        Map.entry("EAT", Tier.WARNING),
                        Map.entry("EAT/app", Tier.AFFIRMING),
                        Map.entry("EAT/modem", Tier.WARNING));
        // The whole's own values stay what they are; its status is no better than its parts'.
        assertThat(Objects.requireNonNull(
                                Objects.requireNonNull(verdict.appraisals().get("EAT"))
                                        .vector())
                        .values())
                .containsEntry(TrustClaim.EXECUTABLES, 2);
        Ear ear = verdict.toEar(
                new Verdict.Issue(
                        EarProfile.DRAFT_04, new Ear.VerifierId("Tegata", "test"), NOW, NOW.plusSeconds(60), NONCE),
                null);
        assertThat(ear.topology()).containsEntry("EAT", List.of("EAT/app", "EAT/modem"));
        assertThat(new String(ear.toJson().toArray(), StandardCharsets.UTF_8))
                .contains("\"parts\":{\"EAT/app\":\"affirming\",\"EAT/modem\":\"warning\"}");
    }

    @Test
    @DisplayName("a claims set cannot speak for another device than the token around it")
    void otherDevice() {
        Cbor stolen = claims(GOOD).put(Eat.UEID, Cbor.of(INSTANCE)).build();
        List<EvidenceOutcome> outcomes = new EvidenceVerifier(trust, NONCE, NOW)
                .verify(cwt(Cbor.map().put("part", stolen).build()));
        assertThat(outcomes)
                .allSatisfy(outcome -> assertThat(((EvidenceOutcome.Verified) outcome)
                                .environment()
                                .instance())
                        .isEqualTo(ueid(UEID)));
    }

    @Test
    @DisplayName("a PSA token inside is verified with its own key and nonce")
    void nestedPsa() {
        Cbor parts = Cbor.map().put("radio", Cbor.of(psa(GOOD, NONCE, radio))).build();
        assertThat(statuses(appraise(cwt(parts))))
                .containsOnly(Map.entry("EAT", Tier.AFFIRMING), Map.entry("EAT/radio", Tier.AFFIRMING));
        Cbor forged = Cbor.map()
                .put("forged", Cbor.of(psa(GOOD, NONCE, host)))
                .put("replayed", Cbor.of(psa(GOOD, GOOD, radio)))
                .put("good", Cbor.of(psa(GOOD, NONCE, radio)))
                .build();
        assertThat(problems(cwt(forged)))
                .containsOnly(
                        Map.entry("EAT/forged", Reason.BAD_SIGNATURE), Map.entry("EAT/replayed", Reason.WRONG_NONCE));
        assertThat(statuses(appraise(cwt(forged))))
                .containsEntry("EAT", Tier.CONTRAINDICATED)
                .containsEntry("EAT/good", Tier.AFFIRMING);
    }

    @Test
    @DisplayName("a TPM's quote inside stands in a wrapper")
    void nestedTpm() throws MalformedException {
        TpmAttest attest = TpmAttest.parse(Vectors.bytes("tpm/swtpm/quote-fw1.attest"));
        TpmAttest.Quote quote = (TpmAttest.Quote) attest.statement();
        TpmEvidence evidence = new TpmEvidence(
                Vectors.bytes("tpm/swtpm/ak.tpm2b_public")
                        .slice(2, Vectors.bytes("tpm/swtpm/ak.tpm2b_public").size()),
                Vectors.bytes("tpm/swtpm/quote-fw1.attest"),
                Vectors.bytes("tpm/swtpm/quote-fw1.tpmt_signature"),
                PcrValues.ofConcatenated(quote.selections(), Vectors.bytes("tpm/swtpm/quote-fw1.pcrs")),
                null,
                List.of());
        Bytes wrapped = new Cmw.Single(new Cmw.MediaType(TpmEvidence.MEDIA_TYPE), evidence.encode(), Cmw.EVIDENCE)
                .toCbor()
                .encode();
        Bytes nonce = attest.extraData();
        Cbor claims = claims(GOOD)
                .put(Eat.NONCE, Cbor.of(nonce))
                .put(Eat.UEID, Cbor.of(UEID))
                .put(Eat.SUBMODULES, Cbor.map().put("tpm", Cbor.of(wrapped)).build())
                .build();
        List<EvidenceOutcome> outcomes =
                new EvidenceVerifier(trust, nonce, NOW).verify(new Evidence(Evidence.EAT_CWT, sign(claims)));
        Verdict verdict = new Appraiser(endorsements, Policy.defaultPolicy()).appraise(outcomes, Map.of());
        assertThat(statuses(verdict))
                .containsOnly(Map.entry("EAT", Tier.AFFIRMING), Map.entry("EAT/tpm", Tier.AFFIRMING));
    }

    @Test
    @DisplayName("in JSON: claims sets, tokens of both encodings, digests")
    void json() {
        ObjectNode component = Json.object();
        component.set("id", Json.array().add("PRoT").add(Json.array().add("1.3.5")));
        component.set("digested-measurement", Json.array().add("sha-256").add(GOOD.base64Url()));
        ObjectNode app = Json.object();
        app.set("measurements", Json.array().add(Json.array().add(601).add(component)));
        ObjectNode parts = Json.object();
        parts.set("app", app);
        parts.set("radio", Json.array().add("CBOR").add(psa(GOOD, NONCE, radio).base64Url()));
        ObjectNode claims = app.deepCopy();
        claims.put("eat_nonce", NONCE.base64Url());
        claims.put("ueid", UEID.base64Url());
        ObjectNode inner = claims.deepCopy();
        parts.set("host", Json.array().add("JWT").add(Jws.sign(Json.write(inner), null, null, host)));
        claims.set("submods", parts);
        String token = Jws.sign(Json.write(claims), null, null, host);
        Evidence evidence = new Evidence(Evidence.EAT_JWT, Bytes.of(token.getBytes(StandardCharsets.US_ASCII)));
        assertThat(statuses(appraise(evidence)))
                .containsOnly(
                        Map.entry("EAT", Tier.AFFIRMING),
                        Map.entry("EAT/app", Tier.AFFIRMING),
                        Map.entry("EAT/radio", Tier.AFFIRMING),
                        Map.entry("EAT/host", Tier.AFFIRMING));
    }

    private static Cbor digest(Bytes content) {
        return Cbor.array(Cbor.of(-16), Cbor.of(content.sha256()));
    }

    private Evidence bundle(Cbor parts, Map<String, Bytes> detached) {
        Cbor.Builder beside = Cbor.map();
        detached.forEach((name, content) -> beside.put(name, Cbor.of(content)));
        Cbor bundle = new Cbor.Tagged(602, Cbor.array(Cbor.of(sign(whole(parts).build())), beside.build()));
        return new Evidence(Evidence.EAT_BUNDLE_CBOR, bundle.encode());
    }

    @Test
    @DisplayName("detached claims count where their digest is in the token; absent, swapped and added ones do not")
    void detached() {
        Bytes good = claims(GOOD).build().encode();
        Bytes bad = claims(BAD).build().encode();
        Cbor parts = Cbor.map().put("tee", digest(good)).build();
        assertThat(statuses(appraise(bundle(parts, Map.of("tee", good)))))
                .containsOnly(Map.entry("EAT", Tier.AFFIRMING), Map.entry("EAT/tee", Tier.AFFIRMING));
        assertThat(problems(bundle(parts, Map.of("tee", bad)))).containsOnly(Map.entry("EAT/tee", Reason.MALFORMED));
        assertThat(problems(bundle(parts, Map.of()))).containsOnly(Map.entry("EAT/tee", Reason.MISSING_CLAIMS));
        assertThat(problems(cwt(parts))).containsOnly(Map.entry("EAT/tee", Reason.MISSING_CLAIMS));
        assertThat(problems(bundle(parts, Map.of("tee", good, "ree", good))))
                .containsOnly(Map.entry("EAT", Reason.MALFORMED));
    }

    @Test
    @DisplayName("what is not known is contraindicated, or nothing where the policy says so")
    void unknown() throws MalformedException {
        Cbor parts = Cbor.map()
                .put("other", Cbor.of("[\"PIGEON\", \"coo\"]"))
                .put("tee", digest(GOOD))
                .build();
        assertThat(problems(cwt(parts)))
                .containsOnly(
                        Map.entry("EAT/other", Reason.UNSUPPORTED_FORMAT), Map.entry("EAT/tee", Reason.MISSING_CLAIMS));
        assertThat(statuses(appraise(cwt(parts))))
                .containsEntry("EAT", Tier.CONTRAINDICATED)
                .containsEntry("EAT/other", Tier.CONTRAINDICATED);
        Policy lenient = Policy.parse(Bytes.of("""
                {"id": "lenient", "version": 1, "rules": [], "unknownParts": "none"}""".getBytes(StandardCharsets.UTF_8)));
        assertThat(statuses(appraise(cwt(parts), lenient)))
                .containsOnly(
                        Map.entry("EAT", Tier.AFFIRMING),
                        Map.entry("EAT/other", Tier.NONE),
                        Map.entry("EAT/tee", Tier.NONE));
        // Leniency is for what is unknown, not for what is wrong.
        Cbor forged = Cbor.map().put("radio", Cbor.of(psa(GOOD, NONCE, host))).build();
        assertThat(appraise(cwt(forged), lenient).status()).isEqualTo(Tier.CONTRAINDICATED);
    }

    @Test
    @DisplayName("where the token around them is not believed, nothing is said of its parts")
    void notBelieved() {
        Bytes token = CoseMessage.sign1(
                        Cbor.map().build(),
                        Cbor.map().build(),
                        whole(Cbor.map()
                                        .put("radio", Cbor.of(psa(GOOD, NONCE, radio)))
                                        .build())
                                .build()
                                .encode(),
                        radio)
                .encode();
        assertThat(problems(new Evidence(Evidence.EAT_CWT, token)))
                .containsOnly(Map.entry("EAT", Reason.BAD_SIGNATURE));
    }

    @Test
    @DisplayName("depth, number and names are bounded")
    void bounds() {
        Cbor deep = claims(GOOD).build();
        for (int depth = 0; depth < 4; depth++) {
            deep = claims(GOOD)
                    .put(Eat.SUBMODULES, Cbor.map().put("a", deep).build())
                    .build();
        }
        assertThat(problems(cwt(Cbor.map().put("a", deep).build()))).containsValue(Reason.MALFORMED);
        Cbor.Builder many = Cbor.map();
        IntStream.range(0, 100)
                .forEach(part -> many.put("part" + part, claims(GOOD).build()));
        assertThat(appraise(cwt(many.build())).appraisals()).hasSize(33);
        assertThat(appraise(cwt(many.build())).status()).isEqualTo(Tier.CONTRAINDICATED);
        for (String name : List.of("", "a/b", "x".repeat(200))) {
            assertThat(problems(cwt(Cbor.map().put(name, claims(GOOD).build()).build())))
                    .containsOnly(Map.entry("EAT", Reason.MALFORMED));
        }
        // Tokens in tokens in tokens.
        Bytes nested = sign(whole(Cbor.map().build()).build());
        for (int depth = 0; depth < 8; depth++) {
            nested = sign(whole(Cbor.map().put("n", Cbor.of(nested)).build()).build());
        }
        assertThat(problems(new Evidence(Evidence.EAT_CWT, nested)))
                .containsOnly(Map.entry("EAT/n/n/n/n/n", Reason.MALFORMED));
    }

    @Test
    @DisplayName("mutations end in an answer")
    void fuzz() {
        Bytes detached = claims(GOOD).build().encode();
        Cbor parts = Cbor.map()
                .put("claims", claims(GOOD).build())
                .put("tee", digest(detached))
                .put("radio", Cbor.of(psa(GOOD, NONCE, radio)))
                .put("other", Cbor.of("[\"PIGEON\", \"coo\"]"))
                .build();
        List<Bytes> seeds = List.of(
                bundle(parts, Map.of("tee", detached)).content(),
                whole(parts).build().encode());
        EvidenceVerifier verifier = new EvidenceVerifier(trust, null, NOW);
        Appraiser appraiser = new Appraiser(endorsements, Policy.defaultPolicy());
        Mutations.feed(
                seeds,
                2_000,
                input -> appraiser.appraise(verifier.verify(new Evidence(Evidence.EAT_BUNDLE_CBOR, input)), Map.of()));
        // Behind a good signature the verifier reads further.
        Mutations.feed(
                List.of(seeds.get(1)),
                2_000,
                input -> appraiser.appraise(
                        verifier.verify(new Evidence(
                                Evidence.EAT_CWT,
                                CoseMessage.sign1(Cbor.map().build(), Cbor.map().build(), input, host)
                                        .encode())),
                        Map.of()));
    }
}
