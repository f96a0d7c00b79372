// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.RecentValues;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.enrol.Batches;
import dev.tegata.platform.fleet.IssuerChoice;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.rollover.Rollover.Cause;
import dev.tegata.platform.rollover.Rollover.Readmission;
import dev.tegata.platform.rollover.Rollover.Step;
import dev.tegata.platform.store.Database;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;

/// Which authority issues for a device while a campaign moves it: the new one from the moment in which the
/// device has said that it trusts the new root, and not before.
///
/// Where there is no campaign, the answer costs nothing: that is remembered for [IssuingFleets#LIFETIME].
public final class CampaignIssuers implements IssuerChoice {
    private static final int CAPACITY = 10_000;

    private final Database database;
    private final IssuingFleets fleets;
    private final RecentValues<Chain, Optional<Campaign>> campaigns;
    private final Batches<Asked, Optional<Step>> steps;

    public CampaignIssuers(Database database, IssuingFleets fleets, InstantSource clock) {
        this.database = database;
        this.fleets = fleets;
        this.campaigns = new RecentValues<>(clock, IssuingFleets.LIFETIME, CAPACITY, this::campaign);
        // Reading disturbs nobody: any questions may share a batch.
        this.steps = new Batches<>("campaign-steps", _ -> new Object(), this::steps);
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
        return steps.ask(fleet.tenant(), new Asked(campaign.id(), device.value()))
                .map(step -> switch (step) {
                    case RENEWAL, OWN_RENEWAL, MOVED, ENDED -> campaign.fresh();
                    case WAITING, ANCHORS, FAILED, GONE, RETURNING, RETURNED -> campaign.old();
                })
                .map(authority -> fleets.under(fleet, authority))
                .orElse(fleet);
    }

    private record Asked(UUID campaign, UUID device) {}

    /// Every check-in of a campaign's devices asks this: concurrent ones share a look-up. Straight JDBC for
    /// that.
    private List<Optional<Step>> steps(TenantId tenant, List<Asked> asked) {
        return database.inTenant(tenant, tx -> {
            Connection connection = tx.getConnection();
            try (PreparedStatement statement = connection.prepareStatement("""
                    SELECT i.rollover_id, i.device_id, found.step
                    FROM unnest(?::uuid[], ?::uuid[]) AS i (rollover_id, device_id) CROSS JOIN LATERAL (
                        SELECT CASE WHEN r.state = 'ROLLING_BACK' THEN 'RETURNING' ELSE d.step END AS step
                        FROM rollover_device d
                        JOIN rollover r ON r.tenant_id = d.tenant_id AND r.rollover_id = d.rollover_id
                        WHERE d.tenant_id = ? AND d.rollover_id = i.rollover_id AND d.device_id = i.device_id
                        LIMIT 1) AS found""")) {
                statement.setArray(
                        1,
                        connection.createArrayOf(
                                "uuid", asked.stream().map(Asked::campaign).toArray()));
                statement.setArray(
                        2,
                        connection.createArrayOf(
                                "uuid", asked.stream().map(Asked::device).toArray()));
                statement.setString(3, tenant.value());
                Map<Asked, Step> found = new HashMap<>();
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        found.put(
                                new Asked(rows.getObject(1, UUID.class), rows.getObject(2, UUID.class)),
                                Step.valueOf(rows.getString(3)));
                    }
                }
                return asked.stream()
                        .map(one -> Optional.ofNullable(found.get(one)))
                        .toList();
            } catch (SQLException e) {
                throw new UnableToExecuteStatementException(e, null);
            }
        });
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
