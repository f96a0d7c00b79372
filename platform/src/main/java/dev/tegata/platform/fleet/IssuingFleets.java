// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.store.Database;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Fleets ready to issue, remembered for [#LIFETIME]: enrolment asks for the same few thousands of
/// times a second.
public final class IssuingFleets {
    /// How late a change on another node is seen at the most.
    public static final Duration LIFETIME = Duration.ofSeconds(2);

    private static final int CAPACITY = 10_000;
    private static final List<KeyAlgorithm> POST_QUANTUM = Arrays.stream(KeyAlgorithm.values())
            .filter(KeyAlgorithm::isPostQuantum)
            .toList();

    private final Database database;
    private final Authorities authorities;
    private final RecentValues<Wanted, Outcome> recent;

    public IssuingFleets(Database database, Authorities authorities, InstantSource clock) {
        this.database = database;
        this.authorities = authorities;
        this.recent = new RecentValues<>(clock, LIFETIME, CAPACITY, this::load);
    }

    /// @param authority null for the one that the fleet names
    /// @param parallel whether it is about the second chain
    private record Wanted(FleetId fleet, @Nullable AuthorityId authority, boolean parallel) {}

    /// A refusal is remembered too, or whoever asks for a fleet that does not exist would ask the
    /// database each time.
    private sealed interface Outcome {
        record Ready(IssuingFleet fleet) implements Outcome {}

        record Refused(RefusedException reason) implements Outcome {}
    }

    /// The fleet that firmware names. Not to be called inside a transaction.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND], or [ErrorCode#AUTHORITY_NOT_READY]
    public IssuingFleet get(FleetId id) {
        return get(new Wanted(id, null, false));
    }

    /// The same fleet under another authority. Not to be called inside a transaction.
    ///
    /// @throws RefusedException [ErrorCode#NOT_FOUND], or [ErrorCode#AUTHORITY_NOT_READY]
    public IssuingFleet under(IssuingFleet fleet, AuthorityId authority) {
        return fleet.authority().id().equals(authority)
                ? fleet
                : get(new Wanted(fleet.fleet().id(), authority, fleet.parallel()));
    }

    /// The same fleet under the authority of its second chain, which takes post-quantum keys; empty where
    /// it has none. Not to be called inside a transaction.
    ///
    /// @throws RefusedException [ErrorCode#AUTHORITY_NOT_READY]
    public Optional<IssuingFleet> parallel(IssuingFleet fleet) {
        return Optional.ofNullable(fleet.fleet().parallelAuthority())
                .map(authority -> get(new Wanted(fleet.fleet().id(), authority, true)));
    }

    /// All that devices of the fleet are handed out: what is published of each of its chains.
    public List<Certificate> published(IssuingFleet fleet) {
        return Stream.concat(
                        fleet.authority().published().stream(),
                        parallel(fleet).stream().flatMap(other -> other.authority().published().stream()))
                .distinct()
                .toList();
    }

    private IssuingFleet get(Wanted wanted) {
        return switch (recent.get(wanted)) {
            case Outcome.Ready ready -> ready.fleet();
            case Outcome.Refused refused -> throw refused.reason();
        };
    }

    /// Makes the next [#get] read the fleet again.
    void forget(FleetId id) {
        recent.forget(new Wanted(id, null, false));
    }

    private Outcome load(Wanted wanted) {
        try {
            return new Outcome.Ready(database.inTenant(wanted.fleet().tenant(), tx -> read(tx, wanted)));
        } catch (RefusedException e) {
            return new Outcome.Refused(e);
        }
    }

    private IssuingFleet read(Handle tx, Wanted wanted) {
        FleetId id = wanted.fleet();
        TenantId tenant = id.tenant();
        Fleet fleet = Fleets.find(tx, tenant, id)
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + id));
        IssuingAuthority authority =
                authorities.issuing(tx, tenant, wanted.authority() == null ? fleet.authority() : wanted.authority());
        String organization = tx.createQuery("SELECT subject->>'organization' FROM tenant WHERE tenant_id = :tenant")
                .bind("tenant", tenant)
                .mapTo(String.class)
                .one();
        try {
            CertificateProfile profile = wanted.parallel() ? parallel(fleet.profile()) : fleet.profile();
            Locations usual = authorities.addresses().forDevices(tenant, authority.id());
            Issuance issuance = Issuance.of(
                    authority.certificate(),
                    profile.withLocations(profile.locations().or(usual)));
            return new IssuingFleet(tenant, fleet, authority, issuance, organization, wanted.parallel());
        } catch (InvalidCertificateException e) {
            throw new RefusedException(ErrorCode.AUTHORITY_NOT_READY, String.valueOf(e.getMessage()));
        }
    }

    /// What certificates of the second chain are: as those of the first, for other keys.
    static CertificateProfile parallel(CertificateProfile profile) {
        return profile.withForm(CertificateProfile.Form.FULL).withKeyAlgorithms(POST_QUANTUM);
    }
}
