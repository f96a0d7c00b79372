// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.SignedCorim;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.corim.Validity;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.endorsement.Endorsement;
import dev.tegata.platform.endorsement.EndorsementState;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Verification")
class VerificationTest {
    private static final Bytes IMPLEMENTATION = Bytes.ofHex("aa".repeat(32));
    private static final Bytes INSTANCE = Bytes.ofHex("01" + "bb".repeat(32));
    private static final Bytes MAKER = Bytes.ofHex("cc".repeat(32));
    private static final Environment CLASS = Environment.ofBytes(IMPLEMENTATION, null);
    private static final Actor ACTOR = Actor.apiKey("00000000");
    private static final SoftwareComponent FIRMWARE = firmware("11", "1.3.5");

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private final TestClock clock = TestClock.create();
    private final Signer attester = signer();
    private TestPlatform platform;
    private Verification verification;
    private Verification otherNode;
    private TenantId tenant;

    @BeforeEach
    void open() {
        platform = TestPlatform.software(DATABASE.database(), clock);
        verification = node();
        otherNode = node();
        tenant = platform.tenant().tenant().id();
    }

    @AfterEach
    void close() {
        platform.close();
    }

    private Verification node() {
        return Verification.of(
                new Verification.Ground(
                        platform.database,
                        platform.vault,
                        platform.audit,
                        platform.jobs,
                        new TrustedCertificates(platform.database, platform.audit, clock),
                        "test"),
                clock,
                new SecureRandom());
    }

    private static Signer signer() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(256);
            KeyPair pair = generator.generateKeyPair();
            return Signer.of(PublicKeyInfo.of(pair.getPublic()), pair.getPrivate());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static SoftwareComponent firmware(String digest, String version) {
        return new SoftwareComponent("PRoT", Bytes.ofHex(digest.repeat(32)), version, MAKER, null);
    }

    private Evidence token(Bytes nonce, SoftwareComponent component) {
        PsaToken token = new PsaToken(
                PsaProfile.RFC_9783, nonce, INSTANCE, IMPLEMENTATION, 1, 0x3000, null, null, List.of(component), null);
        return new Evidence(Evidence.PSA, token.sign(attester, List.of()));
    }

    private Triple key() {
        return new Triple.Keys(
                true,
                Environment.ofBytes(IMPLEMENTATION, INSTANCE),
                List.of(CryptoKeys.of(attester.publicKey())),
                null,
                List.of());
    }

    private static Triple reference(SoftwareComponent component) {
        return new Triple.Reference(CLASS, List.of(component.toMeasurement()));
    }

    private static Tag.Comid comid(String id, long version, Triple... triples) {
        return new Tag.Comid(null, new TagIdentity(Cbor.of(id), version), List.of(), List.of(), List.of(triples));
    }

    private static Corim corim(String id, Tag... tags) {
        return new Corim(Cbor.of(id), List.of(tags), List.of(), null, null, List.of());
    }

    private Endorsement submit(Corim corim) {
        return verification.endorsements().submit(tenant, ACTOR, corim.encode());
    }

    private StoredAppraisal appraise(Verification node, SoftwareComponent component) {
        Bytes nonce =
                node.nonces().issue(tenant, 32, Duration.ofMinutes(1), null).value();
        return node.appraisals()
                .appraiseAndKeep(
                        tenant, new Appraisals.Request(token(nonce, component), nonce, Appraisals.Origin.API, null))
                .stored();
    }

    private StoredAppraisal appraise(SoftwareComponent component) {
        return appraise(verification, component);
    }

