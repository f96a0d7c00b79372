// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.Page;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.seal.TenantSeals;
import dev.tegata.platform.store.Database;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/// Claim tokens for protocols whose messages carry a MAC: to verify one takes the token's text, so
/// that it is stored, sealed by [TenantSeals]. Other tokens are stored as a hash only.
public final class SharedSecrets {
    private static final int REFERENCE_SIZE = 9;
    private static final int LONGEST_REFERENCE = 64;

    private final Database database;
    private final ClaimTokens tokens;
    private final TenantSeals seals;
    private final InstantSource clock;
    private final SecureRandom random;

    public SharedSecrets(
            Database database, ClaimTokens tokens, TenantSeals seals, InstantSource clock, SecureRandom random) {
        this.database = database;
        this.tokens = tokens;
        this.seals = seals;
        this.clock = clock;
        this.random = random;
    }

    /// As [ClaimTokens#create(TenantId, Actor, DeviceId, Duration)].
    public SharedSecret create(TenantId tenant, Actor actor, DeviceId device, Duration validity) {
        return share(tenant, List.of(tokens.create(tenant, actor, device, validity)))
                .getFirst();
    }

    /// As [ClaimTokens#create(TenantId, Actor, ManifestId, Duration, Page.Request)].
    public Page<SharedSecret> create(
            TenantId tenant, Actor actor, ManifestId manifest, Duration validity, Page.Request page) {
        Page<ClaimToken> made = tokens.create(tenant, actor, manifest, validity, page);
        return new Page<>(share(tenant, made.items()), made.next());
    }

    /// Nobody has seen the tokens yet: a crash in between leaves some that nobody ever will.
    private List<SharedSecret> share(TenantId tenant, List<ClaimToken> made) {
        TenantSeals.Seal seal = seals.of(tenant);
        List<SharedSecret> shared =
                made.stream().map(token -> new SharedSecret(token, reference())).toList();
        database.inTenant(tenant, tx -> {
            for (SharedSecret secret : shared) {
                byte[] text = secret.token().secret().getBytes(StandardCharsets.US_ASCII);
                tx.createUpdate("""
                                UPDATE claim_token SET reference = :reference, sealed = :sealed
                                WHERE tenant_id = :tenant AND token_hash = :hash""")
                        .bind("reference", secret.reference())
                        .bind("sealed", seal.seal(name(secret.reference()), text))
                        .bind("tenant", tenant)
                        .bind("hash", ClaimTokens.hash(secret.token().secret()))
                        .execute();
            }
            return null;
        });
        return shared;
    }

    private String reference() {
        byte[] reference = new byte[REFERENCE_SIZE];
        random.nextBytes(reference);
        return Bytes.of(reference).hex();
    }

    private static String name(String reference) {
        return "claim token " + reference;
    }

    /// The text of the token with this reference, used or not, unless it has expired. Who knows it has
    /// not shown yet that it is still good for anything: that is decided where it is used.
    public Optional<String> secret(TenantId tenant, String reference) {
        if (reference.length() > LONGEST_REFERENCE) {
            return Optional.empty();
        }
        Optional<Bytes> sealed = database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT sealed FROM claim_token
                                WHERE tenant_id = :tenant AND reference = :reference AND expires_at > :now""")
                        .bind("tenant", tenant)
                        .bind("reference", reference)
                        .bind("now", clock.instant())
                        .mapTo(Bytes.class)
                        .findOne());
        return sealed.map(
                bytes -> new String(seals.of(tenant).open(name(reference), bytes), StandardCharsets.US_ASCII));
    }
}
