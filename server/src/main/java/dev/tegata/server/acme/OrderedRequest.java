// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.InvalidRequestException;
import dev.tegata.pki.der.Oid;
import dev.tegata.platform.acme.AcmeOrder;
import dev.tegata.platform.acme.AcmeOrder.Authorization;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;

/// Whether a certificate request asks for what was ordered.
final class OrderedRequest {
    private static final Oid ALTERNATIVE_NAMES = Oid.of("2.5.29.17");

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
        Set<String> ordered = order.authorizations().stream()
                .map(Authorization::identifier)
                .filter(AcmeOrder.Identifier::isDns)
                .map(AcmeOrder.Identifier::value)
                .collect(Collectors.toSet());
        if (!names(request).equals(ordered)) {
            throw bad("the request must name what was ordered, and nothing else");
        }
        for (Authorization authorization : order.authorizations()) {
            Bytes attested = authorization.attestedKey();
            if (attested != null && !attested.equals(request.publicKey().encoded())) {
                throw bad("the request is for another key than the one that was attested");
            }
        }
    }

    private static Set<String> names(CertificateRequest request) throws AcmeProblem {
        Set<String> names = new HashSet<>();
        try {
            request.requestedExtensions().stream()
                    .filter(extension -> extension.type().equals(ALTERNATIVE_NAMES))
                    .flatMap(extension -> java.util.Arrays.stream(
                            GeneralNames.getInstance(extension.value().toArray())
                                    .getNames()))
                    .filter(name -> name.getTagNo() == GeneralName.dNSName)
                    .forEach(name -> names.add(name.getName().toString().toLowerCase(Locale.ROOT)));
        } catch (RuntimeException e) {
            throw bad("the alternative names cannot be read");
        }
        request.subject()
                .commonName()
                .map(name -> name.toLowerCase(Locale.ROOT))
                .filter(name -> name.contains("."))
                .ifPresent(names::add);
        return names;
    }

    private static AcmeProblem bad(String detail) {
        return new AcmeProblem("badCSR", 400, detail);
    }
}