    private static void assertRefused(ErrorCode code, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        RefusedException.class,
                        refused ->
                                assertThat(refused.code()).as(refused.detail()).isEqualTo(code));
    }

    @Nested
    @DisplayName("appraisals")
    class Appraising {
        @Test
        @DisplayName("evidence that endorsements speak of is affirmed, signed by a published key, and kept")
        void affirmed() throws Exception {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            VerificationSessions.Session session = verification.sessions().open(tenant, 32, null);
            VerificationSessions.Session closed = otherNode
                    .sessions()
                    .answer(
                            tenant,
                            session.id(),
                            null,
                            token(session.nonce(), FIRMWARE),
                            appraised -> appraised.jwt(EarProfile.DRAFT_04));
            ResultKeys.ResultKey published =
                    verification.resultKeys().published(tenant).getFirst();
            Ear ear = Ear.verifyJwt(
                    Objects.requireNonNull(closed.result()), CoseKey.of(published.publicKey()), clock.instant());
            assertThat(ear.status()).isEqualTo(Tier.AFFIRMING);
            assertThat(ear.nonce()).isEqualTo(session.nonce());
            StoredAppraisal stored = verification
                    .appraisals()
                    .list(tenant, null, Page.Request.first())
                    .items()
                    .getFirst();
            assertThat(stored.status()).isEqualTo(Tier.AFFIRMING);
            assertThat(stored.outcomes()).hasSize(1);
            Ear again = Ear.verifyCwt(
                    verification.appraisals().again(tenant, stored.id()).cwt(),
                    CoseKey.of(published.publicKey()),
                    clock.instant());
            assertThat(again.status()).isEqualTo(Tier.AFFIRMING);
            clock.advance(Duration.ofHours(25));
            assertRefused(
                    ErrorCode.EXCHANGE_OVER, () -> verification.appraisals().again(tenant, stored.id()));
        }

        @Test
        @DisplayName("of each attester the newest ten are kept, with what finds them again")
        void bounded() {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            for (int i = 0; i < 13; i++) {
                clock.advance(Duration.ofSeconds(1));
                appraise(FIRMWARE);
            }
            assertThat(verification
                            .appraisals()
                            .list(tenant, null, Page.Request.first())
                            .items())
                    .hasSize(10);
            long subjects = platform.database.inTenant(
                    tenant,
                    tx -> tx.createQuery(
                                    "SELECT count(DISTINCT appraisal_id) FROM appraisal_subject WHERE tenant_id = :tenant")
                            .bind("tenant", tenant)
                            .mapTo(Long.class)
                            .one());
            assertThat(subjects).isEqualTo(10);
        }

        @Test
        @DisplayName("another tenant's endorsements say nothing here, nor do its ids")
        void wall() {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            StoredAppraisal own = appraise(FIRMWARE);
            VerificationSessions.Session session = verification.sessions().open(tenant, 32, null);
            Bytes nonce = verification
                    .nonces()
                    .issue(tenant, 32, Duration.ofMinutes(1), null)
                    .value();
            TenantId other = platform.tenant().tenant().id();
            assertRefused(ErrorCode.NOT_FOUND, () -> verification.appraisals().get(other, own.id()));
            assertRefused(ErrorCode.NOT_FOUND, () -> verification.sessions().get(other, session.id(), null));
            assertRefused(ErrorCode.NOT_FOUND, () -> verification.nonces().use(other, nonce, null));
            assertThat(verification
                            .appraisals()
                            .appraise(
                                    other,
                                    new Appraisals.Request(token(nonce, FIRMWARE), nonce, Appraisals.Origin.API, null))
                            .stored()
                            .status())
                    .isEqualTo(Tier.CONTRAINDICATED);
        }
    }

    @Nested
    @DisplayName("exchanges")
    class Exchanges {
        @Test
        @DisplayName("a nonce is good for one use, until its end")
        void nonces() {
            Nonces nonces = verification.nonces();
            Bytes nonce = nonces.issue(tenant, 32, Duration.ofMinutes(1), null).value();
            otherNode.nonces().use(tenant, nonce, null);
            assertRefused(ErrorCode.CONFLICT, () -> nonces.use(tenant, nonce, null));
            Bytes late = nonces.issue(tenant, 8, Duration.ofMinutes(1), null).value();
            clock.advance(Duration.ofMinutes(1));
            assertRefused(ErrorCode.EXCHANGE_OVER, () -> nonces.use(tenant, late, null));
            assertRefused(ErrorCode.INVALID_FIELD, () -> nonces.issue(tenant, 7, Duration.ofMinutes(1), null));
            VerificationSessions.Session own = verification.sessions().open(tenant, nonce.concat(nonce), null);
            assertRefused(ErrorCode.CONFLICT, () -> verification.sessions().open(tenant, own.nonce(), null));
        }

        @Test
        @DisplayName("a session that ended, or has its evidence, takes no more")
        void sessions() {
            VerificationSessions.Session session = verification.sessions().open(tenant, 32, null);
            answer(verification, session);
            assertRefused(ErrorCode.CONFLICT, () -> answer(otherNode, session));
            VerificationSessions.Session late = verification.sessions().open(tenant, 32, null);
            clock.advance(Duration.ofSeconds(151));
            assertRefused(ErrorCode.EXCHANGE_OVER, () -> answer(otherNode, late));
            verification.sessions().delete(tenant, late.id(), null);
            assertRefused(ErrorCode.NOT_FOUND, () -> verification.sessions().get(tenant, late.id(), null));
        }

        private void answer(Verification node, VerificationSessions.Session session) {
            node.sessions()
                    .answer(
                            tenant,
                            session.id(),
                            null,
                            token(session.nonce(), FIRMWARE),
                            appraised -> appraised.jwt(EarProfile.VERAISON_2023));
        }

        @Test
        @DisplayName("a verifier that is restarted between challenge and evidence goes on where it was")
        void restarted() {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            VerificationSessions.Session session = verification.sessions().open(tenant, 32, null);
            Bytes nonce = verification
                    .nonces()
                    .issue(tenant, 32, Duration.ofMinutes(1), null)
                    .value();
            platform.close();
            try (Database database = Database.open(DATABASE.config())) {
                platform = TestPlatform.software(database, clock);
                verification = node();
                answer(verification, session);
                assertThat(verification
                                .appraisals()
                                .list(tenant, null, Page.Request.first())
                                .items())
                        .singleElement()
                        .satisfies(stored -> assertThat(stored.status()).isEqualTo(Tier.AFFIRMING));
                assertRefused(ErrorCode.CONFLICT, () -> answer(verification, session));
                verification.nonces().use(tenant, nonce, null);
                assertRefused(ErrorCode.CONFLICT, () -> verification.nonces().use(tenant, nonce, null));
                platform.close();
            } finally {
                platform = TestPlatform.software(DATABASE.database(), clock);
            }
        }

        @Test
        @DisplayName("of many who answer one session on two nodes, one is heard")
        void oneAnswer() throws Exception {
            VerificationSessions.Session session = verification.sessions().open(tenant, 32, null);
            List<Callable<Boolean>> calls = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                Verification node = i % 2 == 0 ? verification : otherNode;
                calls.add(() -> {
                    try {
                        answer(node, session);
                        return true;
                    } catch (RefusedException e) {
                        assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT);
                        return false;
                    }
                });
            }
            int heard = 0;
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                for (Future<Boolean> each : threads.invokeAll(calls)) {
                    heard += each.get() ? 1 : 0;
                }
            }
            assertThat(heard).isEqualTo(1);
            assertThat(verification
                            .appraisals()
                            .list(tenant, null, Page.Request.first())
                            .items())
                    .hasSize(1);
        }
    }

    @Nested
    @DisplayName("endorsements")
    class Endorsing {
        @Test
        @DisplayName("a manifest is stored once; taken back, it changes the next appraisal on every node")
        void withdrawn() {
            Corim corim = corim("lamp", comid("lamp/1", 1, reference(FIRMWARE)));
            submit(corim("keys", comid("lamp/keys", 1, key())));
            Endorsement first = submit(corim);
            assertThat(submit(corim).id()).isEqualTo(first.id());
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            assertThat(appraise(otherNode, FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            verification.endorsements().withdraw(tenant, ACTOR, first.id());
            assertThat(appraise(otherNode, FIRMWARE).vector()).containsEntry("executables", 33);
            assertThat(appraise(FIRMWARE).vector()).containsEntry("executables", 33);
            assertThat(submit(corim).state()).isEqualTo(EndorsementState.ACTIVE);
            assertThat(appraise(otherNode, FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            long requests = platform.database.inTenant(
                    tenant,
                    tx -> tx.createQuery("SELECT count(*) FROM reappraisal_request WHERE tenant_id = :tenant")
                            .bind("tenant", tenant)
                            .mapTo(Long.class)
                            .one());
            assertThat(requests).isEqualTo(4);
            assertThat(platform.jobs.list(tenant, null, Page.Request.first()).items())
                    .hasSize(1);
        }

        @Test
        @DisplayName("a listed identity key is named in the result, until its manifest is taken back")
        void identity() {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            assertThat(result(appraise(FIRMWARE))).contains("\"known-key\"").doesNotContain("\"identity-key\"");
            Triple.Keys identity = new Triple.Keys(
                    false,
                    Environment.ofBytes(IMPLEMENTATION, INSTANCE),
                    List.of(CryptoKeys.of(attester.publicKey())),
                    null,
                    List.of());
            Endorsement listed = submit(corim("identities", comid("lamp/identities", 1, identity)));
            StoredAppraisal appraised = appraise(otherNode, FIRMWARE);
            assertThat(appraised.status()).isEqualTo(Tier.AFFIRMING);
            assertThat(result(appraised)).contains("\"identity-key\"", "\"identities\"", "\"lamp/identities\"");
            verification.endorsements().withdraw(tenant, ACTOR, listed.id());
            assertThat(result(appraise(otherNode, FIRMWARE))).doesNotContain("\"identity-key\"");
        }

        private static String result(StoredAppraisal stored) {
            return new String(stored.claims().toArray(), StandardCharsets.UTF_8);
        }

        @Test
        @DisplayName("a later version of all tags supersedes; an older one, or another content, is refused")
        void superseded() {
            submit(corim("keys", comid("lamp/keys", 1, key())));
            Endorsement old = submit(corim("lamp", comid("lamp/1", 1, reference(FIRMWARE))));
            Endorsement late = submit(corim("lamp-2", comid("lamp/1", 2, reference(firmware("22", "1.4.0")))));
            assertThat(verification.endorsements().get(tenant, old.id()).supersededBy())
                    .isEqualTo(late.id());
            assertThat(appraise(FIRMWARE).vector()).containsEntry("executables", 33);
            assertRefused(ErrorCode.CONFLICT, () -> submit(corim("lamp", comid("lamp/1", 1, reference(FIRMWARE)))));
            assertRefused(ErrorCode.CONFLICT, () -> submit(corim("lamp-3", comid("lamp/1", 2, reference(FIRMWARE)))));
            Tag.Comid replacing = new Tag.Comid(
                    null,
                    new TagIdentity(Cbor.of("lamp/new"), 0),
                    List.of(),
                    List.of(new Tag.LinkedTag(Cbor.of("lamp/1"), true)),
                    List.of(reference(FIRMWARE)));
            submit(corim("lamp-4", replacing));
            assertThat(verification.endorsements().get(tenant, late.id()).state())
                    .isEqualTo(EndorsementState.SUPERSEDED);
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
        }

        @Test
        @DisplayName("a CoTL switches tags on until it ends")
        void activation() {
            submit(corim("keys", comid("lamp/keys", 1, key())));
            Validity validity = new Validity(null, clock.instant().plusSeconds(3600));
            submit(corim("lamp", comid("lamp/1", 1, reference(FIRMWARE))));
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            submit(corim(
                    "list",
                    new Tag.Cotl(
                            new TagIdentity(Cbor.of("list"), 1),
                            List.of(new TagIdentity(Cbor.of("lamp/1"), 1)),
                            validity)));
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            clock.advance(Duration.ofSeconds(3602));
            assertThat(appraise(FIRMWARE).vector()).containsEntry("executables", 33);
            assertThat(verification.endorsements().noteDates(tenant)).isEqualTo(1);
            assertThat(otherNode.endorsements().noteDates(tenant)).isZero();
        }

        @Test
        @DisplayName("only allowed signers are heard, each about its own tags, and none after it is removed")
        void signers() throws Exception {
            Signer maker = signer();
            Signer other = signer();
            Corim corim = corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE)));
            Validity validity = new Validity(null, clock.instant().plusSeconds(3600));
            Bytes signed = SignedCorim.sign(corim, "I am the maker", validity, List.of(), maker)
                    .encode();
            assertRefused(
                    ErrorCode.ENDORSEMENT_REFUSED,
                    () -> verification.endorsements().submit(tenant, ACTOR, signed));
            verification.signers().add(tenant, ACTOR, "Maker", maker.publicKey());
            verification.signers().add(tenant, ACTOR, "Other", other.publicKey());
            assertRefused(
                    ErrorCode.CONFLICT, () -> verification.signers().add(tenant, ACTOR, "Maker", signer().publicKey()));
            Endorsement stored = verification.endorsements().submit(tenant, ACTOR, signed);
            assertThat(stored.signer()).isEqualTo("Maker");
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            Bytes taken = SignedCorim.sign(
                            corim("x", comid("lamp/1", 2, reference(firmware("22", "2")))),
                            "Maker",
                            validity,
                            List.of(),
                            other)
                    .encode();
            assertRefused(ErrorCode.CONFLICT, () -> verification.endorsements().submit(tenant, ACTOR, taken));
            verification.signers().remove(tenant, ACTOR, maker.publicKey().fingerprint());
            assertThat(verification.endorsements().get(tenant, stored.id()).state())
                    .isEqualTo(EndorsementState.WITHDRAWN);
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.CONTRAINDICATED);
            clock.advance(Duration.ofHours(2));
            verification.signers().add(tenant, ACTOR, "Maker", maker.publicKey());
            assertRefused(
                    ErrorCode.ENDORSEMENT_REFUSED,
                    () -> verification.endorsements().submit(tenant, ACTOR, signed));
        }

        @Test
        @DisplayName("what is no manifest, or too large, is refused")
        void malformed() {
            for (Bytes bad : List.of(
                    Bytes.EMPTY,
                    Bytes.ofHex("a0"),
                    Bytes.ofHex("d901f5a0"),
                    Bytes.ofHex("d28440a04040"),
                    Bytes.of(new byte[5 * 1024 * 1024]))) {
                assertRefused(
                        ErrorCode.ENDORSEMENT_REFUSED,
                        () -> verification.endorsements().submit(tenant, ACTOR, bad));
            }
            assertRefused(
                    ErrorCode.ENDORSEMENT_REFUSED,
                    () -> submit(corim("x", comid("a", 1, key()), comid("a", 2, key()))));
        }
    }

    @Nested
    @DisplayName("policies")
    class Deciding {
        private static final String STRICT = """
                {"policy":{"id":"strict","version":%d,"rules":[{"name":"old","when":"%s","set":{"executables":96},
                "reason":"too old","remedy":"update"}]},
                "tests":[{"name":"old","scheme":"psa","elements":[{"name":"PRoT","version":"1.3.5","match":"corroborated"}],
                "vector":{"executables":2},"expect":{"status":"%s"}}]}""";

        private Bytes policy(int version, String when, String status) {
            return Bytes.of(STRICT.formatted(version, when, status).getBytes(StandardCharsets.UTF_8));
        }

        private static final String OLD = "elements.exists(e, compareVersions(e.version, '1.4') < 0)";

        @Test
        @DisplayName("a policy that passes its tests can be put in force, and taken back")
        void activated() {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            Policies policies = verification.policies();
            assertRefused(ErrorCode.POLICY_INVALID, () -> policies.add(tenant, ACTOR, policy(1, OLD, "affirming")));
            assertRefused(ErrorCode.POLICY_INVALID, () -> policies.add(tenant, ACTOR, policy(1, "1 +", "none")));
            policies.add(tenant, ACTOR, policy(1, OLD, "contraindicated"));
            assertRefused(ErrorCode.CONFLICT, () -> policies.add(tenant, ACTOR, policy(1, OLD, "contraindicated")));
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            policies.activate(tenant, ACTOR, "strict", 1);
            assertThat(appraise(otherNode, FIRMWARE).status()).isEqualTo(Tier.CONTRAINDICATED);
            assertThat(appraise(FIRMWARE).policy()).isEqualTo("strict/1");
            policies.add(tenant, ACTOR, policy(2, "false", "affirming"));
            policies.activate(tenant, ACTOR, "strict", 2);
            assertThat(policies.rollBack(tenant, ACTOR).version()).isEqualTo(1);
            policies.activate(tenant, ACTOR, "tegata-default", 1);
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.AFFIRMING);
            assertThat(policies.list(tenant)).hasSize(3);
            assertThat(policies.activations(tenant)).hasSize(4);
            assertRefused(ErrorCode.NOT_FOUND, () -> policies.activate(tenant, ACTOR, "strict", 9));
            assertRefused(
                    ErrorCode.NOT_FOUND,
                    () -> policies.activate(platform.tenant().tenant().id(), ACTOR, "strict", 1));
        }

        @Test
        @DisplayName("a policy that costs too much ends soon, and lets nobody in")
        void expensive() {
            submit(corim("lamp", comid("lamp/1", 1, key(), reference(FIRMWARE))));
            String list = "[" + "0,".repeat(99) + "0]";
            String loops = list + ".exists(a, " + list + ".exists(b, " + list + ".exists(c, a + b + c > 0)))";
            verification.policies().add(tenant, ACTOR, policy(1, loops, "contraindicated"));
            verification.policies().activate(tenant, ACTOR, "strict", 1);
            assertThat(appraise(FIRMWARE).status()).isEqualTo(Tier.CONTRAINDICATED);
        }
    }

    @Test
    @DisplayName("result keys are rotated; results of the one before can still be checked")
    void rotation() throws Exception {
        ResultKeys keys = verification.resultKeys();
        ResultKeys.ResultKey first = keys.current(tenant);
        assertThat(otherNode.resultKeys().current(tenant)).isEqualTo(first);
        ResultKeys.ResultKey second = keys.rotate(tenant, ACTOR);
        assertThat(second.id()).isNotEqualTo(first.id());
        assertThat(keys.published(tenant)).extracting(ResultKeys.ResultKey::id).contains(first.id(), second.id());
        assertThat(second.jwk()).containsEntry("kid", second.id()).hasSize(7);
        clock.advance(Duration.ofDays(3));
        assertThat(keys.published(tenant)).extracting(ResultKeys.ResultKey::id).containsExactly(second.id());
        clock.advance(Duration.ofDays(90));
        assertThat(keys.current(tenant).id()).isNotEqualTo(second.id());
        assertThat(Map.copyOf(keys.current(tenant).jwk())).containsEntry("crv", "P-256");
        assertRefused(ErrorCode.NOT_FOUND, () -> keys.published(new TenantId("t000000000")));
    }
}
