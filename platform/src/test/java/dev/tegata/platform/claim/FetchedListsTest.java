// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.claim.Documents.Fetched;
import dev.tegata.platform.claim.Documents.Marks;
import dev.tegata.platform.enrol.BirthCa;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.testing.TestDatabase;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Revocation lists that are fetched")
class FetchedListsTest {
    private static final String URL = "http://ca.example/birth.crl";

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private final List<Marks> asked = Collections.synchronizedList(new ArrayList<>());
    private Fetched next = new Fetched.Failed("nothing is there");
    private EnrolmentWorld world;
    private BirthCa vendor;
    private TrustedCertificates trusted;
    private RevocationLists lists;
    private FetchedLists fetched;

    @BeforeEach
    void open() throws Exception {
        world = new EnrolmentWorld(DATABASE.database());
        vendor = BirthCa.create(world.clock.instant());
        trusted = new TrustedCertificates(world.database, world.audit, world.clock);
        trusted.add(world.tenant, EnrolmentWorld.OPERATOR, TrustPurpose.BIRTH_CA, "", vendor.certificate());
        lists = new RevocationLists(world.database, trusted, world.audit, world.clock);
        fetched = new FetchedLists(
                world.database,
                world.tenants(),
                lists,
                (url, known, longest) -> {
                    asked.add(known);
                    return next;
                },
                world.clock);
        // It works when it is told to, and not beside the test.
        fetched.close();
    }

    @AfterEach
    void close() {
        world.close();
    }

    private void want() {
        world.database.inTenant(world.tenant, tx -> {
            FetchedLists.want(tx, world.tenant, URL, List.of(vendor.certificate()), world.clock.instant());
            return null;
        });
    }

    private Fetched document(String tag, int days, BigInteger... revoked) throws Exception {
        Instant now = world.clock.instant();
        Bytes list = vendor.revoke(now, now.plus(Duration.ofDays(days)), revoked);
        return new Fetched.Document(list.toArray(), new Marks(tag, null));
    }

    private FetchedLists.Source source() {
        return fetched.list(world.tenant).getFirst();
    }

    private void run() {
        fetched.run(world.tenant);
    }

    @Test
    @DisplayName("one is fetched when it is needed, and again with its mark before its time is over")
    void refreshed() throws Exception {
        want();
        want();
        next = document("\"1\"", 1);
        run();
        run();
        assertThat(asked).containsExactly(Marks.NONE);
        assertThat(lists.list(world.tenant)).hasSize(1);
        assertThat(source().nextUpdate())
                .isEqualTo(lists.list(world.tenant).getFirst().nextUpdate());
        assertThat(source().problem()).isNull();

        world.clock.advance(Duration.ofHours(12));
        next = new Fetched.Unchanged();
        run();
        world.clock.advance(Duration.ofHours(6));
        next = document("\"2\"", 7, BigInteger.TEN);
        run();
        assertThat(asked).containsExactly(Marks.NONE, new Marks("\"1\"", null), new Marks("\"1\"", null));
        assertThat(lists.list(world.tenant).getFirst().entries()).isEqualTo(1);
        // However long a list is good, it is looked for once a day.
        world.clock.advance(Duration.ofHours(23));
        run();
        assertThat(asked).hasSize(3);
        world.clock.advance(Duration.ofHours(1));
        run();
        assertThat(asked).hasSize(4);
    }

    @Test
    @DisplayName("what goes wrong is told, tried again later and later, and leaves the list that is here")
    void failing() throws Exception {
        want();
        next = document("\"1\"", 30);
        run();
        next = new Fetched.Failed("it answers with status 503");
        world.clock.advance(Duration.ofDays(1));
        run();
        assertThat(source().problem()).isEqualTo("it answers with status 503");
        for (int minutes : List.of(1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360)) {
            int before = asked.size();
            world.clock.advance(Duration.ofMinutes(minutes).minusSeconds(1));
            run();
            assertThat(asked).hasSize(before);
            world.clock.advance(Duration.ofSeconds(1));
            run();
            assertThat(asked).hasSize(before + 1);
        }
        assertThat(lists.list(world.tenant)).hasSize(1);
        next = document("\"2\"", 30);
        world.clock.advance(Duration.ofHours(6));
        run();
        assertThat(source().problem()).isNull();
        assertThat(source().failures()).isZero();
    }

