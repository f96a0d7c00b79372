// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What a device with a TPM sends: a quote, the values it covers and, if it likes, its boot's event log.
///
/// `publicArea` is the attestation key's TPMT_PUBLIC. `certificates` is the key's chain in DER, or empty where
/// the key is known by activation. This bundle is ours: there is no common format; the parts are the TPM's own.
public record TpmEvidence(
        Bytes publicArea,
        Bytes quote,
        Bytes signature,
        PcrValues pcrs,
        @Nullable Bytes eventLog,
        List<Bytes> certificates) {
    public static final String MEDIA_TYPE = "application/vnd.tegata.tpm-evidence+cbor";

    private static final CborLimits LIMITS = new CborLimits(2 * 1024 * 1024, 8, 4096, false);

    public static TpmEvidence parse(Bytes encoded) throws MalformedException {
        Cbor.MapItem map = Cbor.read(encoded, LIMITS).mapping("TPM evidence");
        Cbor eventLog = map.get(5);
        List<Bytes> certificates = new ArrayList<>();
        Cbor chain = map.get(6);
        if (chain != null) {
            for (Cbor certificate : chain.array("the certificates", 1, 8)) {
                certificates.add(certificate.bytes("a certificate"));
            }
        }
        return new TpmEvidence(
                map.require(1, "the key's public area").bytes("the key's public area"),
                map.require(2, "the quote").bytes("the quote"),
                map.require(3, "the signature").bytes("the signature"),
                PcrValues.of(map.require(4, "the PCR values")),
                eventLog == null ? null : eventLog.bytes("the event log"),
                certificates);
    }

    public Bytes encode() {
        return Cbor.map()
                .put(1, Cbor.of(publicArea))
                .put(2, Cbor.of(quote))
                .put(3, Cbor.of(signature))
                .put(4, pcrs.toCbor())
                .put(5, eventLog == null ? null : Cbor.of(eventLog))
                .put(
                        6,
                        certificates.isEmpty()
                                ? null
                                : new Cbor.ArrayItem(
                                        certificates.stream().map(Cbor::of).toList()))
                .build()
                .encode();
    }

    /// A quote that was checked against its key and its values.
    public record Verified(
            TpmPublic key, TpmAttest attest, TpmAttest.Quote quote, PcrValues pcrs, Optional<EventLog> log) {}

    /// Checks everything but the trust in the key: its attributes, its signature, that the values are the quoted
    /// ones, and that the log leads to them.
    public Verified verify() throws MalformedException {
        TpmPublic key = TpmPublic.parse(publicArea);
        if (!key.isAttestationKey()) {
            throw new MalformedException("the TPM key may sign what is not from the TPM, or may leave it");
        }
        TpmSignature parsed = TpmSignature.parse(signature);
        TpmAttest attest = TpmAttest.parse(quote);
        if (!(attest.statement() instanceof TpmAttest.Quote statement)) {
            throw new MalformedException("the TPM's statement is not a quote");
        }
        if (!parsed.verifies(key.key(), quote)) {
            throw new MalformedException("the quote's signature is wrong");
        }
        // spec| TPM 2.0 part 3 §18.4: the digest is by the hash of the signing scheme, not of the bank.
        Optional<Bytes> digest = pcrs.digest(statement, parsed.hash());
        if (!digest.equals(Optional.of(statement.pcrDigest()))) {
            throw new MalformedException("the PCR values are not the quoted ones");
        }
        Optional<EventLog> log = eventLog == null ? Optional.empty() : Optional.of(EventLog.parse(eventLog));
        if (log.isPresent()) {
            List<Integer> contradictions = log.get().contradictions(pcrs);
            if (!contradictions.isEmpty()) {
                throw new MalformedException("the event log does not lead to the quoted PCRs " + contradictions);
            }
        }
        return new Verified(key, attest, statement, pcrs, log);
    }
}
