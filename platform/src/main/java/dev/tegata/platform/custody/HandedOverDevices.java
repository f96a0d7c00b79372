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
    private final Supplier<Port> port;

    /// Where devices of this installation enrol.
    ///
    /// @param anchor what the port's TLS certificate leads to, in DER: by it the device finds the server
    /// again
    public record Port(String url, Bytes anchor) {}

    public HandedOverDevices(Database database, IssuingFleets fleets, Supplier<Port> port) {
        this.database = database;
        this.fleets = fleets;
        this.port = port;
    }

    @Override
    public Optional<Departed> find(TenantId tenant, Certificate shown) {
        return HandedOver.find(database, tenant, shown).map(gone -> {
            IssuingFleet home = fleets.get(gone.newFleet());
            Bytes root = home.authority().chain().getLast().encoded();
            Port at = port.get();
            return new Departed(
                    gone.device(),
                    gone.serial(),
                    new NewHome(gone.newFleet().value(), at.url(), List.of(root, at.anchor())));
        });
    }
}
