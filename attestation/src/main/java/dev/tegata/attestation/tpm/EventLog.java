// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/// A boot's event log (TCG PC Client Platform Firmware Profile §10), in the SHA-1 or the crypto-agile format.
///
/// Its digests are to be believed only where [#replay] gives the quoted PCRs; types and data are hints even then.
public record EventLog(List<Event> events, int startupLocality) {
    private static final int MAX_SIZE = 1024 * 1024;
    private static final int MAX_EVENTS = 10_000;
    private static final long EV_NO_ACTION = 3;
    private static final int PCRS = 24;

    /// One event. An event of type 3 was never extended.
    public record Event(int pcr, long type, Map<TpmHash, Bytes> digests, Bytes data) {}

    public static EventLog parse(Bytes encoded) throws MalformedException {
        if (encoded.size() > MAX_SIZE) {
            throw new MalformedException("the event log has more than " + MAX_SIZE + " bytes");
        }
        TpmReader reader = new TpmReader(encoded.toArray(), true);
        List<Event> events = new ArrayList<>();
        Event first = sha1Event(reader);
        events.add(first);
        boolean agile = first.type == EV_NO_ACTION && text(first.data, 16).equals("Spec ID Event03\0");
        Map<Integer, Integer> sizes = agile ? algorithms(first.data) : Map.of();
        int locality = 0;
        // The log lies in a buffer of fixed size, which may end in zeros or ones.
        while (reader.hasMore() && !(events.size() > 1 && isPadding(reader, encoded))) {
            Event event = agile ? agileEvent(reader, sizes) : sha1Event(reader);
            if (event.type == EV_NO_ACTION
                    && event.data.size() == 17
                    && text(event.data, 16).equals("StartupLocality\0")) {
                locality = event.data.at(16) & 0xff;
            }
            events.add(event);
            if (events.size() > MAX_EVENTS) {
                throw new MalformedException("the event log has more than " + MAX_EVENTS + " events");
            }
        }
        return new EventLog(events, locality);
    }

    private static boolean isPadding(TpmReader reader, Bytes encoded) {
        int from = encoded.size() - reader.remaining();
        byte first = encoded.at(from);
        if (first != 0 && first != (byte) 0xff) {
            return false;
        }
        for (int i = from; i < encoded.size(); i++) {
            if (encoded.at(i) != first) {
                return false;
            }
        }
        return true;
    }

    private static String text(Bytes data, int length) {
        return data.size() < length ? "" : new String(data.slice(0, length).toArray(), StandardCharsets.ISO_8859_1);
    }

    private static Event sha1Event(TpmReader reader) throws MalformedException {
        int pcr = pcr(reader);
        long type = reader.u32();
        Bytes digest = Bytes.of(reader.raw(20));
        return new Event(pcr, type, Map.of(TpmHash.SHA1, digest), Bytes.of(reader.raw(reader.u32())));
    }

    private static int pcr(TpmReader reader) throws MalformedException {
        long pcr = reader.u32();
        // Some firmware writes informational events with all bits set.
        if (pcr >= PCRS && pcr != 0xffff_ffffL) {
            throw new MalformedException("an event is for PCR " + pcr);
        }
        return (int) pcr;
    }

    /// The digest sizes of the algorithms that the log says it uses.
    private static Map<Integer, Integer> algorithms(Bytes data) throws MalformedException {
        TpmReader reader = new TpmReader(data.toArray(), true);
        reader.raw(16 + 4 + 4);
        long count = reader.u32();
        if (count < 1 || count > 8) {
            throw new MalformedException("the event log must have 1 to 8 algorithms, not " + count);
        }
        Map<Integer, Integer> sizes = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            int algorithm = reader.u16();
            int size = reader.u16();
            for (TpmHash hash : TpmHash.values()) {
                if (hash.id() == algorithm && hash.size() != size) {
                    throw new MalformedException("the event log gives " + hash + " another size");
                }
            }
            sizes.put(algorithm, size);
        }
        return sizes;
    }

    private static Event agileEvent(TpmReader reader, Map<Integer, Integer> sizes) throws MalformedException {
        int pcr = pcr(reader);
        long type = reader.u32();
        long count = reader.u32();
        if (count > sizes.size()) {
            throw new MalformedException("an event has more digests than the log has algorithms");
        }
        Map<TpmHash, Bytes> digests = new EnumMap<>(TpmHash.class);
        for (int i = 0; i < count; i++) {
            int algorithm = reader.u16();
            Integer size = sizes.get(algorithm);
            if (size == null) {
                throw new MalformedException("an event has a digest of an algorithm that the log does not name");
            }
            Bytes value = Bytes.of(reader.raw(size));
            for (TpmHash hash : TpmHash.values()) {
                if (hash.id() == algorithm) {
                    digests.put(hash, value);
                }
            }
        }
        return new Event(pcr, type, digests, Bytes.of(reader.raw(reader.u32())));
    }

    /// The PCRs of a bank that the events lead to. PCRs without events are left out.
    public SortedMap<Integer, Bytes> replay(TpmHash bank) {
        SortedMap<Integer, Bytes> pcrs = new TreeMap<>();
        for (Event event : events) {
            Bytes digest = event.digests.get(bank);
            if (event.type == EV_NO_ACTION || digest == null || event.pcr < 0) {
                continue;
            }
            Bytes before = pcrs.getOrDefault(event.pcr, start(event.pcr, bank));
            pcrs.put(event.pcr, bank.digest(before.toArray(), digest.toArray()));
        }
        return pcrs;
    }

    /// spec| PC Client PFP §10.4.5.3: the locality of the start-up command is in PCR 0 from the beginning.
    private Bytes start(int pcr, TpmHash bank) {
        byte[] value = new byte[bank.size()];
        if (pcr == 0) {
            value[value.length - 1] = (byte) startupLocality;
        }
        return Bytes.of(value);
    }

    /// The PCRs among `values` that the log has events for and does not lead to.
    public List<Integer> contradictions(PcrValues values) {
        List<Integer> contradictions = new ArrayList<>();
        values.banks().forEach((bank, pcrs) -> {
            SortedMap<Integer, Bytes> replayed = replay(bank);
            replayed.forEach((pcr, value) -> {
                if (pcrs.containsKey(pcr) && !value.equals(pcrs.get(pcr))) {
                    contradictions.add(pcr);
                }
            });
        });
        return contradictions.stream().distinct().sorted().toList();
    }
}
