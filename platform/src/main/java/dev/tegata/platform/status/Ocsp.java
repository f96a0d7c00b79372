// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.VaultException;
import dev.tegata.pki.status.CertificateId;
import dev.tegata.pki.status.CertificateStatus;
import dev.tegata.pki.status.MalformedRequestException;
import dev.tegata.pki.status.OcspAnswer;
import dev.tegata.pki.status.OcspFailure;
import dev.tegata.pki.status.OcspRequest;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.store.Changes;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Answers OCSP requests.
///
/// Answers about certificates that are asked for are kept ready signed, per node; those with a nonce, and
/// those about several certificates, are signed when they are asked for.
///
/// Implementation note, how a revocation shows: in the next answer of every node. Before what is kept is
/// used, everything is heard that was committed before the question ([Changes]); what is kept carries the
/// reading that was made before its status was, and is used while nothing was told of the authority since.
/// While a node cannot hear, it keeps nothing and asks the database each time. What is signed on demand is
/// signed while the word is under way, and once more where a change was told meanwhile.
public final class Ocsp {
    private static final Logger LOG = LoggerFactory.getLogger(Ocsp.class);

    /// How many ready answers an authority usually has on a node at most: about 30 MB.
    public static final int CAPACITY = 20_000;

    private static final int DESKS = 10_000;

    /// A desk looks at the authority's settings and responder again after this time.
    private static final Duration DESK_LIFETIME = Duration.ofMinutes(1);

    private final Database database;
    private final Responders responders;
    private final InstantSource clock;
    private final int capacity;
    private final Changes changes;
    private final ConcurrentMap<Key, Desk> desks = new ConcurrentHashMap<>();

    /// @param capacity how many answers of an authority are kept ready, and how many statuses
    public Ocsp(Database database, Responders responders, InstantSource clock, int capacity) {
        this.database = database;
        this.changes = database.changes();
        this.capacity = capacity;
        this.responders = responders;
        this.clock = clock;
    }

    private record Key(TenantId tenant, AuthorityId authority) {
        /// Under which changes are told.
        String topic() {
            return new StatusNews(tenant, authority).topic();
        }
    }

    /// A DER OCSPResponse.
    ///
    /// @param validity null where others must not keep it
    @SuppressWarnings("ArrayRecordComponent")
    public record Answer(byte[] encoded, @Nullable Interval validity) {
        private static Answer of(OcspFailure failure) {
            return new Answer(failure.encoded().toArray(), null);
        }
    }

    /// When an answer was made and when the next one is due.
    public record Interval(Instant thisUpdate, Instant nextUpdate) {}

    /// Answers a request about certificates of an authority. Never throws for what the request holds:
    /// errors are answers, too. What the authority has not issued is unknown, whoever else may have.
    ///
    /// @param request DER OCSPRequest
    public Answer answer(TenantId tenant, AuthorityId authority, byte[] request) {
        CompletableFuture<Boolean> heard = changes.ask(System.nanoTime());
        try {
            OcspRequest read = OcspRequest.parse(request);
            return desk(new Key(tenant, authority)).answer(read, heard);
        } catch (MalformedRequestException e) {
            return Answer.of(OcspFailure.MALFORMED_REQUEST);
        } catch (RefusedException e) {
            // spec| RFC 6960 §2.3: unauthorized, where the server is not capable of responding authoritatively
            return Answer.of(e.code() == ErrorCode.NOT_FOUND ? OcspFailure.UNAUTHORIZED : OcspFailure.TRY_LATER);
        } catch (UnavailableException | VaultException e) {
            LOG.warn("An OCSP request could not be answered: {}", e.getMessage());
            return Answer.of(OcspFailure.TRY_LATER);
        }
    }

    private Desk desk(Key key) {
        Desk desk = desks.get(key);
        if (desk == null) {
            if (desks.size() >= DESKS) {
                desks.clear();
            }
            Desk made = new Desk(key);
            made.refresh(clock.instant());
            Desk first = desks.putIfAbsent(key, made);
            desk = first == null ? made : first;
        }
        return desk;
    }

    /// Signs again what was asked for since it was made, before its time is over; forgets the rest.
    void produceAhead() {
        desks.values().forEach(Desk::produceAhead);
    }

    /// How many answers are kept ready.
    public int ready() {
        return desks.values().stream().mapToInt(desk -> desk.kept.size()).sum();
    }

    /// Where one authority's answers are made.
    private final class Desk {
        private final Key key;
        private final String topic;
        private final ConcurrentMap<Bytes, Kept> kept = new ConcurrentHashMap<>();

        /// What was found out for answers that are not kept, since they hold a nonce.
        private final ConcurrentMap<Bytes, Known> statuses = new ConcurrentHashMap<>();

