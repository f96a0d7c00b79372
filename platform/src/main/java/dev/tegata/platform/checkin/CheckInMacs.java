// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.RelayedCheckIn;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalLong;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// Times that nobody else can make, under a tenant's secret: nonces for signed check-ins, and marks.
/// Nothing is stored of them.
final class CheckInMacs {
    static final Duration NONCE_LIFE = Duration.ofMinutes(5);

    /// Marks change this often, or more often where devices come more often: what a device has shown is
    /// stored when it changes.
    static final Duration MARK_PERIOD = Duration.ofMinutes(10);

    private static final int TIME = 8;
    private static final int MARK_SIZE = 32;

    /// Two devices with one identity get different marks in one period.
    private static final int RANDOM_BITS = 16;

    private final Database database;
    private final InstantSource clock;
    private final SecureRandom random;
    private final RecentValues<TenantId, byte[]> secrets;

    CheckInMacs(Database database, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
        this.secrets = new RecentValues<>(clock, Duration.ofHours(1), 10_000, this::secret);
    }

    /// A nonce of now: the time in microseconds, and a MAC.
    Bytes nonce(FleetId fleet) {
        return nonce(fleet, ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant()));
    }

    private Bytes nonce(FleetId fleet, long micros) {
        return authenticated(fleet.tenant(), "nonce " + fleet, numbers(micros), RelayedCheckIn.NONCE_SIZE);
    }

    /// The time in a nonce, in microseconds; empty where it is none of ours or too old.
    OptionalLong timeOf(FleetId fleet, Bytes nonce) {
        long micros = nonce.size() < TIME ? 0 : ByteBuffer.wrap(nonce.toArray()).getLong();
        Instant made = Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
        Instant now = clock.instant();
        // Another node's clock may be a little ahead.
        boolean inTime =
                made.plus(NONCE_LIFE).isAfter(now) && made.minus(NONCE_LIFE).isBefore(now);
        return inTime
                        && MessageDigest.isEqual(
                                nonce.toArray(), nonce(fleet, micros).toArray())
                ? OptionalLong.of(micros)
                : OptionalLong.empty();
    }

    /// What a mark says: its own number, and that of the mark which the device showed when it got this one,
    /// or zero. So marks are a chain, of which the server need keep no more than the end.
    record Mark(long number, long previous) {}

    /// The mark for a device's answer. It is the one that the device showed as long as that is of the
    /// present period.
    ///
    /// @param interval how often the device comes at least
    Bytes mark(TenantId tenant, DeviceId device, Duration interval, Optional<Mark> shown) {
        long length = Math.min(MARK_PERIOD.toSeconds(), interval.toSeconds());
        long period = clock.instant().getEpochSecond() / length * length;
        Mark next = shown.filter(mark -> mark.number >> RANDOM_BITS == period)
                .orElseGet(() -> new Mark(
                        period << RANDOM_BITS | random.nextInt(1 << RANDOM_BITS),
                        shown.map(Mark::number).orElse(0L)));
        return mark(tenant, device, next);
    }

    private Bytes mark(TenantId tenant, DeviceId device, Mark mark) {
        return authenticated(tenant, "mark " + device, numbers(mark.number, mark.previous), MARK_SIZE);
    }

    /// What a mark says; empty where it is none of ours.
    Optional<Mark> mark(TenantId tenant, DeviceId device, Bytes mark) {
        if (mark.size() != MARK_SIZE) {
            return Optional.empty();
        }
        ByteBuffer numbers = ByteBuffer.wrap(mark.toArray());
        Mark said = new Mark(numbers.getLong(), numbers.getLong());
        return MessageDigest.isEqual(mark.toArray(), mark(tenant, device, said).toArray())
                ? Optional.of(said)
                : Optional.empty();
    }

    private static byte[] numbers(long... numbers) {
        ByteBuffer encoded = ByteBuffer.allocate(Long.BYTES * numbers.length);
        for (long number : numbers) {
            encoded.putLong(number);
        }
        return encoded.array();
    }

    private Bytes authenticated(TenantId tenant, String what, byte[] encoded, int size) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secrets.get(tenant), "HmacSHA256"));
            mac.update(encoded);
            byte[] tag = mac.doFinal(what.getBytes(StandardCharsets.UTF_8));
            return Bytes.of(encoded).concat(Bytes.of(Arrays.copyOf(tag, size - encoded.length)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
        }
    }

    private byte[] secret(TenantId tenant) {
        byte[] fresh = new byte[32];
        random.nextBytes(fresh);
        return database.inTenant(tenant, tx -> {
            tx.createUpdate("""
                            INSERT INTO check_in_secret (tenant_id, secret) VALUES (:tenant, :secret)
                            ON CONFLICT DO NOTHING""").bind("tenant", tenant).bind("secret", fresh).execute();
            return tx.createQuery("SELECT secret FROM check_in_secret WHERE tenant_id = :tenant")
                    .bind("tenant", tenant)
                    .mapTo(byte[].class)
                    .one();
        });
    }
}
