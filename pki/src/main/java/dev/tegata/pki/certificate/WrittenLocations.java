// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.certificate.CertificateProfile.Locations;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// Reads back where a certificate says that status and issuer are to be found (RFC 5280 §4.2.1.13,
/// §4.2.2.1).
final class WrittenLocations {
    static final Oid OCSP = Oid.of("1.3.6.1.5.5.7.48.1");
    static final Oid CA_ISSUERS = Oid.of("1.3.6.1.5.5.7.48.2");

    private static final int URI = Tag.contextPrimitive(6);
    private static final int CONTEXT_0 = Tag.context(0);
    private static final int MAX_ENTRIES = 64;

    private WrittenLocations() {}

    /// The URLs of both extensions, in their order. Points and accesses of other kinds are passed over.
    static Locations read(List<Extension> extensions) throws EncodingException {
        List<String> crls = new ArrayList<>();
        List<String> ocsp = new ArrayList<>();
        List<String> issuers = new ArrayList<>();
        for (Extension extension : extensions) {
            if (extension.type().equals(Extension.CRL_DISTRIBUTION_POINTS)) {
                readPoints(extension, crls);
            } else if (extension.type().equals(Extension.AUTHORITY_INFORMATION_ACCESS)) {
                readAccesses(extension, ocsp, issuers);
            }
        }
        try {
            return new Locations(crls, ocsp, issuers);
        } catch (IllegalArgumentException e) {
            throw new EncodingException(String.valueOf(e.getMessage()));
        }
    }

    private static void readPoints(Extension extension, List<String> crls) throws EncodingException {
        DerReader reader = DerReader.of(extension.value());
        DerReader points = reader.sequence();
        reader.end();
        for (int count = 0; points.hasMore(); count++) {
            bound(count);
            DerReader point = points.sequence();
            if (point.nextIs(CONTEXT_0)) {
                DerReader name = point.enter(CONTEXT_0);
                if (name.nextIs(CONTEXT_0)) {
                    DerReader names = name.enter(CONTEXT_0);
                    while (names.hasMore()) {
                        if (names.nextIs(URI)) {
                            crls.add(uri(names));
                        } else {
                            names.skip();
                        }
                    }
                }
            }
        }
    }

    private static void readAccesses(Extension extension, List<String> ocsp, List<String> issuers)
            throws EncodingException {
        DerReader reader = DerReader.of(extension.value());
        DerReader accesses = reader.sequence();
        reader.end();
        for (int count = 0; accesses.hasMore(); count++) {
            bound(count);
            DerReader access = accesses.sequence();
            Oid method = access.oid();
            if (access.nextIs(URI)) {
                if (method.equals(OCSP)) {
                    ocsp.add(uri(access));
                } else if (method.equals(CA_ISSUERS)) {
                    issuers.add(uri(access));
                }
            }
        }
    }

    private static String uri(DerReader reader) throws EncodingException {
        return new String(reader.content(URI).toArray(), StandardCharsets.US_ASCII);
    }

    private static void bound(int count) throws EncodingException {
        if (count == MAX_ENTRIES) {
            throw new EncodingException("there are more than " + MAX_ENTRIES + " locations");
        }
    }
}
