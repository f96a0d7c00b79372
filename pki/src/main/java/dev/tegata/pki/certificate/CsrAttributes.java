// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/// What an EST server wants to see in requests (RFC 7030 §4.5.2, as RFC 9908 explains it).
///
/// @param attributes plain object identifiers have no values: attributes to be filled in, or algorithms to
/// use
public record CsrAttributes(List<Attribute> attributes) {
    private static final int MAX_SIZE = 64 * 1024;
    private static final int MAX_ATTRIBUTES = 64;
    private static final Oid EC_PUBLIC_KEY = Oid.of("1.2.840.10045.2.1");
    private static final Oid P256 = Oid.of("1.2.840.10045.3.1.7");
    private static final Oid P384 = Oid.of("1.3.132.0.34");
    private static final Oid RSA_ENCRYPTION = Oid.of("1.2.840.113549.1.1.1");
    private static final Oid ED25519 = Oid.of("1.3.101.112");

    public CsrAttributes {
        attributes = List.copyOf(attributes);
    }

    /// One thing wanted.
    ///
    /// @param values in DER; none for a plain object identifier
    public record Attribute(Oid type, List<Bytes> values) {
        public Attribute {
            values = List.copyOf(values);
        }
    }

    /// What requests under `profile` should have: its preferred kind of key, and the signature that goes
    /// with it. An answer cannot offer a choice of keys.
    public static CsrAttributes of(CertificateProfile profile) {
        KeyAlgorithm key = profile.keyAlgorithms().getFirst();
        List<Attribute> attributes = new ArrayList<>();
        attributes.add(keyAttribute(key));
        if (key != KeyAlgorithm.ED25519 && !key.isPostQuantum()) {
            attributes.add(new Attribute(signatureOid(key.signatureAlgorithm()), List.of()));
        }
        return new CsrAttributes(attributes);
    }

    private static Attribute keyAttribute(KeyAlgorithm key) {
        return switch (key) {
            case EC_P256 -> attribute(EC_PUBLIC_KEY, value -> value.oid(P256));
            case EC_P384 -> attribute(EC_PUBLIC_KEY, value -> value.oid(P384));
            case ED25519 -> new Attribute(ED25519, List.of());
            case RSA_2048 -> attribute(RSA_ENCRYPTION, value -> value.integer(2048));
            case RSA_3072 -> attribute(RSA_ENCRYPTION, value -> value.integer(3072));
            case RSA_4096 -> attribute(RSA_ENCRYPTION, value -> value.integer(4096));
            case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> new Attribute(signatureOid(key.signatureAlgorithm()), List.of());
        };
    }

    private static Attribute attribute(Oid type, Consumer<DerWriter> value) {
        DerWriter writer = new DerWriter();
        value.accept(writer);
        return new Attribute(type, List.of(writer.toBytes()));
    }

    private static Oid signatureOid(SignatureAlgorithm algorithm) {
        try {
            return DerReader.of(algorithm.identifier()).sequence().oid();
        } catch (EncodingException e) {
            throw new IllegalStateException("the identifiers of known algorithms are well formed", e);
        }
    }

    /// The kind of key that is wanted, where it says so and the kind is supported.
    public Optional<KeyAlgorithm> keyAlgorithm() {
        for (KeyAlgorithm algorithm : KeyAlgorithm.values()) {
            if (attributes.contains(keyAttribute(algorithm))) {
                return Optional.of(algorithm);
            }
        }
        return Optional.empty();
    }

    /// Whether an attribute or algorithm is wanted.
    public boolean wants(Oid type) {
        return attributes.stream().anyMatch(attribute -> attribute.type().equals(type));
    }

    /// The DER `CsrAttrs`.
    public Bytes encode() {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> attributes.forEach(attribute -> {
            if (attribute.values().isEmpty()) {
                writer.oid(attribute.type());
            } else {
                writer.sequence(() -> {
                    writer.oid(attribute.type());
                    writer.setOf(Tag.SET, attribute.values());
                });
            }
        }));
        return writer.toBytes();
    }

    public static CsrAttributes decode(Bytes encoded) throws EncodingException {
        if (encoded.size() > MAX_SIZE) {
            throw new EncodingException("CSR attributes have at most " + MAX_SIZE + " bytes");
        }
        DerReader outer = DerReader.of(encoded);
        DerReader sequence = outer.sequence();
        outer.end();
        List<Attribute> attributes = new ArrayList<>();
        Set<Oid> types = new HashSet<>();
        while (sequence.hasMore()) {
            Attribute attribute = sequence.nextIs(Tag.OID)
                    ? new Attribute(sequence.oid(), List.of())
                    : readAttribute(sequence.sequence());
            if (attributes.size() == MAX_ATTRIBUTES || !types.add(attribute.type())) {
                throw new EncodingException("there are too many CSR attributes, or the same one twice");
            }
            attributes.add(attribute);
        }
        return new CsrAttributes(attributes);
    }

    private static Attribute readAttribute(DerReader attribute) throws EncodingException {
        Oid type = attribute.oid();
        List<Bytes> values = new ArrayList<>();
        DerReader set = attribute.set();
        attribute.end();
        while (set.hasMore()) {
            values.add(set.element());
        }
        return new Attribute(type, values);
    }
}