        private volatile Current current = Current.NONE;

        Desk(Key key) {
            this.key = key;
            this.topic = key.topic();
        }

        private boolean isUnchanged(long reading) {
            return changes.isUnchanged(topic, reading);
        }

        private Current refresh(Instant now) {
            long before = changes.reading();
            Responders.Ready ready = responders.ready(key.tenant(), key.authority());
            Duration lifetime = database.inTenant(
                            key.tenant(), tx -> StatusSettings.read(tx, key.tenant(), key.authority()))
                    .ocspLifetime();
            Current fresh = new Current(ready, lifetime, now, now.plus(DESK_LIFETIME), before);
            current = fresh;
            return fresh;
        }

        private boolean isUsable(Current known, Instant now) {
            return known.isFresh(now) && isUnchanged(known.reading());
        }

        /// The responder to sign with, which is valid now.
        private Current current(Instant now) {
            Current known = current;
            if (isUsable(known, now)) {
                return known;
            }
            try {
                return refresh(now);
            } catch (UnavailableException | VaultException e) {
                if (known.ready() != null && known.ready().isValid(now)) {
                    return known;
                }
                throw e;
            }
        }

        /// @param all whether all that happened before the question is known
        Answer answer(OcspRequest request, CompletableFuture<Boolean> all) {
            Instant now = clock.instant();
            if (request.certificates().size() == 1 && request.nonce() == null) {
                return answerOne(request.certificates().getFirst(), now, all.join());
            }
            // What is remembered is signed meanwhile, and holds where no change was told.
            long reading = changes.reading();
            Current known = current;
            List<CertificateStatus> listed = isUsable(known, now) ? remembered(request, now) : null;
            byte[] early = listed == null ? null : sign(request, listed, known, now);
            boolean heard = all.join();
            if (early != null && heard && isUnchanged(reading)) {
                return new Answer(early, null);
            }
            Current with = current(now);
            List<CertificateStatus> found =
                    new ArrayList<>(request.certificates().size());
            for (CertificateId id : request.certificates()) {
                found.add(status(with, id, now, heard));
            }
            return new Answer(sign(request, found, with, now), null);
        }

        private byte[] sign(OcspRequest request, List<CertificateStatus> statuses, Current with, Instant now) {
            Instant thisUpdate = now.truncatedTo(ChronoUnit.SECONDS);
            Instant nextUpdate = with.end(thisUpdate);
            List<OcspAnswer> answers = new ArrayList<>(statuses.size());
            for (int i = 0; i < statuses.size(); i++) {
                answers.add(new OcspAnswer(request.certificates().get(i), statuses.get(i), thisUpdate, nextUpdate));
            }
            return with.sign(answers, request.nonce(), thisUpdate);
        }

        private Answer answerOne(CertificateId id, Instant now, boolean heard) {
            Kept ready = heard ? kept.get(id.encoded()) : null;
            if (ready != null && isFresh(ready, now)) {
                ready.asked = true;
                return ready.answer();
            }
            return produce(id, now).answer();
        }

        private boolean isFresh(Kept ready, Instant now) {
            // A clock that was set back must not make an answer live longer.
            return isUnchanged(ready.reading) && !now.isBefore(ready.thisUpdate) && now.isBefore(ready.renewAt);
        }

        private Kept produce(CertificateId id, Instant now) {
            long before = changes.reading();
            Current with = current(now);
            CertificateStatus status = read(with, id);
            Instant thisUpdate = now.truncatedTo(ChronoUnit.SECONDS);
            Instant nextUpdate = with.end(thisUpdate);
            byte[] signed = with.sign(List.of(new OcspAnswer(id, status, thisUpdate, nextUpdate)), null, thisUpdate);
            boolean unknown = status instanceof CertificateStatus.Unknown;
            Answer answer = new Answer(signed, unknown ? null : new Interval(thisUpdate, nextUpdate));
            Kept made = new Kept(answer, status, before, thisUpdate, with.renewal(thisUpdate));
            // What is unknown now may be issued in a moment, and strangers can ask for any number.
            if (!unknown && (kept.size() < capacity || kept.containsKey(id.encoded()))) {
                kept.put(id.encoded(), made);
            }
            return made;
        }

        /// Null where one of them is not remembered.
        private @Nullable List<CertificateStatus> remembered(OcspRequest request, Instant now) {
            List<CertificateStatus> statuses =
                    new ArrayList<>(request.certificates().size());
            for (CertificateId id : request.certificates()) {
                CertificateStatus status = remembered(id, now);
                if (status == null) {
                    return null;
                }
                statuses.add(status);
            }
            return statuses;
        }

