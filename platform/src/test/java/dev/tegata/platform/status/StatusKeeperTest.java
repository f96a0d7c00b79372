// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.tenant.CreatedTenant;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Status on several nodes")
class StatusKeeperTest {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    private static final Duration LONGEST = Duration.ofSeconds(60);

    private final TestClock clock = TestClock.create();
    private Node one;
    private Node other;
    private TenantId tenant;
    private AuthorityId authority;
    private Certificate issuer;

    /// As a server of its own: pool, caches, listening connection and background work.
    private final class Node implements AutoCloseable {
        final Database database = Database.open(testDatabase.config());
        final TestPlatform platform = TestPlatform.software(database, clock);
        final Crls crls = new Crls(database, clock);
        final Responders responders = new Responders(
                database, platform.authorities, platform.audit, platform.vault, clock, new SecureRandom());
        final Ocsp ocsp = new Ocsp(database, responders, clock, Ocsp.CAPACITY);
        final StatusKeeper keeper = new StatusKeeper(
                database,
                platform.authorities,
                new CrlPublisher(database, platform.authorities, platform.vault, crls, clock),
                responders,
                ocsp,
                new Retention(database, clock),
                clock);

        /// The DER CertStatus tag in the answer about a certificate: 0 good, 1 revoked, 2 unknown; -1 where
        /// the answer is to try later.
        int status(int serial) {
            int status = status(serial, false);
            // A revocation may come between the two.
            return Math.min(status, status(serial, true));
        }

        int status(int serial, boolean nonce) {
            byte[] answer =
                    ocsp.answer(tenant, authority, request(serial, nonce)).encoded();
            byte[] id = certificateId(serial);
            for (int i = 0; i + id.length < answer.length; i++) {
                if (Arrays.equals(answer, i, i + id.length, id, 0, id.length)) {
                    return answer[i + id.length] & 0x1f;
                }
            }
            return -1;
        }

        byte[] answer(int serial) {
            return ocsp.answer(tenant, authority, request(serial, false)).encoded();
        }

        /// Whether the same bytes are handed out again.
        boolean isKept(int serial) {
            byte[] first = answer(serial);
            return first == answer(serial);
        }

        long entries() {
            crls.forget(tenant, authority, 0);
            return crls.find(tenant, authority, 0).map(PublishedCrl::entries).orElse(-1L);
        }

        @Override
        public void close() {
            keeper.close();
            platform.close();
            database.close();
        }
    }

    @BeforeEach
    void setUp() {
        try (TestPlatform first = TestPlatform.software(testDatabase.database(), clock)) {
            CreatedTenant created = first.tenant();
            tenant = created.tenant().id();
            authority = created.authorities().getLast().id();
            issuer = first.authorities.chain(tenant, authority).getFirst();
        }
        one = new Node();
        other = new Node();
        issue(5);
    }

    @AfterEach
    void tearDown() {
        one.close();
        other.close();
    }

    private void issue(int serial) {
        testDatabase
                .database()
                .inTenant(
                        tenant,
                        tx -> tx.createUpdate("""
                                INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                                    not_before, not_after, issued_at, crl_partition, encoded)
                                VALUES (:tenant, :serial, :authority, '', :now, :end, :now, 1, '')""")
                                .bind("tenant", tenant)
                                .bind("serial", new byte[] {(byte) serial})
                                .bind("authority", authority)
                                .bind("now", clock.instant())
                                .bind("end", clock.instant().plus(Duration.ofDays(90)))
                                .execute());
    }

