// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.status.CrlPublisher.Extent;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.security.SecureRandom;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("Status of certificates")
class StatusPlatformTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private final TestClock clock = TestClock.create();
    private TestPlatform platform;
    private TenantId tenant;
    private AuthorityId authority;
    private Crls crls;
    private CrlPublisher publisher;
    private Responders responders;

    @BeforeEach
    void setUp() {
        platform = TestPlatform.software(testDatabase.database(), clock);
        CreatedTenant created = platform.tenant();
        tenant = created.tenant().id();
        authority = created.authorities().getLast().id();
        crls = new Crls(platform.database, clock);
        publisher = new CrlPublisher(platform.database, platform.authorities, platform.vault, crls, clock);
        responders = new Responders(
                platform.database, platform.authorities, platform.audit, platform.vault, clock, new SecureRandom());
    }

    @AfterEach
    void tearDown() {
        platform.close();
    }

    private void settings(StatusSettings settings) {
        new AuthorityStatuses(platform.database, platform.authorities, publisher, responders, platform.audit)
                .change(tenant, authority, Actor.OPERATOR, settings);
    }

    private void revoked(int serial, Instant notAfter) {
        platform.database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                                    not_before, not_after, issued_at, crl_partition, encoded)
                                VALUES (:tenant, :serial, :authority, '', :now, :notAfter, :now, 1, '')""")
                        .bind("tenant", tenant)
                        .bind("serial", new byte[] {(byte) serial})
                        .bind("authority", authority)
                        .bind("now", clock.instant())
                        .bind("notAfter", notAfter)
                        .execute());
        change(serial, "revoked_at = :now, revocation_reason = 1");
    }

    private void change(int serial, String set) {
        platform.database.inTenant(
                tenant,
                tx -> tx.createUpdate("UPDATE certificate SET " + set
                                + " WHERE tenant_id = :tenant AND serial_number = :serial AND :now IS NOT NULL")
                        .bind("tenant", tenant)
                        .bind("serial", new byte[] {(byte) serial})
                        .bind("now", clock.instant())
                        .execute());
    }

    private X509CRL list(int partition) throws Exception {
        crls.forget(tenant, authority, partition);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        crls.write(tenant, authority, crls.find(tenant, authority, partition).orElseThrow(), out);
        return (X509CRL)
                CertificateFactory.getInstance("X.509").generateCRL(new ByteArrayInputStream(out.toByteArray()));
    }

    private int entries(int partition) throws Exception {
        var entries = list(partition).getRevokedCertificates();
        return entries == null ? 0 : entries.size();
    }

    private long number(int partition) {
        crls.forget(tenant, authority, partition);
        return crls.find(tenant, authority, partition).orElseThrow().number();
    }

    @Test
    @DisplayName("no partition gets more certificates than its size, whoever gives them out")
    void partitionsDoNotOverflow() throws Exception {
        settings(new StatusSettings(Duration.ofDays(4), 10, true, Duration.ofHours(1)));
        List<CrlPartitions> nodes = List.of(new CrlPartitions(platform.database), new CrlPartitions(platform.database));
        Map<Integer, Integer> counts = new HashMap<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> given = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                CrlPartitions node = nodes.get(i % 2);
                given.add(threads.submit(() -> node.next(tenant, authority)));
            }
            for (Future<Integer> each : given) {
                counts.merge(each.get(), 1, Integer::sum);
            }
        }
        assertThat(counts.values()).allMatch(count -> count <= 10);
        assertThat(counts.values().stream().mapToInt(count -> count).sum()).isEqualTo(200);
    }

    @Test
    @DisplayName("a revocation makes its partition and the full list due, and nothing else")
    void onlyWhatChanged() throws Exception {
        publisher.publish(tenant, authority, Extent.DUE);
        long other = number(2);
        revoked(5, clock.instant().plus(Duration.ofDays(30)));
        publisher.publish(tenant, authority, Extent.DUE);
        assertThat(entries(1)).isOne();
        assertThat(entries(0)).isOne();
        assertThat(number(2)).isEqualTo(other);
        change(5, "revoked_at = NULL, revocation_reason = NULL");
        publisher.publish(tenant, authority, Extent.DUE);
        assertThat(entries(1)).isZero();
    }

    @Test
    @DisplayName("RFC 5280 §3.3: an entry leaves after it was on one regular list made beyond the certificate's end")
    void entriesLeave() throws Exception {
        publisher.publish(tenant, authority, Extent.DUE);
        revoked(7, clock.instant().plus(Duration.ofDays(1)));
        publisher.publish(tenant, authority, Extent.DUE);
        assertThat(entries(1)).isOne();
        clock.advance(Duration.ofDays(3));
        publisher.publish(tenant, authority, Extent.DUE);
        assertThat(entries(1)).isOne();
        publisher.publish(tenant, authority, Extent.ALL);
        assertThat(entries(1)).isZero();
    }

    @Test
    @DisplayName("a list that was killed half-way leaves the old one, and the next one clears its pieces away")
    void killedHalfWay() throws Exception {
        publisher.publish(tenant, authority, Extent.DUE);
        long before = number(1);
        revoked(9, clock.instant().plus(Duration.ofDays(30)));
        // What a node leaves that dies while it stores the pieces: its lease, a number, and some of the pieces.
        platform.database.inTenant(tenant, tx -> {
            tx.execute("UPDATE authority_status SET lease = gen_random_uuid(), leased_until = now() + interval '1 min',"
                    + " crl_number = crl_number + 1");
            return tx.execute("INSERT INTO crl_piece SELECT tenant_id, authority_id, 1, crl_number, 0, '' FROM"
                    + " authority_status");
        });
        assertThat(publisher.publish(tenant, authority, Extent.DUE)).isFalse();
        assertThat(number(1)).isEqualTo(before);
        assertThat(entries(1)).isZero();
        platform.database.inTenant(
                tenant, tx -> tx.execute("UPDATE authority_status SET leased_until = now() - interval '1 second'"));
        assertThat(publisher.publish(tenant, authority, Extent.DUE)).isTrue();
        assertThat(number(1)).isGreaterThan(before + 1);
        assertThat(entries(1)).isOne();
        List<Long> kept = platform.database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT DISTINCT number FROM crl_piece WHERE partition = 1 ORDER BY number")
                        .mapTo(Long.class)
                        .list());
        assertThat(kept).containsExactly(before, number(1));
    }

    @Test
    @DisplayName("of many nodes one makes the lists, and numbers are never used twice")
    void oneAtATime() throws Exception {
        publisher.publish(tenant, authority, Extent.DUE);
        long before = number(0);
        List<Callable<Boolean>> nodes = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            nodes.add(() -> publisher.publish(tenant, authority, Extent.ALL));
        }
        int done = 0;
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<Boolean> each : threads.invokeAll(nodes)) {
                done += each.get() ? 1 : 0;
            }
        }
        assertThat(done).isPositive();
        assertThat(number(0)).isGreaterThanOrEqualTo(before + 3L * done);
    }

    @Test
    @DisplayName("RFC 5280 §5.2.3: numbers go on rising in a database that was brought back from an older backup")
    void restored() throws Exception {
        long seconds = platform.database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT floor(extract(epoch FROM now()))::bigint")
                        .mapTo(Long.class)
                        .one());
        publisher.publish(tenant, authority, Extent.ALL);
        assertThat(number(0)).isGreaterThanOrEqualTo(seconds);
        long before = number(0);
        platform.database.inTenant(
                tenant, tx -> tx.execute("UPDATE authority_status SET crl_number = crl_number + 1000000000"));
        publisher.publish(tenant, authority, Extent.ALL);
        assertThat(number(0)).as("a database whose clock was ahead").isGreaterThan(before + 1_000_000_000L);
    }

    @Test
    @DisplayName("a clock that steps back makes new lists with higher numbers, and answers from now")
    void clockStepsBack() throws Exception {
        clock.advance(Duration.ofDays(100));
        publisher.publish(tenant, authority, Extent.DUE);
        long before = number(1);
        clock.advance(Duration.ofDays(-60));
        publisher.publish(tenant, authority, Extent.DUE);
        assertThat(number(1)).isGreaterThan(before);
        assertThat(list(1).getThisUpdate().toInstant()).isEqualTo(clock.instant());
    }

    @Test
    @DisplayName("a responder whose certificate has ended signs nothing: another takes its place")
    void responderExpires() {
        Certificate first = responders.ready(tenant, authority).certificate();
        assertThat(responders.ready(tenant, authority).certificate()).isEqualTo(first);
        clock.advance(Duration.ofDays(8));
        Certificate second = responders.ready(tenant, authority).certificate();
        assertThat(second).isNotEqualTo(first);
        clock.advance(Duration.ofDays(60));
        Certificate third = responders.ready(tenant, authority).certificate();
        assertThat(third.validity().contains(clock.instant())).isTrue();
        responders.removeEnded(tenant, authority);
        assertThat(responders.ready(tenant, authority).certificate()).isEqualTo(third);
        int left = platform.database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT count(*) FROM ocsp_responder")
                        .mapTo(Integer.class)
                        .one());
        assertThat(left).isOne();
    }

    @ParameterizedTest
    @EnumSource(
            value = KeyAlgorithm.class,
            names = {"ED25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"})
    @DisplayName("a responder's key is of its authority's kind: a chain is as strong as its status")
    void asStrongAsTheChain(KeyAlgorithm algorithm) throws Exception {
        NewAuthority wanted = new NewAuthority("Other", Name.parse("CN=Other"), algorithm);
        AuthorityId other =
                platform.authorities.createRoot(tenant, Actor.OPERATOR, wanted).id();
        Certificate responder = responders.ready(tenant, other).certificate();
        assertThat(responder.publicKey().algorithm()).isEqualTo(algorithm);
        assertThat(publisher.publish(tenant, other, Extent.DUE)).isTrue();
    }

    @Test
    @DisplayName("a retired authority issues nothing, and its lists go on")
    void retired() throws Exception {
        platform.authorities.retire(tenant, Actor.OPERATOR, authority);
        assertThatThrownBy(() -> platform.authorities.issuing(tenant, authority))
                .isInstanceOf(RefusedException.class);
        assertThat(publisher.publish(tenant, authority, Extent.DUE)).isTrue();
        assertThat(entries(0)).isZero();
    }
}
