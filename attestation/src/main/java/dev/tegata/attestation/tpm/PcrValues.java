// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/// The values of some PCRs, by bank and index.
public record PcrValues(Map<TpmHash, SortedMap<Integer, Bytes>> banks) {
    /// The values that stand one after the other in the order of a quote's selections.
    public static PcrValues ofConcatenated(List<TpmAttest.Selection> selections, Bytes values)
            throws MalformedException {
        Map<TpmHash, SortedMap<Integer, Bytes>> banks = new EnumMap<>(TpmHash.class);
        TpmReader reader = TpmReader.of(values);
        for (TpmAttest.Selection selection : selections) {
            SortedMap<Integer, Bytes> bank = banks.computeIfAbsent(selection.bank(), _ -> new TreeMap<>());
            for (int pcr : selection.pcrs()) {
                bank.put(pcr, Bytes.of(reader.raw(selection.bank().size())));
            }
        }
        reader.end();
        return new PcrValues(banks);
    }

    static PcrValues of(Cbor item) throws MalformedException {
        Map<TpmHash, SortedMap<Integer, Bytes>> banks = new EnumMap<>(TpmHash.class);
        for (Map.Entry<Cbor, Cbor> bank :
                item.mapping("the PCR banks").entries().entrySet()) {
            TpmHash hash = TpmHash.of(bank.getKey().integer("a PCR bank", 0, 0xffff));
            SortedMap<Integer, Bytes> values = new TreeMap<>();
            for (Map.Entry<Cbor, Cbor> value :
                    bank.getValue().mapping("PCR values").entries().entrySet()) {
                values.put(
                        value.getKey().integer("a PCR", 0, 31), value.getValue().bytes("a PCR's value", hash.size()));
            }
            banks.put(hash, values);
        }
        return new PcrValues(banks);
    }

    Cbor toCbor() {
        Cbor.Builder map = Cbor.map();
        banks.forEach((hash, values) -> {
            Cbor.Builder bank = Cbor.map();
            values.forEach((pcr, value) -> bank.put(pcr, Cbor.of(value)));
            map.put(hash.id(), bank.build());
        });
        return map.build();
    }

    /// The digest of the selected values as the quoting key hashes them; empty where a selected value is absent.
    Optional<Bytes> digest(TpmAttest.Quote quote, TpmHash signatureHash) {
        List<byte[]> parts = new ArrayList<>();
        for (TpmAttest.Selection selection : quote.selections()) {
            SortedMap<Integer, Bytes> bank = banks.get(selection.bank());
            for (int pcr : selection.pcrs()) {
                Bytes value = bank == null ? null : bank.get(pcr);
                if (value == null) {
                    return Optional.empty();
                }
                parts.add(value.toArray());
            }
        }
        return Optional.of(signatureHash.digest(parts.toArray(byte[][]::new)));
    }

    /// The values that a quote covers, as integrity registers by PCR number.
    public Measurement toMeasurement(TpmAttest.Quote quote) {
        SortedMap<Integer, List<Cbor>> registers = new TreeMap<>();
        for (TpmAttest.Selection selection : quote.selections()) {
            SortedMap<Integer, Bytes> bank = banks.getOrDefault(selection.bank(), new TreeMap<>());
            for (int pcr : selection.pcrs()) {
                Bytes value = bank.get(pcr);
                if (value != null) {
                    registers
                            .computeIfAbsent(pcr, _ -> new ArrayList<>())
                            .add(Cbor.array(Cbor.of(selection.bank().digestName()), Cbor.of(value)));
                }
            }
        }
        Cbor.Builder map = Cbor.map();
        registers.forEach((pcr, digests) -> map.put(pcr, new Cbor.ArrayItem(digests)));
        return new Measurement(
                Cbor.of("tpm.pcr"),
                Cbor.map().put(Measurement.INTEGRITY_REGISTERS, map.build()).build());
    }
}
