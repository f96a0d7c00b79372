// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Values of one element of an environment. `key` tells elements apart where there are several; `values` is
/// the measurement-values map, checked; `authorizedBy` names the keys that must have said so.
public record Measurement(@Nullable Cbor key, Cbor.MapItem values, List<Cbor> authorizedBy) {
    public static final int VERSION = 0;
    public static final int SVN = 1;
    public static final int DIGESTS = 2;
    public static final int FLAGS = 3;
    public static final int RAW_VALUE = 4;
    public static final int RAW_VALUE_MASK = 5;
    public static final int MAC_ADDRESS = 6;
    public static final int IP_ADDRESS = 7;
    public static final int SERIAL_NUMBER = 8;
    public static final int UEID = 9;
    public static final int UUID = 10;
    public static final int NAME = 11;
    public static final int CRYPTO_KEYS = 13;
    public static final int INTEGRITY_REGISTERS = 14;
    public static final int INT_RANGE = 15;
    /// The certificate number of the PSA endorsements profile.
    public static final int PSA_CERTIFICATE_NUMBER = 100;

    private static final int LONGEST_DESCRIPTION = 2_000;

    static final int SVN_TAG = 552;
    static final int MIN_SVN_TAG = 553;
    static final int MASKED_RAW_VALUE_TAG = 563;
    static final int INT_RANGE_TAG = 564;

    public Measurement(@Nullable Cbor key, Cbor.MapItem values) {
        this(key, values, List.of());
    }

    public static Measurement of(Cbor item) throws MalformedException {
        Cbor.MapItem map = item.mapping("a measurement");
        Cbor key = map.get(0);
        if (key != null && !isKey(key)) {
            throw new MalformedException(
                    "a measurement's key must be text, a number, an OID or a UUID, not " + key.kind());
        }
        Cbor.MapItem values = map.require(1, "a measurement's values").mapping("a measurement's values");
        if (values.entries().isEmpty()) {
            throw new MalformedException("a measurement has no values");
        }
        for (Map.Entry<Cbor, Cbor> entry : values.entries().entrySet()) {
            check(entry.getKey(), entry.getValue());
        }
        Cbor authorizedBy = map.get(2);
        return new Measurement(
                key, values, authorizedBy == null ? List.of() : authorizedBy.array("authorized-by", 1, 64));
    }

    /// The value of [#VERSION] for a version of no particular scheme; null, which a map leaves out, for
    /// none.
    public static @Nullable Cbor versionOf(@Nullable String text) {
        return text == null ? null : Cbor.map().put(0, Cbor.of(text)).build();
    }

    private static boolean isKey(Cbor key) {
        return key instanceof Cbor.TextString || key instanceof Cbor.Int || key instanceof Cbor.Tagged;
    }

    private static void check(Cbor key, Cbor value) throws MalformedException {
        if (!(key instanceof Cbor.Int(long number))) {
            throw new MalformedException("a measurement value's key must be a number");
        }
        switch ((int) number) {
            case VERSION ->
                value.mapping("a version").require(0, "the version's text").text("the version's text");
            case SVN -> svn(value);
            case DIGESTS -> Digests.of(value);
            case FLAGS -> {
                for (Cbor flag : value.mapping("flags").entries().values()) {
                    flag.bool("a flag");
                }
            }
            case RAW_VALUE_MASK -> value.bytes("a raw value's mask");
            case SERIAL_NUMBER, NAME -> value.text("a measurement's name or serial number");
            case UEID, UUID, MAC_ADDRESS -> value.bytes("a measurement's identifier or address");
            case CRYPTO_KEYS -> value.array("a measurement's keys", 1, 256);
            case INTEGRITY_REGISTERS -> {
                Cbor.MapItem registers = value.mapping("integrity registers");
                for (Cbor digests : registers.entries().values()) {
                    Digests.of(digests);
                }
            }
            case RAW_VALUE -> RawValue.of(value, null);
            default -> {
                // Values of profiles and later drafts are kept, and compared as they are.
            }
        }
    }

    /// A security version: a number, alone or in the tag of an exact or of a minimum one.
    static long svn(Cbor value) throws MalformedException {
        Cbor number = value instanceof Cbor.Tagged(long tag, Cbor content) && (tag == SVN_TAG || tag == MIN_SVN_TAG)
                ? content
                : value;
        return number.integer("a security version", 0, Integer.MAX_VALUE);
    }

