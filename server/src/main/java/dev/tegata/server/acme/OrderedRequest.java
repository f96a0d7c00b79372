// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.GeneralName;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.platform.acme.AcmeOrder;
import dev.tegata.platform.acme.AcmeOrder.Authorization;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/// Whether a certificate request asks for what was ordered.
final class OrderedRequest {
    private static final int OTHER_NAME = Tag.context(0);
    private static final Oid PERMANENT_IDENTIFIER = Oid.of("1.3.6.1.5.5.7.8.3");

    private OrderedRequest() {}

    /// spec| RFC 8555 §7.4: the CSR MUST indicate the exact same set of identifiers as the order
    static void requireFit(Bytes encoded, AcmeOrder order, AccountKey accountKey) throws AcmeProblem {
        CertificateRequest request;
        try {
            request = CertificateRequest.parse(encoded);
        } catch (InvalidRequestException e) {
            throw bad(String.valueOf(e.getMessage()));
        }
        // spec| RFC 8555 §11.1: not the account's key
        if (request.publicKey().equals(accountKey.key())) {
            throw bad("the certificate must not be for the account's key");
        }
        Asked asked = asked(request);
        if (!asked.hosts.equals(ordered(order, AcmeOrder.Identifier.DNS))) {
            throw bad("the request must name what was ordered, and nothing else");
        }
        // spec| draft-ietf-acme-device-attest-10 §3.2: octet for octet what was ordered; clients MAY omit it
        if (!asked.devices.isEmpty() && !asked.devices.equals(ordered(order, AcmeOrder.Identifier.PERMANENT))) {
            throw bad("the request has another permanent identifier than the one that was ordered");
        }
        for (Authorization authorization : order.authorizations()) {
            Bytes attested = authorization.attestedKey();
            if (attested != null && !attested.equals(request.publicKey().encoded())) {
                throw bad("the request is for another key than the one that was attested");
            }
        }
    }

    private static Set<String> ordered(AcmeOrder order, String kind) {
        return order.authorizations().stream()
                .map(Authorization::identifier)
                .filter(identifier -> identifier.kind().equals(kind))
                .map(AcmeOrder.Identifier::value)
                .collect(Collectors.toSet());
    }

    /// @param hosts in lower case
    /// @param devices permanent identifiers, as an order has them
    private record Asked(Set<String> hosts, Set<String> devices) {}

    private static Asked asked(CertificateRequest request) throws AcmeProblem {
        Asked asked = new Asked(new HashSet<>(), new HashSet<>());
        try {
            for (Extension extension : request.requestedExtensions()) {
                if (extension.type().equals(Extension.SUBJECT_ALTERNATIVE_NAME)) {
                    DerReader reader = DerReader.of(extension.value());
                    for (GeneralName name : GeneralName.readAll(reader)) {
                        take(name, asked);
                    }
                    reader.end();
                }
            }
        } catch (EncodingException e) {
            throw bad("the alternative names cannot be read: " + e.getMessage());
        }
        request.subject()
                .commonName()
                .map(name -> name.toLowerCase(Locale.ROOT))
                .filter(name -> name.contains("."))
                .ifPresent(asked.hosts::add);
        return asked;
    }

    private static void take(GeneralName name, Asked asked) throws EncodingException {
        if (name instanceof GeneralName.Dns(String host)) {
            asked.hosts.add(host.toLowerCase(Locale.ROOT));
        } else if (name instanceof GeneralName.Other(Bytes encoded)) {
            DerReader reader = DerReader.of(encoded);
            if (reader.nextIs(OTHER_NAME)) {
                DerReader other = reader.enter(OTHER_NAME);
                if (other.oid().equals(PERMANENT_IDENTIFIER)) {
                    asked.devices.add(permanentIdentifier(other));
                }
            }
        }
    }

    /// spec| RFC 4043 §2: SEQUENCE { identifierValue UTF8String OPTIONAL, assigner OBJECT IDENTIFIER OPTIONAL }
    private static String permanentIdentifier(DerReader other) throws EncodingException {
        DerReader value = other.enter(Tag.context(0));
        other.end();
        DerReader fields = value.sequence();
        value.end();
        // spec| draft-ietf-acme-device-attest-10 §3.2: the identifierValue field MUST be present
        String identifier = new String(fields.content(Tag.UTF8_STRING).toArray(), StandardCharsets.UTF_8);
        String assigner = fields.hasMore() ? "/" + fields.oid() : "";
        fields.end();
        return identifier + assigner;
    }

    private static AcmeProblem bad(String detail) {
        return new AcmeProblem("badCSR", 400, detail);
    }
}
