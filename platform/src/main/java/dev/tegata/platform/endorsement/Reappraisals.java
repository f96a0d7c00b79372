// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import java.util.List;
import org.jdbi.v3.core.Handle;

/// Has stored evidence judged again, without the devices, because what it was judged by has changed.
public interface Reappraisals {
    /// Asks for it, as part of the transaction of the change.
    ///
    /// @param changed manifests that came, went, or began or ceased to hold; what they are about says
    ///     which stored
    ///     evidence is touched. Empty where all of it is: another policy is in force
    void request(Handle tx, TenantId tenant, Actor actor, List<EndorsementId> changed);
}
