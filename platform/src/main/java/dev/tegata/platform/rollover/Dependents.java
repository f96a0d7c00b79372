// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Broken;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.Authority.Kind;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Who breaks if an authority ends today: what works under it, and the devices that live by its
/// certificates, by what they have said of themselves.
public final class Dependents {
    private static final int READ_AT_ONCE = 1_000;

    private final Database database;
    private final Authorities authorities;
    private final InstantSource clock;

    public Dependents(Database database, Authorities authorities, InstantSource clock) {
        this.database = database;
        this.authorities = authorities;
        this.clock = clock;
    }

    /// @param authorities active ones below it
    /// @param fleets whose devices could get no certificate any more
    /// @param certificates of devices that are good, were not renewed and lead to it; counted up to a limit
    /// @param suspended devices that would come back from their suspension to certificates that lead to it; counted
    /// up to a limit
    /// @param more whether there are more than were counted
    public record Summary(
            List<AuthorityId> authorities, List<FleetId> fleets, long certificates, long suspended, boolean more) {
        public Summary {
            authorities = List.copyOf(authorities);
            fleets = List.copyOf(fleets);
        }
    }

    /// A device that lives by a certificate of the authority.
    ///
    /// @param reported whether the device itself has said that it holds the certificate; else it was issued
    /// to it last and nothing else was heard
    public record Dependent(
            DeviceId device,
            FleetId fleet,
            Bytes serialNumber,
            Instant notAfter,
            boolean reported,
            @Nullable Instant lastSeenAt) {}

    /// @throws dev.tegata.platform.RefusedException where there is no such authority
    public Summary summary(TenantId tenant, AuthorityId id) {
        Authority authority = authorities.get(tenant, id);
        List<UUID> issuers = issuers(tenant, authority);
        long suspended = suspended(tenant, issuers).size();
        return database.inTenant(tenant, tx -> {
            List<FleetId> fleets = tx.createQuery("""
                            SELECT fleet_id FROM fleet WHERE tenant_id = :tenant
                                AND (authority_id = ANY (:issuers) OR parallel_authority_id = ANY (:issuers))
                            ORDER BY fleet_id LIMIT 1000""")
                    .bind("tenant", tenant)
                    .bindArray("issuers", UUID.class, issuers)
                    .mapTo(FleetId.class)
                    .list();
            long certificates = tx.createQuery("""
                            SELECT count(*) FROM (SELECT FROM certificate
                                WHERE tenant_id = :tenant AND authority_id = ANY (:issuers) AND revoked_at IS NULL
                                    AND device_id IS NOT NULL AND superseded_at IS NULL AND not_after > :now
                                LIMIT :limit) AS counted""")
                    .bind("tenant", tenant)
                    .bindArray("issuers", UUID.class, issuers)
                    .bind("now", clock.instant())
                    .bind("limit", Broken.COUNTED + 1)
                    .mapTo(Long.class)
                    .one();
            return new Summary(
                    issuers.stream()
                            .filter(issuer -> !issuer.equals(id.value()))
                            .map(AuthorityId::new)
                            .toList(),
                    fleets,
                    Math.min(certificates, Broken.COUNTED),
                    Math.min(suspended, Broken.COUNTED),
                    Math.max(certificates, suspended) > Broken.COUNTED);
        });
    }

    /// Whom the end of an authority breaks; empty where nobody.
    ///
    /// @throws dev.tegata.platform.RefusedException where there is no such authority
    public List<Broken> broken(TenantId tenant, AuthorityId id) {
        Summary who = summary(tenant, id);
        List<Broken> broken = new ArrayList<>();
        addAll(broken, "authority", who.authorities(), "they work under it", id);
        addAll(broken, "fleet", who.fleets(), "their devices would get no certificates", id);
        if (who.certificates() > 0) {
            List<String> first = devices(tenant, id, new Page.Request(null, Broken.NAMED)).items().stream()
                    .map(dependent -> dependent.device().toString())
                    .toList();
            broken.add(new Broken(
                    "certificate-not-renewed",
                    "devices live by certificates that lead to it",
                    "device",
                    who.certificates(),
                    who.more() && who.certificates() == Broken.COUNTED,
                    first,
                    "/api/v1/authorities/" + id + "/dependents/devices",
                    "tegata authority dependent-devices " + id));
        }
        List<String> suspended = suspended(tenant, issuers(tenant, authorities.get(tenant, id)));
        if (!suspended.isEmpty()) {
            broken.add(new Broken(
                    "suspended-device",
                    "devices would come back from their suspension to certificates that lead to it",
                    "device",
                    Math.min(suspended.size(), Broken.COUNTED),
                    suspended.size() > Broken.COUNTED,
                    suspended.stream().limit(Broken.NAMED).toList(),
                    "/api/v1/devices?state=suspended",
                    "tegata device list --state suspended"));
        }
        return broken;
    }

