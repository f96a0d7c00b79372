// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.fleet.IssuerChoice;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.rollover.Rollover.Cause;
import dev.tegata.platform.rollover.Rollover.Readmission;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.store.Database;
import java.time.InstantSource;
import java.util.Optional;
import java.util.UUID;

/// Which authority issues for a device while a campaign moves it: the new one from the moment in which the
/// device has said that it trusts the new root, and not before.
///
/// Where there is no campaign, the answer costs nothing: that is remembered for [IssuingFleets#LIFETIME].
public final class CampaignIssuers implements IssuerChoice {
    private static final int CAPACITY = 10_000;

    private final Database database;
    private final IssuingFleets fleets;
    private final RecentValues<Chain, Optional<Campaign>> campaigns;

    public CampaignIssuers(Database database, IssuingFleets fleets, InstantSource clock) {
        this.database = database;
        this.fleets = fleets;
        this.campaigns = new RecentValues<>(clock, IssuingFleets.LIFETIME, CAPACITY, this::campaign);
    }

    /// A fleet may have two chains, each with a campaign of its own.
    private record Chain(TenantId tenant, AuthorityId authority) {
        static Chain of(IssuingFleet fleet) {
            return new Chain(fleet.tenant(), fleet.authority().id());
        }
    }

    private record Campaign(
            UUID id, Cause cause, RolloverState state, boolean oldKeys, AuthorityId old, AuthorityId fresh) {}

    private Optional<Campaign> campaign(Chain chain) {
        return database.inTenant(
                chain.tenant(),
                tx -> tx.createQuery("""
                                SELECT r.rollover_id, r.cause, r.state, r.readmission, a.old_authority, a.new_authority
                                FROM rollover_authority a
                                JOIN rollover r ON r.tenant_id = a.tenant_id AND r.rollover_id = a.rollover_id
                                WHERE a.tenant_id = :tenant AND a.open
                                    AND (a.old_authority = :authority OR a.new_authority = :authority)""")
                        .bind("tenant", chain.tenant())
                        .bind("authority", chain.authority())
                        .map((row, context) -> new Campaign(
                                row.getObject(1, UUID.class),
                                Cause.valueOf(row.getString(2)),
                                RolloverState.valueOf(row.getString(3)),
                                Readmission.OLD_KEY.name().equals(row.getString(4)),
                                new AuthorityId(row.getObject(5, UUID.class)),
                                new AuthorityId(row.getObject(6, UUID.class))))
                        .findFirst());
    }

    @Override
    public IssuingFleet of(IssuingFleet fleet, DeviceId device) {
        Optional<Campaign> found = campaigns.get(Chain.of(fleet));
        if (found.isEmpty() || found.get().cause() == Cause.COMPROMISE) {
            return fleet;
        }
        Campaign campaign = found.get();
        return step(fleet.tenant(), campaign, device)
                .map(step -> switch (step) {
                    case RENEWAL, MOVED -> campaign.fresh();
                    case WAITING, ANCHORS, FAILED, GONE, RETURNING, RETURNED -> campaign.old();
                })
                .map(authority -> fleets.under(fleet, authority))
                .orElse(fleet);
    }

    private Optional<Step> step(TenantId tenant, Campaign campaign, DeviceId device) {
        return database.inTenant(
                tenant,
                tx -> tx.createQuery("""
                                SELECT CASE WHEN r.state = 'ROLLING_BACK' THEN 'RETURNING' ELSE d.step END
                                FROM rollover_device d
                                JOIN rollover r ON r.tenant_id = d.tenant_id AND r.rollover_id = d.rollover_id
                                WHERE d.tenant_id = :tenant AND d.rollover_id = :id AND d.device_id = :device""")
                        .bind("tenant", tenant)
                        .bind("id", campaign.id())
                        .bind("device", device)
                        .mapTo(String.class)
                        .map(Step::valueOf)
                        .findOne());
    }

    @Override
    public boolean readmits(IssuingFleet fleet, DeviceId device, Bytes serialNumber) {
        Optional<Campaign> campaign = campaigns.get(Chain.of(fleet));
        return campaign.isPresent()
                && campaign.get().cause() == Cause.COMPROMISE
                && campaign.get().oldKeys()
                && database.inTenant(
                        fleet.tenant(),
                        tx -> tx.createQuery("""
                                        SELECT EXISTS (SELECT FROM rollover_device
                                            WHERE tenant_id = :tenant AND rollover_id = :id AND device_id = :device
                                                AND held = :held AND step = 'RENEWAL')""")
                                .bind("tenant", fleet.tenant())
                                .bind("id", campaign.get().id())
                                .bind("device", device)
                                .bind("held", serialNumber)
                                .mapTo(Boolean.class)
                                .one());
    }
}
