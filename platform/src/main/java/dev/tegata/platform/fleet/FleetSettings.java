// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Fields;
import dev.tegata.protocol.SignedOrders;
import org.jspecify.annotations.Nullable;

/// All that can be chosen about a fleet.
///
/// @param name what people call it
/// @param authority that signs its devices
/// @param profile of their operational certificates: one of the kind DEVICE
public record FleetSettings(
        String name,
        AuthorityId authority,
        @Nullable AuthorityId parallelAuthority,
        CertificateProfile profile,
        FleetPolicy policy) {
    public FleetSettings {
        name = Fields.name("name", name);
        if (authority.equals(parallelAuthority)) {
            throw Fields.invalid("parallelAuthority", "must be another than the fleet's own");
        }
        if (profile.kind() != CertificateProfile.Kind.DEVICE) {
            throw Fields.invalid("profile.kind", "must be DEVICE");
        }
        // Or any device of the fleet could give orders to all others.
        if (profile.extendedKeyUsages().contains(SignedOrders.PURPOSE.toString())) {
            throw Fields.invalid("profile.extendedKeyUsages", "must not hold the purpose of signing orders");
        }
    }

    /// With one chain.
    public FleetSettings(String name, AuthorityId authority, CertificateProfile profile, FleetPolicy policy) {
        this(name, authority, null, profile, policy);
    }
}
