// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.LongData;
import dev.tegata.pki.key.Vault;
import dev.tegata.pki.status.CrlHead;
import dev.tegata.pki.status.CrlScope;
import dev.tegata.pki.status.CrlWriter;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.store.Database;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes revocation lists and publishes them.
///
/// Implementation note, what a crash leaves: lists are made under a lease of their authority, so one node
/// at a time makes them. A list gets its number when it is begun, its pieces are stored under that number
/// in many small transactions, and one transaction at the end names it the published one. A node that dies
/// before that leaves the old list standing, and pieces that the next list removes; its lease ends by
/// itself within a minute, and its number is never used again.
public final class CrlPublisher {
    private static final Logger LOG = LoggerFactory.getLogger(CrlPublisher.class);
    private static final int PAGE = 20_000;
    private static final int PIECE = 256 * 1024;

    /// A large full list is not made anew for each revocation: of the time, this part at the most goes
    /// into it.
    private static final int PAUSE_FACTOR = 10;

    private final Database database;
    private final Authorities authorities;
    private final Vault vault;
    private final Crls crls;
    private final InstantSource clock;

    public CrlPublisher(Database database, Authorities authorities, Vault vault, Crls crls, InstantSource clock) {
        this.database = database;
        this.authorities = authorities;
        this.vault = vault;
        this.crls = crls;
        this.clock = clock;
    }

    /// Whether lists are made that nothing calls for yet.
    public enum Extent {
        DUE,
        ALL
    }

    /// Makes an authority's lists, those that are due or all of them.
    ///
    /// @return false where another node does so just now
    /// @throws RefusedException where there is no such authority, or it cannot sign lists
    public boolean publish(TenantId tenant, AuthorityId id, Extent extent) {
        IssuingAuthority authority = authorities.forStatus(tenant, id);
        if (!authority.certificate().validity().contains(clock.instant())) {
            throw new RefusedException(
                    ErrorCode.AUTHORITY_NOT_READY,
                    "the authority's certificate is not valid now; nobody needs its lists");
        }
        Lease lease = new Lease(tenant, id, UUID.randomUUID());
        if (!database.inTenant(tenant, lease::take)) {
            return false;
        }
        try {
            boolean forAuthorities = authorities.get(tenant, id).isForAuthorities();
            new Run(lease, authority, forAuthorities, extent).all();
            return true;
        } finally {
            database.inTenant(tenant, lease::end);
        }
    }

    /// Being the one who makes an authority's lists.
    private record Lease(TenantId tenant, AuthorityId authority, UUID id) {
        Boolean take(Handle tx) {
            StatusSettings.ensureRow(tx, tenant, authority);
            return tx.createUpdate("""
                            UPDATE authority_status SET lease = :lease, leased_until = now() + interval '1 minute'
                            WHERE tenant_id = :tenant AND authority_id = :authority
                                AND (leased_until IS NULL OR leased_until < now())""")
                            .bind("lease", id)
                            .bind("tenant", tenant)
                            .bind("authority", authority)
                            .execute()
                    > 0;
        }

        /// Goes on, and takes a number for the next list: at least the seconds since 1970, so that a
        /// database that was brought back from an older backup does not give numbers that lists outside
        /// have had.
        ///
        /// spec| RFC 5280 §5.2.3: a monotonically increasing number of at most 20 octets; ours have 8
        long next(Handle tx) {
            return change(tx, """
                    crl_number = greatest(crl_number + 1, extract(epoch FROM now())::bigint),
                        leased_until = now() + interval '1 minute'""");
        }

        long extend(Handle tx) {
            return change(tx, "leased_until = now() + interval '1 minute'");
        }

