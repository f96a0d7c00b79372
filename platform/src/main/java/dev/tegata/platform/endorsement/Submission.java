// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.SignedCorim;
import dev.tegata.attestation.corim.Subjects;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagHeader;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.corim.Validity;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.endorsement.Endorsement.EndorsementTag;
import java.lang.reflect.Type;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;

/// A manifest that was read, whose signer is allowed, taken apart for storage.
///
/// @param signer null where it came without a signature
/// @param signature the validity of the signature
record Submission(
        Bytes document,
        Corim corim,
        @Nullable EndorsementSigner signer,
        @Nullable Validity signature,
        List<Piece> pieces,
        List<Statement> statements,
        @Nullable Instant nextChange) {
    static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    /// A tag. `subject` is the one under which it is found.
    record Piece(int position, String kind, String name, long version, Bytes subject, Bytes digest, Bytes header) {}

    /// A statement under one of its subjects.
    record Statement(Bytes subject, int position, int number, Bytes kind, Bytes content, boolean oneDevice) {}

    /// Reads a document, and finds its signer among those allowed.
    ///
    /// @throws MalformedException where it cannot be read, is not signed by any of them, or has expired
    static Submission read(Bytes document, List<EndorsementSigner> signers, Instant now) throws MalformedException {
        Opened opened = Opened.of(document);
        EndorsementSigner signer = opened.signed == null ? null : signer(opened.signed, signers);
        if (isOver(opened.corim.validity(), now)) {
            throw new MalformedException("the manifest has expired");
        }
        if (isOver(opened.signature(), now)) {
            throw new MalformedException("the manifest's signature has expired");
        }
        List<Piece> pieces = new ArrayList<>();
        List<Statement> statements = new ArrayList<>();
        Set<Bytes> seen = new HashSet<>();
        List<Tag> tags = opened.corim.tags();
        for (int position = 0; position < tags.size(); position++) {
            Piece piece = piece(position, tags.get(position));
            if (!piece.kind.equals("OTHER") && !seen.add(piece.subject)) {
                throw new MalformedException("the tag '" + piece.name + "' stands twice in the manifest");
            }
            pieces.add(piece);
            if (tags.get(position) instanceof Tag.Comid comid) {
                addStatements(position, comid, opened.corim.profile(), statements);
            }
        }
        return new Submission(
                document,
                opened.corim,
                signer,
                opened.signature(),
                pieces,
                statements,
                nextChange(opened.corim, opened.signature(), now));
    }

    /// The manifest in a document, signed or not.
    static Corim open(Bytes document) throws MalformedException {
        return Opened.of(document).corim;
    }

    /// The manifest in a document, and the signature around it where there is one.
    private record Opened(Corim corim, @Nullable SignedCorim signed) {
        static Opened of(Bytes document) throws MalformedException {
            Cbor item = Cbor.read(document, CborLimits.DOCUMENT);
            boolean unsigned = item instanceof Cbor.MapItem
                    || (item instanceof Cbor.Tagged(long tag, Cbor _) && tag == Corim.UNSIGNED_TAG);
            if (unsigned) {
                return new Opened(Corim.of(item), null);
            }
            SignedCorim signed = SignedCorim.parse(document);
            return new Opened(signed.corim(), signed);
        }

        @Nullable
        Validity signature() {
            return signed == null ? null : signed.validity();
        }
    }

    private static EndorsementSigner signer(SignedCorim signed, List<EndorsementSigner> signers)
            throws MalformedException {
        for (EndorsementSigner signer : signers) {
            if (signed.verifies(CoseKey.of(signer.publicKey()))) {
                return signer;
            }
        }
        throw new MalformedException("the manifest is not signed by any allowed signer");
    }

    private static boolean isOver(@Nullable Validity validity, Instant now) {
        return validity != null && now.isAfter(validity.notAfter());
    }

    private static Piece piece(int position, Tag tag) {
        Bytes header = TagHeader.encode(tag);
        return switch (tag) {
            case Tag.Comid comid ->
                new Piece(
                        position,
                        "COMID",
                        comid.identity().name(),
                        comid.identity().version(),
                        Subjects.ofTag(comid.identity().id()),
                        comid.toCbor().encode().sha256(),
                        header);
            case Tag.Cotl cotl ->
                new Piece(
                        position,
                        "COTL",
                        cotl.identity().name(),
                        cotl.identity().version(),
                        Subjects.ofTag(cotl.identity().id()),
                        header.sha256(),
                        header);
            case Tag.Opaque(long number, Bytes content) ->
                new Piece(position, "OTHER", "tag " + number, 0, content.sha256(), content.sha256(), Bytes.EMPTY);
        };
    }

    private static void addStatements(int position, Tag.Comid comid, @Nullable String profile, List<Statement> into)
            throws MalformedException {
        int number = 0;
        for (Triple triple : comid.triples()) {
            Bytes kind = triple.kind().encode();
            Bytes content = triple.toCbor().encode();
            for (Bytes subject : Subjects.of(triple, profile)) {
                into.add(new Statement(subject, position, number, kind, content, Subjects.isAboutOneDevice(triple)));
            }
            number++;
        }
    }

    /// When, after `now`, something in a stored document begins or ceases to hold.
    static @Nullable Instant nextChange(Bytes document, Instant now) {
        try {
            Opened opened = Opened.of(document);
            return nextChange(opened.corim, opened.signature(), now);
        } catch (MalformedException e) {
            throw new IntegrityException("a stored manifest cannot be read", e);
        }
    }

    private static @Nullable Instant nextChange(Corim corim, @Nullable Validity signature, Instant now) {
        List<Validity> validities = validities(corim, signature);
        for (Tag tag : corim.tags()) {
            if (tag instanceof Tag.Cotl cotl) {
                validities.add(cotl.validity());
            }
        }
        Instant next = null;
        for (Validity validity : validities) {
            Instant begin = validity.notBefore();
            if (begin != null && begin.isAfter(now) && (next == null || begin.isBefore(next))) {
                next = begin;
            }
            // The last second of a validity belongs to it.
            Instant end = validity.notAfter().plusSeconds(1);
            if (end.isAfter(now) && (next == null || end.isBefore(next))) {
                next = end;
            }
        }
        return next;
    }

    Bytes digest() {
        return document.sha256();
    }

    String name() {
        return corim.name();
    }

    String signerName() {
        return signer == null ? "" : signer.name();
    }

    @Nullable
    Bytes signerKey() {
        return signer == null ? null : signer.publicKey().fingerprint();
    }

    @Nullable
    Instant notBefore() {
        Instant latest = null;
        for (Validity validity : validities(corim, signature)) {
            Instant begin = validity.notBefore();
            latest = begin != null && (latest == null || begin.isAfter(latest)) ? begin : latest;
        }
        return latest;
    }

    @Nullable
    Instant notAfter() {
        Instant earliest = null;
        for (Validity validity : validities(corim, signature)) {
            Instant end = validity.notAfter();
            earliest = earliest == null || end.isBefore(earliest) ? end : earliest;
        }
        return earliest;
    }

    private static List<Validity> validities(Corim corim, @Nullable Validity signature) {
        List<Validity> validities = new ArrayList<>();
        Validity own = corim.validity();
        if (own != null) {
            validities.add(own);
        }
        if (signature != null) {
            validities.add(signature);
        }
        return validities;
    }

    boolean holds(Instant now) {
        Instant from = notBefore();
        return from == null || !now.isBefore(from);
    }

    /// Under what the manifest is found when those of related tags are looked for.
    Set<Bytes> links() {
        Set<Bytes> links = new HashSet<>(Subjects.ofTags(corim));
        pieces.stream()
                .filter(piece -> !piece.kind.equals("OTHER"))
                .map(Piece::subject)
                .forEach(links::add);
        return links;
    }

    /// Whether this has a later version of a tag of another manifest, or replaces it.
    boolean takesThePlaceOf(EndorsementTag other) {
        boolean later = pieces.stream()
                .anyMatch(piece -> piece.kind.toLowerCase(Locale.ROOT).equals(other.kind())
                        && piece.name.equals(other.name())
                        && piece.version > other.version());
        return later
                || other.kind().equals("other")
                || corim.tags().stream()
                        .filter(Tag.Comid.class::isInstance)
                        .map(Tag.Comid.class::cast)
                        .flatMap(comid -> comid.linkedTags().stream())
                        .anyMatch(link -> link.replaces()
                                && other.kind().equals("comid")
                                && name(link.id()).equals(other.name()));
    }

    private static String name(Cbor id) {
        return new TagIdentity(id, 0).name();
    }
}
