// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.admission;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.store.Changes;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.qualifier.QualifiedType;
import org.jspecify.annotations.Nullable;

/// Says of many devices at once whether they may be in. Brokers ask when a device connects, and again and
/// again while it is there: so it is one statement over a primary key, whatever the number.
public final class Admissions {
    /// How many can be asked about at once.
    public static final int MOST = 1000;

    private static final QualifiedType<List<Bytes>> LIST_OF_BYTES = QualifiedType.of(new GenericType<List<Bytes>>() {});

    private final Database database;
    private final Door door;
    private final InstantSource clock;

    /// @param door what is asked beside a good certificate of an active device
    public Admissions(Database database, Door door, InstantSource clock) {
        this.database = database;
        this.door = door;
        this.clock = clock;
    }

    /// A certificate whose key its holder has proven to whoever asks.
    ///
    /// @param sha256 of the whole certificate
    public record Shown(SerialNumber serial, Bytes sha256) {}

    /// May it be in?
    ///
    /// @param device whose certificate it is; null where it is none of ours
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

    private record Issued(
            Bytes sha256,
            DeviceId device,
            FleetId fleet,
            DeviceState state,
            boolean revoked,
            Instant notBefore,
            Instant notAfter) {}

    /// An answer for each, in their order.
    ///
    /// @param service what they want to use, as the tenant calls it
    /// @throws dev.tegata.platform.RefusedException where there are more than [#MOST]
    public List<Admission> judge(TenantId tenant, String service, List<Shown> shown) {
        if (shown.size() > MOST) {
            throw Fields.invalid("certificates", "are " + MOST + " at the most");
        }
        Instant now = clock.instant();
        Map<Bytes, Issued> found = find(tenant, shown);
        List<Admission> first =
                shown.stream().map(one -> judge(one, found, now)).toList();
        Set<DeviceId> toJudge =
                first.stream().filter(Admission::allowed).map(Admission::device).collect(Collectors.toSet());
        if (toJudge.isEmpty()) {
            return first;
        }
        Map<DeviceId, Door.Word> words = door.judge(tenant, service, toJudge);
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

    /// Waits until something happens to devices of the tenant or to what is required of them, and not longer than
    /// `longest`.
    ///
    /// @param after the position of the news before; empty for none
    public News await(TenantId tenant, String after, Duration longest) {
        String prefix = "device " + tenant + " ";
        String parties = "parties " + tenant;
        Changes.News news =
                database.changes().await(after, topic -> topic.startsWith(prefix) || topic.equals(parties), longest);
        boolean everybody = !news.complete()
                || news.topics().contains(parties)
                || news.topics().size() > MOST;
        return new News(
                news.position(),
                everybody,
                everybody
                        ? List.of()
                        : news.topics().stream()
                                .map(topic -> DeviceId.parse(topic.substring(prefix.length())))
                                .toList());
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

    private Map<Bytes, Issued> find(TenantId tenant, List<Shown> shown) {
        List<Bytes> serials =
                shown.stream().map(one -> one.serial().content()).distinct().toList();
        return database.inTenant(tenant, tx -> {
            Map<Bytes, Issued> found = new HashMap<>();
            tx.createQuery("""
                            SELECT c.serial_number, sha256(c.encoded) AS hash, c.device_id, d.fleet_id, d.state,
                                c.revoked_at IS NOT NULL AS revoked, c.not_before, c.not_after
                            FROM certificate c
                            JOIN device d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
                            WHERE c.tenant_id = :tenant AND c.serial_number = ANY(:serials::bytea[])""")
                    .bind("tenant", tenant)
                    .bindByType("serials", serials, LIST_OF_BYTES)
                    .map((row, context) -> found.put(
                            Bytes.of(row.getBytes("serial_number")),
                            new Issued(
                                    Bytes.of(row.getBytes("hash")),
                                    new DeviceId(row.getObject("device_id", UUID.class)),
                                    new FleetId(row.getString("fleet_id")),
                                    DeviceState.valueOf(row.getString("state")),
                                    row.getBoolean("revoked"),
                                    row.getTimestamp("not_before").toInstant(),
                                    row.getTimestamp("not_after").toInstant())))
                    .list();
            return found;
        });
    }

    private static Admission judge(Shown shown, Map<Bytes, Issued> found, Instant now) {
        Issued issued = found.get(shown.serial().content());
        if (issued == null || !issued.sha256.equals(shown.sha256())) {
            return new Admission(shown.serial(), null, null, Optional.of("unknown-certificate"), null);
        }
        String reason = reason(issued, now);
        return new Admission(
                shown.serial(),
                issued.device,
                issued.fleet,
                Optional.ofNullable(reason),
                reason == null ? issued.notAfter : null);
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
