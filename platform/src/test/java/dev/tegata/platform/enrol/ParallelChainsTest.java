// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.device.DeviceCertificate;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.FleetSettings;
import dev.tegata.platform.health.HealthSweepRunner;
import dev.tegata.platform.health.Readiness;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.protocol.OrderContent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.crypto.params.MLDSAPublicKeyParameters;
import org.bouncycastle.crypto.signers.MLDSASigner;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("A fleet with a post-quantum chain beside its own")
final class ParallelChainsTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private final SoftwareKey classical = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    private final SoftwareKey second = SoftwareKey.generate(KeyAlgorithm.ML_DSA_65);

    private EnrolmentWorld world;
    private Authority pqRoot;
    private Authority pqIssuing;
    private FleetId fleet;
    private EnrolmentWorld.Unit unit;

    @BeforeEach
    void open() {
        world = new EnrolmentWorld(testDatabase.database());
        pqRoot = world.authorities.createRoot(
                world.tenant,
                EnrolmentWorld.OPERATOR,
                new NewAuthority("PQ Root", Name.parse("CN=PQ Root"), KeyAlgorithm.ML_DSA_87));
        pqIssuing = world.authorities.createIssuing(
                world.tenant,
                EnrolmentWorld.OPERATOR,
                pqRoot.id(),
                new NewAuthority("PQ Issuing", Name.parse("CN=PQ Issuing"), KeyAlgorithm.ML_DSA_65));
        fleet = world.fleets
                .create(world.tenant, EnrolmentWorld.OPERATOR, settings(pqIssuing.id()))
                .id();
        unit = world.claim(fleet, java.util.UUID.randomUUID().toString().substring(0, 18));
    }

    @AfterEach
    void close() {
        world.close();
    }

    private FleetSettings settings(AuthorityId parallel) {
        return new FleetSettings(
                "Locks",
                world.created.authorities().getLast().id(),
                parallel,
                CertificateProfile.device(),
                FleetPolicy.standard());
    }

    private static EnrolmentOutcome.Issued issued(EnrolmentOutcome outcome) {
        assertThat(outcome).isInstanceOf(EnrolmentOutcome.Issued.class);
        return (EnrolmentOutcome.Issued) outcome;
    }

    private Certificate enrol() {
        return issued(world.enrol(fleet, unit.birth(), classical)).certificate();
    }

    private List<Certificate> current() {
        List<Certificate> current = new ArrayList<>();
        for (DeviceCertificate one : world.devices.certificates(world.tenant, unit.id())) {
            if (one.current()) {
                try {
                    current.add(Certificate.parse(Objects.requireNonNull(one.encoded())));
                } catch (dev.tegata.pki.certificate.InvalidCertificateException e) {
                    throw new AssertionError(e);
                }
            }
        }
        return current;
    }

    private List<Boolean> revoked() {
        return world.devices.certificates(world.tenant, unit.id()).stream()
                .filter(DeviceCertificate::current)
                .map(one -> one.revokedAt() != null)
                .toList();
    }

    @Test
    @DisplayName("gives a device a certificate of each, and both lead to their roots, as another library finds too")
    void both() throws Exception {
        Certificate first = enrol();
        EnrolmentOutcome.Issued beside = issued(world.reEnrol(fleet, first, second));

        assertThat(current()).containsExactlyInAnyOrder(first, beside.certificate());
        PathResult path = new PathCheck(10)
                .check(
                        new Presented(beside.certificate(), beside.chain()),
                        TrustAnchors.of(pqRoot.requireCertificate()),
                        world.clock.instant(),
                        Purpose.CLIENT);
        assertThat(path).isInstanceOf(PathResult.Valid.class);
        List<Certificate> chain = ((PathResult.Valid) path).path();
        assertThat(chain).hasSize(3);
        for (int i = 0; i < chain.size(); i++) {
            assertThat(bouncyCastleVerifies(chain.get(i), chain.get(Math.min(i + 1, 2))))
                    .isTrue();
        }
        assertThat(bouncyCastleVerifies(chain.get(0), chain.get(2))).isFalse();
        assertThat(world.issuingFleets.published(world.issuingFleets.get(fleet)))
                .contains(
                        pqRoot.requireCertificate(),
                        world.created.authorities().getFirst().requireCertificate());
    }

    private static boolean bouncyCastleVerifies(Certificate certificate, Certificate issuer) throws Exception {
        X509CertificateHolder signed =
                new X509CertificateHolder(certificate.encoded().toArray());
        X509CertificateHolder signer =
                new X509CertificateHolder(issuer.encoded().toArray());
        MLDSASigner verifier = new MLDSASigner();
        verifier.init(false, (MLDSAPublicKeyParameters) PublicKeyFactory.createKey(signer.getSubjectPublicKeyInfo()));
        byte[] tbs = signed.toASN1Structure().getTBSCertificate().getEncoded("DER");
        verifier.update(tbs, 0, tbs.length);
        return verifier.verifySignature(signed.getSignature());
    }

    @Test
    @DisplayName("renews each by itself, and lets the one before it end with the overlap")
    void renewal() {
        Certificate first = enrol();
        Certificate beside = issued(world.reEnrol(fleet, first, second)).certificate();
        Certificate renewed = issued(world.reEnrol(fleet, first, classical)).certificate();
        assertThat(current()).containsExactlyInAnyOrder(renewed, beside);

        Certificate again = issued(world.reEnrol(fleet, renewed, second)).certificate();
        assertThat(current()).containsExactlyInAnyOrder(renewed, again);
        world.clock.advance(Duration.ofDays(30));
        world.renewals.goRound();
        assertThat(revoked()).containsExactly(false, false);
        assertThat(world.devices.certificates(world.tenant, unit.id())).hasSize(4);
        assertThat(world.devices.certificates(world.tenant, unit.id()).stream()
                        .filter(one -> one.revokedAt() != null)
                        .map(DeviceCertificate::serialNumber))
                .containsExactlyInAnyOrder(
                        first.serial().content(), beside.serial().content());
    }

    @Test
    @DisplayName("suspends, resumes and revokes both together")
    void state() {
        issued(world.reEnrol(fleet, enrol(), second));
        world.devices.suspend(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "lost");
        assertThat(revoked()).containsExactly(true, true);
        world.devices.resume(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "found");
        assertThat(revoked()).containsExactly(false, false);
        world.devices.revoke(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "stolen");
        assertThat(revoked()).containsExactly(true, true);
    }

    @Test
    @DisplayName("gives the second one to nobody who does not show the first")
    void notWithoutTheFirst() {
        Certificate first = enrol();
        SoftwareKey stranger = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        assertThat(world.enrol(fleet, unit.birth(), second))
                .isInstanceOfSatisfying(
                        EnrolmentOutcome.Refused.class,
                        refused -> assertThat(refused.code()).isEqualTo(ErrorCode.OPERATIONAL_IDENTITY_REQUIRED));
        assertThat(world.enrol(fleet, stranger, second)).isInstanceOf(EnrolmentOutcome.Refused.class);
        assertThat(current()).containsExactly(first);

        FleetId single = world.fleet(FleetPolicy.standard());
        EnrolmentWorld.Unit other =
                world.claim(single, java.util.UUID.randomUUID().toString().substring(0, 18));
        Certificate only = issued(world.enrol(single, other.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)))
                .certificate();
        assertThat(world.reEnrol(single, only, SoftwareKey.generate(KeyAlgorithm.ML_DSA_44)))
                .isInstanceOfSatisfying(
                        EnrolmentOutcome.Refused.class,
                        refused -> assertThat(refused.code()).isEqualTo(ErrorCode.KEY_NOT_ALLOWED));
    }

    @Test
    @DisplayName("orders a renewal where the second certificate was left behind by its authority")
    void due() {
        Certificate first = enrol();
        ParallelChains chains =
                new ParallelChains(world.database, world.issuingFleets, world.issuers, world.audit, world.outbox);
        Candidate device =
                new DeviceLookup(world.database).byId(world.tenant, unit.id()).orElseThrow();
        assertThat(chains.due(world.issuingFleets.get(fleet), device, world.clock.instant()))
                .isEmpty();
        issued(world.reEnrol(fleet, first, second));
        assertThat(chains.due(world.issuingFleets.get(fleet), device, world.clock.instant()))
                .isEmpty();
        Authority next = world.authorities.createIssuing(
                world.tenant,
                EnrolmentWorld.OPERATOR,
                pqRoot.id(),
                new NewAuthority("PQ 2", Name.parse("CN=PQ Issuing 2"), KeyAlgorithm.ML_DSA_65));
        world.fleets.update(world.tenant, EnrolmentWorld.OPERATOR, fleet, 1, settings(next.id()));
        world.clock.advance(Duration.ofSeconds(3));
        assertThat(chains.due(world.issuingFleets.get(fleet), device, world.clock.instant()))
                .containsExactly(new OrderContent.RenewCertificate());
    }

    @Test
    @DisplayName("takes an active post-quantum authority for devices beside its own, and no other")
    void authorities() {
        for (AuthorityId wrong : List.of(
                pqRoot.id(), world.created.authorities().getFirst().id(), new AuthorityId(new java.util.UUID(0, 1)))) {
            assertThatThrownBy(() -> world.fleets.create(world.tenant, EnrolmentWorld.OPERATOR, settings(wrong)))
                    .isInstanceOfSatisfying(
                            RefusedException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_FIELD));
        }
        assertThatThrownBy(() -> settings(world.created.authorities().getLast().id()))
                .isInstanceOf(RefusedException.class);
    }

    @Test
    @DisplayName("counts which devices can verify what, and lists those that cannot")
    void readiness() {
        Certificate first = enrol();
        EnrolmentWorld.Unit other =
                world.claim(fleet, java.util.UUID.randomUUID().toString().substring(0, 18));
        issued(world.enrol(fleet, other.birth(), SoftwareKey.generate(KeyAlgorithm.EC_P256)));
        Readiness readiness = new Readiness(world.database);
        HealthSweepRunner.run(world);
        assertThat(readiness.counts(world.tenant, fleet))
                .contains(
                        new Readiness.Count(KeyAlgorithm.EC_P256, 2, 0),
                        new Readiness.Count(KeyAlgorithm.ML_DSA_65, 0, 2));

        issued(world.reEnrol(fleet, first, second));
        HealthSweepRunner.run(world);
        assertThat(readiness.counts(world.tenant, fleet))
                .contains(
                        new Readiness.Count(KeyAlgorithm.EC_P256, 2, 0),
                        new Readiness.Count(KeyAlgorithm.ML_DSA_65, 1, 1),
                        new Readiness.Count(KeyAlgorithm.ML_DSA_87, 0, 2));
        assertThat(readiness
                        .lacking(world.tenant, fleet, KeyAlgorithm.ML_DSA_65, Page.Request.first())
                        .items())
                .containsExactly(other.id());
        Page<dev.tegata.platform.DeviceId> page =
                readiness.lacking(world.tenant, fleet, KeyAlgorithm.ML_DSA_87, new Page.Request(null, 1));
        assertThat(readiness
                        .lacking(world.tenant, fleet, KeyAlgorithm.ML_DSA_87, Page.Request.of(page.next(), 1))
                        .items())
                .hasSize(1)
                .doesNotContainAnyElementsOf(page.items());

        world.database.inTenant(
                world.tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO device_report (tenant_id, device_id, trust_anchors, algorithms)
                                VALUES (:tenant, :device, jsonb_build_array(:root::text), 'ed25519,nobody-knows')""")
                        .bind("tenant", world.tenant)
                        .bind("device", other.id())
                        .bind("root", pqRoot.requireCertificate().fingerprint().hex())
                        .execute());
        world.devices.revoke(world.tenant, unit.id(), EnrolmentWorld.OPERATOR, "stolen");
        HealthSweepRunner.run(world);
        assertThat(readiness.counts(world.tenant, fleet))
                .contains(
                        new Readiness.Count(KeyAlgorithm.EC_P256, 1, 0),
                        new Readiness.Count(KeyAlgorithm.ED25519, 1, 0),
                        new Readiness.Count(KeyAlgorithm.ML_DSA_65, 0, 1),
                        new Readiness.Count(KeyAlgorithm.ML_DSA_87, 1, 0));
    }
}
