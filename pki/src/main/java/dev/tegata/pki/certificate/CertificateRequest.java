// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.InvalidRequestException.Reason;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// A PKCS#10 certification request (RFC 2986), or a CertReqMsg of CRMF (RFC 4211), whose form and key have
/// been checked, but not its signature: [#prove] does that.
public final class CertificateRequest {
    /// The most bytes that a request may have: one with evidence and the log of a boot in it.
    public static final int MAX_SIZE = 64 * 1024;

    private static final int MAX_ATTRIBUTES = 32;
    private static final int ATTRIBUTES_TAG = Tag.context(0);

    // CRMF: subject, key and extensions in a CertTemplate, and the proof that is a signature.
    private static final int TEMPLATE_SUBJECT = Tag.context(5);
    private static final int TEMPLATE_KEY = Tag.context(6);
    private static final int TEMPLATE_EXTENSIONS = Tag.context(9);
    private static final int LAST_IN_TEMPLATE = Tag.context(9);
    private static final int SIGNATURE_PROOF = Tag.context(1);

    private final Bytes encoded;
    private final byte[] signedPart;
    private final Name subject;
    private final PublicKeyInfo publicKey;
    private final List<RequestAttribute> attributes;
    private final List<Extension> requestedExtensions;
    private final Bytes signatureIdentifier;
    private final Bytes signature;

    private CertificateRequest(Bytes encoded) throws EncodingException, InvalidRequestException {
        this.encoded = encoded;
        byte[] data = encoded.toArray();
        DerReader outer = DerReader.of(data);
        DerReader request = outer.sequence();
        outer.end();
        int start = request.position();
        DerReader info = request.sequence();
        this.signedPart = Arrays.copyOfRange(data, start, request.position());
        this.signatureIdentifier = request.element();
        this.signature = request.bitString();
        request.end();

        // spec| RFC 2986 §4.1: version ... shall be 0
        if (info.smallInteger() != 0) {
            throw new EncodingException("the version is not 0");
        }
        this.subject = Name.read(info);
        Bytes key = info.element();
        // Some small clients leave the attributes out, where the standard wants an empty set.
        this.attributes = info.hasMore() ? readAttributes(info.enter(ATTRIBUTES_TAG)) : List.of();
        info.end();
        this.requestedExtensions = readExtensionRequest();
        this.publicKey = RequestedKey.check(key);
    }

    /// A CertReqMsg: its controls and registration information say nothing about the certificate and are
    /// left aside.
    private CertificateRequest(DerReader outer, byte[] data) throws EncodingException, InvalidRequestException {
        this.encoded = Bytes.of(data);
        DerReader message = outer.sequence();
        outer.end();
        int start = message.position();
        DerReader request = message.sequence();
        this.signedPart = Arrays.copyOfRange(data, start, message.position());
        request.integer();
        DerReader template = request.sequence();
        Name name = Name.EMPTY;
        Bytes key = Bytes.EMPTY;
        List<Extension> extensions = List.of();
        int last = -1;
        while (template.hasMore()) {
            int tag = template.nextTag();
            int number = tag & 0x1f;
            if (tag < 0x80 || tag > LAST_IN_TEMPLATE || number <= last) {
                throw new EncodingException("the certificate template has something that does not belong there");
            }
            last = number;
            if (tag == TEMPLATE_SUBJECT) {
                DerReader inside = template.enter(tag);
                name = Name.read(inside);
                inside.end();
            } else if (tag == TEMPLATE_KEY) {
                key = retagged(template.content(tag));
            } else if (tag == TEMPLATE_EXTENSIONS) {
                extensions = Extension.readAll(DerReader.of(retagged(template.content(tag))));
            } else {
                template.skip();
            }
        }
        if (key.isEmpty()) {
            throw new EncodingException("the certificate template has no public key");
        }
        Optional<Oid> duplicate = KnownExtensions.firstDuplicate(extensions);
        if (duplicate.isPresent()) {
            throw new EncodingException("the extension " + duplicate.get() + " is requested twice");
        }
        this.subject = name;
        this.attributes = List.of();
        this.requestedExtensions = extensions;
        this.publicKey = RequestedKey.check(key);
        if (!message.nextIs(SIGNATURE_PROOF)) {
            throw new InvalidRequestException(
                    Reason.BAD_SIGNATURE, "possession of the key must be proven by a signature made with it");
        }
        // spec| RFC 4211 §4.1: poposkInput must be absent where the template has both subject and key; clients leave it
        // out where the subject is absent too.
        DerReader proof = message.enter(SIGNATURE_PROOF);
        if (proof.nextIs(Tag.context(0))) {
            throw new InvalidRequestException(
                    Reason.BAD_SIGNATURE, "the proof of possession must sign the request itself, without poposkInput");
        }
        this.signatureIdentifier = proof.element();
        this.signature = proof.bitString();
        proof.end();
        if (message.hasMore()) {
            message.sequence();
            message.end();
        }
    }