        private @Nullable CertificateStatus remembered(CertificateId id, Instant now) {
            Kept ready = kept.get(id.encoded());
            if (ready != null && isFresh(ready, now)) {
                return ready.status;
            }
            Known known = statuses.get(id.encoded());
            return known != null && isFresh(known, now) ? known.status() : null;
        }

        private CertificateStatus status(Current with, CertificateId id, Instant now, boolean heard) {
            CertificateStatus known = heard ? remembered(id, now) : null;
            if (known != null) {
                return known;
            }
            long before = changes.reading();
            CertificateStatus status = read(with, id);
            if (!(status instanceof CertificateStatus.Unknown) && statuses.size() < capacity) {
                statuses.put(id.encoded(), new Known(status, before, now));
            }
            return status;
        }

        private boolean isFresh(Known known, Instant now) {
            return isUnchanged(known.reading())
                    && !now.isBefore(known.since())
                    && now.isBefore(known.since().plus(DESK_LIFETIME));
        }

        private CertificateStatus read(Current with, CertificateId id) {
            return with.responder().responder().answersFor(id)
                    ? stored(database, key.tenant(), key.authority(), id.serial())
                    : new CertificateStatus.Unknown();
        }

        void produceAhead() {
            Instant now = clock.instant();
            statuses.values().removeIf(known -> !isFresh(known, now));
            for (Map.Entry<Bytes, Kept> entry : kept.entrySet()) {
                Kept ready = entry.getValue();
                boolean stale = !isUnchanged(ready.reading) || !now.isBefore(ready.halfWay());
                if (stale) {
                    if (ready.asked) {
                        CertificateId.read(entry.getKey()).ifPresent(id -> produce(id, now));
                    } else {
                        kept.remove(entry.getKey(), ready);
                    }
                }
            }
        }
    }

    /// A status that was read.
    private record Known(CertificateStatus status, long reading, Instant since) {}

    /// With what a desk answers.
    private record Current(
            Responders.@Nullable Ready ready, Duration lifetime, Instant from, Instant until, long reading) {
        static final Current NONE = new Current(null, Duration.ZERO, Instant.MAX, Instant.MIN, 0);

        boolean isFresh(Instant now) {
            return ready != null && ready.isValid(now) && !now.isBefore(from) && now.isBefore(until);
        }

        Responders.Ready responder() {
            if (ready == null) {
                throw new IllegalStateException("a desk that was not set up");
            }
            return ready;
        }

        byte[] sign(List<OcspAnswer> answers, @Nullable Bytes nonce, Instant producedAt) {
            return responder().responder().sign(answers, nonce, producedAt);
        }

        /// No answer outlives the responder that signed it.
        Instant end(Instant thisUpdate) {
            Instant end = thisUpdate.plus(lifetime);
            Instant last = responder().certificate().validity().notAfter();
            return end.isAfter(last) ? last : end;
        }

        /// When a ready answer is not handed out any more: with a quarter of its time left.
        Instant renewal(Instant thisUpdate) {
            return thisUpdate.plus(Duration.between(thisUpdate, end(thisUpdate))
                    .multipliedBy(3)
                    .dividedBy(4));
        }
    }

    /// A ready answer, and when it stops being one.
    private static final class Kept {
        private final Answer answer;
        private final CertificateStatus status;
        private final long reading;
        private final Instant thisUpdate;
        private final Instant renewAt;
        private volatile boolean asked;

        Kept(Answer answer, CertificateStatus status, long reading, Instant thisUpdate, Instant renewAt) {
            this.answer = answer;
            this.status = status;
            this.reading = reading;
            this.thisUpdate = thisUpdate;
            this.renewAt = renewAt;
        }

        Answer answer() {
            return answer;
        }

        Instant halfWay() {
            return thisUpdate.plus(
                    Duration.between(thisUpdate, renewAt).multipliedBy(2).dividedBy(3));
        }
    }

    /// What is known of a certificate of an authority.
    static CertificateStatus stored(Database database, TenantId tenant, AuthorityId authority, Bytes serial) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                        SELECT revoked_at, revocation_reason FROM certificate
                        WHERE tenant_id = :tenant AND serial_number = :serial AND authority_id = :authority
                        UNION ALL
                        SELECT revoked_at, revocation_reason FROM certificate_archive
                        WHERE tenant_id = :tenant AND serial_number = :serial AND authority_id = :authority
                        LIMIT 1""")
                        .bind("tenant", tenant)
                        .bind("serial", serial)
                        .bind("authority", authority)
                        .map((row, context) -> row.getTimestamp(1) == null
                                ? new CertificateStatus.Good()
                                : new CertificateStatus.Revoked(
                                        row.getTimestamp(1).toInstant(), row.getInt(2)))
                        .findOne()
                        .orElseGet(CertificateStatus.Unknown::new));
    }
}
