// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What an order says beyond its kind. Each has its limits, so that a device knows how much room it needs.
public sealed interface OrderContent {
    /// At most so many trust anchors, each of at most [#MAX_ANCHOR] bytes.
    int MAX_ANCHORS = 8;

    int MAX_ANCHOR = 8192;

    /// The size of a stored object at most.
    int MAX_OBJECT = 16 * 1024;

    int MAX_NAME = 64;
    int MAX_URL = 256;
    int MIN_NONCE = 8;
    int MAX_NONCE = 64;

    OrderKind kind();

    /// The content as a CBOR map with integer keys in ascending order.
    Cbor.MapItem toCbor();

    record RenewCertificate() implements OrderContent {
        @Override
        public OrderKind kind() {
            return OrderKind.RENEW_CERTIFICATE;
        }

        @Override
        public Cbor.MapItem toCbor() {
            return Cbor.map().build();
        }
    }

    record RenewKey() implements OrderContent {
        @Override
        public OrderKind kind() {
            return OrderKind.RENEW_KEY;
        }

        @Override
        public Cbor.MapItem toCbor() {
            return Cbor.map().build();
        }
    }

    /// @param anchors all that are to be trusted, as DER certificates
    record UpdateTrustAnchors(List<Bytes> anchors) implements OrderContent {
        public UpdateTrustAnchors {
            anchors = List.copyOf(anchors);
            require(!anchors.isEmpty(), "there must be a trust anchor");
            requireAnchors(anchors);
        }

        @Override
        public OrderKind kind() {
            return OrderKind.UPDATE_TRUST_ANCHORS;
        }

        @Override
        public Cbor.MapItem toCbor() {
            return Cbor.map().put(1, byteStrings(anchors)).build();
        }
    }

    record Refurbish() implements OrderContent {
        @Override
        public OrderKind kind() {
            return OrderKind.REFURBISH;
        }

        @Override
        public Cbor.MapItem toCbor() {
            return Cbor.map().build();
        }
    }

    /// @param nonce what the evidence must contain
    record Attest(Bytes nonce) implements OrderContent {
        public Attest {
            require(
                    nonce.size() >= MIN_NONCE && nonce.size() <= MAX_NONCE,
                    "a nonce has " + MIN_NONCE + " to " + MAX_NONCE + " bytes");
        }

        @Override
        public OrderKind kind() {
            return OrderKind.ATTEST;
        }

        @Override
        public Cbor.MapItem toCbor() {
            return Cbor.map().put(1, Cbor.of(nonce)).build();
        }
    }

    /// Where a released device goes.
    ///
    /// @param fleet the new owner's fleet
    /// @param url of the new owner's device port, such as `https://devices.example:8444`
    /// @param anchors that the new owner's server and orders are verified with, as DER certificates
    record NewHome(String fleet, String url, List<Bytes> anchors) {
        public NewHome {
            anchors = List.copyOf(anchors);
            require(!fleet.isEmpty() && fleet.length() <= MAX_NAME, "a fleet has an id");
            require(url.startsWith("https://") && url.length() <= MAX_URL, "a URL starts with https://");
            require(!anchors.isEmpty(), "there must be a trust anchor");
            requireAnchors(anchors);
        }
    }

    /// @param to the new home, where there is one
    record Release(Optional<NewHome> to) implements OrderContent {
        @Override
        public OrderKind kind() {
            return OrderKind.RELEASE;
        }

        @Override
        public Cbor.MapItem toCbor() {
            Cbor.Builder map = Cbor.map();
            to.ifPresent(home -> map.put(1, Cbor.of(home.fleet()))
                    .put(2, Cbor.of(home.url()))
                    .put(3, byteStrings(home.anchors())));
            return map.build();
        }
    }

    /// @param name of letters, digits, dots, dashes and underscores; not starting with a dot
    record Store(String name, Bytes value) implements OrderContent {
        public Store {
            require(
                    name.length() <= MAX_NAME && name.matches("[A-Za-z0-9_-][A-Za-z0-9._-]*"),
                    "an object's name has 1 to " + MAX_NAME
                            + " letters, digits, dots, dashes or underscores, and no dot in front");
            require(value.size() <= MAX_OBJECT, "an object has at most " + MAX_OBJECT + " bytes");
        }

        @Override
        public OrderKind kind() {
            return OrderKind.STORE;
        }

        @Override
        public Cbor.MapItem toCbor() {
            return Cbor.map().put(1, Cbor.of(name)).put(2, Cbor.of(value)).build();
        }
    }

    /// Reads the content of an order of `kind`.
    static OrderContent parse(OrderKind kind, Cbor encoded) throws MalformedException {
        Cbor.MapItem map = encoded.mapping("the content");
        try {
            return switch (kind) {
                case RENEW_CERTIFICATE -> new RenewCertificate();
                case RENEW_KEY -> new RenewKey();
                case REFURBISH -> new Refurbish();
                case UPDATE_TRUST_ANCHORS -> new UpdateTrustAnchors(anchors(map.require(1, "the trust anchors")));
                case ATTEST -> new Attest(map.require(1, "the nonce").bytes("the nonce"));
                case RELEASE -> new Release(newHome(map));
                case STORE ->
                    new Store(
                            map.require(1, "the object's name").text("the object's name"),
                            map.require(2, "the object").bytes("the object"));
            };
        } catch (IllegalArgumentException e) {
            throw new MalformedException(String.valueOf(e.getMessage()));
        }
    }

    private static Optional<NewHome> newHome(Cbor.MapItem map) throws MalformedException {
        if (map.entries().isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new NewHome(
                map.require(1, "the new fleet").text("the new fleet"),
                map.require(2, "the new URL").text("the new URL"),
                anchors(map.require(3, "the new trust anchors"))));
    }

    private static List<Bytes> anchors(Cbor encoded) throws MalformedException {
        List<Bytes> anchors = new ArrayList<>();
        for (Cbor anchor : encoded.array("the trust anchors", 1, MAX_ANCHORS)) {
            anchors.add(anchor.bytes("a trust anchor"));
        }
        return anchors;
    }

    private static Cbor byteStrings(List<Bytes> values) {
        return new Cbor.ArrayItem(values.stream().map(Cbor::of).toList());
    }

    private static void requireAnchors(List<Bytes> anchors) {
        require(anchors.size() <= MAX_ANCHORS, "there may be " + MAX_ANCHORS + " trust anchors at most");
        for (Bytes anchor : anchors) {
            require(anchor.size() <= MAX_ANCHOR, "a trust anchor has at most " + MAX_ANCHOR + " bytes");
        }
    }

    private static void require(boolean condition, String sentence) {
        if (!condition) {
            throw new IllegalArgumentException(sentence);
        }
    }
}
