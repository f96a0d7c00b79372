// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.status.CertificateStatus;
import dev.tegata.platform.claim.Documents.Fetched;
import dev.tegata.platform.claim.Documents.Marks;
import dev.tegata.platform.enrol.BirthCa;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentWorld;
import dev.tegata.platform.testing.TestDatabase;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Answers of OCSP responders of other CAs")
class OcspAnswersTest {
    private static final String URL = "http://ca.example/ocsp";
    private static final Fetched DEAD = new Fetched.Failed("nothing is there");

    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private final AtomicInteger asked = new AtomicInteger();
    private EnrolmentWorld world;
    private BirthCa vendor;
    private Certificate device;
    private volatile Fetched next = DEAD;
    private OcspAnswers answers;
    private FetchedLists sources;

    @BeforeEach
    void open() throws Exception {
        world = new EnrolmentWorld(DATABASE.database());
        vendor = BirthCa.create(world.clock.instant());
        device = birth("one");
        TrustedCertificates trusted = new TrustedCertificates(world.database, world.audit, world.clock);
        RevocationLists lists = new RevocationLists(world.database, trusted, world.audit, world.clock);
        sources = new FetchedLists(world.database, world.tenants(), lists, (url, known, longest) -> DEAD, world.clock);
        sources.close();
        answers = new OcspAnswers(
                world.database,
                world.tenants(),
                world.audit,
                (url, question, longest) -> {
                    assertThat(url).isEqualTo(URL);
                    asked.incrementAndGet();
                    return next;
                },
                world.clock);
        // It works when it is told to, and not beside the test.
        answers.close();
    }

    @AfterEach
    void close() {
        world.close();
    }

    private Certificate birth(String name) throws Exception {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        return Certificate.parse(((DeviceCredential.TlsCertificate) vendor.birth(name, key))
                .chain()
                .getFirst());
    }

    private void want(Certificate certificate) {
        world.database.inTenant(world.tenant, tx -> {
            OcspAnswers.want(tx, world.tenant, URL, certificate, vendor.certificate(), world.clock.instant());
            return null;
        });
    }

    private ForeignStatus status() {
        return world.database.inTenant(
                world.tenant,
                tx -> ForeignStatus.of(tx, world.tenant, List.of(device, vendor.certificate()), world.clock.instant()));
    }

    private Fetched answer(CertificateStatus status, Instant thisUpdate) throws Exception {
        return new Fetched.Document(
                vendor.answer(device, status, thisUpdate, thisUpdate.plus(Duration.ofDays(1)))
                        .toArray(),
                Marks.NONE);
    }

    private FetchedLists.Source source() {
        return sources.list(world.tenant).getFirst();
    }

    private void run() {
        answers.run(world.tenant);
    }

    @Test
    @DisplayName(
            "one is asked for when it is needed, again when half of its time is over, and no more when nobody does")
    void refreshed() throws Exception {
        want(device);
        next = answer(new CertificateStatus.Good(), world.clock.instant());
        run();
        run();
        assertThat(asked).hasValue(1);
        assertThat(source().certificates()).isEqualTo(1);
        assertThat(source().nextUpdate()).isEqualTo(world.clock.instant().plus(Duration.ofDays(1)));
        assertThat(source().problem()).isNull();
        world.clock.advance(Duration.ofHours(12));
        next = answer(new CertificateStatus.Good(), world.clock.instant());
        run();
        assertThat(asked).hasValue(2);
        // Somebody asks for the certificate still.
        world.clock.advance(Duration.ofDays(6));
        next = answer(new CertificateStatus.Good(), world.clock.instant());
        want(device);
        run();
        world.clock.advance(Duration.ofDays(2));
        next = answer(new CertificateStatus.Good(), world.clock.instant());
        run();
        assertThat(asked).hasValue(4);
        world.clock.advance(Duration.ofDays(6));
        run();
        assertThat(asked).hasValue(4);
        assertThat(sources.list(world.tenant)).isEmpty();
    }

    @Test
    @DisplayName(
            "what is revoked stays revoked until a later answer says otherwise, and an older one does not come back")
    void revoked() throws Exception {
        want(device);
        Instant first = world.clock.instant();
        next = answer(new CertificateStatus.Revoked(first, 6), first);
        run();
        assertThat(status()).isEqualTo(ForeignStatus.REVOKED);
        next = answer(new CertificateStatus.Good(), first.minus(Duration.ofHours(6)));
        world.clock.advance(Duration.ofHours(12));
        run();
        assertThat(source().problem()).isEqualTo("the answer is older than the one that is here");
        next = answer(new CertificateStatus.Unknown(), world.clock.instant());
        world.clock.advance(Duration.ofMinutes(1));
        run();
        assertThat(source().problem()).contains("does not know the certificate");
        assertThat(status()).isEqualTo(ForeignStatus.REVOKED);
        world.clock.advance(Duration.ofDays(30));
        next = answer(new CertificateStatus.Good(), world.clock.instant());
        run();
        assertThat(status()).isEqualTo(ForeignStatus.GOOD);
    }

    @Test
    @DisplayName("who waits for one gets it at once, whatever another tenant's responder does, and not for ever")
    void lookedFor() throws Exception {
        CountDownLatch hanging = new CountDownLatch(1);
        CountDownLatch reached = new CountDownLatch(1);
        Fetched good = answer(new CertificateStatus.Good(), world.clock.instant());
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database());
                OcspAnswers live = new OcspAnswers(
                        world.database,
                        world.tenants(),
                        world.audit,
                        (url, question, longest) -> {
                            if (url.equals(URL)) {
                                return good;
                            }
                            reached.countDown();
                            awaitUninterruptibly(hanging);
                            return DEAD;
                        },
                        world.clock)) {
            other.database.inTenant(other.tenant, tx -> {
                OcspAnswers.want(tx, other.tenant, URL + "/slow", device, vendor.certificate(), other.clock.instant());
                return null;
            });
            try {
                // It does not answer, and who waits for it is let go.
                live.look(other.tenant, Duration.ofMillis(1));
                assertThat(reached.await(60, TimeUnit.SECONDS)).isTrue();
                want(device);
                live.look(world.tenant, Duration.ofSeconds(60));
                assertThat(status()).isEqualTo(ForeignStatus.GOOD);
                assertThat(hanging.getCount()).isEqualTo(1);
            } finally {
                hanging.countDown();
            }
        }
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    @DisplayName("a responder that does not answer is left alone for all its certificates, ever longer")
    void dead() throws Exception {
        want(device);
        run();
        assertThat(asked).hasValue(1);
        assertThat(source().problem()).isEqualTo("nothing is there");
        want(birth("two"));
        run();
        assertThat(asked).hasValue(2);
        assertThat(source().certificates()).isEqualTo(2);
        run();
        assertThat(asked).hasValue(2);
        // An answer that is no answer is no better, nor is one that is over.
        world.clock.advance(Duration.ofHours(6));
        next = answer(new CertificateStatus.Good(), world.clock.instant().minus(Duration.ofDays(2)));
        run();
        assertThat(source().problem()).startsWith("the answer is ");
        world.clock.advance(Duration.ofHours(6));
        next = new Fetched.Document(new byte[] {1}, Marks.NONE);
        run();
        assertThat(source().problem()).startsWith("the answer cannot be read");
        try (EnrolmentWorld other = new EnrolmentWorld(DATABASE.database())) {
            assertThat(sources.list(other.tenant)).isEmpty();
        }
    }
}
