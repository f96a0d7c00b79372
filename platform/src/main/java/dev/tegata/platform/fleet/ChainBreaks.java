// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.fleet;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Broken;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authorities;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;

/// Which devices lose their chain by other settings of their fleet: at their next renewal they would get no
/// certificate, or one that those who let them in do not accept.
///
/// Reads a bounded part of an index, however large the fleet is.
final class ChainBreaks {
    private static final String IN_SERVICE =
            " FROM device WHERE tenant_id = :tenant AND fleet_id = :fleet AND state IN ('ACTIVE', 'SUSPENDED') AND ";

    private final Handle tx;
    private final TenantId tenant;
    private final FleetId fleet;

    private ChainBreaks(Handle tx, FleetId fleet) {
        this.tx = tx;
        this.tenant = fleet.tenant();
        this.fleet = fleet;
    }

    /// Whom the change of `before` to `after` breaks; empty where nobody.
    static List<Broken> of(Handle tx, Authorities authorities, Fleet before, FleetSettings after) {
        ChainBreaks breaks = new ChainBreaks(tx, before.id());
        List<Broken> found = new ArrayList<>();
        breaks.keys(found, before.profile(), after.profile());
        breaks.purposes(found, before.profile(), after.profile());
        if (!before.authority().equals(after.authority())) {
            breaks.authority(found, authorities, before.authority(), after.authority());
        }
        if (before.parallelAuthority() != null && after.parallelAuthority() == null) {
            breaks.secondChain(found, before.parallelAuthority());
        }
        return found;
    }

    /// All devices in service.
    static List<Broken> everybody(Handle tx, FleetId fleet, String reason, String detail) {
        List<Broken> found = new ArrayList<>();
        new ChainBreaks(tx, fleet).inService(found, reason, detail);
        return found;
    }

    private void keys(List<Broken> found, CertificateProfile before, CertificateProfile after) {
        for (KeyAlgorithm algorithm : before.keyAlgorithms()) {
            if (!after.keyAlgorithms().contains(algorithm)) {
                add(
                        found,
                        "key_algorithm = '" + algorithm.id() + "'",
                        "key-not-allowed",
                        "they hold keys of the kind " + algorithm.id()
                                + ", for which the fleet would give no certificate; whether they can make others is not"
                                + " known here",
                        "/api/v1/devices?fleet=" + fleet + "&keyAlgorithm=" + algorithm.id(),
                        "tegata device list --fleet " + fleet + " --key " + algorithm.id());
            }
        }
    }

    private void purposes(List<Broken> found, CertificateProfile before, CertificateProfile after) {
        List<String> lost = Stream.concat(
                        before.extendedKeyUsages().stream()
                                .filter(purpose -> !after.extendedKeyUsages().contains(purpose)),
                        before.keyUsages().stream()
                                .filter(usage -> !after.keyUsages().contains(usage))
                                .map(usage -> usage.text()))
                .toList();
        if (!lost.isEmpty()) {
            inService(found, "purpose-lost", "their next certificates would not be for " + String.join(", ", lost));
        }
    }

    private void authority(List<Broken> found, Authorities authorities, AuthorityId before, AuthorityId after) {
        if (!isCertified(authorities, after)) {
            inService(found, "authority-not-ready", "the other authority waits for its own certificate");
        } else if (isCertified(authorities, before)) {
            Certificate root = authorities.chain(tx, tenant, before).getLast();
            if (!authorities.issuing(tx, tenant, after).published().contains(root)) {
                inService(
                        found,
                        "root-changes",
                        "the other authority is under another root, which those who verify the devices do not know yet;"
                                + " a rollover makes it known first");
            }
        }
    }

    private boolean isCertified(Authorities authorities, AuthorityId id) {
        return authorities
                .find(tx, tenant, id)
                .filter(authority -> authority.certificate() != null)
                .isPresent();
    }

    private void secondChain(List<Broken> found, AuthorityId authority) {
        add(
                found,
                "parallel_certificate IS NOT NULL",
                "second-chain-ends",
                "their certificates of the second chain would not be renewed",
                "/api/v1/authorities/" + authority + "/dependents/devices",
                "tegata authority dependent-devices " + authority);
    }

    private void inService(List<Broken> found, String reason, String detail) {
        String kinds = String.join(
                "', '",
                Arrays.stream(KeyAlgorithm.values()).map(KeyAlgorithm::id).toList());
        add(
                found,
                "key_algorithm IN ('" + kinds + "')",
                reason,
                detail,
                "/api/v1/devices?fleet=" + fleet + "&state=active",
                "tegata device list --fleet " + fleet + " --state active");
    }

    private void add(List<Broken> found, String condition, String reason, String detail, String path, String command) {
        int count = tx.createQuery(
                        "SELECT count(*) FROM (SELECT" + IN_SERVICE + condition + " LIMIT :limit) AS counted")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .bind("limit", Broken.COUNTED + 1)
                .mapTo(Integer.class)
                .one();
        if (count == 0) {
            return;
        }
        List<String> first = tx.createQuery("SELECT device_id::text" + IN_SERVICE + condition + " LIMIT :limit")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .bind("limit", Broken.NAMED)
                .mapTo(String.class)
                .list();
        boolean more = count > Broken.COUNTED;
        found.add(new Broken(reason, detail, "device", Math.min(count, Broken.COUNTED), more, first, path, command));
    }
}
