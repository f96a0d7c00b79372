// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.TenantId;
import org.jspecify.annotations.Nullable;

/// Follows a chain of which checkpoints and records arrive apart, the checkpoints first, both by their
/// sequence. Keeps the last checkpoint alone: it states all records before it.
public final class ChainFollower {
    private final TenantId tenant;
    private final PublicKeyInfo key;
    private AuditChain.Head head;
    private @Nullable AuditCheckpoint last;

    /// @param publicKey DER SubjectPublicKeyInfo of the key that signs checkpoints
    /// @throws IntegrityException where it is none
    public ChainFollower(TenantId tenant, Bytes publicKey) {
        this.tenant = tenant;
        this.head = AuditChain.start(tenant);
        try {
            this.key = PublicKeyInfo.parse(publicKey);
        } catch (InvalidKeyInfoException e) {
            throw new IntegrityException("the key of the audit chain cannot be used", e);
        }
    }

    /// @throws IntegrityException where it is not signed with the chain's key
    public void checkpoint(long sequence, String text, Bytes signature) {
        if (!key.verifies(AuditCheckpoint.ALGORITHM, AuditCheckpoint.signedBytes(text), signature.toArray())) {
            throw new IntegrityException("the signature of audit checkpoint " + sequence + " is wrong");
        }
        last = new AuditCheckpoint(sequence, text, signature);
    }

    /// @throws IntegrityException where it does not follow
    public void record(long sequence, String record, Bytes hash) {
        AuditChain.Head next = head.after(record);
        if (next.sequence() != sequence || !next.hash().equals(hash)) {
            throw new IntegrityException("audit record " + sequence + " does not follow from the one before it");
        }
        if (last != null && last.sequence() == sequence && !last.states(tenant, next)) {
            throw new IntegrityException("audit checkpoint " + sequence + " was signed for another chain");
        }
        head = next;
    }

    /// How many records there were.
    ///
    /// @throws IntegrityException where the chain does not end at `hash`, or before its last checkpoint
    public long end(Bytes hash) {
        if (!head.hash().equals(hash) || last != null && last.sequence() > head.sequence()) {
            throw new IntegrityException("the audit chain ends too early, after record " + head.sequence());
        }
        return head.sequence();
    }
}
