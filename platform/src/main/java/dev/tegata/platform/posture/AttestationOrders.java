// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.posture;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.appraisal.Appraisals;
import dev.tegata.platform.checkin.DueOrders;
import dev.tegata.platform.checkin.EvidenceSink;
import dev.tegata.platform.enrol.Candidate;
import dev.tegata.platform.fleet.AttestationPolicy;
import dev.tegata.platform.fleet.FleetPolicy;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.order.OrderId;
import dev.tegata.platform.order.OrderResults;
import dev.tegata.platform.store.Database;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.OrderContent;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jdbi.v3.core.Handle;

/// Asks devices for evidence when they check in, and appraises what they send.
public final class AttestationOrders implements DueOrders, EvidenceSink, OrderResults {
    private static final int NONCE = 32;

    private final Database database;
    private final Appraisals appraisals;
    private final Postures postures;
    private final PostureWatch watch;
    private final RandomGenerator random;

    /// @param random of cryptographic quality: nonces come from it
    public AttestationOrders(
            Database database, Appraisals appraisals, Postures postures, PostureWatch watch, RandomGenerator random) {
        this.database = database;
        this.appraisals = appraisals;
        this.postures = postures;
        this.watch = watch;
        this.random = random;
    }

    /// Evidence is due where there is none, where it grows old, and where the device has booted since: what
    /// runs now is not what was measured. A device that is not good is asked as often as it would check in
    /// otherwise. A fleet that draws consequences without a limit to the age of evidence asks once.
    @Override
    public List<OrderContent> due(IssuingFleet fleet, Candidate device, CheckIn said, Instant now) {
        AttestationPolicy policy = fleet.fleet().policy().attestation();
        boolean asks = policy.asksForEvidence() || !policy.consequences().isEmpty();
        if (!asks && !device.isToProveItself()) {
            return List.of();
        }
        Optional<Posture> posture = postures.find(fleet.tenant(), device.id());
        if (posture.isPresent() && !isDue(posture.get(), fleet.fleet().policy(), said, now)) {
            return List.of();
        }
        byte[] nonce = new byte[NONCE];
        random.nextBytes(nonce);
        return List.of(new OrderContent.Attest(Bytes.of(nonce)));
    }

    private static boolean isDue(Posture posture, FleetPolicy policy, CheckIn said, Instant now) {
        Instant last = posture.appraisedAt();
        Long bootCount = posture.bootCount();
        if (last == null || bootCount != null && said.bootCount() > bootCount) {
            return true;
        }
        Instant usual = last.plus(policy.checkIn().slow());
        if (!policy.attestation().asksForEvidence()) {
            return !posture.isGood(now) && !now.isBefore(usual);
        }
        // One that comes in time never grows stale.
        Instant again =
                last.plus(policy.attestation().freshness().multipliedBy(2).dividedBy(3));
        return !now.isBefore(posture.isGood(now) || again.isBefore(usual) ? again : usual);
    }

    @Override
    public void take(TenantId tenant, FleetId fleet, DeviceId device, OrderId order, CheckIn.Evidence evidence) {
        if (database.inTenant(tenant, tx -> Postures.isAnswered(tx, tenant, device, order))) {
            return;
        }
        Appraisals.Request request = new Appraisals.Request(
                new Evidence(evidence.mediaType(), evidence.value()),
                evidence.nonce(),
                Appraisals.Origin.CHECK_IN,
                device);
        appraisals.appraiseAndKeep(
                tenant,
                request,
                (tx, appraised) -> postures.noteOrder(
                        tx, tenant, device, appraised.stored().id(), order));
        watch.draw(tenant, device);
    }

    /// What became of an order to attest is believed by the evidence alone. One that failed is placed again
    /// soon, with another nonce.
    @Override
    public Optional<String> take(Handle tx, TenantId tenant, Ended ended) {
        if (ended.status() == CheckIn.Status.DONE && !Postures.isAnswered(tx, tenant, ended.device(), ended.order())) {
            return Optional.of(
                    "no evidence came with the nonce of this order, or it is not known whether its certificate is revoked");
        }
        return Optional.empty();
    }
}
