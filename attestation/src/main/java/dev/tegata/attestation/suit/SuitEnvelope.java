// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.suit;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A SUIT envelope (draft-ietf-suit-manifest, for the architecture of RFC 9019): the manifest of an update
/// and the signatures over it. Says what the update leaves on a device; executes nothing and fetches
/// nothing.
///
/// What the manifest says is true only where [#isSignedBy] is.
///
/// @param variants what the update may leave, each with all components that have an image's digest then:
/// one, or
///     several where the manifest has an image for each slot, or chooses a component
public record SuitEnvelope(
        long sequenceNumber, List<List<Component>> variants, Bytes signedDigest, List<CoseMessage> signatures) {
    /// A component and the digest of the image that the update puts there.
    ///
    /// @param name its identifier, with slashes between the parts
    /// @param digest of 32, 48 or 64 bytes: SHA-256, SHA-384 or SHA-512
    /// @param slot that the image is for; null where the manifest has one for wherever it goes
    public record Component(
            String name,
            @Nullable String version,
            Bytes digest,
            @Nullable Long slot) {}

    private static final int TAG = 107;
    private static final int AUTHENTICATION = 2;
    private static final int MANIFEST = 3;
    private static final int SEQUENCE_NUMBER = 2;
    private static final int COMMON = 3;
    private static final int COMPONENTS = 2;
    private static final int SHARED_SEQUENCE = 4;
    private static final int VALIDATE = 7;
    /// Fetch and install, under their present numbers and the earlier ones.
    private static final List<Integer> INSTALL = List.of(16, 17, 20);

    private static final int TEXT = 23;
    private static final int TEXT_COMPONENT_VERSION = 6;
    private static final int MAX_COMPONENTS = 64;
    private static final int MAX_SIGNATURES = 16;
    private static final int MAX_VARIANTS = 16;

    public static SuitEnvelope parse(Bytes encoded) throws MalformedException {
        Cbor item = Cbor.read(encoded, CborLimits.DOCUMENT);
        Cbor.MapItem envelope =
                (item instanceof Cbor.Tagged ? item.tagged("a SUIT envelope", TAG) : item).mapping("a SUIT envelope");
        List<Cbor> authentication = read(envelope.require(AUTHENTICATION, "the authentication wrapper"))
                .array("the authentication wrapper", 1, MAX_SIGNATURES + 1);
        Bytes signedDigest = authentication.getFirst().bytes("the manifest's digest");
        Cbor wrapped = envelope.require(MANIFEST, "the manifest");
        requireDigest(read(authentication.getFirst()), wrapped, "the manifest");
        List<CoseMessage> signatures = new ArrayList<>();
        for (Cbor block : authentication.subList(1, authentication.size())) {
            signatures.add(CoseMessage.of(read(block)));
        }
        Cbor.MapItem manifest = read(wrapped).mapping("the manifest");
        if (!Cbor.of(1).equals(manifest.get(1))) {
            throw new MalformedException("the manifest's format version is not 1");
        }
        long sequenceNumber =
                manifest.require(SEQUENCE_NUMBER, "the sequence number").integer("the sequence number");
        if (sequenceNumber < 0) {
            throw new MalformedException("the sequence number is negative");
        }
        return new SuitEnvelope(
                sequenceNumber, variants(new Members(envelope, manifest)), signedDigest, List.copyOf(signatures));
    }

    /// Whether one of the signatures over the manifest is by this key.
    public boolean isSignedBy(CoseKey key) throws MalformedException {
        for (CoseMessage signature : signatures) {
            Bytes payload = signature.payload();
            // Older drafts carry the digest in the message; it must be the same.
            boolean same = payload == null || payload.equals(signedDigest);
            if (same
                    && signature.kind() == CoseMessage.Kind.SIGN1
                    && signature.verifies(key, signature.algorithm(), Bytes.EMPTY, signedDigest)) {
                return true;
            }
        }
        return false;
    }

    /// The members of a manifest, of which some may stand beside it in the envelope, with their digest in
    /// it.
    private record Members(Cbor.MapItem envelope, Cbor.MapItem manifest) {
        /// The content of a member; empty where there is none, or where it was cut off.
        Optional<Cbor> find(int label) throws MalformedException {
            return find(label, CborLimits.DOCUMENT);
        }

        Optional<Cbor> find(int label, CborLimits limits) throws MalformedException {
            Cbor member = manifest.get(label);
            if (member == null) {
                return Optional.empty();
            }
            if (member instanceof Cbor.ByteString(Bytes content)) {
                return Optional.of(Cbor.read(content, limits));
            }
            Cbor severed = envelope.get(label);
            if (severed == null) {
                return Optional.empty();
            }
            requireDigest(member, severed, "the severed member " + label);
            return Optional.of(Cbor.read(severed.bytes("a severed member"), limits));
        }
    }

    private static Cbor read(Cbor wrapped) throws MalformedException {
        return Cbor.read(wrapped.bytes("a part of the envelope"), CborLimits.DOCUMENT);
    }

    /// spec| draft-ietf-suit-manifest §8.4: a digest is over the byte string with its wrapper.
    private static void requireDigest(Cbor digest, Cbor wrapped, String what) throws MalformedException {
        if (!ImageDigest.of(digest).isOf(wrapped.encode())) {
            throw new MalformedException(what + " has another digest than the one that is signed");
        }
    }

    private static List<List<Component>> variants(Members members) throws MalformedException {
        Cbor.MapItem common =
                read(members.manifest.require(COMMON, "the common part")).mapping("the common part");
        List<Cbor> identifiers =
                common.require(COMPONENTS, "the components").array("the components", 1, MAX_COMPONENTS);
        List<String> names = names(identifiers);
        Map<Cbor, String> versions =
                versions(members.find(TEXT, CborLimits.DESCRIPTION).orElse(null));
        Commands commands = new Commands(identifiers.size());
        Cbor sequence = common.get(SHARED_SEQUENCE);
        Collection<Commands.Way> ways =
                sequence == null ? commands.start() : commands.run(commands.start(), Commands.FIRST, read(sequence));
        Set<Integer> chosen = commands.chosen();
        Set<List<Component>> variants = new LinkedHashSet<>();
        for (Commands.Way shared : ways) {
            Collection<Commands.Way> validated = follow(commands, members, List.of(VALIDATE), shared, chosen);
            for (Commands.Way installed : follow(commands, members, INSTALL, shared, chosen)) {
                for (Commands.Way booted : validated) {
                    if (!installed.excludes(booted)) {
                        List<Component> variant = new ArrayList<>();
                        for (int index = 0; index < names.size(); index++) {
                            String version = versions.get(identifiers.get(index));
                            component(index, names.get(index), version, List.of(booted, installed, shared))
                                    .ifPresent(variant::add);
                        }
                        variants.add(List.copyOf(variant));
                    }
                }
            }
            if (variants.size() > Commands.MAX_WAYS) {
                throw new MalformedException("the manifest has more than " + Commands.MAX_WAYS + " ways to go");
            }
        }
        // A way on which nothing is said of a component says less than one on which something is.
        List<List<Component>> whole = variants.stream()
                .filter(one ->
                        variants.stream().noneMatch(other -> other.size() > one.size() && other.containsAll(one)))
                .toList();
        if (whole.isEmpty() || whole.getFirst().isEmpty()) {
            throw new MalformedException("the manifest has no digest of an image");
        }
        if (whole.size() > MAX_VARIANTS) {
            throw new MalformedException("the update may leave more than " + MAX_VARIANTS + " different images");
        }
        return whole;
    }

    private static Collection<Commands.Way> follow(
            Commands commands, Members members, List<Integer> labels, Commands.Way from, Set<Integer> chosen)
            throws MalformedException {
        Collection<Commands.Way> ways = List.of(from);
        Set<Integer> present = chosen;
        for (int label : labels) {
            Optional<Cbor> sequence = members.find(label);
            if (sequence.isPresent()) {
                ways = commands.run(ways, present, sequence.get());
                present = commands.chosen();
            }
        }
        return ways;
    }

    /// What is checked at each boot says more than what is checked on the way there, and that more than
    /// what is set beforehand.
    ///
    /// @param ways at boot, at installation, and before both
    private static Optional<Component> component(
            int index, String name, @Nullable String version, List<Commands.Way> ways) {
        Commands.Known booted = ways.get(0).components().get(index);
        Commands.Known installed = ways.get(1).components().get(index);
        Commands.Known shared = ways.get(2).components().get(index);
        ImageDigest matched = booted.matched() != null ? booted.matched() : installed.matched();
        ImageDigest digest = matched != null ? matched : shared.digest();
        Long slot = booted.inSlot() != null ? booted.inSlot() : installed.inSlot();
        return digest == null ? Optional.empty() : Optional.of(new Component(name, version, digest.value(), slot));
    }

    private static List<String> names(List<Cbor> identifiers) throws MalformedException {
        Set<String> names = new LinkedHashSet<>();
        for (Cbor identifier : identifiers) {
            String name = name(identifier);
            if (!names.add(name)) {
                throw new MalformedException("the component '" + name + "' stands twice");
            }
        }
        return List.copyOf(names);
    }

    private static String name(Cbor identifier) throws MalformedException {
        List<String> parts = new ArrayList<>();
        for (Cbor part : identifier.array("a component's identifier", 1, 8)) {
            Bytes bytes = part.bytes("a part of a component's identifier");
            if (bytes.size() > 64) {
                throw new MalformedException("a part of a component's identifier has more than 64 bytes");
            }
            String text = new String(bytes.toArray(), StandardCharsets.ISO_8859_1);
            parts.add(text.matches("[A-Za-z0-9][A-Za-z0-9._+ -]*") ? text : bytes.hex());
        }
        return String.join("/", parts);
    }

    /// The versions of components in the descriptive text, whose upper level may be languages.
    private static Map<Cbor, String> versions(@Nullable Cbor text) throws MalformedException {
        Map<Cbor, String> versions = new HashMap<>();
        if (text != null) {
            addVersions(text.mapping("the text"), versions);
        }
        return versions;
    }

    private static void addVersions(Cbor.MapItem text, Map<Cbor, String> versions) throws MalformedException {
        for (Map.Entry<Cbor, Cbor> entry : text.entries().entrySet()) {
            if (!(entry.getValue() instanceof Cbor.MapItem inner)) {
                continue;
            }
            if (entry.getKey() instanceof Cbor.ArrayItem) {
                Cbor version = inner.get(TEXT_COMPONENT_VERSION);
                if (version != null) {
                    versions.putIfAbsent(entry.getKey(), version.text("a component's version"));
                }
            } else {
                addVersions(inner, versions);
            }
        }
    }
}
