// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.checkin.Departures;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.fleet.IssuingFleets;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.OrderContent.NewHome;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/// Tells check-ins where a device that comes back to its old fleet belongs now.
public final class HandedOverDevices implements Departures {
    private final Database database;
    private final IssuingFleets fleets;
    private final Supplier<String> devicesUrl;

    /// @param devicesUrl where devices of this installation enrol
    public HandedOverDevices(Database database, IssuingFleets fleets, Supplier<String> devicesUrl) {
        this.database = database;
        this.fleets = fleets;
        this.devicesUrl = devicesUrl;
    }

    @Override
    public Optional<Departed> find(TenantId tenant, Certificate shown) {
        return HandedOver.find(database, tenant, shown).map(gone -> {
            IssuingFleet home = fleets.get(gone.newFleet());
            Bytes anchor = home.authority().chain().getLast().encoded();
            return new Departed(
                    gone.device(),
                    gone.serial(),
                    new NewHome(gone.newFleet().value(), devicesUrl.get(), List.of(anchor)));
        });
    }
}
