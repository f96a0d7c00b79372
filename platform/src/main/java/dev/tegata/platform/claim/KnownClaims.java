// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.device.Device.Proof;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;

/// Decides, element by element, what is claimed, against what is stored and what the same batch has brought
/// before.
///
/// Pure: what is known is put in, what is to be stored is taken out.
final class KnownClaims {
    private final Supplier<UUID> ids;
    private final Set<OwnedChip> owned;
    private final Set<OwnedChip> used = new HashSet<>();
    private final Map<ChipNumber, KnownDevice> devices = new HashMap<>();
    private final Map<UUID, KnownDevice> devicesById = new HashMap<>();
    private final Map<Bytes, UUID> holders = new HashMap<>();
    private final List<NewDevice> newDevices = new ArrayList<>();
    private final List<NewKey> newKeys = new ArrayList<>();
    private final Map<UUID, Proof> raisedProofs = new LinkedHashMap<>();

    /// @param owned which of the batch's chips are this tenant's
    KnownClaims(Set<OwnedChip> owned, Supplier<UUID> ids) {
        this.owned = owned;
        this.ids = ids;
    }

    /// A row to be stored.
    record NewDevice(UUID id, Candidate candidate) {}

    /// A row to be stored.
    record NewKey(UUID device, BirthKey key) {}

    /// What becomes of an element.
    sealed interface Verdict {
        record Claimed() implements Verdict {}

        record AlreadyClaimed() implements Verdict {}

        record Conflict(IssueReason reason, String detail) implements Verdict {}
    }

    private record ChipNumber(String chip, String serial) {}

    private static final class KnownDevice {
        final UUID id;
        final Map<Integer, Bytes> keys = new HashMap<>();
        Proof proof;

        KnownDevice(UUID id, Proof proof) {
            this.id = id;
            this.proof = proof;
        }
    }

    /// Puts in a stored device, before its keys.
    void device(UUID id, String chip, String serial, Proof proof) {
        KnownDevice device = new KnownDevice(id, proof);
        devices.put(new ChipNumber(chip, serial), device);
        devicesById.put(id, device);
    }

    /// Puts in a stored key; its device need not be known.
    void key(UUID device, int slot, Bytes fingerprint) {
        holders.put(fingerprint, device);
        KnownDevice known = devicesById.get(device);
        if (known != null) {
            known.keys.put(slot, fingerprint);
        }
    }

    Verdict claim(Candidate candidate) {
        Optional<OwnedChip> owner = OwnedChip.of(candidate);
        if (owner.isPresent() && !owned.contains(owner.get())) {
            return new Verdict.Conflict(IssueReason.TAKEN, "somebody else has claimed this chip");
        }
        KnownDevice known = devices.get(new ChipNumber(candidate.chip().id(), candidate.serial()));
        for (BirthKey key : candidate.keys()) {
            UUID holder = holders.get(key.fingerprint());
            if (holder != null && (known == null || !holder.equals(known.id))) {
                return new Verdict.Conflict(
                        IssueReason.KEY_TAKEN, "another device has the public key of slot " + key.slot());
            }
        }
        Verdict verdict = known == null ? claimNew(candidate) : claimAgain(candidate, known);
        if (!(verdict instanceof Verdict.Conflict)) {
            owner.ifPresent(used::add);
        }
        return verdict;
    }

    private Verdict claimNew(Candidate candidate) {
        UUID id = ids.get();
        device(id, candidate.chip().id(), candidate.serial(), candidate.proof());
        newDevices.add(new NewDevice(id, candidate));
        for (BirthKey key : candidate.keys()) {
            add(id, key);
        }
        return new Verdict.Claimed();
    }

    /// A manifest may say more of a chip than the one before: a full one after a short one, one whose CA is
    /// trusted by now. What it adds is taken, if it is at least as well proven as what is there.
    private Verdict claimAgain(Candidate candidate, KnownDevice known) {
        List<BirthKey> added = new ArrayList<>();
        for (BirthKey key : candidate.keys()) {
            Bytes present = known.keys.get(key.slot());
            if (present != null && present.equals(key.fingerprint())) {
                continue;
            }
            if (present != null || holders.containsKey(key.fingerprint())) {
                return new Verdict.Conflict(
                        IssueReason.OTHER_KEYS, "the chip is claimed with another public key in slot " + key.slot());
            }
            added.add(key);
        }
        // Proof lists the strongest first.
        int strength = candidate.proof().compareTo(known.proof);
        if (!added.isEmpty() && strength > 0) {
            return new Verdict.Conflict(
                    IssueReason.OTHER_KEYS, "the chip is claimed on better proof than these further keys have");
        }
        for (BirthKey key : added) {
            add(known.id, key);
        }
        if (strength < 0) {
            known.proof = candidate.proof();
            raisedProofs.put(known.id, candidate.proof());
        }
        return new Verdict.AlreadyClaimed();
    }

    private void add(UUID device, BirthKey key) {
        key(device, key.slot(), key.fingerprint());
        newKeys.add(new NewKey(device, key));
    }

    /// The stored devices that were put in.
    Set<UUID> deviceIds() {
        return devicesById.keySet();
    }

    List<NewDevice> newDevices() {
        return newDevices;
    }

    List<NewKey> newKeys() {
        return newKeys;
    }

    Map<UUID, Proof> raisedProofs() {
        return raisedProofs;
    }

    /// Whether a device of this batch, old or new, holds the chip.
    boolean isUsed(OwnedChip chip) {
        return used.contains(chip);
    }
}
