// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.Texts;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;

/// Makes one-time claim tokens: with one, a device whose manifest lists no key that it could enrol with
/// proves that it is the one that was claimed. Only the token's hash is stored. A new token of a device takes the
/// place of those it has not used.
public final class ClaimTokens {
    /// Of rows `k` of `device_key` and `d` of `device`: whether the device can enrol with that key. The one in
    /// slot 1 of Microchip's chips signs what the chip says of itself, and nothing else.
    public static final String KEY_TO_ENROL_WITH = "NOT (d.chip = 'microchip' AND k.slot = 1)";

    private static final String PREFIX = "tgc_";
    private static final Duration MAX_VALIDITY = Duration.ofDays(3 * 366);

    private final Database database;
    private final AuditLog audit;
    private final InstantSource clock;
    private final SecureRandom random;

    public ClaimTokens(Database database, AuditLog audit, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.audit = audit;
        this.clock = clock;
        this.random = random;
    }

    /// How a token is found in storage.
    public static Bytes hash(String secret) {
        return Bytes.sha256(secret.getBytes(StandardCharsets.UTF_8));
    }

    /// Makes a token for one device.
    ///
    /// An active device gets one where its certificate is revoked, after its authority was compromised for one:
    /// who began with a token may have nothing else to come back with.
    ///
    /// @throws RefusedException where there is no such device, or it needs no token
    public ClaimToken create(TenantId tenant, Actor actor, DeviceId device, Duration validity) {
        Instant expiresAt = expiry(validity);
        return database.inTenant(tenant, tx -> {
            Waiting waiting = tx.createQuery("""
                            SELECT d.device_id, d.serial, d.state, c.revoked_at IS NOT NULL AS revoked
                            FROM device d
                            LEFT JOIN certificate c
                                ON c.tenant_id = d.tenant_id AND c.serial_number = d.certificate
                            WHERE d.tenant_id = :tenant AND d.device_id = :device""")
                    .bind("tenant", tenant)
                    .bind("device", device)
                    .map((row, context) -> {
                        DeviceState state = DeviceState.valueOf(row.getString("state"));
                        boolean shutOut = state == DeviceState.ACTIVE && row.getBoolean("revoked");
                        if (state != DeviceState.CLAIMED && !shutOut) {
                            throw new RefusedException(
                                    ErrorCode.CONFLICT,
                                    "a token is for a device that is claimed, or active with a revoked certificate; this one is "
                                            + Texts.word(state)
                                            + (state == DeviceState.ACTIVE ? ", and its certificate is good" : ""));
                        }
                        return new Waiting(row.getObject("device_id", UUID.class), row.getString("serial"));
                    })
                    .findOne()
                    .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no device " + device));
            ClaimToken token = store(tx, tenant, List.of(waiting), expiresAt).getFirst();
            audit.append(
                    tx,
                    tenant,
                    List.of(new AuditEvent(
                            actor, "token.created", "device:" + device, Map.of("expiresAt", expiresAt))));
            return token;
        });
    }

    /// Makes tokens for the devices of a manifest that are still CLAIMED and have no birth key to enrol
    /// with, a page at a time.
    ///
    /// @throws RefusedException where there is no such manifest
    public Page<ClaimToken> create(
            TenantId tenant, Actor actor, ManifestId manifest, Duration validity, Page.Request page) {
        Instant expiresAt = expiry(validity);
        return database.inTenant(tenant, tx -> {
            Page<Waiting> waiting = waiting(tx, tenant, manifest, page);
            List<ClaimToken> tokens = store(tx, tenant, waiting.items(), expiresAt);
            if (!tokens.isEmpty()) {
                audit.append(
                        tx,
                        tenant,
                        List.of(new AuditEvent(
                                actor,
                                "token.created",
                                "manifest:" + manifest,
                                Map.of("devices", tokens.size(), "expiresAt", expiresAt))));
            }
            return new Page<>(tokens, waiting.next());
        });
    }

    /// A device that may get a token.
    private record Waiting(UUID device, String serial) {}

    /// Devices and manifests have ids in the order of time: those of a manifest lie between its beginning
    /// and its end.
    private static Page<Waiting> waiting(Handle tx, TenantId tenant, ManifestId manifest, Page.Request page) {
        boolean known = tx.createQuery("SELECT 1 FROM manifest WHERE tenant_id = :tenant AND manifest_id = :manifest")
                .bind("tenant", tenant)
                .bind("manifest", manifest)
                .mapTo(Integer.class)
                .findOne()
                .isPresent();
        if (!known) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no manifest " + manifest);
        }
        UUID first = new UUID(manifest.value().getMostSignificantBits() & ~0xffffL, 0);
        List<Waiting> rows = tx.createQuery("""
                        SELECT device_id, serial FROM device d
                        WHERE tenant_id = :tenant AND device_id > :after AND manifest_id = :manifest
                            AND state = 'CLAIMED'
                            AND NOT EXISTS (SELECT FROM device_key k
                                            WHERE k.tenant_id = d.tenant_id AND k.device_id = d.device_id
                                                AND\s""" + KEY_TO_ENROL_WITH + """
                            )
                        ORDER BY device_id LIMIT :limit""")
                .bind("tenant", tenant)
                .bind("after", page.after(id -> DeviceId.parse(id).value(), first))
                .bind("manifest", manifest)
                .bind("limit", page.limit() + 1)
                .map((row, context) -> new Waiting(row.getObject("device_id", UUID.class), row.getString("serial")))
                .list();
        return Page.of(rows, page, waiting -> waiting.device().toString());
    }

    private List<ClaimToken> store(Handle tx, TenantId tenant, List<Waiting> devices, Instant expiresAt) {
        List<ClaimToken> tokens = new ArrayList<>();
        for (Waiting waiting : devices) {
            byte[] secret = new byte[32];
            random.nextBytes(secret);
            String text = PREFIX + Bytes.of(secret).base64Url();
            tokens.add(new ClaimToken(new DeviceId(waiting.device()), waiting.serial(), text, expiresAt));
        }
        UUID[] ids = devices.stream().map(Waiting::device).toArray(UUID[]::new);
        List<Bytes> hashes = tokens.stream().map(token -> hash(token.secret())).toList();
        tx.createUpdate("""
                        DELETE FROM claim_token
                        WHERE tenant_id = :tenant AND device_id = ANY (:devices) AND used_at IS NULL""").bind("tenant", tenant).bind("devices", ids).execute();
        tx.createUpdate("""
                        INSERT INTO claim_token (tenant_id, token_hash, device_id, created_at, expires_at)
                        SELECT :tenant, hash, device, :now, :expiresAt
                        FROM unnest(:hashes, :devices) AS new (hash, device)""")
                .bind("tenant", tenant)
                .bindByType("hashes", hashes, new GenericType<List<Bytes>>() {})
                .bind("devices", ids)
                .bind("now", clock.instant())
                .bind("expiresAt", expiresAt)
                .execute();
        return tokens;
    }

    private Instant expiry(Duration validity) {
        if (!validity.isPositive() || validity.compareTo(MAX_VALIDITY) > 0) {
            throw new RefusedException(ErrorCode.INVALID_FIELD, "a token is valid for at most three years");
        }
        return clock.instant().plus(validity);
    }
}
