// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.custody.CustodyEntry.Owner;
import dev.tegata.platform.store.Json;
import java.time.Instant;
import java.util.List;

/// The file in which a chain travels: its messages, and a seal with which an owner says when they were all.
final class CustodyExport {
    static final String FORMAT = "tegata-custody-v1";
    private static final String SEAL_TYPE = "application/vnd.tegata.custody-seal+cbor";
    private static final long LATEST = 253_402_300_799L;

    private CustodyExport() {}

    /// @param entries COSE_Sign1 messages, oldest first
    /// @param seal a COSE_Sign1 message by an owner: device, number of entries, hash of the last one,
    ///     time
    record Document(String format, String device, List<Bytes> entries, Bytes seal) {}

    /// What a seal says.
    record Seal(Owner by, Instant at) {}

    static String write(CustodyChain chain, Owner owner, Signer signer, Instant now) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(CustodyEntry.bytes(chain.device())))
                .put(2, Cbor.of(chain.size()))
                .put(3, Cbor.of(chain.messages().getLast().sha256()))
                .put(4, Cbor.of(now.getEpochSecond()))
                .put(5, Cbor.of(owner.key().encoded()))
                .build()
                .encode();
        Cbor.MapItem header =
                Cbor.map().put(CoseMessage.CONTENT_TYPE, Cbor.of(SEAL_TYPE)).build();
        Bytes seal =
                CoseMessage.sign1(header, Cbor.map().build(), payload, signer).encode();
        return Json.write(new Document(FORMAT, chain.device().toString(), chain.messages(), seal)) + "\n";
    }

    /// Reads a seal and checks that an owner of the chain signed it, and for this chain.
    static Seal open(Bytes message, CustodyChain chain) throws MalformedException {
        CoseMessage cose = CoseMessage.parse(message, CborLimits.TOKEN);
        if (!Cbor.of(SEAL_TYPE).equals(cose.protectedMap().get(CoseMessage.CONTENT_TYPE))) {
            throw new MalformedException("the seal is not one of a custody chain");
        }
        Cbor.MapItem map = Cbor.read(cose.content(), CborLimits.TOKEN).mapping("the seal");
        Bytes key = map.require(5, "the seal's key").bytes("the seal's key");
        Owner owner = chain.entries().reversed().stream()
                .map(CustodyEntry::owner)
                .filter(candidate -> candidate.key().encoded().equals(key))
                .findFirst()
                .orElseThrow(() -> new MalformedException("the seal is by somebody who never owned the device"));
        if (!cose.verifies(CoseKey.of(owner.key()))) {
            throw new MalformedException("the seal's signature is wrong");
        }
        boolean same = map.require(1, "the device").bytes("the device").equals(CustodyEntry.bytes(chain.device()))
                && map.require(2, "the length").integer("the length") == chain.size()
                && map.require(3, "the head")
                        .bytes("the head")
                        .equals(chain.messages().getLast().sha256());
        if (!same) {
            throw new MalformedException("the seal is for another chain: entries are missing or were added");
        }
        long at = map.require(4, "the time").integer("the time");
        if (at < 0 || at > LATEST) {
            throw new MalformedException("the seal's time is out of range");
        }
        return new Seal(owner, Instant.ofEpochSecond(at));
    }
}
