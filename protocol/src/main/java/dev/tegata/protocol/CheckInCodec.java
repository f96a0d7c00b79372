// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.SerialNumber;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Reads and writes check-ins and answers in either form. Members that are not known are passed over, so
/// that devices and servers of different ages understand each other; everything else that is not as it
/// should be is refused.
public final class CheckInCodec {
    private static final CborLimits REQUEST = new CborLimits(CheckIn.MAX_SIZE, 6, 1024, false);

    // As many orders as there may be, in base64url where it is JSON.
    private static final CborLimits ANSWER = new CborLimits(CheckIn.MAX_LIST * Order.MAX_SIZE * 4 / 3, 6, 256, false);

    private CheckInCodec() {}

    public static Bytes encode(CheckIn checkIn, CheckInForm form) {
        Cbor.Builder map = Cbor.map()
                .put("fleet", Cbor.of(checkIn.fleet()))
                .put("firmware", list(checkIn.firmware(), CheckInCodec::component))
                .put("bootCount", Cbor.of(checkIn.bootCount()))
                .put("certificates", list(checkIn.certificates(), serial -> Cbor.of(serial.hex())))
                .put("trustAnchors", list(checkIn.trustAnchors(), Cbor::of))
                .put("lastSequence", Cbor.of(checkIn.lastSequence()))
                .put("results", list(checkIn.results(), CheckInCodec::result));
        if (!checkIn.algorithms().isEmpty()) {
            map.put("algorithms", list(checkIn.algorithms(), Cbor::of));
        }
        checkIn.mark().ifPresent(mark -> map.put("mark", Cbor.of(mark)));
        checkIn.evidence()
                .ifPresent(evidence -> map.put(
                        "evidence",
                        Cbor.map()
                                .put("mediaType", Cbor.of(evidence.mediaType()))
                                .put("value", Cbor.of(evidence.value()))
                                .put("nonce", Cbor.of(evidence.nonce()))
                                .build()));
        return write(map.build(), form);
    }

    public static Bytes encode(CheckInAnswer answer, CheckInForm form) {
        Cbor.Builder map = Cbor.map()
                .put("time", Cbor.of(answer.time().getEpochSecond()))
                .put("device", Cbor.of(answer.device().toString()))
                .put("next", Cbor.of(answer.next()))
                .put("state", Cbor.of(answer.state().name()));
        answer.mark().ifPresent(mark -> map.put("mark", Cbor.of(mark)));
        return write(map.put("orders", list(answer.orders(), Cbor::of)).build(), form);
    }

    public static CheckIn parseCheckIn(Bytes body, CheckInForm form) throws MalformedException {
        Members members = read(body, form, REQUEST, "the check-in");
        try {
            List<CheckIn.Component> firmware = new ArrayList<>();
            for (Members each : members.objects("firmware")) {
                firmware.add(new CheckIn.Component(
                        each.text("component"), each.text("version"), each.optionalBytes("digest")));
            }
            List<SerialNumber> certificates = new ArrayList<>();
            for (Cbor each : members.list("certificates")) {
                certificates.add(serial(each.text("each of certificates")));
            }
            List<Bytes> anchors = new ArrayList<>();
            for (Cbor each : members.list("trustAnchors")) {
                anchors.add(members.bytesOf(each, "each of trustAnchors"));
            }
            List<CheckIn.Result> results = new ArrayList<>();
            for (Members each : members.objects("results")) {
                results.add(new CheckIn.Result(
                        uuid(each.text("order"), "order"),
                        value(CheckIn.Status.values(), each.text("status"), "status"),
                        each.optional("detail") == null ? "" : each.text("detail"),
                        each.optionalBytes("receipt")));
            }
            List<String> algorithms = new ArrayList<>();
            if (members.optional("algorithms") != null) {
                for (Cbor each : members.list("algorithms")) {
                    algorithms.add(each.text("each of algorithms"));
                }
            }
            return new CheckIn(
                    members.text("fleet"),
                    firmware,
                    members.integer("bootCount"),
                    certificates,
                    anchors,
                    members.integer("lastSequence"),
                    members.optionalBytes("mark"),
                    results,
                    evidence(members),
                    algorithms);
        } catch (IllegalArgumentException e) {
            throw new MalformedException(String.valueOf(e.getMessage()));
        }
    }

    public static CheckInAnswer parseAnswer(Bytes body, CheckInForm form) throws MalformedException {
        Members members = read(body, form, ANSWER, "the answer");
        List<Bytes> orders = new ArrayList<>();
        for (Cbor each : members.list("orders")) {
            orders.add(members.bytesOf(each, "each of orders"));
        }
        long time = members.integer("time");
        long next = members.integer("next");
        if (time < 0 || time > 253_402_300_799L || next < 1 || next > Integer.MAX_VALUE) {
            throw new MalformedException("time and next must be seconds");
        }
        try {
            return new CheckInAnswer(
                    Instant.ofEpochSecond(time),
                    uuid(members.text("device"), "device"),
                    (int) next,
                    value(CheckInAnswer.State.values(), members.text("state"), "state"),
                    members.optionalBytes("mark"),
                    orders);
        } catch (IllegalArgumentException e) {
            throw new MalformedException(String.valueOf(e.getMessage()));
        }
    }