    /// The SEQUENCE whose tag an implicit one took the place of.
    private static Bytes retagged(Bytes content) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> writer.raw(content));
        return writer.toBytes();
    }

    /// Reads a CertReqMsg (RFC 4211) in DER and checks its key.
    public static CertificateRequest parseCrmf(Bytes encoded) throws InvalidRequestException {
        requireSize(encoded);
        try {
            byte[] data = encoded.toArray();
            return new CertificateRequest(DerReader.of(data), data);
        } catch (EncodingException e) {
            throw unreadable(e);
        }
    }

    /// Reads a request in DER and checks its key.
    public static CertificateRequest parse(Bytes encoded) throws InvalidRequestException {
        requireSize(encoded);
        try {
            return new CertificateRequest(encoded);
        } catch (EncodingException e) {
            throw unreadable(e);
        }
    }

    private static void requireSize(Bytes encoded) throws InvalidRequestException {
        if (encoded.size() > MAX_SIZE) {
            throw new InvalidRequestException(
                    Reason.TOO_LARGE, "a certificate request has at most " + MAX_SIZE + " bytes");
        }
    }

    private static InvalidRequestException unreadable(EncodingException e) {
        return new InvalidRequestException(
                Reason.MALFORMED, "the certificate request cannot be read: " + e.getMessage());
    }

    /// Reads the one request of a PEM text.
    public static CertificateRequest parsePem(String text) throws InvalidRequestException {
        try {
            // OpenSSL of old and Microsoft write NEW before it
            List<Bytes> contents = Pem.blocks(text).stream()
                    .filter(block -> block.label().endsWith(Pem.CERTIFICATE_REQUEST))
                    .map(Pem.Block::content)
                    .toList();
            if (contents.size() != 1) {
                throw new EncodingException("the text has not exactly one PEM block 'CERTIFICATE REQUEST'");
            }
            return parse(contents.getFirst());
        } catch (EncodingException e) {
            throw new InvalidRequestException(Reason.MALFORMED, e.getMessage());
        }
    }

    /// Makes a request for `publicKey`; `signer` holds its private half and signs with the key's usual
    /// algorithm.
    public static CertificateRequest create(
            Name subject, PublicKeyInfo publicKey, List<RequestAttribute> attributes, Signer signer) {
        DerWriter info = new DerWriter();
        info.sequence(() -> {
            info.integer(0);
            info.raw(subject.encoded());
            info.raw(publicKey.encoded());
            info.setOf(
                    ATTRIBUTES_TAG,
                    attributes.stream().map(CertificateRequest::encode).toList());
        });
        byte[] signedPart = info.toArray();
        byte[] signature = signer.sign(signedPart);
        DerWriter request = new DerWriter();
        request.sequence(() -> {
            request.raw(signedPart);
            request.raw(publicKey.algorithm().signatureAlgorithm().identifier());
            request.bitString(signature);
        });
        try {
            return parse(request.toBytes());
        } catch (InvalidRequestException e) {
            throw new IllegalArgumentException("these make no request: " + e.getMessage(), e);
        }
    }

    private static Bytes encode(RequestAttribute attribute) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.oid(attribute.type());
            writer.set(() -> writer.raw(attribute.value()));
        });
        return writer.toBytes();
    }

    private static List<RequestAttribute> readAttributes(DerReader set) throws EncodingException {
        List<RequestAttribute> attributes = new ArrayList<>();
        Set<Oid> types = new HashSet<>();
        while (set.hasMore()) {
            if (attributes.size() == MAX_ATTRIBUTES) {
                throw new EncodingException("there are more than " + MAX_ATTRIBUTES + " attributes");
            }
            DerReader attribute = set.sequence();
            Oid type = attribute.oid();
            DerReader values = attribute.set();
            attribute.end();
            if (!types.add(type)) {
                throw new EncodingException("the attribute " + type + " is there twice");
            }
            if (!values.hasMore()) {
                continue;
            }
            attributes.add(new RequestAttribute(type, values.element()));
            // spec| RFC 2985 §5.4: challengePassword and extensionRequest are single-valued
            values.end();
        }
        return List.copyOf(attributes);
    }

    private List<Extension> readExtensionRequest() throws EncodingException {
        for (RequestAttribute attribute : attributes) {
            if (attribute.type().equals(RequestAttribute.EXTENSION_REQUEST)) {
                DerReader reader = DerReader.of(attribute.value());
                List<Extension> extensions = Extension.readAll(reader);
                reader.end();
                Optional<Oid> duplicate = KnownExtensions.firstDuplicate(extensions);
                if (duplicate.isPresent()) {
                    throw new EncodingException("the extension " + duplicate.get() + " is requested twice");
                }
                return extensions;
            }
        }
        return List.of();
    }

    public Bytes encoded() {
        return encoded;
    }

    public String pem() {
        return Pem.encode(Pem.CERTIFICATE_REQUEST, encoded);
    }

    public Name subject() {
        return subject;
    }

    public PublicKeyInfo publicKey() {
        return publicKey;
    }

    public List<RequestAttribute> attributes() {
        return attributes;
    }

    /// The extensions that the request asks for; empty where it asks for none.
    public List<Extension> requestedExtensions() {
        return requestedExtensions;
    }

    /// The challenge password, which EST (RFC 7030 §3.5) uses to bind the request to its connection.
    public Optional<String> challengePassword() {
        for (RequestAttribute attribute : attributes) {
            if (attribute.type().equals(RequestAttribute.CHALLENGE_PASSWORD)) {
                try {
                    return Optional.of(DerReader.of(attribute.value()).text());
                } catch (EncodingException e) {
                    return Optional.empty();
                }
            }
        }
        return Optional.empty();
    }

    /// Verifies that whoever made this request holds the private key.
    public ProvenRequest prove() throws InvalidRequestException {
        SignatureAlgorithm algorithm = SignatureIdentifiers.algorithm(signatureIdentifier)
                .orElseThrow(() -> new InvalidRequestException(
                        Reason.UNSUPPORTED_SIGNATURE,
                        "the request is signed with an algorithm that is not supported: use ECDSA or RSA with SHA-256,"
                                + " SHA-384 or SHA-512, or Ed25519"));
        if (!publicKey.verifies(algorithm, signedPart, signature.toArray())) {
            throw new InvalidRequestException(
                    Reason.BAD_SIGNATURE, "the request is not signed with the key that it carries");
        }
        return new ProvenRequest(this);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CertificateRequest request && encoded.equals(request.encoded);
    }

    @Override
    public int hashCode() {
        return encoded.hashCode();
    }

    @Override
    public String toString() {
        return "request for " + subject + ", " + publicKey;
    }
}
