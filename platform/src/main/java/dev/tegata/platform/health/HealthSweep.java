// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.BasicConstraints;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.WatchedVault;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.PeriodicWork;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.health.HealthRules.AuthorityRecord;
import dev.tegata.platform.health.HealthRules.DeviceRecord;
import dev.tegata.platform.health.HealthRules.Problem;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Looks through the authorities and devices of all tenants, again and again, and stores what it finds. A
/// request reads what is stored, whatever the number of devices.
///
/// A step looks at [#AT_ONCE] devices in one transaction, together with the place where the next one goes
/// on: nodes share the work, and one that is killed loses a step.
public final class HealthSweep implements AutoCloseable {
    private static final int AT_ONCE = 500;
    private static final int MOST_ADDRESSES = 100;
    private static final int ASKED_AT_ONCE = 16;
    private static final int STEPS_PER_ROUND = 20;
    private static final Duration PAUSE = Duration.ofSeconds(5);
    private static final Duration BETWEEN = Duration.ofHours(1);
    private static final Set<String> STATUS_EXTENSIONS = Set.of("2.5.29.31", "1.3.6.1.5.5.7.1.1");

    private final Database database;
    private final Authorities authorities;
    private final HealthRules rules;
    private final StatusProbe probe;
    private final WatchedVault vault;
    private final InstantSource clock;
    private final PeriodicWork rounds;

    /// What this node's last round of questions found, by tenant.
    private final Map<TenantId, Probed> probed = new ConcurrentHashMap<>();

    public HealthSweep(
            Database database,
            Authorities authorities,
            HealthRules rules,
            StatusProbe probe,
            WatchedVault vault,
            InstantSource clock) {
        this.database = database;
        this.authorities = authorities;
        this.rules = rules;
        this.probe = probe;
        this.vault = vault;
        this.clock = clock;
        this.rounds = PeriodicWork.start("health-sweep", PAUSE, this::goRound);
    }

    @Override
    public void close() {
        rounds.close();
    }

    private void goRound() {
        List<TenantId> tenants = database.acrossTenants(tx -> tx.createQuery("SELECT tenant_id FROM tenant")
                .mapTo(TenantId.class)
                .list());
        for (TenantId tenant : tenants) {
            probe(tenant);
            for (int i = 0; i < STEPS_PER_ROUND && step(tenant, false); i++) {
                // There is more.
            }
        }
    }

    /// @param at when it was asked
    /// @param unreachable by authority
    private record Probed(Instant at, Map<AuthorityId, String> unreachable) {}

    /// Asks the addresses that certificates of the tenant's authorities carry, an hour after the last time
    /// at the earliest. Not inside a transaction: it may take its time.
    private void probe(TenantId tenant) {
        Probed last = probed.get(tenant);
        if (last != null && clock.instant().isBefore(last.at().plus(BETWEEN))) {
            return;
        }
        Map<AuthorityId, String> unreachable = unreachable(addresses(tenant));
        Probed found = new Probed(clock.instant(), unreachable);
        if (last == null) {
            probed.putIfAbsent(tenant, found);
        } else {
            probed.replace(tenant, last, found);
        }
    }

