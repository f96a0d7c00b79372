// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.admission;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.custody.Loans;
import dev.tegata.platform.custody.Loans.Loan;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.store.Changes;
import dev.tegata.platform.store.Database;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.qualifier.QualifiedType;
import org.jspecify.annotations.Nullable;

/// Says of many devices at once whether they may be in. Brokers ask when a device connects, and again and
/// again while it is there: so it is one statement over a primary key, whatever the number; and two more
/// for each tenant that lends devices to this one, where there are certificates left that nobody here
/// knows.
public final class Admissions {
    /// How many can be asked about at once.
    public static final int MOST = 1000;

    /// What changes of devices are told under begins with it.
    private static final String DEVICE = "device ";

    private static final QualifiedType<List<Bytes>> LIST_OF_BYTES = QualifiedType.of(new GenericType<List<Bytes>>() {});

    private final Database database;
    private final Door door;
    private final Loans loans;
    private final InstantSource clock;

    /// @param door what is asked beside a good certificate of an active device
    public Admissions(Database database, Door door, InstantSource clock) {
        this.database = database;
        this.door = door;
        this.loans = new Loans(database, clock);
        this.clock = clock;
    }

    /// A certificate whose key its holder has proven to whoever asks.
    ///
    /// @param sha256 of the whole certificate
    public record Shown(SerialNumber serial, Bytes sha256) {}

    /// May it be in?
    ///
    /// @param device whose certificate it is; null where it is none of ours and none that is lent to us
    /// @param fleet null for a device that is lent: fleets are its owner's own affair
    /// @param reason why not, in one word with dashes; empty where it may
    /// @param until when to ask again at the latest; null where it may not
    public record Admission(
            SerialNumber serial,
            @Nullable DeviceId device,
            @Nullable FleetId fleet,
            Optional<String> reason,
            @Nullable Instant until) {
        public boolean allowed() {
            return reason.isEmpty();
        }
    }

    /// @param loan by which the tenant may use it; null for a device of its own
    private record Issued(
            DeviceId device,
            FleetId fleet,
            DeviceState state,
            boolean revoked,
            Instant notBefore,
            Instant notAfter,
            @Nullable Loan loan) {
        Issued lentBy(Loan by) {
            return new Issued(device, fleet, state, revoked, notBefore, notAfter, by);
        }
    }

    /// An answer for each, in their order.
    ///
    /// @param service what they want to use, as the tenant calls it
    /// @throws dev.tegata.platform.RefusedException where there are more than [#MOST]
    public List<Admission> judge(TenantId tenant, String service, List<Shown> shown) {
        if (shown.size() > MOST) {
            throw Fields.invalid("certificates", "are " + MOST + " at the most");
        }
        Instant now = clock.instant();
        Map<Shown, Issued> found = find(tenant, shown);
        addLent(tenant, shown, found);
        List<Admission> first =
                shown.stream().map(one -> judge(one, found.get(one), now)).toList();
        Set<Door.Guest> guests = found.values().stream()
                .filter(issued -> reason(issued, now) == null)
                .map(issued -> new Door.Guest(issued.device, issued.loan))
                .collect(Collectors.toSet());
        if (guests.isEmpty()) {
            return first;
        }
        Map<DeviceId, Door.Word> words = door.judge(tenant, service, guests);
        List<Admission> answers = new ArrayList<>();
        for (Admission admission : first) {
            Door.Word word = admission.device() == null ? null : words.get(admission.device());
            answers.add(word == null || !admission.allowed() ? admission : narrowed(admission, word));
        }
        return answers;
    }

    /// What has happened to devices since a position.
    ///
    /// @param position from which to ask on
    /// @param everybody whether any device may be concerned
    public record News(String position, boolean everybody, List<DeviceId> devices) {}

    /// Waits until something happens to devices of the tenant or to what is required of them, and not
    /// longer than `longest`.
    ///
    /// @param after the position of the news before; empty for none
    public News await(TenantId tenant, String after, Duration longest) {
        String parties = "parties " + tenant;
        Set<String> owners = loans.lenders(tenant).stream().map(TenantId::value).collect(Collectors.toSet());
        owners.add(tenant.value());
        Predicate<String> wanted =
                topic -> topic.equals(parties) || (topic.startsWith(DEVICE) && owners.contains(Told.of(topic).owner));
        long end = System.nanoTime() + longest.toNanos();
        String position = after;
        while (true) {
            long left = Math.max(0, end - System.nanoTime());
            Changes.News news = database.changes().await(position, wanted, Duration.ofNanos(left));
            position = news.position();
            if (!news.complete()
                    || news.topics().contains(parties)
                    || news.topics().size() > MOST) {
                return new News(position, true, List.of());
            }
            List<DeviceId> devices = concerned(tenant, news.topics());
            // What a lender does with devices of its own is told to nobody.
            if (!devices.isEmpty() || left == 0 || news.topics().isEmpty()) {
                return new News(position, false, devices);
            }
        }
    }