    private static void revoke(Node on, TenantId tenant, TestClock clock, int serial) {
        on.database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                                UPDATE certificate SET revoked_at = :now, revocation_reason = 1
                                WHERE tenant_id = :tenant AND serial_number = :serial""")
                        .bind("now", clock.instant())
                        .bind("tenant", tenant)
                        .bind("serial", new byte[] {(byte) serial})
                        .execute());
    }

    private byte[] request(int serial, boolean nonce) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> writer.sequence(() -> {
            writer.sequence(() -> writer.sequence(() -> writer.raw(certificateId(serial))));
            if (nonce) {
                writer.nested(
                        Tag.context(2),
                        () -> writer.sequence(() -> writer.sequence(() -> {
                            writer.oid(Oid.of("1.3.6.1.5.5.7.48.1.2"));
                            writer.octetString(() -> writer.octetString(new byte[32]));
                        })));
            }
        }));
        return writer.toArray();
    }

    private byte[] certificateId(int serial) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.sequence(() -> writer.oid(Oid.of("1.3.14.3.2.26")));
            writer.octetString(sha1(issuer.subject().encoded().toArray()));
            writer.octetString(sha1(keyBits()));
            writer.primitive(Tag.INTEGER, new byte[] {(byte) serial});
        });
        return writer.toArray();
    }

    private byte[] keyBits() {
        try {
            DerReader info = DerReader.of(issuer.publicKeyEncoded()).sequence();
            info.skip();
            return info.bitString().toArray();
        } catch (EncodingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] sha1(byte[] data) {
        try {
            return MessageDigest.getInstance("SHA-1").digest(data);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + LONGEST.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("still not: " + what).isLessThan(end);
            Thread.onSpinWait();
        }
    }

    /// Ends the connections over which nodes listen; their last statement is LISTEN or the empty one.
    private static int breakListening() {
        return testDatabase
                .database()
                .acrossTenants(tx -> tx.createQuery("""
                        SELECT count(pg_terminate_backend(pid))::int FROM pg_stat_activity
                        WHERE datname = current_database() AND (query = '' OR query LIKE 'LISTEN %')
                            AND backend_type = 'client backend'""").mapTo(Integer.class).one());
    }

    @Test
    @DisplayName("what one node revokes, the other says, too, and one list is made for both")
    void twoNodes() {
        await("answers are kept", () -> one.isKept(5) && other.isKept(5));
        assertThat(one.status(5)).isZero();
        assertThat(other.status(5)).isZero();
        await("lists are there", () -> one.entries() == 0);
        revoke(one, tenant, clock, 5);
        assertThat(List.of(other.status(5), one.status(5))).containsOnly(1);
        await("it is listed", () -> one.entries() == 1 && other.entries() == 1);
        await("answers are kept again", () -> one.isKept(5) && other.isKept(5));
    }

    @Test
    @DisplayName("the next answer of any node tells a revocation, whoever kept what")
    void nextAnswer() {
        await("answers are kept", () -> one.isKept(5) && other.isKept(5));
        for (int serial = 20; serial < 60; serial++) {
            issue(serial);
            assertThat(List.of(one.status(serial), other.status(serial))).containsOnly(0);
            revoke(one, tenant, clock, serial);
            for (Node node : List.of(other, one)) {
                assertThat(node.status(serial, serial % 2 == 0)).isEqualTo(1);
            }
        }
    }

    @Test
    @DisplayName("a node whose listening connection breaks says nothing old, and listens again")
    void brokenConnection() {
        await("answers are kept", () -> one.isKept(5) && other.isKept(5));
        for (int serial = 10; serial < 15; serial++) {
            issue(serial);
            assertThat(one.status(serial)).isZero();
            assertThat(other.status(serial)).isZero();
            assertThat(breakListening()).isPositive();
            revoke(one, tenant, clock, serial);
            int revoked = serial;
            assertThat(List.of(one.status(revoked), other.status(revoked))).doesNotContain(0);
            await(
                    "the connections that were cut are replaced",
                    () -> one.status(revoked) == 1 && other.status(revoked) == 1);
            await("answers are kept again", () -> one.isKept(5) && other.isKept(5));
            assertThat(List.of(one.status(revoked), other.status(revoked))).containsOnly(1);
        }
        await("what was missed is listed", () -> other.entries() == 5);
    }

    @Test
    @DisplayName("how fresh status is can be watched, from the start")
    void freshness() {
        await("freshness is known", () -> one.keeper.crlSecondsLeft() > 0 && one.keeper.responderSecondsLeft() > 0);
        assertThat(one.keeper.crlSecondsLeft()).isEqualTo(Duration.ofDays(4).toSeconds());
        assertThat(one.keeper.responderSecondsLeft())
                .isBetween((double) Duration.ofDays(13).toSeconds(), (double)
                        Duration.ofDays(14).toSeconds());
        clock.advance(Duration.ofDays(1));
        assertThat(one.keeper.crlSecondsLeft()).isEqualTo(Duration.ofDays(3).toSeconds());
    }

    @Test
    @DisplayName("responders renew themselves, however long lists live")
    void respondersAreRenewed() {
        await("the first round", () -> one.keeper.responderSecondsLeft() > 0);
        testDatabase.database().inTenant(tenant, tx -> tx.execute("""
                UPDATE authority_status SET crl_lifetime = 366 * 86400, due_at = due_at + interval '180 days'"""));
        clock.advance(Duration.ofDays(8));
        try (Node restarted = new Node()) {
            await(
                    "the responder is renewed",
                    () -> restarted.keeper.responderSecondsLeft()
                            > Duration.ofDays(13).toSeconds());
        }
    }

    @Test
    @DisplayName("an authority without its key does not keep others, and other tenants, from fresh lists")
    void lostKey() {
        CreatedTenant broken = one.platform.tenant();
        Authority lost = broken.authorities().getFirst();
        one.platform.vault.destroy(broken.tenant().id().keySpace(), lost.key());
        List<Authority> sound = new ArrayList<>(broken.authorities().subList(1, 2));
        for (int i = 0; i < 4; i++) {
            sound.addAll(one.platform.tenant().authorities());
        }
        clock.advance(Duration.ofDays(5));
        try (Node restarted = new Node()) {
            for (Authority authority : sound) {
                await("a list of " + authority.name(), () -> {
                    restarted.crls.forget(authority.tenant(), authority.id(), 0);
                    return restarted
                            .crls
                            .find(authority.tenant(), authority.id(), 0)
                            .filter(list -> list.nextUpdate().isAfter(clock.instant()))
                            .isPresent();
                });
            }
        }
    }
}
