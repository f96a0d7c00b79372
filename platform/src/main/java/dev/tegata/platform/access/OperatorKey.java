// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.store.Database;
import java.time.InstantSource;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The key of the installation's operator, `tgo_<secret>`: it makes and lists tenants, and opens none of them.
public final class OperatorKey {
    private static final Logger LOG = LoggerFactory.getLogger(OperatorKey.class);
    private static final String PREFIX = "tgo_";

    private final Database database;
    private final LoginThrottle throttle;
    private final InstantSource clock;
    private final RandomGenerator random;

    /// @param random a generator of cryptographic quality
    public OperatorKey(Database database, LoginThrottle throttle, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.throttle = throttle;
        this.clock = clock;
        this.random = random;
    }

    /// Makes the key at the first start of the installation.
    ///
    /// @return the key's text where this call has made it; empty ever after
    public Optional<String> ensure() {
        String secret = Secret.generate(random);
        int made = database.installation(tx -> tx.createUpdate("""
                        INSERT INTO installation (operator_key_hash, created_at) VALUES (:hash, :now)
                        ON CONFLICT DO NOTHING""")
                .bind("hash", Secret.hash(secret).orElseThrow())
                .bind("now", clock.instant())
                .execute());
        return made == 1 ? Optional.of(PREFIX + secret) : Optional.empty();
    }

    /// Makes a new key in place of the one that was lost or has leaked.
    public String replace() {
        String secret = Secret.generate(random);
        database.installation(tx -> tx.createUpdate("UPDATE installation SET operator_key_hash = :hash")
                .bind("hash", Secret.hash(secret).orElseThrow())
                .execute());
        return PREFIX + secret;
    }

    /// Lets the operator in.
    ///
    /// @param source the address that the request came from
    /// @throws RefusedException [ErrorCode#UNAUTHENTICATED] or [ErrorCode#TOO_MANY_ATTEMPTS]
    public Actor authenticate(String text, String source) {
        if (throttle.blocksSource(source)) {
            throw new RefusedException(
                    ErrorCode.TOO_MANY_ATTEMPTS, "wait " + LoginThrottle.WINDOW.toSeconds() + " seconds");
        }
        Optional<Bytes> given =
                text.startsWith(PREFIX) ? Secret.hash(text.substring(PREFIX.length())) : Optional.empty();
        if (given.isEmpty() || !Secret.matches(stored(), given.get())) {
            throttle.sourceFailed(source);
            LOG.warn("an operator key from {} was refused", source);
            throw new RefusedException(ErrorCode.UNAUTHENTICATED, "the operator key is wrong");
        }
        return Actor.OPERATOR;
    }

    private Bytes stored() {
        return database.installation(tx -> tx.createQuery("SELECT operator_key_hash FROM installation")
                .mapTo(Bytes.class)
                .findOne()
                .orElseThrow(() -> new IllegalStateException("the installation has no operator key yet")));
    }
}
