// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.DeviceId;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A whole custody chain whose every signature and hash has been checked.
///
/// The rules: the first entry is a claim. Each entry names the hash of the message before and is signed
/// by the owner of that moment. Who comes after a hand-over is whom it named, and says so with the key
/// that it named. After a retirement comes nothing.
final class CustodyChain {
    static final int MAX_ENTRIES = 10_000;

    private final List<Bytes> messages = new ArrayList<>();
    private final List<CustodyEntry> entries = new ArrayList<>();

    CustodyChain() {}

    /// @throws BrokenException at the first entry that does not follow
    static CustodyChain of(List<Bytes> messages) throws BrokenException {
        CustodyChain chain = new CustodyChain();
        for (Bytes message : messages) {
            chain.add(message);
        }
        return chain;
    }

    /// Where a chain breaks, and why.
    static final class BrokenException extends Exception {
        private static final long serialVersionUID = 1L;

        private final int sequence;
        private final String reason;

        BrokenException(int sequence, String reason) {
            super(reason, null, false, false);
            this.sequence = sequence;
            this.reason = reason;
        }

        int sequence() {
            return sequence;
        }

        String reason() {
            return reason;
        }
    }

    void add(Bytes message) throws BrokenException {
        if (entries.size() == MAX_ENTRIES) {
            throw broken("the chain is longer than " + MAX_ENTRIES + " entries");
        }
        CustodyEntry entry;
        try {
            entry = CustodyEntry.open(message);
        } catch (MalformedException e) {
            throw broken(String.valueOf(e.getMessage()));
        }
        if (entry.sequence() != entries.size()) {
            throw broken("the entry says that it is number " + entry.sequence());
        }
        if (entries.isEmpty()) {
            if (entry.kind() != CustodyKind.CLAIMED || entry.previous() != null) {
                throw broken("a chain begins with a claim");
            }
        } else {
            follow(entries.getLast(), entry);
        }
        entries.add(entry);
        messages.add(message);
    }

    private void follow(CustodyEntry before, CustodyEntry entry) throws BrokenException {
        if (!entry.device().equals(before.device())) {
            throw broken("the entry is about another device");
        }
        if (!Objects.equals(messages.getLast().sha256(), entry.previous())) {
            throw broken("the entry does not follow the one before it");
        }
        if (before.kind() == CustodyKind.RETIRED) {
            throw broken("the device was retired");
        }
        if (entry.kind() == CustodyKind.CLAIMED) {
            throw broken("a chain has one claim");
        }
        if ((before.kind() == CustodyKind.HANDED_OVER) != (entry.kind() == CustodyKind.RECEIVED)) {
            throw broken(
                    before.kind() == CustodyKind.HANDED_OVER
                            ? "whoever was given the device has not received it"
                            : "the device is received without a hand-over");
        }
        if (!entry.owner().equals(before.ownerAfter())) {
            throw broken("the entry is signed by somebody who did not own the device");
        }
        if (entry.at().isBefore(before.at())) {
            throw broken("the entry is older than the one before it");
        }
    }

    private BrokenException broken(String reason) {
        return new BrokenException(entries.size(), reason);
    }

    boolean isEmpty() {
        return entries.isEmpty();
    }

    List<CustodyEntry> entries() {
        return List.copyOf(entries);
    }

    List<Bytes> messages() {
        return List.copyOf(messages);
    }

    int size() {
        return entries.size();
    }

    @Nullable
    Bytes head() {
        return messages.isEmpty() ? null : messages.getLast().sha256();
    }

    DeviceId device() {
        return entries.getFirst().device();
    }

    CustodyEntry last() {
        return entries.getLast();
    }
}