    @Test
    @DisplayName("a server that does not answer keeps neither the tenant's other lists nor other tenants'")
    void fair() throws Exception {
        CountDownLatch hanging = new CountDownLatch(1);
        CountDownLatch reached = new CountDownLatch(2);
        Fetched list = document("\"1\"", 1);
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database());
                FetchedLists live = new FetchedLists(
                        world.database,
                        world.tenants(),
                        lists,
                        (url, known, longest) -> {
                            reached.countDown();
                            if (url.equals(URL)) {
                                return list;
                            }
                            try {
                                hanging.await();
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                            return new Fetched.Failed("nothing is there");
                        },
                        world.clock)) {
            for (String slow : List.of("http://ca.example/a.crl", "http://ca.example/b.crl")) {
                other.database.inTenant(
                        other.tenant,
                        tx -> FetchedLists.want(
                                tx, other.tenant, slow, List.of(vendor.certificate()), other.clock.instant()));
            }
            try {
                live.look(other.tenant, Duration.ofMillis(1));
                assertThat(reached.await(60, TimeUnit.SECONDS)).isTrue();
                want();
                live.look(world.tenant, Duration.ofSeconds(60));
                assertThat(lists.list(world.tenant)).hasSize(1);
                assertThat(hanging.getCount()).isEqualTo(1);
            } finally {
                hanging.countDown();
            }
        }
    }

    @Test
    @DisplayName("a signer of manifests whose CA is trusted signs nothing more when that CA has revoked it")
    void manifestSigner() throws Exception {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        DeviceCredential.TlsCertificate issued = (DeviceCredential.TlsCertificate) vendor.birth("Log signer", key);
        Certificate signer = Certificate.parse(issued.chain().getFirst());
        trusted.add(world.tenant, EnrolmentWorld.OPERATOR, TrustPurpose.MANIFEST_SIGNER, "", signer, true);
        assertThat(trusted.trust(world.tenant).signers())
                .extracting(Signer::thumbprint)
                .contains(signer.fingerprint());
        want();
        next = document("\"1\"", 7, signer.serial().value());
        run();
        assertThat(trusted.trust(world.tenant).signers())
                .extracting(Signer::thumbprint)
                .doesNotContain(signer.fingerprint());
    }

    @Test
    @DisplayName(
            "lists of strangers and what is no list are refused; a list that was removed is asked for without marks")
    void refused() throws Exception {
        want();
        Instant now = world.clock.instant();
        for (byte[] bad : List.of(
                new byte[0],
                "-----BEGIN X509 CRL-----".getBytes(StandardCharsets.US_ASCII),
                BirthCa.create(now).revoke(now, now.plus(Duration.ofDays(7))).toArray())) {
            next = new Fetched.Document(bad, new Marks("\"bad\"", null));
            run();
            assertThat(source().problem()).startsWith("the list ");
            world.clock.advance(Duration.ofHours(6));
        }
        assertThat(lists.list(world.tenant)).isEmpty();
        next = document("\"1\"", 30);
        run();
        lists.remove(
                world.tenant,
                EnrolmentWorld.OPERATOR,
                lists.list(world.tenant).getFirst().issuer());
        world.clock.advance(Duration.ofDays(1));
        next = document("\"2\"", 30);
        run();
        assertThat(asked).containsOnly(Marks.NONE);
        assertThat(lists.list(world.tenant)).hasSize(1);
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database())) {
            assertThat(fetched.list(other.tenant)).isEmpty();
            fetched.run(other.tenant);
        }
    }
}
