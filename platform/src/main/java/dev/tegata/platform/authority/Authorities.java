// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.KeyHandle;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.authority.Authority.Kind;
import dev.tegata.platform.authority.Authority.State;
import dev.tegata.platform.authority.AuthorityMaker.Below;
import dev.tegata.platform.store.Database;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.argument.Argument;
import org.jspecify.annotations.Nullable;

/// The authorities of tenants.
///
/// Implementation note: keys and signatures are made before the transaction that stores what came of them,
/// never inside it: a vault may take its time, and the software vault has transactions of its own.
public final class Authorities {
    private static final int MAX_DEPTH = 10;
    private static final String COLUMNS = """
            tenant_id, authority_id, kind, state, name, algorithm, key_handle, parent_id, request, certificate,
            upper_chain, created_at""";

    private final Database database;
    private final AuditLog audit;
    private final AuthorityMaker maker;
    private final InstantSource clock;

    public Authorities(Database database, AuditLog audit, AuthorityMaker maker, InstantSource clock) {
        this.database = database;
        this.audit = audit;
        this.maker = maker;
        this.clock = clock;
    }

    /// All authorities of a tenant, oldest first.
    public Page<Authority> list(TenantId tenant, Page.Request page) {
        UUID after = page.after(id -> AuthorityId.parse(id).value(), new UUID(0, 0));
        List<Authority> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT " + COLUMNS + """
                         FROM authority
                        WHERE tenant_id = :tenant AND authority_id > :after
                        ORDER BY authority_id LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("after", after)
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> authority(row))
                        .list());
        return Page.of(rows, page, authority -> authority.id().toString());
    }

    /// @throws RefusedException [ErrorCode#NOT_FOUND]
    public Authority get(TenantId tenant, AuthorityId id) {
        return database.inTenant(tenant, tx -> require(tx, tenant, id));
    }

    /// The certificate of an authority and those above it up to the root, nearest first.
    ///
    /// @throws RefusedException where there is no such authority, or it has no certificate yet
    public List<Certificate> chain(TenantId tenant, AuthorityId id) {
        return database.inTenant(tenant, tx -> chain(tx, require(tx, tenant, id)));
    }

    /// The request for the certificate of an authority that waits for it.
    ///
    /// @throws RefusedException where there is no such authority, or its certificate is there or was
    ///     made here
    public CertificateRequest request(TenantId tenant, AuthorityId id) {
        Authority authority = get(tenant, id);
        if (authority.request() == null) {
            throw new RefusedException(ErrorCode.CONFLICT, "the authority does not wait for a certificate");
        }
        return authority.request();
    }

    /// What is needed to issue under an authority, for whatever it is meant for: devices, or other
    /// authorities.
    ///
    /// @throws RefusedException where there is no such authority, or it cannot sign
    public IssuingAuthority issuing(TenantId tenant, AuthorityId id) {
        return database.inTenant(tenant, tx -> issuing(tx, tenant, id));
    }

    /// As [#issuing(TenantId, AuthorityId)], within the transaction `tx`.
    public IssuingAuthority issuing(Handle tx, TenantId tenant, AuthorityId id) {
        Authority authority = require(tx, tenant, id);
        if (authority.state() != State.ACTIVE) {
            throw new RefusedException(
                    ErrorCode.AUTHORITY_NOT_READY, "the authority is in the state " + authority.state());
        }
        List<Certificate> chain = chain(tx, authority);
        // Devices come back from a campaign with certificates of the other authority: their issuer must be known.
        List<Certificate> beside = Stream.concat(
                        joined(tx, tenant, chain).stream(),
                        counterpart(tx, tenant, id).stream().flatMap(other -> chain(tx, other).stream()))
                .distinct()
                .filter(certificate -> !chain.contains(certificate))
                .toList();
        return new IssuingAuthority(id, tenant.keySpace(), authority.key(), authority.algorithm(), chain, beside);
    }

    /// The authority that is taking this one's place, or whose place it takes; none where that is because
    /// of a compromise, since nobody should believe the old one any more.
    private static Optional<Authority> counterpart(Handle tx, TenantId tenant, AuthorityId id) {
        return tx.createQuery("SELECT " + COLUMNS + """
                         FROM authority
                        WHERE tenant_id = :tenant AND certificate IS NOT NULL AND authority_id IN (
                            SELECT CASE WHEN a.old_authority = :id THEN a.new_authority ELSE a.old_authority END
                            FROM rollover_authority a
                            JOIN rollover r ON r.tenant_id = a.tenant_id AND r.rollover_id = a.rollover_id
                            WHERE a.tenant_id = :tenant AND a.open AND r.cause <> 'COMPROMISE'
                                AND (a.old_authority = :id OR a.new_authority = :id))
                        ORDER BY authority_id LIMIT 1""")
                .bind("tenant", tenant)
                .bind("id", id)
                .map((row, context) -> authority(row))
                .findOne();
    }

    /// What is handed out beside a chain while its root is being replaced: the other root, and then what
    /// joins both, that for the newest root's key first.
    private static List<Certificate> joined(Handle tx, TenantId tenant, List<Certificate> chain) {
        return tx.createQuery("""
                        WITH root AS (
                            SELECT authority_id FROM authority
                            WHERE tenant_id = :tenant AND kind = 'ROOT' AND certificate = :root),
                        crossed AS (
                            SELECT x.subject_id, x.issuer_id, x.encoded, x.created_at
                            FROM cross_certificate x JOIN root r ON r.authority_id IN (x.subject_id, x.issuer_id)
                            WHERE x.tenant_id = :tenant AND x.withdrawn_at IS NULL)
                        SELECT encoded FROM (
                            SELECT DISTINCT a.certificate AS encoded, 1 AS place, a.authority_id AS subject FROM authority a
                            JOIN crossed ON a.authority_id IN (crossed.subject_id, crossed.issuer_id)
                            WHERE a.tenant_id = :tenant AND a.certificate <> :root
                            UNION ALL SELECT encoded, 2, subject_id FROM crossed) AS found
                        ORDER BY place, subject DESC, encoded LIMIT 8""")
                .bind("tenant", tenant)
                .bind("root", chain.getLast().encoded())
                .mapTo(Bytes.class)
                .map(Authorities::stored)
                .list();
    }

    private static Certificate stored(Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }

    /// As [#chain(TenantId, AuthorityId)], within the transaction `tx`.
    public List<Certificate> chain(Handle tx, TenantId tenant, AuthorityId id) {
        return chain(tx, require(tx, tenant, id));
    }

    /// The authorities that somebody relies on, oldest first; a thousand at the most: those that issue, and
    /// retired ones by whose status certificates of devices are judged still.
    public List<Authority> reliedOn(Handle tx, TenantId tenant) {
        List<Authority> relied = tx.createQuery("""
                        WITH RECURSIVE relied AS (
                            SELECT a.authority_id, a.parent_id FROM authority a
                            WHERE a.tenant_id = :tenant AND (a.state = 'ACTIVE' OR a.state = 'RETIRED' AND :now < (
                                SELECT c.not_after FROM certificate c
                                WHERE c.tenant_id = a.tenant_id AND c.authority_id = a.authority_id
                                    AND c.revoked_at IS NULL AND c.device_id IS NOT NULL
                                ORDER BY c.issued_at DESC LIMIT 1))
                            UNION
                            SELECT p.authority_id, p.parent_id FROM authority p
                            JOIN relied r ON p.tenant_id = :tenant AND p.authority_id = r.parent_id)
                        SELECT %s FROM authority
                        WHERE tenant_id = :tenant AND authority_id IN (SELECT authority_id FROM relied)
                        ORDER BY authority_id LIMIT 1000""".formatted(COLUMNS))
                .bind("tenant", tenant)
                .bind("now", clock.instant())
                .map((row, context) -> authority(row))
                .list();
        Set<Bytes> revoked = tx.createQuery("""
                        SELECT encoded FROM certificate
                        WHERE tenant_id = :tenant AND serial_number = ANY (:serials) AND revoked_at IS NOT NULL""")
                .bind("tenant", tenant)
                .bind(
                        "serials",
                        array(relied.stream()
                                .map(it -> it.requireCertificate().serial().content())))
                .mapTo(Bytes.class)
                .set();
        return relied.stream()
                .filter(authority -> authority.state() == State.ACTIVE
                        || !revoked.contains(authority.requireCertificate().encoded()))
                .toList();
    }

    /// When an authority's certificate was revoked, where it is one that was issued here.
    public static Optional<Instant> revokedAt(Handle tx, Authority authority) {
        Certificate certificate = authority.certificate();
        if (certificate == null) {
            return Optional.empty();
        }
        return tx.createQuery("""
                        SELECT revoked_at FROM certificate
                        WHERE tenant_id = :tenant AND serial_number = :serial AND encoded = :encoded
                            AND revoked_at IS NOT NULL""")
                .bind("tenant", authority.tenant())
                .bind("serial", certificate.serial().content())
                .bind("encoded", certificate.encoded())
                .mapTo(Instant.class)
                .findOne();
    }

    /// The subjects of all authorities that there are or were.
    public Set<Name> names(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT " + COLUMNS
                                + " FROM authority WHERE tenant_id = :tenant AND certificate IS NOT NULL")
                        .bind("tenant", tenant)
                        .map((row, context) ->
                                authority(row).requireCertificate().subject())
                        .set());
    }

    /// The active authorities that this one has certified, oldest first; a hundred at the most.
    public List<Authority> below(Handle tx, TenantId tenant, AuthorityId parent) {
        return tx.createQuery("SELECT " + COLUMNS + """
                         FROM authority
                        WHERE tenant_id = :tenant AND parent_id = :parent AND state = 'ACTIVE'
                        ORDER BY authority_id LIMIT 100""")
                .bind("tenant", tenant)
                .bind("parent", parent)
                .map((row, context) -> authority(row))
                .list();
    }

    /// Stores a certificate that joins two roots.
    public void insertCross(
            Handle tx, TenantId tenant, Actor actor, AuthorityId subject, AuthorityId issuer, Certificate certificate) {
        tx.createUpdate("""
                        WITH listed AS (
                            INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                                not_before, not_after, issued_at, encoded)
                            VALUES (:tenant, :serial, :issuer, :key, :notBefore, :notAfter, :now, :encoded))
                        INSERT INTO cross_certificate (tenant_id, subject_id, issuer_id, encoded, created_at)
                        VALUES (:tenant, :subject, :issuer, :encoded, :now)""")
                .bind("tenant", tenant)
                .bind("serial", certificate.serial().content())
                .bind("subject", subject)
                .bind("issuer", issuer)
                .bind("key", certificate.publicKeyEncoded().sha256())
                .bind("notBefore", certificate.validity().notBefore())
                .bind("notAfter", certificate.validity().notAfter())
                .bind("now", clock.instant())
                .bind("encoded", certificate.encoded())
                .execute();
        audit.append(
                tx,
                tenant,
                List.of(new AuditEvent(
                        actor,
                        "authority.cross-certified",
                        "authority:" + subject,
                        Map.of(
                                "issuer",
                                issuer,
                                "serialNumber",
                                certificate.serial().hex()))));
    }

    /// Takes back and revokes what joins two roots.
    public void withdrawCross(Handle tx, TenantId tenant, Actor actor, AuthorityId one, AuthorityId other) {
        List<Certificate> withdrawn = tx.createQuery("""
                        UPDATE cross_certificate SET withdrawn_at = :now
                        WHERE tenant_id = :tenant AND withdrawn_at IS NULL
                            AND subject_id IN (:one, :other) AND issuer_id IN (:one, :other)
                        RETURNING encoded""")
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .bind("one", one)
                .bind("other", other)
                .mapTo(Bytes.class)
                .map(Authorities::stored)
                .list();
        for (Certificate certificate : withdrawn) {
            tx.createUpdate("""
                            UPDATE certificate SET revoked_at = :now, revocation_reason = 5
                            WHERE tenant_id = :tenant AND serial_number = :serial AND revoked_at IS NULL""")
                    .bind("now", clock.instant())
                    .bind("tenant", tenant)
                    .bind("serial", certificate.serial().content())
                    .execute();
            AuditEvent event = new AuditEvent(
                    actor,
                    "authority.cross-certificate-withdrawn",
                    "authority:" + one,
                    Map.of("serialNumber", certificate.serial().hex()));
            audit.append(tx, tenant, List.of(event));
        }
    }

    /// What is needed to sign revocation lists and responders' certificates of an authority, which one that
    /// issues nothing any more still does.
    ///
    /// @throws RefusedException where there is no such authority, or it has no certificate yet
    public IssuingAuthority forStatus(TenantId tenant, AuthorityId id) {
        return database.inTenant(tenant, tx -> {
            Authority authority = require(tx, tenant, id);
            return new IssuingAuthority(
                    id, tenant.keySpace(), authority.key(), authority.algorithm(), chain(tx, authority));
        });
    }

    /// Where the status of certificates is published.
    public PublicAddresses addresses() {
        return maker.addresses();
    }

    /// Makes another authority for devices, under one of the tenant's.
    ///
    /// @throws RefusedException where there is no such parent, or it may have no authority below it
    public Authority createIssuing(TenantId tenant, Actor actor, AuthorityId parent, NewAuthority wanted) {
        return store(tenant, actor, maker.issuing(tenant, wanted, issuing(tenant, parent)));
    }

    /// Makes another root, with room for authorities below it.
    public Authority createRoot(TenantId tenant, Actor actor, NewAuthority wanted) {
        requireTenant(tenant);
        return store(tenant, actor, maker.root(tenant, wanted, Below.AUTHORITIES));
    }

    /// Makes a key, and a request for a certificate that somebody else will make.
    public Authority createPending(TenantId tenant, Actor actor, NewAuthority wanted) {
        requireTenant(tenant);
        return store(tenant, actor, maker.pending(tenant, wanted));
    }

    /// Takes in an authority that was made elsewhere. `pkcs8` is wiped.
    ///
    /// @param certificates as [CertificateChain#read] reads them
    /// @param pkcs8 its private key: DER PrivateKeyInfo (PKCS#8), not encrypted
    /// @throws RefusedException where key and certificates do not belong together, or the chain is not
    ///     whole
    /// and valid
    public Authority importAuthority(TenantId tenant, Actor actor, String name, Bytes certificates, byte[] pkcs8) {
        try {
            requireTenant(tenant);
            PreparedAuthority imported = maker.imported(tenant, name, CertificateChain.read(certificates), pkcs8);
            return store(tenant, imported, tx -> {
                requireNew(tx, tenant, imported.authority());
                return insert(tx, tenant, actor, imported);
            });
        } finally {
            Arrays.fill(pkcs8, (byte) 0);
        }
    }

    /// A tenant that does not exist must not get keys.
    private void requireTenant(TenantId tenant) {
        boolean exists = database.inTenant(
                tenant,
                tx -> tx.createQuery("SELECT count(*) FROM tenant WHERE tenant_id = :tenant")
                                .bind("tenant", tenant)
                                .mapTo(Integer.class)
                                .one()
                        > 0);
        if (!exists) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no tenant " + tenant);
        }
    }

    /// Two of one name and key would publish two series of revocation lists, and relying parties see one
    /// issuer.
    private static void requireNew(Handle tx, TenantId tenant, Authority authority) {
        // Of two imports at the same moment the second one waits here, and finds what the first one has stored.
        tx.createQuery("SELECT 1 FROM tenant WHERE tenant_id = :tenant FOR NO KEY UPDATE")
                .bind("tenant", tenant)
                .mapTo(Integer.class)
                .one();
        tx.createQuery("SELECT authority_id FROM authority WHERE tenant_id = :tenant AND certificate = :certificate")
                .bind("tenant", tenant)
                .bind("certificate", encoded(authority.certificate()))
                .mapTo(AuthorityId.class)
                .findFirst()
                .ifPresent(other -> {
                    throw new RefusedException(
                            ErrorCode.CONFLICT, "the tenant has this certificate's authority already: " + other);
                });
    }

    private Authority store(TenantId tenant, Actor actor, PreparedAuthority prepared) {
        return store(tenant, prepared, tx -> insert(tx, tenant, actor, prepared));
    }

    private Authority store(TenantId tenant, PreparedAuthority prepared, Function<Handle, Authority> storing) {
        try {
            return database.inTenant(tenant, storing::apply);
        } catch (UnavailableException e) {
            // Nobody knows whether it was stored; a key that nothing names does no harm, a missing one would.
            throw e;
        } catch (RuntimeException e) {
            maker.discard(prepared);
            throw e;
        }
    }

    /// Stores an authority as part of the transaction `tx`.
    public Authority insert(Handle tx, TenantId tenant, Actor actor, PreparedAuthority prepared) {
        Authority authority = prepared.authority();
        tx.createUpdate("INSERT INTO authority (" + COLUMNS + """
                        ) VALUES (:tenant, :id, :kind, :state, :name, :algorithm, :key, :parent, :request, :certificate,
                            :upperChain, :createdAt)""")
                .bind("tenant", tenant)
                .bind("id", authority.id())
                .bind("kind", authority.kind())
                .bind("state", authority.state())
                .bind("name", authority.name())
                .bind("algorithm", authority.algorithm().id())
                .bind("key", authority.key().id())
                .bindByType("parent", authority.parent(), AuthorityId.class)
                .bindByType("request", encoded(authority.request()), Bytes.class)
                .bindByType("certificate", encoded(authority.certificate()), Bytes.class)
                .bind("upperChain", encoded(authority.upperChain()))
                .bind("createdAt", authority.createdAt())
                .execute();
        if (authority.certificate() != null) {
            insertCertificate(tx, authority, authority.certificate());
        }
        audit.append(
                tx,
                tenant,
                List.of(new AuditEvent(
                        actor, prepared.origin().action(), "authority:" + authority.id(), detail(authority))));
        return authority;
    }

    /// Takes the certificate of an authority that waits for it.
    ///
    /// @param certificates as [CertificateChain#read] reads them
    /// @throws RefusedException where the authority does not wait for one, or the chain is not whole,
    ///     valid and for
    ///     its key
    public Authority uploadCertificate(TenantId tenant, Actor actor, AuthorityId id, Bytes certificates) {
        List<Certificate> given = CertificateChain.read(certificates);
        return database.inTenant(tenant, tx -> {
            Authority pending = lock(tx, tenant, id);
            if (pending.request() == null || pending.state() != State.PENDING_CERTIFICATE) {
                throw new RefusedException(ErrorCode.CONFLICT, "the authority has its certificate already");
            }
            CertificateChain chain =
                    CertificateChain.of(pending.request().publicKey().encoded(), given, clock.instant());
            if (chain.above().isEmpty()) {
                throw new RefusedException(
                        ErrorCode.INVALID_FIELD, "certificate is self-signed; it must be made by your root");
            }
            tx.createUpdate("""
                            UPDATE authority SET state = 'ACTIVE', request = NULL, certificate = :certificate,
                                upper_chain = :upperChain
                            WHERE tenant_id = :tenant AND authority_id = :id""")
                    .bind("certificate", chain.certificate().encoded())
                    .bind("upperChain", encoded(chain.above()))
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .execute();
            insertCertificate(tx, pending, chain.certificate());
            Authority active = require(tx, tenant, id);
            AuditEvent event = new AuditEvent(actor, "authority.certified", "authority:" + id, detail(active));
            audit.append(tx, tenant, List.of(event));
            return active;
        });
    }

    /// Ends an authority's work: nobody issues under it any more. What it has issued stays valid, and its
    /// status goes on being published.
    ///
    /// @throws RefusedException where there is no such authority, or it waits for its certificate
    public Authority retire(TenantId tenant, Actor actor, AuthorityId id) {
        return database.inTenant(tenant, tx -> {
            Authority authority = lock(tx, tenant, id);
            authority.requireCertificate();
            if (authority.state() == State.RETIRED) {
                return authority;
            }
            retire(tx, authority);
            audit.append(tx, tenant, List.of(new AuditEvent(actor, "authority.retired", "authority:" + id, Map.of())));
            return require(tx, tenant, id);
        });
    }

    /// Revokes the certificate of an issuing authority, and so all below it; it is retired by that.
    ///
    /// @param reason of RFC 5280 §5.3.1
    /// @throws RefusedException where there is no such authority, its certificate was not made here, or
    ///     is revoked
    public Authority revoke(TenantId tenant, Actor actor, AuthorityId id, int reason) {
        return database.inTenant(tenant, tx -> {
            Authority authority = lock(tx, tenant, id);
            authority.requireCertificate();
            if (authority.parent() == null) {
                throw new RefusedException(
                        ErrorCode.CONFLICT,
                        authority.kind() == Kind.ROOT
                                ? "a root has nobody above it to revoke it: take it out of the trust stores"
                                : "the certificate was not made here: have whoever made it revoke it");
            }
            if (!revoke(tx, actor, authority, reason)) {
                throw new RefusedException(ErrorCode.CONFLICT, "the authority's certificate is revoked already");
            }
            retire(tx, authority);
            return require(tx, tenant, id);
        });
    }

    /// @return false where it is revoked already
    private boolean revoke(Handle tx, Actor actor, Authority authority, int reason) {
        SerialNumber serial = authority.requireCertificate().serial();
        int revoked = tx.createUpdate("""
                        UPDATE certificate SET revoked_at = :now, revocation_reason = :reason
                        WHERE tenant_id = :tenant AND serial_number = :serial AND authority_id = :parent
                            AND revoked_at IS NULL""")
                .bind("now", clock.instant())
                .bind("reason", reason)
                .bind("tenant", authority.tenant())
                .bind("serial", serial.content())
                .bind("parent", authority.parent())
                .execute();
        if (revoked == 0) {
            return false;
        }
        audit.append(
                tx,
                authority.tenant(),
                List.of(new AuditEvent(
                        actor,
                        "authority.revoked",
                        "authority:" + authority.id(),
                        Map.of("serialNumber", serial.hex(), "reason", reason))));
        return true;
    }

    /// Ends an authority for good, as part of a larger change: retired, and revoked where one of the
    /// tenant's own has certified it.
    ///
    /// @param reason of RFC 5280 §5.3.1
    public void end(Handle tx, TenantId tenant, Actor actor, AuthorityId id, int reason) {
        Authority authority = lock(tx, tenant, id);
        if (authority.parent() != null) {
            revoke(tx, actor, authority, reason);
        }
        retire(tx, authority);
    }

    private static void retire(Handle tx, Authority authority) {
        tx.createUpdate("""
                        UPDATE authority SET state = 'RETIRED'
                        WHERE tenant_id = :tenant AND authority_id = :id""")
                .bind("tenant", authority.tenant())
                .bind("id", authority.id())
                .execute();
    }

    private static Map<String, Object> detail(Authority authority) {
        Map<String, Object> detail = new LinkedHashMap<>();
        detail.put("name", authority.name());
        detail.put("kind", authority.kind());
        detail.put("algorithm", authority.algorithm().id());
        if (authority.parent() != null) {
            detail.put("parent", authority.parent());
        }
        Certificate certificate = authority.certificate();
        if (certificate != null) {
            detail.put("subject", certificate.subject());
            detail.put("issuer", certificate.issuer());
            detail.put("serialNumber", certificate.serial().hex());
            detail.put("fingerprint", certificate.fingerprint());
        } else if (authority.request() != null) {
            detail.put("subject", authority.request().subject());
            detail.put("publicKey", authority.request().publicKey().fingerprint());
        }
        return detail;
    }

    /// Serial numbers are unique per issuer, and the table has them once per tenant: of two certificates
    /// from elsewhere with one number the first is listed. Those that we make have 128 random bits.
    private void insertCertificate(Handle tx, Authority authority, Certificate certificate) {
        tx.createUpdate("""
                        INSERT INTO certificate (tenant_id, serial_number, authority_id, public_key_fingerprint,
                            not_before, not_after, issued_at, encoded)
                        VALUES (:tenant, :serial, :issuer, :key, :notBefore, :notAfter, :now, :encoded)
                        ON CONFLICT DO NOTHING""")
                .bind("tenant", authority.tenant())
                .bind("serial", certificate.serial().content())
                .bind("issuer", Optional.ofNullable(authority.parent()).orElse(authority.id()))
                .bind("key", certificate.publicKeyEncoded().sha256())
                .bind("notBefore", certificate.validity().notBefore())
                .bind("notAfter", certificate.validity().notAfter())
                .bind("now", clock.instant())
                .bind("encoded", certificate.encoded())
                .execute();
    }

    private static List<Certificate> chain(Handle tx, Authority authority) {
        List<Certificate> chain = new ArrayList<>();
        @Nullable Authority next = authority;
        while (next != null) {
            chain.add(next.requireCertificate());
            chain.addAll(next.upperChain());
            if (chain.size() > MAX_DEPTH) {
                throw new IntegrityException("the chain of authority " + authority.id() + " has no end");
            }
            next = next.parent() == null ? null : require(tx, authority.tenant(), next.parent());
        }
        return chain;
    }

    /// An authority as the transaction `tx` sees it.
    public Optional<Authority> find(Handle tx, TenantId tenant, AuthorityId id) {
        return find(tx, tenant, id, "");
    }

    private static Authority require(Handle tx, TenantId tenant, AuthorityId id) {
        return find(tx, tenant, id, "").orElseThrow(() -> notFound(id));
    }

    private static Authority lock(Handle tx, TenantId tenant, AuthorityId id) {
        return find(tx, tenant, id, " FOR UPDATE").orElseThrow(() -> notFound(id));
    }

    private static RefusedException notFound(AuthorityId id) {
        return new RefusedException(ErrorCode.NOT_FOUND, "there is no authority " + id);
    }

    private static Optional<Authority> find(Handle tx, TenantId tenant, AuthorityId id, String lock) {
        return tx.createQuery(
                        "SELECT " + COLUMNS + " FROM authority WHERE tenant_id = :tenant AND authority_id = :id" + lock)
                .bind("tenant", tenant)
                .bind("id", id)
                .map((row, context) -> authority(row))
                .findOne();
    }

    private static Authority authority(ResultSet row) throws SQLException {
        AuthorityId id = new AuthorityId(row.getObject("authority_id", UUID.class));
        try {
            UUID parent = row.getObject("parent_id", UUID.class);
            byte[] request = row.getBytes("request");
            byte[] certificate = row.getBytes("certificate");
            Instant createdAt =
                    row.getObject("created_at", OffsetDateTime.class).toInstant();
            return new Authority(
                    new TenantId(row.getString("tenant_id")),
                    id,
                    Kind.valueOf(row.getString("kind")),
                    State.valueOf(row.getString("state")),
                    row.getString("name"),
                    KeyAlgorithm.of(row.getString("algorithm")),
                    new KeyHandle(row.getString("key_handle")),
                    parent == null ? null : new AuthorityId(parent),
                    request == null ? null : CertificateRequest.parse(Bytes.of(request)),
                    certificate == null ? null : Certificate.parse(Bytes.of(certificate)),
                    certificates(row.getArray("upper_chain")),
                    createdAt);
        } catch (InvalidCertificateException | InvalidRequestException e) {
            throw new IntegrityException("what is stored of authority " + id + " cannot be read", e);
        }
    }

    private static List<Certificate> certificates(Array encoded) throws SQLException, InvalidCertificateException {
        List<Certificate> certificates = new ArrayList<>();
        for (byte[] each : (byte[][]) encoded.getArray()) {
            certificates.add(Certificate.parse(Bytes.of(each)));
        }
        return certificates;
    }

    private static Argument encoded(List<Certificate> certificates) {
        return array(certificates.stream().map(Certificate::encoded));
    }

    private static Argument array(Stream<Bytes> values) {
        byte[][] all = values.map(Bytes::toArray).toArray(byte[][]::new);
        return (position, statement, context) ->
                statement.setArray(position, statement.getConnection().createArrayOf("bytea", all));
    }

    private static @Nullable Bytes encoded(@Nullable Certificate certificate) {
        return certificate == null ? null : certificate.encoded();
    }

    private static @Nullable Bytes encoded(@Nullable CertificateRequest request) {
        return request == null ? null : request.encoded();
    }
}