    public Cbor toCbor() {
        return Cbor.map()
                .put(0, key)
                .put(1, values)
                .put(2, authorizedBy.isEmpty() ? null : new Cbor.ArrayItem(authorizedBy))
                .build();
    }

    /// The name, where there is one.
    public @Nullable String name() {
        return values.get(NAME) instanceof Cbor.TextString(String name) ? name : null;
    }

    /// The version's text, where there is one.
    public @Nullable String version() {
        return values.get(VERSION) instanceof Cbor.MapItem map && map.get(0) instanceof Cbor.TextString(String version)
                ? version
                : null;
    }

    /// The same of some of its integrity registers only, where it has any; empty where it has none of them.
    ///
    /// @param numbers which; empty for all
    public Optional<Measurement> ofRegisters(Set<Integer> numbers) {
        if (numbers.isEmpty() || !(values.get(INTEGRITY_REGISTERS) instanceof Cbor.MapItem registers)) {
            return Optional.of(this);
        }
        Cbor.Builder some = Cbor.map();
        registers.entries().forEach((register, digests) -> {
            if (register instanceof Cbor.Int(long number) && numbers.contains((int) number)) {
                some.put(register, digests);
            }
        });
        Cbor.MapItem left = some.build();
        return left.entries().isEmpty()
                ? Optional.empty()
                : Optional.of(new Measurement(
                        key, Cbor.map().put(INTEGRITY_REGISTERS, left).build()));
    }

    /// What the values say, for people.
    public String describe() {
        List<String> said = new ArrayList<>();
        for (Map.Entry<Cbor, Cbor> entry : values.entries().entrySet()) {
            said.add(describe(entry.getKey(), entry.getValue()));
        }
        String text = String.join(", ", said);
        return text.substring(0, Math.min(text.length(), LONGEST_DESCRIPTION));
    }

    private static String describe(Cbor key, Cbor value) {
        try {
            return switch ((int) key.integer("a value's key")) {
                case VERSION ->
                    "version "
                            + value.mapping("a version")
                                    .require(0, "the version's text")
                                    .text("the version's text");
                case SVN -> "security version " + (isMinimum(value) ? "of at least " : "") + svn(value);
                case DIGESTS -> Digests.of(value).describe();
                case NAME -> value.text("a name");
                case CRYPTO_KEYS -> "signed by " + keys(value);
                case INTEGRITY_REGISTERS -> registers(value.mapping("integrity registers"));
                default -> shown(key) + ": " + shown(value);
            };
        } catch (MalformedException e) {
            return shown(key) + ": " + shown(value);
        }
    }

    private static boolean isMinimum(Cbor value) {
        return value instanceof Cbor.Tagged(long tag, Cbor _) && tag == MIN_SVN_TAG;
    }

    private static String keys(Cbor value) throws MalformedException {
        return value.array("keys").stream().map(Measurement::shown).collect(Collectors.joining(" and "));
    }

    private static String registers(Cbor.MapItem registers) throws MalformedException {
        List<String> said = new ArrayList<>();
        for (Map.Entry<Cbor, Cbor> register : registers.entries().entrySet()) {
            said.add("register " + shown(register.getKey()) + " "
                    + Digests.of(register.getValue()).describe());
        }
        return String.join(", ", said);
    }

    private static String shown(Cbor value) {
        return switch (value) {
            case Cbor.Int(long number) -> Long.toString(number);
            case Cbor.TextString(String text) -> text;
            case Cbor.ByteString(Bytes bytes) -> bytes.hex();
            case Cbor.Tagged(long _, Cbor content) -> shown(content);
            default -> value.encode().hex();
        };
    }

    static List<Measurement> list(Cbor item, String what) throws MalformedException {
        List<Cbor> items = item.array(what, 1, Corim.MAX_ENTRIES);
        Measurement[] measurements = new Measurement[items.size()];
        for (int i = 0; i < measurements.length; i++) {
            measurements[i] = of(items.get(i));
        }
        return List.of(measurements);
    }

    static Cbor toCbor(List<Measurement> measurements) {
        return new Cbor.ArrayItem(measurements.stream().map(Measurement::toCbor).toList());
    }
}
