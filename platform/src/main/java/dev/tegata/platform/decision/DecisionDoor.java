// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.decision;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.admission.Door;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Decides on those who are connected to a broker, by the policy of the relying party that has the
/// service's name.
///
/// Where there is none of that name, a good certificate of an active device is enough: a tenant that knows
/// nothing of evidence has a broker too.
public final class DecisionDoor implements Door {
    private final Decisions decisions;
    private final RelyingParties parties;

    public DecisionDoor(Decisions decisions, RelyingParties parties) {
        this.decisions = decisions;
        this.parties = parties;
    }

    @Override
    public Map<DeviceId, Word> judge(TenantId tenant, String service, Collection<Guest> guests) {
        long moment = System.nanoTime();
        Optional<RelyingParty> party = parties.find(tenant, service, moment);
        if (party.isEmpty()) {
            return Map.of();
        }
        Map<DeviceId, Word> words = new HashMap<>();
        for (Guest guest : guests) {
            Decision decision = decisions.decide(tenant, guest, party.get(), moment);
            Optional<String> reason = decision.reasons().stream().findFirst().map(Decision.Reason::code);
            words.put(guest.device(), new Word(reason, decision.validUntil()));
        }
        return words;
    }
}
