// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.Fields;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificate;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The signers of manifests and the birth CAs that a tenant trusts beside the built-in ones.
final class TrustResource {
    private static final String PATH = "/api/v1/trusted-certificates";

    private final TrustedCertificates trusted;

    TrustResource(TrustedCertificates trusted) {
        this.trusted = trusted;
    }

    record Body(String purpose, @Nullable String name, String certificate) {}

    record View(String purpose, String name, CertificateView certificate, Instant createdAt) {
        static View of(TrustedCertificate trusted) {
            return new View(
                    Names.of(trusted.purpose()),
                    trusted.name(),
                    CertificateView.of(trusted.certificate()),
                    trusted.createdAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_TENANT, this::list),
                gate.creatingGuarded(PATH, Permission.MANAGE_TRUST, this::add),
                gate.guarded("DELETE", PATH + "/{purpose}/{fingerprint}", Permission.MANAGE_TRUST, this::remove));
    }

    private Response list(Call call) {
        return Response.json(Queries.Listing.of(trusted.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response add(Call call) {
        Body body = call.request().json(Body.class);
        TrustedCertificate added = trusted.add(
                call.tenant(),
                call.actor(),
                purpose(body.purpose()),
                body.name() == null ? "" : body.name(),
                certificate(body.certificate()));
        return Response.json(201, View.of(added));
    }

    private Response remove(Call call) {
        trusted.remove(
                call.tenant(), call.actor(), purpose(call.path("purpose")), fingerprint(call.path("fingerprint")));
        return Response.nothing();
    }

    private static TrustPurpose purpose(String text) {
        return Names.constant(TrustPurpose.class, "purpose", text);
    }

    private static Certificate certificate(String pem) {
        try {
            List<Certificate> certificates = Certificate.parsePem(pem);
            if (certificates.size() == 1) {
                return certificates.getFirst();
            }
        } catch (InvalidCertificateException e) {
            throw Fields.invalid("certificate", "cannot be read: " + e.getMessage());
        }
        throw Fields.invalid("certificate", "must be one certificate in PEM");
    }

    private static Bytes fingerprint(String text) {
        try {
            return Bytes.ofHex(text);
        } catch (IllegalArgumentException e) {
            throw Fields.invalid("fingerprint", "must be the SHA-256 of the certificate in hex");
        }
    }
}
