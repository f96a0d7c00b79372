// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Subjects;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagHeader;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.corim.Validity;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Finds what is endorsed about subjects, and remembers it ready for matching.
///
/// Implementation notes:
/// - A statement speaks only if its tag does, which other manifests decide (later versions,
/// replacements, CoTLs). So
///   beside the manifests with the statements, those that are linked to them are read too: their
/// headers, not their
///   statements.
/// - What is remembered is good for one `endorsement_version` and until the next date of a manifest in
/// it. Nothing has
///   to be told to other nodes.
public final class EndorsementIndex {
    /// As whose word results give what came without a signature.
    static final String UNSIGNED = "the tenant";

    private static final int REMEMBERED = 4_096;
    private static final int MAX_STATEMENTS = 200_000;
    private static final int MAX_ROUNDS = 4;

    private final Database database;
    private final InstantSource clock;

    /// The least recently used goes first. Guarded by itself.
    private final Map<Key, Remembered> remembered = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Remembered> eldest) {
            return size() > REMEMBERED;
        }
    };

    private final Map<TenantId, SingleDevices> singleDevices = new ConcurrentHashMap<>();

    public EndorsementIndex(Database database, InstantSource clock) {
        this.database = database;
        this.clock = clock;
    }

    private record Key(TenantId tenant, Set<Bytes> subjects) {}

    private record Remembered(
            Endorsements endorsements,
            long version,
            Instant from,
            @Nullable Instant until) {
        boolean isGood(long wanted, Instant now) {
            return version == wanted && !now.isBefore(from) && (until == null || now.isBefore(until));
        }
    }

    /// Everything that is endorsed about these subjects now.
    ///
    /// @param version the tenant's endorsement version, as read for this appraisal
    public Endorsements find(TenantId tenant, long version, Set<Bytes> subjects) {
        Key key = new Key(tenant, Set.copyOf(subjects));
        Instant now = clock.instant();
        synchronized (remembered) {
            Remembered entry = remembered.get(key);
            if (entry != null && entry.isGood(version, now)) {
                return entry.endorsements;
            }
        }
        Remembered loaded = database.inTenant(tenant, tx -> load(tx, tenant, version, subjects, now));
        synchronized (remembered) {
            remembered.put(key, loaded);
        }
        return loaded.endorsements;
    }

    /// Whether anything but keys that sign evidence is endorsed for single devices.
    public boolean speaksOfSingleDevices(TenantId tenant, long version) {
        SingleDevices known = singleDevices.get(tenant);
        if (known == null || known.version != version) {
            boolean any = database.inTenant(
                    tenant,
                    tx -> tx.createQuery(
                                    "SELECT EXISTS (SELECT FROM endorsement_statement WHERE tenant_id = :tenant AND one_device)")
                            .bind("tenant", tenant)
                            .mapTo(Boolean.class)
                            .one());
            known = new SingleDevices(version, any);
            singleDevices.put(tenant, known);
        }
        return known.any;
    }

    private record SingleDevices(long version, boolean any) {}

    private static Remembered load(Handle tx, TenantId tenant, long version, Set<Bytes> subjects, Instant now) {
        Set<Bytes> wanted = new HashSet<>(subjects);
        List<Row> rows = statements(tx, tenant, wanted);
        // Values that statements add may make others hold.
        for (int round = 1; round < MAX_ROUNDS; round++) {
            boolean more = false;
            for (Row row : rows) {
                more |= wanted.addAll(Subjects.added(row.triple));
            }
            if (!more) {
                break;
            }
            rows = statements(tx, tenant, wanted);
        }
        Map<UUID, Map<Integer, Map<Integer, Triple>>> byTag = new HashMap<>();
        for (Row row : rows) {
            byTag.computeIfAbsent(row.endorsement, _ -> new HashMap<>())
                    .computeIfAbsent(row.position, _ -> new HashMap<>())
                    .put(row.number, row.triple);
        }
        List<Header> headers = headers(tx, tenant, byTag.keySet());
        Instant until = headers.stream()
                .map(Header::nextChange)
                .filter(change -> change != null)
                .min(Instant::compareTo)
                .orElse(null);
        Endorsements endorsements = Endorsements.of(sources(headers, byTag), now);
        return new Remembered(endorsements, version, now, until);
    }

    private record Row(UUID endorsement, int position, int number, Triple triple) {}

    private static List<Row> statements(Handle tx, TenantId tenant, Set<Bytes> subjects) {
        List<Row> rows = tx.createQuery("""
                        SELECT s.endorsement_id, s.position, s.number, s.kind, s.content
                        FROM endorsement_statement s
                        JOIN endorsement e ON e.tenant_id = s.tenant_id AND e.endorsement_id = s.endorsement_id
                        WHERE s.tenant_id = :tenant AND s.subject = ANY (:subjects::bytea[]) AND e.state = 'ACTIVE'
                        LIMIT :limit""")
                .bind("tenant", tenant)
                .bindByType("subjects", List.copyOf(subjects), Submission.LIST_OF_BYTES)
                .bind("limit", MAX_STATEMENTS + 1)
                .map((row, context) -> new Row(
                        row.getObject("endorsement_id", UUID.class),
                        row.getInt("position"),
                        row.getInt("number"),
                        triple(Bytes.of(row.getBytes("kind")), Bytes.of(row.getBytes("content")))))
                .list();
        if (rows.size() > MAX_STATEMENTS) {
            throw new IntegrityException(
                    "more than " + MAX_STATEMENTS + " statements of " + tenant + " are about one class of devices");
        }
        return rows;
    }

    private static Triple triple(Bytes kind, Bytes content) {
        try {
            return Triple.of(Cbor.read(kind, CborLimits.TOKEN), Cbor.array(Cbor.read(content, CborLimits.DOCUMENT)))
                    .getFirst();
        } catch (MalformedException e) {
            throw new IntegrityException("a stored statement cannot be read", e);
        }
    }

    private record Header(
            UUID endorsement,
            int position,
            String kind,
            Bytes content,
            String name,
            String signer,
            @Nullable Bytes signerKey,
            @Nullable String profile,
            @Nullable Instant notBefore,
            @Nullable Instant notAfter,
            @Nullable Instant nextChange) {}

    /// The headers of these manifests, and of all that are linked to them over any number of others.
    private static List<Header> headers(Handle tx, TenantId tenant, Set<UUID> endorsements) {
        if (endorsements.isEmpty()) {
            return List.of();
        }
        return tx.createQuery("""
                        WITH RECURSIVE related (endorsement_id) AS (
                            SELECT unnest(:endorsements)
                            UNION
                            SELECT e.endorsement_id FROM related r
                            JOIN endorsement_link mine
                                ON mine.tenant_id = :tenant AND mine.endorsement_id = r.endorsement_id
                            JOIN endorsement_link other
                                ON other.tenant_id = :tenant AND other.subject = mine.subject
                            JOIN endorsement e
                                ON e.tenant_id = :tenant AND e.endorsement_id = other.endorsement_id
                            WHERE e.state = 'ACTIVE')
                        SELECT t.endorsement_id, t.position, t.kind, t.header, e.name, e.signer, e.signer_key, e.profile,
                            e.not_before, e.not_after, e.next_change_at
                        FROM related r
                        JOIN endorsement e ON e.tenant_id = :tenant AND e.endorsement_id = r.endorsement_id
                        JOIN endorsement_tag t ON t.tenant_id = :tenant AND t.endorsement_id = r.endorsement_id
                        WHERE t.kind <> 'OTHER'
                        ORDER BY t.endorsement_id, t.position""")
                .bind("tenant", tenant)
                .bindArray("endorsements", UUID.class, List.copyOf(endorsements))
                .map((row, context) -> new Header(
                        row.getObject("endorsement_id", UUID.class),
                        row.getInt("position"),
                        row.getString("kind"),
                        Bytes.of(row.getBytes("header")),
                        row.getString("name"),
                        row.getString("signer"),
                        Columns.bytes(row, "signer_key"),
                        row.getString("profile"),
                        Columns.instant(row, "not_before"),
                        Columns.instant(row, "not_after"),
                        Columns.instant(row, "next_change_at")))
                .list();
    }

    private static List<Endorsements.Source> sources(
            List<Header> headers, Map<UUID, Map<Integer, Map<Integer, Triple>>> byTag) {
        Map<UUID, List<Header>> byManifest = new LinkedHashMap<>();
        headers.forEach(header -> byManifest
                .computeIfAbsent(header.endorsement, _ -> new ArrayList<>())
                .add(header));
        List<Endorsements.Source> sources = new ArrayList<>();
        byManifest.forEach((id, parts) -> {
            Header first = parts.getFirst();
            List<Tag> tags = parts.stream()
                    .map(part -> tag(part, byTag.getOrDefault(id, Map.of()).getOrDefault(part.position, Map.of())))
                    .toList();
            Validity validity = first.notAfter == null ? null : new Validity(first.notBefore, first.notAfter);
            Corim corim = new Corim(Cbor.of(first.name), tags, List.of(), first.profile, validity, List.of());
            String signer = first.signer.isEmpty() ? UNSIGNED : first.signer;
            sources.add(new Endorsements.Source(corim, signer, first.signerKey, null));
        });
        return sources;
    }

    private static Tag tag(Header header, Map<Integer, Triple> statements) {
        try {
            return header.kind.equals("COTL")
                    ? TagHeader.cotl(header.content)
                    : TagHeader.comid(
                            header.content,
                            statements.entrySet().stream()
                                    .sorted(Map.Entry.comparingByKey())
                                    .map(Map.Entry::getValue)
                                    .toList());
        } catch (MalformedException e) {
            throw new IntegrityException("the header of a stored tag cannot be read", e);
        }
    }
}
