// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.status;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// An OCSP request (RFC 6960 §4.1). Who asks is of no interest: a name and a signature are passed over.
///
/// @param nonce null where the asker takes an answer that was made before
public record OcspRequest(
        List<CertificateId> certificates, @Nullable Bytes nonce) {
    /// The largest request that is read.
    public static final int MAX_SIZE = 16 * 1024;

    /// How many certificates one request may ask for.
    public static final int MAX_CERTIFICATES = 32;

    static final Oid NONCE = Oid.of("1.3.6.1.5.5.7.48.1.2");

    private static final int LONGEST_NONCE = 128;
    private static final int MAX_EXTENSIONS = 16;

    public OcspRequest {
        certificates = List.copyOf(certificates);
    }

    /// Reads a DER OCSPRequest.
    ///
    /// @throws MalformedRequestException where it is not one, or asks for more than is answered
    public static OcspRequest parse(byte[] encoded) throws MalformedRequestException {
        if (encoded.length > MAX_SIZE) {
            throw new MalformedRequestException("the request is longer than " + MAX_SIZE + " bytes");
        }
        try {
            DerReader reader = DerReader.of(encoded);
            DerReader request = reader.sequence();
            reader.end();
            OcspRequest read = readBody(request.sequence());
            if (request.nextIs(Tag.context(0))) {
                request.skip();
            }
            request.end();
            return read;
        } catch (EncodingException e) {
            throw new MalformedRequestException(e.getMessage());
        }
    }

    private static OcspRequest readBody(DerReader body) throws EncodingException {
        if (body.nextIs(Tag.context(0))) {
            DerReader version = body.enter(Tag.context(0));
            if (version.smallInteger() != 0) {
                throw new EncodingException("the version is not 1");
            }
            version.end();
        }
        if (body.nextIs(Tag.context(1))) {
            body.skip();
        }
        List<CertificateId> certificates = readCertificates(body.sequence());
        Bytes nonce = null;
        if (body.nextIs(Tag.context(2))) {
            DerReader explicit = body.enter(Tag.context(2));
            nonce = readExtensions(explicit.sequence());
            explicit.end();
        }
        body.end();
        return new OcspRequest(certificates, nonce);
    }

    private static List<CertificateId> readCertificates(DerReader list) throws EncodingException {
        List<CertificateId> certificates = new ArrayList<>();
        while (list.hasMore()) {
            if (certificates.size() == MAX_CERTIFICATES) {
                throw new EncodingException("the request asks for more than " + MAX_CERTIFICATES + " certificates");
            }
            DerReader single = list.sequence();
            certificates.add(CertificateId.read(single));
            if (single.nextIs(Tag.context(0))) {
                DerReader explicit = single.enter(Tag.context(0));
                readExtensions(explicit.sequence());
                explicit.end();
            }
            single.end();
        }
        if (certificates.isEmpty()) {
            throw new EncodingException("the request asks for no certificate");
        }
        return certificates;
    }

    /// The nonce, where one is among them.
    private static @Nullable Bytes readExtensions(DerReader list) throws EncodingException {
        Bytes nonce = null;
        Set<Oid> seen = new HashSet<>();
        while (list.hasMore()) {
            DerReader extension = list.sequence();
            Oid type = extension.oid();
            boolean critical = extension.nextIs(Tag.BOOLEAN) && extension.bool();
            Bytes value = extension.octetString();
            extension.end();
            if (!seen.add(type) || seen.size() > MAX_EXTENSIONS) {
                throw new EncodingException("an extension is there twice, or there are too many");
            }
            if (type.equals(NONCE)) {
                nonce = readNonce(value);
            } else if (critical) {
                throw new EncodingException("there is a critical extension that is not known here");
            }
        }
        return nonce;
    }

    // spec| RFC 9654 §2.1: the responder MUST reject a nonce of 0 octets or more than 128 with malformedRequest
    private static Bytes readNonce(Bytes value) throws EncodingException {
        DerReader inside = DerReader.of(value);
        Bytes nonce = inside.octetString();
        inside.end();
        if (nonce.isEmpty() || nonce.size() > LONGEST_NONCE) {
            throw new EncodingException("a nonce has 1 to " + LONGEST_NONCE + " octets");
        }
        return nonce;
    }
}
