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
import java.util.OptionalLong;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// Times that nobody else can make, under a tenant's secret: nonces for signed check-ins, and marks.
/// Nothing is stored of them.
final class CheckInMacs {
    static final Duration NONCE_LIFE = Duration.ofMinutes(5);

    /// Marks change this often: what a device has shown is stored when it changes.
    static final Duration MARK_PERIOD = Duration.ofMinutes(10);

    private static final int TIME = 8;
    private static final int MARK_SIZE = 24;

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
        return authenticated(fleet.tenant(), "nonce " + fleet, micros, RelayedCheckIn.NONCE_SIZE);
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

    /// The mark for a device's answer: the beginning of the present period in seconds, and a MAC.
    Bytes mark(TenantId tenant, DeviceId device) {
        long period = MARK_PERIOD.toSeconds();
        return mark(tenant, device, clock.instant().getEpochSecond() / period * period);
    }

    private Bytes mark(TenantId tenant, DeviceId device, long seconds) {
        return authenticated(tenant, "mark " + device, seconds, MARK_SIZE);
    }

    /// The time in a mark; empty where it is none of ours.
    OptionalLong timeOf(TenantId tenant, DeviceId device, Bytes mark) {
        if (mark.size() != MARK_SIZE) {
            return OptionalLong.empty();
        }
        long seconds = ByteBuffer.wrap(mark.toArray()).getLong();
        return MessageDigest.isEqual(
                        mark.toArray(), mark(tenant, device, seconds).toArray())
                ? OptionalLong.of(seconds)
                : OptionalLong.empty();
    }

    private Bytes authenticated(TenantId tenant, String what, long time, int size) {
        byte[] encoded = ByteBuffer.allocate(TIME).putLong(time).array();
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secrets.get(tenant), "HmacSHA256"));
            mac.update(encoded);
            byte[] tag = mac.doFinal(what.getBytes(StandardCharsets.UTF_8));
            return Bytes.of(encoded).concat(Bytes.of(Arrays.copyOf(tag, size - TIME)));
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
