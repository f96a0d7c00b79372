// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.JobId;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A campaign as it is stored.
///
/// @param authorities which one takes the place of which
/// @param newAnchor SHA-256 of the new root; null where devices trust the root of the new authority already
/// @param anchors all that devices are told to trust meanwhile, DER
/// @param readmission how devices come back; null where the old authority is not compromised
/// @param listed how many devices it has found so far
/// @param settled whether nothing is left to do in this state
/// @param note why it pauses by itself
/// @param job that works on it now, or did last
/// @param progress how many devices stand where
/// @param ownRenewalsBy when the last certificate ends of those devices that are waited for and told nothing,
/// since they have never checked in; null where there are none
public record Rollover(
        RolloverId id,
        Cause cause,
        RolloverState state,
        AuthorityId oldAuthority,
        AuthorityId newAuthority,
        Map<AuthorityId, AuthorityId> authorities,
        @Nullable Bytes newAnchor,
        List<Bytes> anchors,
        @Nullable Readmission readmission,
        Waves waves,
        int wave,
        @Nullable Instant waveOpenedAt,
        long listed,
        boolean settled,
        @Nullable String note,
        @Nullable JobId job,
        String createdBy,
        Instant createdAt,
        Instant updatedAt,
        Map<Step, Long> progress,
        @Nullable Instant ownRenewalsBy) {
    /// Why authorities are replaced.
    public enum Cause {
        RENEWAL,
        COMPROMISE
    }

    /// How devices come back whose certificates were revoked together with their authority.
    public enum Readmission {
        /// With the key that they were born with.
        BIRTH_KEY,
        /// With the key of the revoked certificate too: its own key is not what was compromised.
        OLD_KEY
    }

    /// How far a device is.
    public enum Step {
        /// Its wave is not open yet.
        WAITING,
        /// It was told to trust the new root, and has not said yet that it does.
        ANCHORS,
        /// It was told to renew, and is given a certificate of the new authority when it does.
        RENEWAL,
        /// It has never checked in, and so is told nothing: it is given a certificate of the new authority when
        /// it renews by itself.
        OWN_RENEWAL,
        MOVED,
        /// Its certificate has ended before it moved. One that comes back is given a certificate of the new
        /// authority.
        ENDED,
        /// It could not, several times.
        FAILED,
        /// It was suspended, revoked, retired or taken away meanwhile. One that is in operation again is
        /// taken along.
        GONE,
        /// It was told to renew, and is given a certificate of the old authority when it does.
        RETURNING,
        RETURNED
    }

    /// How devices are taken one after the other.
    ///
    /// @param size devices of a wave
    /// @param share percent of the open waves that must have moved before the next one opens
    /// @param longest after which the next one opens all the same: some devices sleep for months
    /// @param failureLimit percent of the devices that were begun with; more failures pause the campaign
    public record Waves(int size, int share, Duration longest, int failureLimit) {
        public static Waves standard() {
            return new Waves(1_000, 90, Duration.ofDays(7), 5);
        }
    }

    public Rollover {
        authorities = Map.copyOf(authorities);
        anchors = List.copyOf(anchors);
        progress = Map.copyOf(progress);
    }

    long devices(Step step) {
        return progress.getOrDefault(step, 0L);
    }

    /// Those of them that are told what to do.
    long told() {
        return devices(Step.WAITING) + devices(Step.ANCHORS) + devices(Step.RENEWAL);
    }

    /// Devices with which something is still to be done.
    public long outstanding() {
        return state == RolloverState.ROLLING_BACK
                ? told() + devices(Step.OWN_RENEWAL) + devices(Step.MOVED) + devices(Step.RETURNING)
                : told() + devices(Step.OWN_RENEWAL);
    }
}
