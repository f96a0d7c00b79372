// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A revocation list of another CA, as it was read (RFC 5280 §5). A whole list of one issuer: delta lists,
/// indirect ones and those for some reasons only are refused, because they do not say what is not revoked.
///
/// @param scope which of the issuer's certificates it speaks for; null for all
/// @param nextUpdate null where the issuer does not say
/// @param number null where it has none
public record RevocationList(
        Name issuer,
        @Nullable CrlScope scope,
        Instant thisUpdate,
        @Nullable Instant nextUpdate,
        @Nullable BigInteger number,
        List<Entry> entries,
        Bytes tbs,
        Bytes algorithm,
        Bytes signature) {
    /// The largest list that is read.
    public static final int MAX_SIZE = 4 << 20;

    private static final Oid CRL_NUMBER = Oid.of("2.5.29.20");
    private static final Oid ISSUING_DISTRIBUTION_POINT = Oid.of("2.5.29.28");
    private static final int EXTENSIONS = Tag.context(0);
    private static final int URI = Tag.contextPrimitive(6);

    /// A certificate that is revoked or on hold.
    ///
    /// @param serial the content octets of its serial number
    public record Entry(Bytes serial, Instant revokedAt) {}

    /// Reads a list in DER. Its signature is not looked at.
    public static RevocationList parse(Bytes encoded) throws EncodingException {
        if (encoded.size() > MAX_SIZE) {
            throw new EncodingException("a revocation list of more than " + MAX_SIZE + " bytes is not read");
        }
        DerReader outer = DerReader.of(encoded);
        DerReader list = outer.sequence();
        outer.end();
        Bytes tbs = list.element();
        Bytes algorithm = list.element();
        Bytes signature = list.bitString();
        list.end();
        DerReader whole = DerReader.of(tbs);
        DerReader reader = whole.sequence();
        if (reader.nextIs(Tag.INTEGER) && reader.smallInteger() != 1) {
            throw new EncodingException("a revocation list is of version 1 or 2");
        }
        if (!reader.element().equals(algorithm)) {
            throw new EncodingException("the list names two signature algorithms");
        }
        Name issuer = Name.read(reader);
        Instant thisUpdate = reader.time();
        boolean tellsNext = reader.nextIs(Tag.UTC_TIME) || reader.nextIs(Tag.GENERALIZED_TIME);
        Instant nextUpdate = tellsNext ? reader.time() : null;
        List<Entry> entries = reader.nextIs(Tag.SEQUENCE) ? entries(reader.sequence()) : List.of();
        List<Extension> extensions = List.of();
        if (reader.hasMore()) {
            DerReader explicit = reader.enter(EXTENSIONS);
            extensions = Extension.readAll(explicit);
            explicit.end();
        }
        reader.end();
        CrlScope scope = null;
        BigInteger number = null;
        for (Extension extension : extensions) {
            if (extension.type().equals(ISSUING_DISTRIBUTION_POINT)) {
                scope = scope(extension.value());
            } else if (extension.type().equals(CRL_NUMBER)) {
                DerReader value = DerReader.of(extension.value());
                number = value.integer();
                value.end();
            } else if (extension.critical()) {
                // spec| RFC 5280 §5.2: a list with a critical extension that is not understood must not be used.
                throw new EncodingException("the list has the critical extension " + extension.type()
                        + ", such as a delta list has, and that is not supported");
            }
        }
        return new RevocationList(issuer, scope, thisUpdate, nextUpdate, number, entries, tbs, algorithm, signature);
    }

    private static List<Entry> entries(DerReader reader) throws EncodingException {
        List<Entry> entries = new ArrayList<>();
        while (reader.hasMore()) {
            DerReader entry = reader.sequence();
            Bytes serial = entry.integerContent();
            Instant revokedAt = entry.time();
            if (entry.hasMore()) {
                for (Extension extension : Extension.readAll(entry)) {
                    if (extension.critical()) {
                        throw new EncodingException("an entry has the critical extension " + extension.type()
                                + ", such as an indirect list has, and that is not supported");
                    }
                }
            }
            entry.end();
            entries.add(new Entry(serial, revokedAt));
        }
        return List.copyOf(entries);
    }

    /// spec| RFC 5280 §5.2.5
    private static @Nullable CrlScope scope(Bytes value) throws EncodingException {
        DerReader outer = DerReader.of(value);
        DerReader point = outer.sequence();
        outer.end();
        CrlScope scope = null;
        if (point.nextIs(Tag.context(0))) {
            DerReader names = point.enter(Tag.context(0)).enter(Tag.context(0));
            // Where there are several names, they stand for the same list.
            scope = new CrlScope.DistributionPoint(new String(names.content(URI).toArray(), StandardCharsets.US_ASCII));
        }
        while (point.hasMore()) {
            int tag = point.nextTag();
            boolean set = !point.content(tag).equals(Bytes.ofHex("00"));
            boolean users = tag == Tag.contextPrimitive(1);
            boolean authorities = tag == Tag.contextPrimitive(2);
            if (set && (scope != null || !(users || authorities))) {
                throw new EncodingException(
                        "the list is indirect, for some reasons only, or of several limits, and that is not supported");
            }
            scope = !set ? scope : users ? new CrlScope.UserCertificates() : new CrlScope.AuthorityCertificates();
        }
        return scope;
    }

    /// Whether this CA has issued and signed the list, and may.
    public boolean isBy(Certificate authority) {
        if (!authority.subject().equals(issuer) || !authority.isAuthority() || !authority.allows(KeyUsage.CRL_SIGN)) {
            return false;
        }
        try {
            for (SignatureAlgorithm each : SignatureAlgorithm.values()) {
                if (each.identifier().equals(algorithm)) {
                    return authority.publicKey().verifies(each, tbs.toArray(), signature.toArray());
                }
            }
        } catch (InvalidKeyInfoException e) {
            return false;
        }
        return false;
    }
}
