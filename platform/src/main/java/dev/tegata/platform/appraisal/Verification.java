// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.pki.key.Vault;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.platform.endorsement.AttestationKeys;
import dev.tegata.platform.endorsement.AttestationTrust;
import dev.tegata.platform.endorsement.EndorsementIndex;
import dev.tegata.platform.endorsement.EndorsementSigners;
import dev.tegata.platform.endorsement.EndorsementStore;
import dev.tegata.platform.endorsement.ReappraisalRequests;
import dev.tegata.platform.job.Jobs;
import dev.tegata.platform.store.Database;
import java.security.SecureRandom;
import java.time.InstantSource;

/// The services of the verifier, put together.
public record Verification(
        EndorsementSigners signers,
        EndorsementStore endorsements,
        AttestationKeys attestationKeys,
        Policies policies,
        ResultKeys resultKeys,
        Nonces nonces,
        Appraisals appraisals,
        VerificationSessions sessions) {
    private static final int PATH_SIGNATURES = 10_000;

    /// What they rest on.
    ///
    /// @param build the version of this program, as results name it
    public record Ground(
            Database database, Vault vault, AuditLog audit, Jobs jobs, TrustedCertificates trusted, String build) {}

    public static Verification of(Ground ground, InstantSource clock, SecureRandom random) {
        Database database = ground.database();
        AuditLog audit = ground.audit();
        ReappraisalRequests requests = new ReappraisalRequests(ground.jobs(), clock, random);
        PathCheck paths = new PathCheck(PATH_SIGNATURES);
        AttestationTrust trust = new AttestationTrust(database, ground.trusted(), clock);
        AttestationKeys keys = new AttestationKeys(database, trust, paths, audit, clock, random);
        Policies policies = new Policies(database, audit, requests, clock);
        ResultKeys resultKeys = new ResultKeys(database, ground.vault(), audit, clock);
        Nonces nonces = new Nonces(database, clock, random);
        Appraisals appraisals = new Appraisals(
                database,
                audit,
                new Appraisals.Foundations(
                        policies, new EndorsementIndex(database, clock), keys, trust, paths, resultKeys),
                ground.build(),
                clock,
                random);
        return new Verification(
                new EndorsementSigners(database, audit, requests, clock),
                new EndorsementStore(database, audit, requests, clock, random),
                keys,
                policies,
                resultKeys,
                nonces,
                appraisals,
                new VerificationSessions(database, nonces, appraisals, clock, random));
    }
}
