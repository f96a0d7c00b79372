// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.platform.Fields;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.claim.FetchedLists;
import dev.tegata.platform.claim.RevocationLists;
import dev.tegata.platform.claim.TrustPurpose;
import dev.tegata.platform.claim.TrustedCertificate;
import dev.tegata.platform.claim.TrustedCertificates;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The signers of manifests and the CAs that a tenant trusts beside the built-in ones, and what those CAs
/// revoke.
final class TrustResource {
    private static final String PATH = "/api/v1/trusted-certificates";
    private static final String LISTS = "/api/v1/revocation-lists";
    private static final String CRL = "X509 CRL";
    private static final long LIST_LIMIT = 6L << 20;

    private final TrustedCertificates trusted;
    private final RevocationLists lists;
    private final FetchedLists sources;

    TrustResource(TrustedCertificates trusted, RevocationLists lists, FetchedLists sources) {
        this.trusted = trusted;
        this.lists = lists;
        this.sources = sources;
    }

    record Body(
            String purpose,
            @Nullable String name,
            String certificate,
            @Nullable Boolean statusRequired) {}

    /// @param list in PEM, or its DER in base64
    /// @param issuers certificates in PEM
    record ListBody(String list, @Nullable String issuers) {}

    record ListView(
            String issuer,
            String issuerName,
            String scope,
            Instant thisUpdate,
            @Nullable Instant nextUpdate,
            int entries,
            String digest,
            Instant receivedAt) {
        static ListView of(RevocationLists.Listed listed) {
            return new ListView(
                    listed.issuer().hex(),
                    listed.issuerName(),
                    listed.scope(),
                    listed.thisUpdate(),
                    listed.nextUpdate(),
                    listed.entries(),
                    listed.digest().hex(),
                    listed.receivedAt());
        }
    }

    record View(String purpose, String name, CertificateView certificate, boolean statusRequired, Instant createdAt) {
        static View of(TrustedCertificate trusted) {
            return new View(
                    Names.of(trusted.purpose()),
                    trusted.name(),
                    CertificateView.of(trusted.certificate()),
                    trusted.statusRequired(),
                    trusted.createdAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_TENANT, this::list),
                gate.creatingGuarded(PATH, Permission.MANAGE_TRUST, this::add),
                gate.route("GET", LISTS, Permission.READ_TENANT, this::lists),
                gate.route("GET", "/api/v1/revocation-sources", Permission.READ_TENANT, this::sources),
                gate.creating(LISTS, Permission.MANAGE_TRUST, this::addList).withBodyLimit(LIST_LIMIT),
                gate.guarded("DELETE", LISTS + "/{fingerprint}", Permission.MANAGE_TRUST, this::removeLists),
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
                certificate(body.certificate()),
                Boolean.TRUE.equals(body.statusRequired()));
        return Response.json(201, View.of(added));
    }

    private Response remove(Call call) {
        trusted.remove(
                call.tenant(), call.actor(), purpose(call.path("purpose")), fingerprint(call.path("fingerprint")));
        return Response.nothing();
    }

    private Response lists(Call call) {
        return Response.json(new Queries.Listing<>(
                lists.list(call.tenant()).stream().map(ListView::of).toList(), null));
    }

    private Response sources(Call call) {
        return Response.json(new Queries.Listing<>(sources.list(call.tenant()), null));
    }

    private Response addList(Call call) {
        ListBody body = call.request().json(ListBody.class);
        List<Certificate> issuers;
        try {
            issuers = body.issuers() == null ? List.of() : Certificate.parsePem(body.issuers());
        } catch (InvalidCertificateException e) {
            throw Fields.invalid("issuers", "cannot be read: " + e.getMessage());
        }
        return Response.json(201, ListView.of(lists.add(call.tenant(), call.actor(), list(body.list()), issuers)));
    }

    private static Bytes list(String text) {
        try {
            if (!text.contains("-----BEGIN")) {
                return Bytes.ofBase64(text.strip());
            }
            List<Bytes> found = Pem.contents(text, CRL);
            if (found.size() == 1) {
                return found.getFirst();
            }
        } catch (EncodingException | IllegalArgumentException e) {
            throw Fields.invalid("list", "cannot be read: " + e.getMessage());
        }
        throw Fields.invalid("list", "must be one revocation list, in PEM or its DER in base64");
    }

    private Response removeLists(Call call) {
        lists.remove(call.tenant(), call.actor(), fingerprint(call.path("fingerprint")));
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
            throw Fields.invalid("fingerprint", "must be a SHA-256 in hex, as listed");
        }
    }
}