    private List<String> suspended(TenantId tenant, List<UUID> issuers) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT DISTINCT device_id::text FROM (
                                    SELECT d.device_id FROM certificate c JOIN device d ON d.tenant_id = c.tenant_id
                                        AND d.device_id = c.device_id AND d.state = 'SUSPENDED'
                                        AND c.serial_number IN (d.certificate, d.parallel_certificate)
                                    WHERE c.tenant_id = :tenant AND c.authority_id = ANY (:issuers)
                                        AND c.revocation_reason = 6 AND c.revoked_at IS NOT NULL AND c.not_after > :now
                                    LIMIT :limit) AS held
                                ORDER BY device_id""")
                        .bind("tenant", tenant)
                        .bindArray("issuers", UUID.class, issuers)
                        .bind("now", clock.instant())
                        .bind("limit", Broken.COUNTED + 1)
                        .mapTo(String.class)
                        .list());
    }

    private static void addAll(List<Broken> broken, String what, List<?> ids, String detail, AuthorityId authority) {
        if (!ids.isEmpty()) {
            broken.add(new Broken(
                    what + "-depends",
                    detail,
                    what,
                    ids.size(),
                    false,
                    ids.stream().limit(Broken.NAMED).map(Object::toString).toList(),
                    "/api/v1/authorities/" + authority + "/dependents",
                    "tegata authority dependents " + authority));
        }
    }

    private List<UUID> issuers(TenantId tenant, Authority authority) {
        List<UUID> issuers = new ArrayList<>(List.of(authority.id().value()));
        if (authority.kind() == Kind.ROOT) {
            database.inTenant(tenant, tx -> authorities.below(tx, tenant, authority.id()))
                    .forEach(below -> issuers.add(below.id().value()));
        }
        return issuers;
    }

    private record Position(UUID issuer, Instant issuedAt, Bytes serial) {
        static final Position START = new Position(new UUID(0, 0), Instant.EPOCH, Bytes.EMPTY);

        static Position parse(String text) {
            String[] parts = text.split("/", 3);
            if (parts.length != 3) {
                throw new IllegalArgumentException(text);
            }
            try {
                return new Position(UUID.fromString(parts[0]), Instant.parse(parts[1]), Bytes.ofHex(parts[2]));
            } catch (DateTimeParseException e) {
                throw new IllegalArgumentException(text, e);
            }
        }

        String cursor() {
            return Base64.getUrlEncoder()
                    .withoutPadding()
                    .encodeToString((issuer + "/" + issuedAt + "/" + serial.hex()).getBytes(StandardCharsets.UTF_8));
        }
    }

    private record Row(Position position, @Nullable Dependent dependent) {}

    /// The devices, in the order of their issuers and certificates.
    ///
    /// A page may have fewer devices than were asked for though more follow: certificates that were renewed
    /// are passed over, a thousand at a time.
    public Page<Dependent> devices(TenantId tenant, AuthorityId id, Page.Request page) {
        List<UUID> issuers = issuers(tenant, authorities.get(tenant, id));
        Position after = page.after(Position::parse, Position.START);
        List<Row> rows = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT c.authority_id, c.issued_at, c.serial_number, c.not_after, d.device_id, d.fleet_id,
                                    d.last_seen_at, p.certificates IS NOT NULL AS reported,
                                    CASE WHEN p.certificates IS NULL
                                            THEN c.serial_number IN (d.certificate, d.parallel_certificate)
                                        ELSE jsonb_exists(p.certificates, serial_hex(c.serial_number)) END AS lives
                                FROM certificate c
                                LEFT JOIN device d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                                    AND d.state = 'ACTIVE'
                                LEFT JOIN device_report p ON p.tenant_id = d.tenant_id AND p.device_id = d.device_id
                                WHERE c.tenant_id = :tenant AND c.authority_id = ANY (:issuers)
                                    AND (c.authority_id, c.issued_at, c.serial_number) > (:issuer, :issued, :serial)
                                    AND c.revoked_at IS NULL AND c.device_id IS NOT NULL
                                ORDER BY c.authority_id, c.issued_at, c.serial_number LIMIT :limit""")
                        .bind("tenant", tenant)
                        .bindArray("issuers", UUID.class, issuers)
                        .bind("issuer", after.issuer())
                        .bind("issued", after.issuedAt())
                        .bind("serial", after.serial())
                        .bind("limit", READ_AT_ONCE)
                        .map((row, context) -> {
                            Instant notAfter = row.getObject("not_after", OffsetDateTime.class)
                                    .toInstant();
                            Bytes serial = Bytes.of(row.getBytes("serial_number"));
                            boolean lives = row.getBoolean("lives") && notAfter.isAfter(clock.instant());
                            return new Row(
                                    new Position(
                                            row.getObject("authority_id", UUID.class),
                                            row.getObject("issued_at", OffsetDateTime.class)
                                                    .toInstant(),
                                            serial),
                                    lives
                                            ? new Dependent(
                                                    new DeviceId(row.getObject("device_id", UUID.class)),
                                                    new FleetId(row.getString("fleet_id")),
                                                    serial,
                                                    notAfter,
                                                    row.getBoolean("reported"),
                                                    Columns.instant(row, "last_seen_at"))
                                            : null);
                        })
                        .list());
        List<Dependent> found = new ArrayList<>();
        for (Row row : rows) {
            if (row.dependent() != null) {
                found.add(row.dependent());
            }
            if (found.size() == page.limit() || row.equals(rows.getLast()) && rows.size() == READ_AT_ONCE) {
                boolean last = row.equals(rows.getLast()) && rows.size() < READ_AT_ONCE;
                return new Page<>(found, last ? null : row.position().cursor());
            }
        }
        return new Page<>(found, null);
    }
}
