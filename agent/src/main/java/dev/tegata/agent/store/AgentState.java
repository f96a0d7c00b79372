// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.store;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// All that a device remembers. It changes as a whole: each change is one replacement of one file.
///
/// @param home where the device belongs
/// @param anchors DER certificates that servers and orders must lead to
/// @param identity the operational identity, where there is one
/// @param pendingKey the name of a key for which no certificate has come yet
/// @param retired names of keys that are to be destroyed
/// @param device the id that the server told
/// @param lastSequence of the orders that were accepted
/// @param bootCount how often the agent has started
/// @param mark what the server wants to hear in the next check-in
/// @param latestTime that a server told
/// @param objects what was stored by order
/// @param results of orders that the server has not heard yet
/// @param evidence that the server has not heard yet
/// @param task an order that takes more than one step
/// @param parallel the identity of the second chain, where there is one
public record AgentState(
        Home home,
        List<Bytes> anchors,
        Optional<Identity> identity,
        Optional<String> pendingKey,
        List<String> retired,
        Optional<UUID> device,
        long lastSequence,
        long bootCount,
        Optional<Bytes> mark,
        Instant latestTime,
        SortedMap<String, Bytes> objects,
        List<CheckIn.Result> results,
        Optional<CheckIn.Evidence> evidence,
        Optional<Task> task,
        Optional<Parallel> parallel) {
    private static final CborLimits LIMITS = new CborLimits(8 * 1024 * 1024, 8, 8192, false);
    private static final int VERSION = 1;
    private static final int MAX_LIST = 1024;

    public AgentState {
        anchors = List.copyOf(anchors);
        retired = List.copyOf(retired);
        objects = new TreeMap<>(objects);
        results = List.copyOf(results);
    }

    /// Where a device belongs.
    ///
    /// @param url of the device port
    /// @param fleet the fleet's public id
    /// @param anchors DER certificates that are trusted there before anything else is known
    public record Home(String url, String fleet, List<Bytes> anchors) {
        public Home {
            anchors = List.copyOf(anchors);
        }
    }

    /// @param key its name
    /// @param chain DER certificates, the device's own first
    /// @param renewAt when a new certificate is asked for
    public record Identity(String key, List<Bytes> chain, Instant renewAt) {
        public Identity {
            chain = List.copyOf(chain);
        }
    }

    /// A key in this file, and its certificate.
    ///
    /// @param pkcs8 the private key
    /// @param chain DER certificates, the device's own first
    /// @param renewAt when a new certificate is asked for
    public record Parallel(Bytes pkcs8, List<Bytes> chain, Instant renewAt) {
        public Parallel {
            chain = List.copyOf(chain);
        }

        /// Without the key.
        @Override
        public String toString() {
            return "Parallel[renewAt=" + renewAt + "]";
        }
    }

    /// What an order has begun and not ended.
    ///
    /// @param newKey whether the next certificate is for a new key
    /// @param to where the device goes, where it leaves
    public record Task(UUID order, Kind kind, boolean newKey, Optional<Home> to) {
        public enum Kind {
            RENEW,
            LEAVE
        }
    }

    /// The state of a device that has never been anywhere.
    public static AgentState first(Home home) {
        return new AgentState(
                home,
                home.anchors(),
                Optional.empty(),
                Optional.empty(),
                List.of(),
                Optional.empty(),
                0,
                0,
                Optional.empty(),
                Instant.EPOCH,
                new TreeMap<>(),
                List.of(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    /// A state that differs from this one.
    public AgentState with(Consumer<Change> changes) {
        Change change = new Change(this);
        changes.accept(change);
        return change.state();
    }

    /// The names of keys that must stay.
    public LinkedHashSet<String> keysInUse() {
        LinkedHashSet<String> names = new LinkedHashSet<>(retired);
        identity.ifPresent(current -> names.add(current.key()));
        pendingKey.ifPresent(names::add);
        return names;
    }

    /// What becomes of a state.
    public static final class Change {
        public Home home;
        public List<Bytes> anchors;
        public @Nullable Identity identity;
        public @Nullable String pendingKey;
        public List<String> retired;
        public @Nullable UUID device;
        public long lastSequence;
        public long bootCount;
        public @Nullable Bytes mark;
        public Instant latestTime;
        public SortedMap<String, Bytes> objects;
        public List<CheckIn.Result> results;
        public CheckIn.@Nullable Evidence evidence;
        public @Nullable Task task;
        public @Nullable Parallel parallel;

        private Change(AgentState from) {
            home = from.home;
            anchors = from.anchors;
            identity = from.identity.orElse(null);
            pendingKey = from.pendingKey.orElse(null);
            retired = new ArrayList<>(from.retired);
            device = from.device.orElse(null);
            lastSequence = from.lastSequence;
            bootCount = from.bootCount;
            mark = from.mark.orElse(null);
            latestTime = from.latestTime;
            objects = new TreeMap<>(from.objects);
            results = new ArrayList<>(from.results);
            evidence = from.evidence.orElse(null);
            task = from.task.orElse(null);
            parallel = from.parallel.orElse(null);
        }

        /// Forgets the operational identity and what was written in the field. The keys are destroyed
        /// later. The anchors stay: a server that has changed its CA since would never be reached again.
        public void wipe() {
            Identity current = identity;
            if (current != null) {
                retired.add(current.key());
            }
            if (pendingKey != null) {
                retired.add(pendingKey);
            }
            identity = null;
            pendingKey = null;
            parallel = null;
            objects.clear();
            evidence = null;
            task = null;
        }

        private AgentState state() {
            return new AgentState(
                    home,
                    anchors,
                    Optional.ofNullable(identity),
                    Optional.ofNullable(pendingKey),
                    retired,
                    Optional.ofNullable(device),
                    lastSequence,
                    bootCount,
                    Optional.ofNullable(mark),
                    latestTime,
                    objects,
                    results,
                    Optional.ofNullable(evidence),
                    Optional.ofNullable(task),
                    Optional.ofNullable(parallel));
        }
    }

    Bytes encode() {
        Cbor.Builder map = Cbor.map()
                .put(0, Cbor.of(VERSION))
                .put(1, encode(home))
                .put(2, byteStrings(anchors))
                .put(5, new Cbor.ArrayItem(retired.stream().map(Cbor::of).toList()))
                .put(7, Cbor.of(lastSequence))
                .put(8, Cbor.of(bootCount))
                .put(10, Cbor.of(latestTime.getEpochSecond()))
                .put(
                        12,
                        new Cbor.ArrayItem(
                                results.stream().map(AgentState::encode).toList()));
        identity.ifPresent(current -> map.put(
                3,
                Cbor.array(
                        Cbor.of(current.key()),
                        byteStrings(current.chain()),
                        Cbor.of(current.renewAt().getEpochSecond()))));
        pendingKey.ifPresent(name -> map.put(4, Cbor.of(name)));
        device.ifPresent(id -> map.put(6, encode(id)));
        mark.ifPresent(bytes -> map.put(9, Cbor.of(bytes)));
        Cbor.Builder stored = Cbor.map();
        objects.forEach((name, value) -> stored.put(name, Cbor.of(value)));
        map.put(11, stored.build());
        evidence.ifPresent(shown ->
                map.put(13, Cbor.array(Cbor.of(shown.mediaType()), Cbor.of(shown.value()), Cbor.of(shown.nonce()))));
        task.ifPresent(begun -> map.put(
                14,
                Cbor.array(
                        encode(begun.order()),
                        Cbor.of(begun.kind().name()),
                        Cbor.of(begun.newKey()),
                        begun.to().map(AgentState::encode).orElse(Cbor.NULL))));
        parallel.ifPresent(second -> map.put(
                15,
                Cbor.array(
                        Cbor.of(second.pkcs8()),
                        byteStrings(second.chain()),
                        Cbor.of(second.renewAt().getEpochSecond()))));
        return map.build().encode();
    }

    private static Cbor encode(Home home) {
        return Cbor.array(Cbor.of(home.url()), Cbor.of(home.fleet()), byteStrings(home.anchors()));
    }

    private static Cbor encode(CheckIn.Result result) {
        return Cbor.array(
                encode(result.order()),
                Cbor.of(result.status().name()),
                Cbor.of(result.detail()),
                result.receipt().<Cbor>map(Cbor::of).orElse(Cbor.NULL));
    }

    private static Cbor encode(UUID id) {
        return Cbor.of(Bytes.of(ByteBuffer.allocate(16)
                .putLong(id.getMostSignificantBits())
                .putLong(id.getLeastSignificantBits())
                .array()));
    }

    private static Cbor byteStrings(List<Bytes> values) {
        return new Cbor.ArrayItem(values.stream().map(Cbor::of).toList());
    }

    static AgentState parse(Bytes encoded) throws MalformedException {
        Cbor.MapItem map = Cbor.read(encoded, LIMITS).mapping("the state");
        map.require(0, "the version").integer("the version", VERSION, VERSION);
        try {
            return parse(map);
        } catch (IllegalArgumentException e) {
            throw new MalformedException(String.valueOf(e.getMessage()));
        }
    }

    private static AgentState parse(Cbor.MapItem map) throws MalformedException {
        AgentState state = first(home(map.require(1, "the home")));
        Change change = new Change(state);
        change.anchors = byteStrings(map.require(2, "the anchors"), "the anchors");
        Cbor identity = map.get(3);
        if (identity != null) {
            List<Cbor> parts = identity.array("the identity", 3, 3);
            change.identity = new Identity(
                    parts.get(0).text("a key"), byteStrings(parts.get(1), "the chain"), time(parts.get(2)));
        }
        Cbor pending = map.get(4);
        change.pendingKey = pending == null ? null : pending.text("a key");
        for (Cbor name : map.require(5, "the retired keys").array("the retired keys", 0, MAX_LIST)) {
            change.retired.add(name.text("a key"));
        }
        Cbor device = map.get(6);
        change.device = device == null ? null : uuid(device);
        change.lastSequence = map.require(7, "the sequence number").integer("the sequence number");
        change.bootCount = map.require(8, "the boot count").integer("the boot count");
        Cbor mark = map.get(9);
        change.mark = mark == null ? null : mark.bytes("the mark");
        change.latestTime = time(map.require(10, "the time"));
        for (Map.Entry<Cbor, Cbor> stored :
                map.require(11, "the objects").mapping("the objects").entries().entrySet()) {
            change.objects.put(stored.getKey().text("a name"), stored.getValue().bytes("an object"));
        }
        for (Cbor result : map.require(12, "the results").array("the results", 0, MAX_LIST)) {
            change.results.add(result(result));
        }
        Cbor evidence = map.get(13);
        if (evidence != null) {
            List<Cbor> parts = evidence.array("the evidence", 3, 3);
            change.evidence = new CheckIn.Evidence(
                    parts.get(0).text("a media type"),
                    parts.get(1).bytes("the evidence"),
                    parts.get(2).bytes("the nonce"));
        }
        Cbor task = map.get(14);
        change.task = task == null ? null : task(task);
        Cbor parallel = map.get(15);
        if (parallel != null) {
            List<Cbor> parts = parallel.array("the second identity", 3, 3);
            change.parallel = new Parallel(
                    parts.get(0).bytes("a key"), byteStrings(parts.get(1), "the chain"), time(parts.get(2)));
        }
        return change.state();
    }

    private static Home home(Cbor item) throws MalformedException {
        List<Cbor> parts = item.array("a home", 3, 3);
        return new Home(
                parts.get(0).text("a URL"), parts.get(1).text("a fleet"), byteStrings(parts.get(2), "the anchors"));
    }

    private static CheckIn.Result result(Cbor item) throws MalformedException {
        List<Cbor> parts = item.array("a result", 4, 4);
        return new CheckIn.Result(
                uuid(parts.get(0)),
                CheckIn.Status.valueOf(parts.get(1).text("a status")),
                parts.get(2).text("a detail"),
                parts.get(3).equals(Cbor.NULL)
                        ? Optional.empty()
                        : Optional.of(parts.get(3).bytes("a receipt")));
    }

    private static Task task(Cbor item) throws MalformedException {
        List<Cbor> parts = item.array("a task", 4, 4);
        return new Task(
                uuid(parts.get(0)),
                Task.Kind.valueOf(parts.get(1).text("a kind")),
                parts.get(2).bool("a new key"),
                parts.get(3).equals(Cbor.NULL) ? Optional.empty() : Optional.of(home(parts.get(3))));
    }

    private static UUID uuid(Cbor item) throws MalformedException {
        ByteBuffer bytes = ByteBuffer.wrap(item.bytes("an id", 16).toArray());
        return new UUID(bytes.getLong(), bytes.getLong());
    }

    private static Instant time(Cbor item) throws MalformedException {
        long seconds = item.integer("a time");
        if (seconds < 0 || seconds > 253_402_300_799L) {
            throw new MalformedException("a time must lie in the years 1970 to 9999");
        }
        return Instant.ofEpochSecond(seconds);
    }

    private static List<Bytes> byteStrings(Cbor item, String what) throws MalformedException {
        List<Bytes> values = new ArrayList<>();
        for (Cbor value : item.array(what, 0, MAX_LIST)) {
            values.add(value.bytes(what));
        }
        return values;
    }
}