        private long change(Handle tx, String set) {
            return tx.createQuery("UPDATE authority_status SET " + set + " " + """
                            WHERE tenant_id = :tenant AND authority_id = :authority AND lease = :lease
                                AND leased_until > now() RETURNING crl_number""")
                    .bind("tenant", tenant)
                    .bind("authority", authority)
                    .bind("lease", id)
                    .mapTo(Long.class)
                    .findOne()
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.UNAVAILABLE, "another node has taken over the lists of " + authority));
        }

        Integer end(Handle tx) {
            return tx.createUpdate("""
                            UPDATE authority_status SET lease = NULL, leased_until = NULL
                            WHERE tenant_id = :tenant AND authority_id = :authority AND lease = :lease""")
                    .bind("tenant", tenant)
                    .bind("authority", authority)
                    .bind("lease", id)
                    .execute();
        }
    }

    /// What is known of a published list, and the changes that it lacks.
    private record Previous(Instant thisUpdate, Instant scheduledAt, long entries, Duration buildTime) {}

    private record Plan(
            StatusSettings settings,
            int openPartition,
            Map<Integer, Previous> published,
            Map<Integer, List<Long>> changes) {}

    /// The work under one lease.
    private final class Run {
        private final Lease lease;
        private final TenantId tenant;
        private final IssuingAuthority authority;
        private final boolean forAuthorities;
        private final Extent extent;

        Run(Lease lease, IssuingAuthority authority, boolean forAuthorities, Extent extent) {
            this.lease = lease;
            this.tenant = lease.tenant();
            this.authority = authority;
            this.forAuthorities = forAuthorities;
            this.extent = extent;
        }

        void all() {
            Instant begun = clock.instant();
            Plan plan = database.inTenant(tenant, this::plan);
            // The partition after the open one is there before a certificate names it.
            int last = forAuthorities ? 0 : plan.openPartition() + 1;
            Instant next = begun.plus(plan.settings().crlLifetime().dividedBy(2));
            for (int partition = last; partition >= 0; partition--) {
                Instant due = due(plan, partition, begun);
                if (extent == Extent.ALL || !due.isAfter(begun)) {
                    publish(plan, partition, isScheduled(plan, partition, begun));
                } else if (due.isBefore(next)) {
                    next = due;
                }
            }
            Instant nextDue = next;
            database.inTenant(tenant, tx -> seen(tx, begun, nextDue));
        }

        private boolean isScheduled(Plan plan, int partition, Instant now) {
            Previous previous = plan.published().get(partition);
            return previous == null
                    || !regular(plan, previous).isAfter(now)
                    || previous.thisUpdate().isAfter(now);
        }

        private Instant regular(Plan plan, Previous previous) {
            return previous.thisUpdate().plus(plan.settings().crlLifetime().dividedBy(2));
        }

        /// When the list of a partition is to be made anew.
        private Instant due(Plan plan, int partition, Instant now) {
            Previous previous = plan.published().get(partition);
            // A list from the future was made by a clock that has been set back since: nobody accepts it.
            if (previous == null || previous.thisUpdate().isAfter(now)) {
                return Instant.MIN;
            }
            Instant regular = regular(plan, previous);
            if (!plan.settings().publishAtOnce() || !plan.changes().containsKey(partition)) {
                return regular;
            }
            boolean large = previous.entries() > plan.settings().partitionSize();
            Instant rested = previous.thisUpdate().plus(previous.buildTime().multipliedBy(PAUSE_FACTOR));
            return large && rested.isBefore(regular) ? rested : Instant.MIN;
        }

        private Plan plan(Handle tx) {
            return new Plan(
                    StatusSettings.read(tx, tenant, authority.id()),
                    tx.createQuery("""
                                    SELECT open_partition FROM authority_status
                                    WHERE tenant_id = :tenant AND authority_id = :authority""")
                            .bind("tenant", tenant)
                            .bind("authority", authority.id())
                            .mapTo(Integer.class)
                            .one(),
                    tx.createQuery("""
                                    SELECT partition, this_update, scheduled_at, entries, build_millis FROM crl
                                    WHERE tenant_id = :tenant AND authority_id = :authority""")
                            .bind("tenant", tenant)
                            .bind("authority", authority.id())
                            .map((row, context) -> Map.entry(row.getInt(1), previous(row)))
                            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)),
                    tx.createQuery("""
                                    SELECT partition, transaction FROM crl_change
                                    WHERE tenant_id = :tenant AND authority_id = :authority""")
                            .bind("tenant", tenant)
                            .bind("authority", authority.id())
                            .map((row, context) -> Map.entry(row.getInt(1), row.getLong(2)))
                            .collect(Collectors.groupingBy(
                                    Map.Entry::getKey, Collectors.mapping(Map.Entry::getValue, Collectors.toList()))));
        }

        private static Previous previous(ResultSet row) throws SQLException {
            return new Previous(
                    row.getTimestamp(2).toInstant(),
                    row.getTimestamp(3).toInstant(),
                    row.getLong(4),
                    Duration.ofMillis(row.getLong(5)));
        }

        private Integer seen(Handle tx, Instant now, Instant due) {
            return tx.createUpdate("""
                            UPDATE authority_status SET checked_at = :now, due_at = :due
                            WHERE tenant_id = :tenant AND authority_id = :authority AND lease = :lease""")
                    .bind("now", now)
                    .bind("due", due)
                    .bind("tenant", tenant)
                    .bind("authority", authority.id())
                    .bind("lease", lease.id())
                    .execute();
        }

        private void publish(Plan plan, int partition, boolean scheduled) {
            long begun = System.nanoTime();
            long number = database.inTenant(tenant, lease::next);
            Instant now = clock.instant().truncatedTo(ChronoUnit.SECONDS);
            Previous previous = plan.published().get(partition);
            try (CrlWriter writer = new CrlWriter()) {
                addEntries(writer, partition, previous == null ? Instant.EPOCH : previous.scheduledAt());
                CrlHead head = new CrlHead(
                        authority.certificate(),
                        scope(partition),
                        number,
                        now,
                        now.plus(plan.settings().crlLifetime()));
                LongData signed = writer.sign(
                        head,
                        data -> vault.sign(
                                authority.space(),
                                authority.key(),
                                authority.algorithm().signatureAlgorithm(),
                                data));
                Pieces pieces = new Pieces(partition, number);
                MessageDigest digest = MessageDigest.getInstance("SHA-256");
                try (OutputStream out = new DigestOutputStream(pieces, digest)) {
                    signed.writeTo(out);
                }
                PublishedCrl crl = new PublishedCrl(
                        partition,
                        number,
                        now,
                        head.nextUpdate(),
                        writer.entries(),
                        pieces.size,
                        Bytes.of(digest.digest()));
                Instant scheduledAt = scheduled || previous == null ? now : previous.scheduledAt();
                long millis = Duration.ofNanos(System.nanoTime() - begun).toMillis();
                List<Long> takenIn = plan.changes().getOrDefault(partition, List.of());
                database.inTenant(tenant, tx -> replace(tx, crl, scheduledAt, millis, takenIn));
                crls.forget(tenant, authority.id(), partition);
                LOG.debug(
                        "CRL {} of {}/{}: {} entries in {} ms",
                        number,
                        authority.id(),
                        partition,
                        crl.entries(),
                        millis);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InvalidCertificateException e) {
                throw new RefusedException(ErrorCode.AUTHORITY_NOT_READY, String.valueOf(e.getMessage()));
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every JDK has SHA-256", e);
            }
        }

        private CrlScope scope(int partition) {
            if (partition > 0) {
                return new CrlScope.DistributionPoint(
                        authorities.addresses().partition(tenant, authority.id(), partition));
            }
            if (forAuthorities) {
                return new CrlScope.AuthorityCertificates();
            }
            OptionalInt below = authority
                    .certificate()
                    .basicConstraints()
                    .map(BasicConstraints::pathLength)
                    .orElse(OptionalInt.empty());
            // Where it has both, certificates of authorities name the full list, and those of devices a partition.
            return below.isEmpty() || below.getAsInt() > 0
                    ? new CrlScope.DistributionPoint(authorities.addresses().full(tenant, authority.id()))
                    : new CrlScope.UserCertificates();
        }

        /// spec| RFC 5280 §3.3: an entry MUST NOT be removed from the CRL until it appears on one
        /// regularly scheduled CRL issued beyond the revoked certificate's validity period
        private void addEntries(CrlWriter writer, int partition, Instant lastScheduled) throws IOException {
            int afterPartition = partition;
            byte[] afterSerial = new byte[0];
            List<Entry> page;
            do {
                int fromPartition = afterPartition;
                byte[] fromSerial = afterSerial;
                page = database.inTenant(tenant, tx -> {
                    lease.extend(tx);
                    return page(tx, partition, lastScheduled, fromPartition, fromSerial);
                });
                for (Entry entry : page) {
                    writer.add(entry.serial(), entry.revokedAt(), entry.reason());
                }
                if (!page.isEmpty()) {
                    afterPartition = page.getLast().partition();
                    afterSerial = page.getLast().serial();
                }
            } while (page.size() == PAGE);
        }

        private List<Entry> page(
                Handle tx, int partition, Instant lastScheduled, int afterPartition, byte[] afterSerial) {
            String ofPartition = partition > 0 ? "AND crl_partition = :partition" : "";
            var query = tx.createQuery("""
                            SELECT serial_number, revoked_at, revocation_reason, crl_partition FROM certificate
                            WHERE tenant_id = :tenant AND authority_id = :authority AND revoked_at IS NOT NULL
                                AND not_after >= :lastScheduled %s
                                AND (crl_partition, serial_number) > (:afterPartition, :afterSerial)
                            ORDER BY crl_partition, serial_number LIMIT :limit""".formatted(ofPartition))
                    .bind("tenant", tenant)
                    .bind("authority", authority.id())
                    .bind("lastScheduled", lastScheduled)
                    .bind("afterPartition", afterPartition)
                    .bind("afterSerial", afterSerial)
                    .bind("limit", PAGE);
            if (partition > 0) {
                query.bind("partition", partition);
            }
            return query.setFetchSize(PAGE)
                    .map((row, context) ->
                            new Entry(row.getBytes(1), row.getTimestamp(2).toInstant(), row.getInt(3), row.getInt(4)))
                    .list();
        }

        private Integer replace(Handle tx, PublishedCrl crl, Instant scheduledAt, long millis, List<Long> takenIn) {
            lease.extend(tx);
            long old = tx.createQuery("""
                            SELECT number FROM crl WHERE tenant_id = :tenant AND authority_id = :authority
                                AND partition = :partition""")
                    .bind("tenant", tenant)
                    .bind("authority", authority.id())
                    .bind("partition", crl.partition())
                    .mapTo(Long.class)
                    .findOne()
                    .orElse(0L);
            tx.createUpdate("""
                            INSERT INTO crl (tenant_id, authority_id, partition, number, this_update, next_update,
                                scheduled_at, entries, size, digest, build_millis)
                            VALUES (:tenant, :authority, :partition, :number, :thisUpdate, :nextUpdate, :scheduledAt,
                                :entries, :size, :digest, :millis)
                            ON CONFLICT (tenant_id, authority_id, partition) DO UPDATE SET number = excluded.number,
                                this_update = excluded.this_update, next_update = excluded.next_update,
                                scheduled_at = excluded.scheduled_at, entries = excluded.entries,
                                size = excluded.size, digest = excluded.digest, build_millis = excluded.build_millis""")
                    .bind("tenant", tenant)
                    .bind("authority", authority.id())
                    .bind("partition", crl.partition())
                    .bind("number", crl.number())
                    .bind("thisUpdate", crl.thisUpdate())
                    .bind("nextUpdate", crl.nextUpdate())
                    .bind("scheduledAt", scheduledAt)
                    .bind("entries", crl.entries())
                    .bind("size", crl.size())
                    .bind("digest", crl.digest())
                    .bind("millis", millis)
                    .execute();
            tx.createUpdate("""
                            DELETE FROM crl_change WHERE tenant_id = :tenant AND authority_id = :authority
                                AND partition = :partition AND transaction = ANY(:taken)""")
                    .bind("tenant", tenant)
                    .bind("authority", authority.id())
                    .bind("partition", crl.partition())
                    .bindArray("taken", Long.class, takenIn)
                    .execute();
            return removeOldPieces(tx, crl, old);
        }

        /// Those of the list before stay for readers that are in the middle of it; older and unfinished
        /// ones go.
        private Integer removeOldPieces(Handle tx, PublishedCrl crl, long old) {
            return tx.createUpdate("""
                            DELETE FROM crl_piece WHERE tenant_id = :tenant AND authority_id = :authority
                                AND partition = :partition AND number <> :number AND number <> :old""")
                    .bind("tenant", tenant)
                    .bind("authority", authority.id())
                    .bind("partition", crl.partition())
                    .bind("number", crl.number())
                    .bind("old", old)
                    .execute();
        }

        /// Stores what is written to it.
        private final class Pieces extends OutputStream {
            private final int partition;
            private final long number;
            private final byte[] buffer = new byte[PIECE];
            private int filled;
            private int position;
            private long size;

            Pieces(int partition, long number) {
                this.partition = partition;
                this.number = number;
            }

            @Override
            public void write(int octet) {
                write(new byte[] {(byte) octet}, 0, 1);
            }

            @Override
            public void write(byte[] data, int from, int length) {
                int done = 0;
                while (done < length) {
                    int part = Math.min(length - done, PIECE - filled);
                    System.arraycopy(data, from + done, buffer, filled, part);
                    filled += part;
                    done += part;
                    if (filled == PIECE) {
                        store();
                    }
                }
                size += length;
            }

            @Override
            public void close() {
                if (filled > 0) {
                    store();
                }
            }

            private void store() {
                byte[] content = Arrays.copyOf(buffer, filled);
                filled = 0;
                int at = position++;
                database.inTenant(tenant, tx -> {
                    lease.extend(tx);
                    return tx.createUpdate("""
                                    INSERT INTO crl_piece (tenant_id, authority_id, partition, number, position, content)
                                    VALUES (:tenant, :authority, :partition, :number, :position, :content)""")
                            .bind("tenant", tenant)
                            .bind("authority", authority.id())
                            .bind("partition", partition)
                            .bind("number", number)
                            .bind("position", at)
                            .bind("content", content)
                            .execute();
                });
            }
        }
    }

    @SuppressWarnings("ArrayRecordComponent")
    private record Entry(byte[] serial, Instant revokedAt, int reason, int partition) {}
}