    private static Optional<CheckIn.Evidence> evidence(Members members) throws MalformedException {
        Cbor encoded = members.optional("evidence");
        if (encoded == null) {
            return Optional.empty();
        }
        Members evidence = new Members(encoded.mapping("evidence"), members.form());
        return Optional.of(
                new CheckIn.Evidence(evidence.text("mediaType"), evidence.bytes("value"), evidence.bytes("nonce")));
    }

    private static Cbor component(CheckIn.Component component) {
        Cbor.Builder map = Cbor.map()
                .put("component", Cbor.of(component.component()))
                .put("version", Cbor.of(component.version()));
        component.digest().ifPresent(digest -> map.put("digest", Cbor.of(digest)));
        return map.build();
    }

    private static Cbor result(CheckIn.Result result) {
        Cbor.Builder map = Cbor.map()
                .put("order", Cbor.of(result.order().toString()))
                .put("status", Cbor.of(result.status().name()));
        if (!result.detail().isEmpty()) {
            map.put("detail", Cbor.of(result.detail()));
        }
        result.receipt().ifPresent(receipt -> map.put("receipt", Cbor.of(receipt)));
        return map.build();
    }

    private static <T> Cbor list(List<T> values, Function<T, Cbor> encode) {
        return new Cbor.ArrayItem(values.stream().map(encode).toList());
    }

    private static Bytes write(Cbor.MapItem map, CheckInForm form) {
        return switch (form) {
            case CBOR -> map.encode();
            case JSON -> Json.write(Json.of(map));
        };
    }

    private static Members read(Bytes body, CheckInForm form, CborLimits limits, String what)
            throws MalformedException {
        if (body.size() > limits.maxSize()) {
            throw new MalformedException(what + " has more than " + limits.maxSize() + " bytes");
        }
        Cbor item = switch (form) {
            case CBOR -> Cbor.read(body, limits);
            case JSON -> Json.toCbor(Json.parse(body));
        };
        return new Members(item.mapping(what), form);
    }

    /// The members of an object, and the form that they came in.
    private record Members(Cbor.MapItem map, CheckInForm form) {
        @Nullable
        Cbor optional(String name) {
            return map.get(name);
        }

        Cbor require(String name) throws MalformedException {
            Cbor value = map.get(name);
            if (value == null) {
                throw new MalformedException(name + " is missing");
            }
            return value;
        }

        String text(String name) throws MalformedException {
            return require(name).text(name);
        }

        long integer(String name) throws MalformedException {
            return require(name).integer(name);
        }

        Bytes bytes(String name) throws MalformedException {
            return bytesOf(require(name), name);
        }

        Optional<Bytes> optionalBytes(String name) throws MalformedException {
            Cbor value = map.get(name);
            return value == null ? Optional.empty() : Optional.of(bytesOf(value, name));
        }

        Bytes bytesOf(Cbor value, String name) throws MalformedException {
            if (form == CheckInForm.CBOR) {
                return value.bytes(name);
            }
            try {
                return Bytes.ofBase64Url(value.text(name));
            } catch (IllegalArgumentException _) {
                throw new MalformedException(name + " must be base64url");
            }
        }

        /// A list that may be absent.
        List<Cbor> list(String name) throws MalformedException {
            Cbor value = map.get(name);
            return value == null ? List.of() : value.array(name, 0, CheckIn.MAX_LIST);
        }

        List<Members> objects(String name) throws MalformedException {
            List<Members> objects = new ArrayList<>();
            for (Cbor each : list(name)) {
                objects.add(new Members(each.mapping("each of " + name), form));
            }
            return objects;
        }
    }

    private static SerialNumber serial(String hex) throws MalformedException {
        try {
            return SerialNumber.ofHex(hex);
        } catch (IllegalArgumentException _) {
            throw new MalformedException("each of certificates must be the hex of a serial number");
        }
    }

    private static UUID uuid(String text, String name) throws MalformedException {
        try {
            if (text.length() == 36) {
                return UUID.fromString(text);
            }
        } catch (IllegalArgumentException _) {
            // Told below.
        }
        throw new MalformedException(name + " must be a UUID");
    }

    private static <E extends Enum<E>> E value(E[] values, String text, String name) throws MalformedException {
        for (E value : values) {
            if (value.name().equals(text)) {
                return value;
            }
        }
        throw new MalformedException(name + " has a value that is not known");
    }

    static void require(boolean condition, String sentence) {
        if (!condition) {
            throw new IllegalArgumentException(sentence);
        }
    }

    static void requireSize(String name, List<?> list) {
        require(list.size() <= CheckIn.MAX_LIST, name + " must have at most " + CheckIn.MAX_LIST + " entries");
    }

    static void requireText(String name, String text, int min, int max) {
        require(
                text.length() >= min && text.length() <= max,
                name + " must have " + min + " to " + max + " characters");
        require(
                text.chars().noneMatch(character -> character < ' ' || character == 0x7f),
                name + " must not contain control characters");
    }
}