    /// Several at once, so that a tenant whose addresses are silent holds up the others for half a minute
    /// at the most.
    private Map<AuthorityId, String> unreachable(Map<String, Address> addresses) {
        Map<String, Future<Optional<String>>> answers = new LinkedHashMap<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(
                ASKED_AT_ONCE,
                Thread.ofPlatform().daemon().name("status-probe-", 0).factory())) {
            addresses.entrySet().stream()
                    .limit(MOST_ADDRESSES)
                    .forEach(entry -> answers.put(
                            entry.getKey(),
                            threads.submit(() -> probe.problem(
                                    entry.getKey(), entry.getValue().mustServe()))));
        }
        Map<AuthorityId, String> unreachable = new HashMap<>();
        answers.forEach((url, answer) -> answer.resultNow()
                .ifPresent(problem -> unreachable.putIfAbsent(
                        Objects.requireNonNull(addresses.get(url)).authority(), url + ": " + problem)));
        return unreachable;
    }

    private record Address(AuthorityId authority, boolean mustServe) {}

    private Map<String, Address> addresses(TenantId tenant) {
        return database.inTenant(tenant, tx -> {
            Map<String, Address> addresses = new LinkedHashMap<>();
            for (Authority authority : authorities.reliedOn(tx, tenant)) {
                AuthorityId id = authority.id();
                add(addresses, id, authorities.addresses().forAuthorities(tenant, id));
            }
            tx.createQuery("""
                            SELECT authority_id, profile FROM fleet WHERE tenant_id = :tenant
                            ORDER BY fleet_id LIMIT 1000""")
                    .bind("tenant", tenant)
                    .map((row, context) -> Map.entry(
                            new AuthorityId(row.getObject(1, UUID.class)),
                            Json.read(row.getString(2), CertificateProfile.class)))
                    .forEach(fleet ->
                            add(addresses, fleet.getKey(), fleet.getValue().locations()));
            return addresses;
        });
    }

    /// Partitions are left out: whether they are there says whether there is an own list.
    private static void add(Map<String, Address> addresses, AuthorityId authority, Locations locations) {
        locations.crls().stream()
                .filter(url -> !url.contains(Locations.PARTITION))
                .forEach(url -> addresses.putIfAbsent(url, new Address(authority, true)));
        locations.issuers().forEach(url -> addresses.putIfAbsent(url, new Address(authority, true)));
        locations.ocsp().forEach(url -> addresses.putIfAbsent(url, new Address(authority, false)));
    }

    /// Has all devices looked through anew within seconds: from now on, or when the look under way is over.
    public Freshness again(TenantId tenant) {
        // Another one than what a round under way has begun with: what that finds is older than this wish.
        probed.put(tenant, new Probed(clock.instant().minus(BETWEEN), Map.of()));
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                INSERT INTO health_sweep (tenant_id, due_at) VALUES (:tenant, :now)
                                ON CONFLICT (tenant_id) DO UPDATE SET due_at = EXCLUDED.due_at
                                RETURNING finished_at, after IS NOT NULL, devices""")
                        .bind("tenant", tenant)
                        .bind("now", clock.instant())
                        .map((row, context) -> new Freshness(instant(row, 1), row.getBoolean(2), row.getLong(3)))
                        .one());
    }

    /// Looks through everything at once. For tests and small tenants.
    void run(TenantId tenant) {
        probe(tenant);
        while (step(tenant, true)) {
            // There is more.
        }
    }

    /// How fresh the findings are.
    ///
    /// @param finishedAt null before the first whole sweep
    /// @param devices that the sweep under way has looked at, or the last one did
    public record Freshness(@Nullable Instant finishedAt, boolean underWay, long devices) {}

    public Freshness freshness(TenantId tenant) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery(
                                "SELECT finished_at, after IS NOT NULL, devices FROM health_sweep WHERE tenant_id = :tenant")
                        .bind("tenant", tenant)
                        .map((row, context) -> new Freshness(instant(row, 1), row.getBoolean(2), row.getLong(3)))
                        .findOne()
                        .orElse(new Freshness(null, false, 0)));
    }

    /// The findings of the last whole sweep, and what is wrong with the vault now, as this node sees it.
    public Page<Finding> findings(TenantId tenant, Page.Request page) {
        String after = page.after(key -> key, "");
        List<Finding> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT code, subject, affected, detail, found_at FROM health_finding
                                WHERE tenant_id = :tenant AND code || ' ' || subject > :after
                                ORDER BY code || ' ' || subject LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("after", after)
                        .bind("limit", page.limit() + 1)
                        .map((row, context) -> new Finding(
                                FindingCode.valueOf(row.getString(1)),
                                row.getString(2),
                                row.getLong(3),
                                row.getString(4),
                                row.getObject(5, OffsetDateTime.class).toInstant()))
                        .list());
        // Its code is the last one in the order of the listing.
        List<Finding> all = Stream.concat(
                        rows.stream(),
                        ofVault(tenant).stream()
                                .filter(finding -> position(finding).compareTo(after) > 0))
                .toList();
        return Page.of(all, page, HealthSweep::position);
    }

    private static String position(Finding finding) {
        return finding.code().name() + " " + finding.subject();
    }

    private Optional<Finding> ofVault(TenantId tenant) {
        WatchedVault.Signing signing = vault.signing(tenant.keySpace());
        String before = signing.signedAt() == null ? "" : "; the last signature was made at " + signing.signedAt();
        return signing.failing()
                .map(failure ->
                        new Finding(FindingCode.VAULT_FAILING, "vault", 0, failure.told() + before, failure.at()));
    }

    /// The devices that a finding affects.
    public Page<DeviceId> affected(TenantId tenant, FindingCode code, AuthorityId authority, Page.Request page) {
        authorities.get(tenant, authority);
        List<DeviceId> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT device_id FROM health_affected
                                WHERE tenant_id = :tenant AND code = :code AND subject = :subject AND device_id > :after
                                ORDER BY device_id LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bind("code", code.name())
                        .bind("subject", "authority:" + authority)
                        .bind("after", page.after(id -> DeviceId.parse(id).value(), new UUID(0, 0)))
                        .bind("limit", page.limit() + 1)
                        .mapTo(DeviceId.class)
                        .list());
        return Page.of(rows, page, DeviceId::toString);
    }

    /// @param now whether to look though nothing is due, and after somebody else who does so just now
    /// @return whether the sweep goes on
    private boolean step(TenantId tenant, boolean now) {
        return database.inTenant(tenant, tx -> {
            tx.createUpdate("""
                            INSERT INTO health_sweep (tenant_id, due_at) VALUES (:tenant, :now) ON CONFLICT DO NOTHING""")
                    .bind("tenant", tenant)
                    .bind("now", clock.instant())
                    .execute();
            record Place(long sweep, @Nullable UUID after) {}
            Optional<Place> place = tx.createQuery("""
                            SELECT sweep, after FROM health_sweep
                            WHERE tenant_id = :tenant AND (after IS NOT NULL OR due_at <= :now OR :at_once)
                            FOR UPDATE""" + (now ? "" : " SKIP LOCKED"))
                    .bind("tenant", tenant)
                    .bind("now", clock.instant())
                    .bind("at_once", now)
                    .map((row, context) -> new Place(row.getLong(1), row.getObject(2, UUID.class)))
                    .findOne();
            if (place.isEmpty()) {
                return false;
            }
            UUID after = place.get().after();
            long sweep = after == null ? place.get().sweep() + 1 : place.get().sweep();
            return new Step(tx, tenant, sweep, after == null ? new UUID(0, 0) : after).run();
        });
    }

    private static @Nullable Instant instant(ResultSet row, int column) throws SQLException {
        OffsetDateTime time = row.getObject(column, OffsetDateTime.class);
        return time == null ? null : time.toInstant();
    }

    private static Certificate parse(Bytes encoded) {
        try {
            return Certificate.parse(encoded);
        } catch (InvalidCertificateException e) {
            throw new IntegrityException("a stored certificate cannot be read", e);
        }
    }

    private static String algorithm(Certificate certificate) {
        try {
            return PublicKeyInfo.parse(certificate.publicKeyEncoded())
                    .algorithm()
                    .id();
        } catch (InvalidKeyInfoException e) {
            return "unknown";
        }
    }

    /// One transaction.
    private final class Step {
        private final Handle tx;
        private final TenantId tenant;
        private final long sweep;
        private final UUID after;
        private final Instant now = clock.instant();
        private final Map<UUID, Chain> chains = new HashMap<>();
        private @Nullable Map<String, KeyAlgorithm> roots;
        private @Nullable UUID last;
        private long seen;

        Step(Handle tx, TenantId tenant, long sweep, UUID after) {
            this.tx = tx;
            this.tenant = tenant;
            this.sweep = sweep;
            this.after = after;
        }

        /// @param root SHA-256 of the root in hex
        private record Chain(Instant end, String root) {}

        private record Row(
                UUID device,
                UUID authority,
                Certificate certificate,
                Bytes key,
                @Nullable String held,
                @Nullable String anchors,
                boolean shared) {}

        /// Of each device what it can verify.
        private final Map<UUID, Readiness.Known> ready = new LinkedHashMap<>();

        boolean run() {
            List<Row> rows = tx
                    .createQuery("""
                            SELECT d.device_id, c.authority_id, c.encoded, c.public_key_fingerprint,
                                p.certificates::text, p.trust_anchors::text,
                                EXISTS (SELECT FROM certificate o WHERE o.tenant_id = c.tenant_id
                                    AND o.public_key_fingerprint = c.public_key_fingerprint
                                    AND o.device_id IS NOT NULL AND o.device_id <> c.device_id) AS shared,
                                d.fleet_id, p.algorithms
                            FROM (SELECT * FROM device WHERE tenant_id = :tenant AND device_id > :after
                                ORDER BY device_id LIMIT :limit) d
                            LEFT JOIN certificate c ON c.tenant_id = d.tenant_id
                                AND c.serial_number IN (d.certificate, d.parallel_certificate) AND d.state = 'ACTIVE'
                            LEFT JOIN device_report p ON p.tenant_id = d.tenant_id AND p.device_id = d.device_id
                            ORDER BY d.device_id""")
                    .bind("tenant", tenant)
                    .bind("after", after)
                    .bind("limit", AT_ONCE)
                    .map((row, context) -> {
                        byte[] encoded = row.getBytes(3);
                        UUID device = row.getObject(1, UUID.class);
                        if (encoded != null) {
                            ready.computeIfAbsent(device, id -> known(id, row));
                        }
                        return encoded == null
                                ? Map.entry(device, Optional.<Row>empty())
                                : Map.entry(
                                        device,
                                        Optional.of(new Row(
                                                device,
                                                row.getObject(2, UUID.class),
                                                parse(Bytes.of(encoded)),
                                                Bytes.of(row.getBytes(4)),
                                                row.getString(5),
                                                row.getString(6),
                                                row.getBoolean(7))));
                    })
                    .list()
                    .stream()
                    .peek(this::count)
                    .flatMap(entry -> entry.getValue().stream())
                    .toList();
            store(rows);
            rows.forEach(row -> named(algorithm(row.certificate()), row.device()));
            Readiness.store(tx, tenant, ready.values(), after, seen < AT_ONCE ? null : last);
            boolean over = seen < AT_ONCE;
            if (over) {
                publish();
            }
            note(over);
            return !over;
        }

        /// What a device says it can verify, and what the roots that it trusts are signed with.
        private Readiness.Known known(UUID device, ResultSet row) {
            try {
                EnumSet<KeyAlgorithm> algorithms = Readiness.named(row.getString(9));
                String anchors = row.getString(6);
                roots().forEach((root, algorithm) -> {
                    if (anchors != null && anchors.contains(root)) {
                        algorithms.add(algorithm);
                    }
                });
                return new Readiness.Known(device, row.getString(8), algorithms);
            } catch (SQLException e) {
                throw new IntegrityException("a device's report cannot be read", e);
            }
        }

        private void named(String algorithm, UUID device) {
            Readiness.Known known = ready.get(device);
            if (known != null) {
                known.algorithms().addAll(Readiness.named(algorithm));
            }
        }

        private Map<String, KeyAlgorithm> roots() {
            if (roots == null) {
                Map<String, KeyAlgorithm> found = new HashMap<>();
                for (Authority authority : authorities.reliedOn(tx, tenant)) {
                    if (authority.kind() == Authority.Kind.ROOT) {
                        found.put(authority.requireCertificate().fingerprint().hex(), authority.algorithm());
                    }
                }
                roots = found;
            }
            return roots;
        }

        private void count(Map.Entry<UUID, Optional<Row>> entry) {
            if (!entry.getKey().equals(last)) {
                last = entry.getKey();
                seen++;
            }
        }

        private void store(List<Row> rows) {
            List<String> codes = new ArrayList<>();
            List<String> subjects = new ArrayList<>();
            List<UUID> devices = new ArrayList<>();
            List<String> details = new ArrayList<>();
            for (Row row : rows) {
                for (Problem problem : rules.of(device(row), now)) {
                    codes.add(problem.code().name());
                    subjects.add("authority:" + row.authority());
                    devices.add(row.device());
                    details.add(problem.detail());
                }
            }
            tx.createUpdate("""
                            INSERT INTO health_affected (tenant_id, code, subject, device_id, sweep, detail)
                            SELECT :tenant, i.code, i.subject, i.device, :sweep, i.detail
                            FROM unnest(:codes, :subjects, :devices, :details) AS i (code, subject, device, detail)
                            ON CONFLICT (tenant_id, code, subject, device_id)
                                DO UPDATE SET sweep = EXCLUDED.sweep, detail = EXCLUDED.detail""")
                    .bind("tenant", tenant)
                    .bind("sweep", sweep)
                    .bindArray("codes", String.class, codes)
                    .bindArray("subjects", String.class, subjects)
                    .bindArray("devices", UUID.class, devices)
                    .bindArray("details", String.class, details)
                    .execute();
            // What is right again leaves at once, so that nothing is left to be swept up at the end.
            tx.createUpdate("""
                            DELETE FROM health_affected WHERE tenant_id = :tenant AND sweep < :sweep
                                AND device_id > :after AND (:last::uuid IS NULL OR device_id <= :last::uuid)""")
                    .bind("tenant", tenant)
                    .bind("sweep", sweep)
                    .bind("after", after)
                    .bind("last", seen < AT_ONCE ? null : last)
                    .execute();
        }

        private DeviceRecord device(Row row) {
            Certificate certificate = row.certificate();
            Chain chain = chains.computeIfAbsent(row.authority(), this::chain);
            boolean hasStatus = certificate.extensions().stream()
                    .anyMatch(extension ->
                            STATUS_EXTENSIONS.contains(extension.type().toString()));
            return new DeviceRecord(
                    algorithm(certificate),
                    certificate.validity().notBefore(),
                    certificate.validity().notAfter(),
                    chain.end(),
                    hasStatus,
                    row.held() == null
                            ? null
                            : row.held().contains(certificate.serial().hex()),
                    row.anchors() == null ? null : row.anchors().contains(chain.root()),
                    row.shared());
        }

        private Chain chain(UUID authority) {
            List<Certificate> chain = authorities.chain(tx, tenant, new AuthorityId(authority));
            return new Chain(
                    chain.getFirst().validity().notAfter(),
                    chain.getLast().fingerprint().hex());
        }

        /// Replaces the findings by those of this sweep.
        private void publish() {
            tx.createUpdate("DELETE FROM health_finding WHERE tenant_id = :tenant")
                    .bind("tenant", tenant)
                    .execute();
            tx.createUpdate("""
                            INSERT INTO health_finding (tenant_id, code, subject, sweep, affected, detail, found_at)
                            SELECT :tenant, code, subject, :sweep, count(*), min(detail), :now FROM health_affected
                            WHERE tenant_id = :tenant GROUP BY code, subject""")
                    .bind("tenant", tenant)
                    .bind("sweep", sweep)
                    .bind("now", now)
                    .execute();
            List<Authority> reliedOn = authorities.reliedOn(tx, tenant);
            Map<AuthorityId, Instant> crls = ends(
                    "SELECT authority_id, min(next_update) FROM crl WHERE tenant_id = :tenant GROUP BY authority_id");
            Map<AuthorityId, Instant> responders = ends("SELECT authority_id, max(not_after) FROM ocsp_responder"
                    + " WHERE tenant_id = :tenant GROUP BY authority_id");
            Set<UUID> crossed = tx.createQuery("""
                            SELECT unnest(ARRAY[subject_id, issuer_id]) FROM cross_certificate
                            WHERE tenant_id = :tenant AND withdrawn_at IS NULL""").bind("tenant", tenant).mapTo(UUID.class).list().stream()
                    .collect(Collectors.toSet());
            Map<Bytes, Long> names = reliedOn.stream()
                    .filter(authority -> authority.state() == Authority.State.ACTIVE)
                    .filter(authority -> !crossed.contains(authority.id().value()))
                    .collect(Collectors.groupingBy(
                            authority ->
                                    authority.requireCertificate().subject().encoded(),
                            Collectors.counting()));
            for (Authority authority : reliedOn) {
                Certificate certificate = authority.requireCertificate();
                List<Certificate> chain = authorities.chain(tx, tenant, authority.id());
                boolean shared = !crossed.contains(authority.id().value())
                        && names.getOrDefault(certificate.subject().encoded(), 0L) > 1;
                AuthorityRecord known = new AuthorityRecord(
                        authority.algorithm().id(),
                        keyMadeAt(authority),
                        certificate.validity().notAfter(),
                        chain.size() > 1 ? chain.get(1).validity().notAfter() : null,
                        pathFits(chain),
                        shared,
                        crls.get(authority.id()),
                        responders.get(authority.id()),
                        unreachable(authority.id()));
                for (Problem problem : rules.of(known, now)) {
                    // Of one that issues nothing any more only the status matters.
                    if (authority.state() == Authority.State.ACTIVE
                            || problem.code().isOfStatus()) {
                        insert(problem, authority.id());
                    }
                }
            }
        }

        private @Nullable String unreachable(AuthorityId authority) {
            Probed known = probed.get(tenant);
            return known == null ? null : known.unreachable().get(authority);
        }

        private void insert(Problem problem, AuthorityId authority) {
            tx.createUpdate("""
                            INSERT INTO health_finding (tenant_id, code, subject, sweep, affected, detail, found_at)
                            VALUES (:tenant, :code, :subject, :sweep, 0, :detail, :now) ON CONFLICT DO NOTHING""")
                    .bind("tenant", tenant)
                    .bind("code", problem.code().name())
                    .bind("subject", "authority:" + authority)
                    .bind("sweep", sweep)
                    .bind("detail", problem.detail())
                    .bind("now", now)
                    .execute();
        }

        private Map<AuthorityId, Instant> ends(String sql) {
            Map<AuthorityId, Instant> ends = new HashMap<>();
            tx.createQuery(sql)
                    .bind("tenant", tenant)
                    .map((row, context) -> Map.entry(
                            new AuthorityId(row.getObject(1, UUID.class)),
                            row.getObject(2, OffsetDateTime.class).toInstant()))
                    .forEach(end -> ends.put(end.getKey(), end.getValue()));
            return ends;
        }

        private void note(boolean over) {
            tx.createUpdate("""
                            UPDATE health_sweep SET sweep = :sweep, after = :after::uuid,
                                devices = CASE WHEN :first THEN 0 ELSE devices END + :seen,
                                started_at = CASE WHEN :first THEN :now ELSE started_at END,
                                finished_at = CASE WHEN :over THEN :now ELSE finished_at END,
                                due_at = CASE WHEN :first OR :over AND due_at > :now THEN :due ELSE due_at END
                            WHERE tenant_id = :tenant""")
                    .bind("sweep", sweep)
                    .bind("after", over ? null : last)
                    .bind("first", after.equals(new UUID(0, 0)))
                    .bind("seen", seen)
                    .bind("over", over)
                    .bind("now", now)
                    .bind("due", now.plus(BETWEEN))
                    .bind("tenant", tenant)
                    .execute();
        }
    }

    /// At the latest: one that was taken in has had its key for at least as long as its certificate.
    private static Instant keyMadeAt(Authority authority) {
        Instant certified = authority.requireCertificate().validity().notBefore();
        return certified.isBefore(authority.createdAt()) ? certified : authority.createdAt();
    }

    /// Whether each authority of a chain leaves room for those below it.
    private static boolean pathFits(List<Certificate> chain) {
        for (int i = 1; i < chain.size(); i++) {
            OptionalInt limit = chain.get(i)
                    .basicConstraints()
                    .map(BasicConstraints::pathLength)
                    .orElse(OptionalInt.empty());
            if (limit.isPresent() && limit.getAsInt() < i) {
                return false;
            }
        }
        return true;
    }
}
