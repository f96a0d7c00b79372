// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/// A device's signed proof that it has carried out an order, such as REFURBISH. It is signed with the birth
/// key, which survives what was wiped.
///
/// @param wiped the names of what was erased, such as `operational-key`
public record Receipt(UUID device, String chipSerial, UUID order, List<String> wiped) {
    /// The content type in the protected header.
    public static final String CONTENT_TYPE = "application/vnd.tegata.receipt+cbor";

    private static final CborLimits LIMITS = new CborLimits(CheckIn.Result.MAX_RECEIPT, 8, 128, false);

    public Receipt {
        wiped = List.copyOf(wiped);
    }

    /// @param signer with the birth key
    /// @param chain the DER birth certificates, the device's own first
    public Bytes sign(Signer signer, List<Bytes> chain) {
        Bytes payload = Cbor.map()
                .put(1, Cbor.of(Order.bytes(device)))
                .put(2, Cbor.of(chipSerial))
                .put(3, Cbor.of(Order.bytes(order)))
                .put(4, new Cbor.ArrayItem(wiped.stream().map(Cbor::of).toList()))
                .build()
                .encode();
        return SignedMessages.sign(CONTENT_TYPE, payload, signer, chain);
    }

    /// A receipt and the certificate whose key signed it. Whether that is the device's, is for the caller
    /// to find out.
    public record Signed(Receipt receipt, Certificate signer) {}

    /// Reads a receipt and checks its signature.
    public static Signed parse(Bytes encoded) throws MalformedException {
        SignedMessages.Opened opened = SignedMessages.open(CONTENT_TYPE, encoded, LIMITS);
        Cbor.MapItem map = Cbor.read(opened.payload(), LIMITS).mapping("the receipt");
        List<String> wiped = new ArrayList<>();
        for (Cbor name : map.require(4, "what was wiped").array("what was wiped", 0, 32)) {
            wiped.add(name.text("what was wiped"));
        }
        Receipt receipt = new Receipt(
                Order.uuid(map.require(1, "the device").bytes("the device", 16)),
                map.require(2, "the chip's serial number").text("the chip's serial number"),
                Order.uuid(map.require(3, "the order").bytes("the order", 16)),
                wiped);
        return new Signed(receipt, opened.signer());
    }
}
