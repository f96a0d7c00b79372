// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.result.Ear;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.appraisal.ResultKeys;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;

/// Reads the results that devices show of themselves.
public final class Passports {
    private static final int LONGEST = 64 * 1024;

    private final ResultKeys keys;
    private final InstantSource clock;

    public Passports(ResultKeys keys, InstantSource clock) {
        this.keys = keys;
        this.clock = clock;
    }

    /// Whom a result of ours in draft #04 is about.
    ///
    /// @param token a JWT
    /// @throws RefusedException where no key of the tenant has signed it, or its time is over
    public Subject.Passport read(TenantId tenant, String token) {
        if (token.length() <= LONGEST) {
            for (ResultKeys.ResultKey key : keys.published(tenant)) {
                try {
                    Bytes claims = Ear.verifyJwt(token, CoseKey.of(key.publicKey()), clock.instant())
                            .toJson();
                    return new Subject.Passport(new String(claims.toArray(), StandardCharsets.UTF_8));
                } catch (MalformedException _) {
                    // Another key may have signed it.
                }
            }
        }
        throw Fields.invalid("passport", "is no result of this tenant that still holds");
    }
}
