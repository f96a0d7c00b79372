// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.authority;

import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.TenantId;
import java.util.List;
import java.util.function.Supplier;

/// Where anybody fetches revocation lists, OCSP answers and CA certificates of this installation. These
/// addresses stand in certificates for good.
///
/// @param base the URL before the path, without a slash at its end
public record PublicAddresses(Supplier<String> base) {
    /// Of a server on this machine with the usual port.
    public static final PublicAddresses LOCAL = new PublicAddresses(() -> "http://localhost:8080");

    /// For the certificates of devices, which are spread over partitions.
    public Locations forDevices(TenantId tenant, AuthorityId issuer) {
        return locations(tenant, issuer, partition(tenant, issuer, Locations.PARTITION));
    }

    /// For the certificates of authorities.
    public Locations forAuthorities(TenantId tenant, AuthorityId issuer) {
        return locations(tenant, issuer, full(tenant, issuer));
    }

    /// The full revocation list of an authority.
    public String full(TenantId tenant, AuthorityId issuer) {
        return base.get() + "/crl/" + tenant + "/" + issuer + ".crl";
    }

    /// The list of one partition.
    public String partition(TenantId tenant, AuthorityId issuer, int partition) {
        return partition(tenant, issuer, "%06d".formatted(partition));
    }

    private String partition(TenantId tenant, AuthorityId issuer, String digits) {
        return base.get() + "/crl/" + tenant + "/" + issuer + "/" + digits + ".crl";
    }

    private Locations locations(TenantId tenant, AuthorityId issuer, String crl) {
        return new Locations(
                List.of(crl),
                List.of(base.get() + "/ocsp/" + tenant + "/" + issuer),
                List.of(base.get() + "/ca/" + tenant + "/" + issuer + ".cer"));
    }
}