    /// Whose device something was told of.
    private record Told(String owner, String device) {
        static Told of(String topic) {
            int space = topic.indexOf(' ', DEVICE.length());
            return new Told(topic.substring(DEVICE.length(), space), topic.substring(space + 1));
        }
    }

    /// Those of the devices that are the tenant's or lent to it.
    ///
    /// A loan that begins or ends is told like a change of the holder's own device, so that nothing is
    /// missed of a lender who was none when the waiting began.
    private List<DeviceId> concerned(TenantId tenant, List<String> topics) {
        Map<TenantId, Set<DeviceId>> byOwner = topics.stream()
                .map(Told::of)
                .collect(Collectors.groupingBy(
                        told -> new TenantId(told.owner),
                        Collectors.mapping(told -> DeviceId.parse(told.device), Collectors.toSet())));
        Set<DeviceId> devices = new HashSet<>();
        byOwner.forEach((owner, told) -> devices.addAll(
                owner.equals(tenant) ? told : loans.find(owner, tenant, told).keySet()));
        return List.copyOf(devices);
    }

    private static Admission narrowed(Admission admission, Door.Word word) {
        Instant until = admission.until();
        Instant sooner = word.until();
        if (word.reason().isPresent()) {
            return new Admission(admission.serial(), admission.device(), admission.fleet(), word.reason(), null);
        }
        boolean ends = until == null || (sooner != null && sooner.isBefore(until));
        return ends
                ? new Admission(admission.serial(), admission.device(), admission.fleet(), Optional.empty(), sooner)
                : admission;
    }

    /// Adds what others lend to the tenant and have issued themselves.
    private void addLent(TenantId holder, List<Shown> shown, Map<Shown, Issued> found) {
        List<Shown> unknown =
                shown.stream().filter(one -> !found.containsKey(one)).toList();
        if (unknown.isEmpty()) {
            return;
        }
        for (TenantId owner : loans.lenders(holder)) {
            Map<Shown, Issued> theirs = find(owner, unknown);
            Map<DeviceId, Loan> lent = loans.find(
                    owner, holder, theirs.values().stream().map(Issued::device).collect(Collectors.toSet()));
            theirs.forEach((one, issued) -> {
                Loan loan = lent.get(issued.device);
                if (loan != null) {
                    found.put(one, issued.lentBy(loan));
                }
            });
        }
    }

    private Map<Shown, Issued> find(TenantId tenant, List<Shown> shown) {
        List<Bytes> serials =
                shown.stream().map(one -> one.serial().content()).distinct().toList();
        Set<Shown> wanted = Set.copyOf(shown);
        return database.inTenant(tenant, tx -> {
            Map<Shown, Issued> found = new HashMap<>();
            tx.createQuery("""
                            SELECT c.serial_number, sha256(c.encoded) AS hash, c.device_id, d.fleet_id, d.state,
                                c.revoked_at IS NOT NULL AS revoked, c.not_before, c.not_after
                            FROM certificate c
                            JOIN device d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                            WHERE c.tenant_id = :tenant AND c.serial_number = ANY(:serials::bytea[])""")
                    .bind("tenant", tenant)
                    .bindByType("serials", serials, LIST_OF_BYTES)
                    .map((row, context) -> found.put(shown(row), issued(row)))
                    .list();
            found.keySet().retainAll(wanted);
            return found;
        });
    }

    private static Shown shown(ResultSet row) throws SQLException {
        return new Shown(
                SerialNumber.ofHex(Bytes.of(row.getBytes("serial_number")).hex()), Bytes.of(row.getBytes("hash")));
    }

    private static Issued issued(ResultSet row) throws SQLException {
        return new Issued(
                new DeviceId(row.getObject("device_id", UUID.class)),
                new FleetId(row.getString("fleet_id")),
                DeviceState.valueOf(row.getString("state")),
                row.getBoolean("revoked"),
                row.getTimestamp("not_before").toInstant(),
                row.getTimestamp("not_after").toInstant(),
                null);
    }

    private static Admission judge(Shown shown, @Nullable Issued issued, Instant now) {
        if (issued == null) {
            return new Admission(shown.serial(), null, null, Optional.of("unknown-certificate"), null);
        }
        String reason = reason(issued, now);
        Loan loan = issued.loan;
        Instant end = loan != null && loan.endsAt().isBefore(issued.notAfter) ? loan.endsAt() : issued.notAfter;
        return new Admission(
                shown.serial(),
                issued.device,
                loan == null ? issued.fleet : null,
                Optional.ofNullable(reason),
                reason == null ? end : null);
    }

    private static @Nullable String reason(Issued issued, Instant now) {
        if (issued.state != DeviceState.ACTIVE) {
            return "device-" + issued.state.name().toLowerCase(Locale.ROOT);
        }
        if (issued.revoked) {
            return "certificate-revoked";
        }
        if (now.isBefore(issued.notBefore)) {
            return "certificate-not-yet-valid";
        }
        return now.isAfter(issued.notAfter) ? "certificate-expired" : null;
    }
}
