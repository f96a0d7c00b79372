// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.store.Database;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.jspecify.annotations.Nullable;

/// Stores the elements of one import, batch by batch, each in one transaction together with the progress it
/// makes.
///
/// Implementation note. A batch is stored as if its chips, devices and keys were new, which is nearly
/// always so, and saves asking. Every row has a unique key that the database guards: where it objects,
/// something was known after all, or another import was faster. Then the transaction is undone, and done
/// again with a look at what is there. (`ON CONFLICT` would spare that, but costs every row a second search
/// of every index.)
final class ClaimWriter {
    private static final int ATTEMPTS = 6;
    private static final String UNIQUE_VIOLATION = "23505";

    /// How many issues of one file are kept; beyond that they are only counted.
    private static final int MAX_ISSUES = 100_000;

    private final Database database;
    private final Target target;
    private final StatedChips stated;
    private final InstantSource clock;
    private final RandomGenerator random;

    /// How many chips of the file were known before, and whether some of the latest batch were. Then the
    /// next batch begins with a look: files come again whole.
    private long known;

    private boolean looksFirst;

    ClaimWriter(Database database, Target target, StatedChips stated, InstantSource clock, RandomGenerator random) {
        this.database = database;
        this.target = target;
        this.stated = stated;
        this.clock = clock;
        this.random = random;
    }

    /// Where devices are claimed to, and by which import.
    record Target(TenantId tenant, FleetId fleet, ManifestId manifest) {}

    /// What was assumed about the stored state did not hold.
    private static final class CollisionException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        CollisionException(SQLException cause) {
            super("a chip or a key was known after all", cause, false, false);
        }
    }

    /// A vendor has signed for chips that somebody else holds.
    private static final class DisputeException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient Set<OwnedChip> chips;

        DisputeException(Set<OwnedChip> chips) {
            super("a vendor has signed for chips that somebody else holds", null, false, false);
            this.chips = chips;
        }
    }

    /// What is known before a batch is stored.
    ///
    /// @param look     whether to look at what is stored
    /// @param released which disputed chips their holders have given up; null while nobody has asked
    private record Start(boolean look, @Nullable Set<OwnedChip> released) {}

    /// Claims what can be claimed of `elements`, and tells how far the import is. Where the import is no
    /// longer running, nothing is stored.
    ManifestReport write(ManifestFormat format, List<Element> elements) {
        Start start = new Start(looksFirst, null);
        for (int attempt = 1; ; attempt++) {
            Start from = start;
            try {
                ManifestReport report = database.inTenant(target.tenant(), tx -> write(tx, format, elements, from));
                long knownNow = report.alreadyClaimed() + report.conflicts();
                looksFirst = knownNow > known;
                known = knownNow;
                return report;
            } catch (DisputeException e) {
                start = new Start(start.look(), stated.release(target.tenant(), e.chips));
            } catch (CollisionException e) {
                if (attempt == ATTEMPTS) {
                    throw new UnavailableException("too many others claim the same chips", e);
                }
                start = new Start(true, start.released());
            }
        }
    }

    private ManifestReport write(Handle tx, ManifestFormat format, List<Element> elements, Start start) {
        try {
            Instant now = clock.instant();
            ClaimStatements statements = new ClaimStatements(tx.getConnection(), target, now);
            ManifestReport before = statements.lockManifest();
            if (before.state() != ManifestReport.State.RUNNING) {
                return before;
            }
            BatchResult result = claim(tx, statements, elements, start);
            long kept = before.rejected() + before.conflicts();
            int keep = (int) Math.clamp(MAX_ISSUES - kept, 0, result.issues().size());
            statements.insertIssues(result.issues().subList(0, keep));
            return statements.advance(format, result);
        } catch (SQLException e) {
            if (UNIQUE_VIOLATION.equals(e.getSQLState())) {
                throw new CollisionException(e);
            }
            throw new UnableToExecuteStatementException(e, null);
        }
    }

    private BatchResult claim(Handle tx, ClaimStatements statements, List<Element> elements, Start start)
            throws SQLException {
        Instant now = clock.instant();
        Set<OwnedChip> won =
                start.released() == null ? Set.of() : StatedChips.take(tx, target.tenant(), start.released());
        List<Candidate> candidates = new ArrayList<>();
        Set<OwnedChip> chips = new HashSet<>();
        for (Element element : elements) {
            if (element instanceof Element.Parsed(long position, Candidate candidate)) {
                candidates.add(candidate);
                OwnedChip.of(candidate).ifPresent(chips::add);
            }
        }
        // Owners first: from here on nobody else can claim these chips, in this tenant or another.
        Set<OwnedChip> taken = chips;
        Set<OwnedChip> owned = chips;
        if (start.look()) {
            taken = statements.insertFreeOwners(chips);
            owned = statements.owned(chips);
            if (start.released() == null) {
                refuseDisputed(candidates, owned);
            }
        } else {
            statements.insertOwners(chips);
        }
        // In order: devices are then listed as the file has them, and rows go to the ends of the indexes.
        Iterator<UUID> ids = Stream.generate(() -> TimeOrderedIds.next(now, random))
                .limit(candidates.size())
                .sorted()
                .iterator();
        KnownClaims known = new KnownClaims(owned, ids::next);
        if (start.look()) {
            statements.load(known, candidates);
        }
        BatchResult result = new BatchResult();
        for (Element element : elements) {
            result.add(element, known);
        }
        statements.insertDevices(known.newDevices());
        statements.insertKeys(known.newKeys());
        statements.raiseProofs(known.raisedProofs());
        statements.deleteOwners(Stream.concat(taken.stream(), won.stream())
                .filter(chip -> !known.isUsed(chip))
                .toList());
        stated.noteWon(tx, target, won.stream().filter(known::isUsed).sorted().toList());
        return result;
    }

    private static void refuseDisputed(List<Candidate> candidates, Set<OwnedChip> owned) {
        Set<OwnedChip> disputed = new HashSet<>();
        for (Candidate candidate : candidates) {
            if (candidate.knownVendor()) {
                OwnedChip.of(candidate).filter(chip -> !owned.contains(chip)).ifPresent(disputed::add);
            }
        }
        if (!disputed.isEmpty()) {
            throw new DisputeException(disputed);
        }
    }

    /// Says that the import is alive; false where it has been ended.
    boolean touch() {
        int touched = database.inTenant(
                target.tenant(),
                tx -> tx.createUpdate("""
                        UPDATE manifest SET updated_at = :now
                        WHERE tenant_id = :tenant AND manifest_id = :manifest AND state = 'RUNNING'""")
                        .bind("now", clock.instant())
                        .bind("tenant", target.tenant())
                        .bind("manifest", target.manifest())
                        .execute());
        return touched == 1;
    }
}
