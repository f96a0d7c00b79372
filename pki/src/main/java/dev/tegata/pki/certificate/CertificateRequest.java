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

/// A PKCS#10 certification request (RFC 2986) whose form and key have been checked, but not its signature:
/// [#prove] does that.
public final class CertificateRequest {
    /// The most bytes that a request may have.
    public static final int MAX_SIZE = 16 * 1024;

    private static final int MAX_ATTRIBUTES = 32;
    private static final int ATTRIBUTES_TAG = Tag.context(0);

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

    /// Reads a request in DER and checks its key.
    public static CertificateRequest parse(Bytes encoded) throws InvalidRequestException {
        if (encoded.size() > MAX_SIZE) {
            throw new InvalidRequestException(
                    Reason.TOO_LARGE, "a certificate request has at most " + MAX_SIZE + " bytes");
        }
        try {
            return new CertificateRequest(encoded);
        } catch (EncodingException e) {
            throw new InvalidRequestException(
                    Reason.MALFORMED, "the certificate request cannot be read: " + e.getMessage());
        }
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

    /// Makes a request for `publicKey`; `signer` holds its private half and signs with the key's usual algorithm.
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
