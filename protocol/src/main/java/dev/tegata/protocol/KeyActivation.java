// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;

/// Credential activation by the device itself: it names the key that its TPM attests with, is given a
/// secret that only the TPM with a certified endorsement key can read if it holds that key too, and says
/// it.
public final class KeyActivation {
    public static final String PATH = "/device/v1/attestation-key";
    public static final String ANSWER_PATH = PATH + "/answer";
    public static final String MEDIA_TYPE = "application/cbor";
    public static final int MAX_SIZE = 32 * 1024;

    private static final int MAX_CERTIFICATES = 8;
    private static final CborLimits LIMITS = new CborLimits(MAX_SIZE, 4, 64, false);

    private KeyActivation() {}

    /// What the device asks with.
    ///
    /// @param attestationKey TPMT_PUBLIC
    /// @param endorsement the DER certificate of the endorsement key and those above it
    public record Wish(String fleet, Bytes attestationKey, List<Bytes> endorsement) {
        public Wish {
            endorsement = List.copyOf(endorsement);
        }

        public Bytes encode() {
            return Cbor.map()
                    .put(1, Cbor.of(fleet))
                    .put(2, Cbor.of(attestationKey))
                    .put(3, Cbor.array(endorsement.stream().map(Cbor::of).toArray(Cbor[]::new)))
                    .build()
                    .encode();
        }

        public static Wish parse(Bytes encoded) throws MalformedException {
            Cbor.MapItem map = Cbor.read(encoded, LIMITS).mapping("the wish");
            List<Bytes> chain = new ArrayList<>();
            for (Cbor item : map.require(3, "the certificates").array("the certificates", 1, MAX_CERTIFICATES)) {
                chain.add(item.bytes("a certificate"));
            }
            return new Wish(
                    map.require(1, "the fleet").text("the fleet"),
                    map.require(2, "the key").bytes("the key"),
                    chain);
        }
    }

    /// What the TPM is to solve.
    ///
    /// @param idObject TPM2B_ID_OBJECT
    /// @param encryptedSecret TPM2B_ENCRYPTED_SECRET
    public record Challenge(String id, Bytes idObject, Bytes encryptedSecret) {
        public Bytes encode() {
            return Cbor.map()
                    .put(1, Cbor.of(id))
                    .put(2, Cbor.of(idObject))
                    .put(3, Cbor.of(encryptedSecret))
                    .build()
                    .encode();
        }

        public static Challenge parse(Bytes encoded) throws MalformedException {
            Cbor.MapItem map = Cbor.read(encoded, LIMITS).mapping("the challenge");
            return new Challenge(
                    map.require(1, "the id").text("the id"),
                    map.require(2, "the credential").bytes("the credential"),
                    map.require(3, "the secret").bytes("the secret"));
        }
    }

    /// What the TPM has read.
    public record Solved(String fleet, String id, Bytes secret) {
        public Bytes encode() {
            return Cbor.map()
                    .put(1, Cbor.of(fleet))
                    .put(2, Cbor.of(id))
                    .put(3, Cbor.of(secret))
                    .build()
                    .encode();
        }

        public static Solved parse(Bytes encoded) throws MalformedException {
            Cbor.MapItem map = Cbor.read(encoded, LIMITS).mapping("the answer");
            return new Solved(
                    map.require(1, "the fleet").text("the fleet"),
                    map.require(2, "the id").text("the id"),
                    map.require(3, "the secret").bytes("the secret"));
        }
    }
}
