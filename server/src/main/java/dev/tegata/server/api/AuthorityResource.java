// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.Broken;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.Fields;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.authority.Authorities;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.rollover.Dependents;
import dev.tegata.platform.status.AuthorityStatus;
import dev.tegata.platform.status.AuthorityStatuses;
import dev.tegata.platform.status.PublishedCrl;
import dev.tegata.platform.status.StatusSettings;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The authorities of a tenant.
final class AuthorityResource {
    static final String PEM_CHAIN = "application/pem-certificate-chain";
    private static final String PEM_FILE = "application/x-pem-file";
    private static final String PATH = "/api/v1/authorities";
    private static final Duration LONGEST_PUBLICATION = Duration.ofMinutes(5);
    private static final Set<String> CERTIFICATE_TYPES =
            Set.of(PEM_CHAIN, PEM_FILE, "application/pkix-cert", "application/pkcs7-mime");

    private final Authorities authorities;

    private final AuthorityStatuses statuses;
    private final Dependents dependents;

    AuthorityResource(Authorities authorities, AuthorityStatuses statuses, Dependents dependents) {
        this.dependents = dependents;
        this.authorities = authorities;
        this.statuses = statuses;
    }

    /// Why an authority's certificate is revoked (RFC 5280 §5.3.1). A hold is not for authorities.
    enum Reason {
        UNSPECIFIED(0),
        CA_COMPROMISE(2),
        AFFILIATION_CHANGED(3),
        SUPERSEDED(4),
        CESSATION_OF_OPERATION(5);

        private final int number;

        Reason(int number) {
            this.number = number;
        }

        int number() {
            return number;
        }
    }

    /// With `parent`, that authority signs; a `root` signs itself; else a request is made for somebody else
    /// to sign.
    record Body(
            String name,
            String subject,
            @Nullable String algorithm,
            @Nullable String parent,
            @Nullable Boolean root,
            @Nullable String lifetime) {
        NewAuthority toNewAuthority() {
            try {
                return new NewAuthority(
                        name,
                        Name.parse(subject),
                        algorithm == null ? KeyAlgorithm.EC_P256 : Names.algorithm("algorithm", algorithm),
                        lifetime);
            } catch (IllegalArgumentException e) {
                throw Fields.invalid("subject", "is no distinguished name: " + e.getMessage());
            }
        }
    }

    /// What is left out stays as it is.
    record StatusBody(
            @Nullable Duration crlLifetime,
            @Nullable Integer partitionSize,
            @Nullable Boolean publishAtOnce,
            @Nullable Duration ocspLifetime) {
        StatusSettings over(StatusSettings base) {
            return new StatusSettings(
                    crlLifetime == null ? base.crlLifetime() : crlLifetime,
                    partitionSize == null ? base.partitionSize() : partitionSize,
                    publishAtOnce == null ? base.publishAtOnce() : publishAtOnce,
                    ocspLifetime == null ? base.ocspLifetime() : ocspLifetime);
        }
    }

    /// @param leaveBehind whether to retire it though something depends on it
    record RetireBody(@Nullable Boolean leaveBehind) {}

    record RevokeBody(@Nullable String reason) {}

    record CrlView(long number, Instant thisUpdate, Instant nextUpdate, long entries, long size) {
        static @Nullable CrlView of(Optional<PublishedCrl> published) {
            return published
                    .map(crl ->
                            new CrlView(crl.number(), crl.thisUpdate(), crl.nextUpdate(), crl.entries(), crl.size()))
                    .orElse(null);
        }
    }

    record StatusView(
            @Nullable CrlView crl,
            int partitions,
            long partitionEntries,
            @Nullable CrlView oldestPartition,
            boolean pendingChanges,
            @Nullable CertificateView responder,
            @Nullable Instant revokedAt,
            Duration crlLifetime,
            int partitionSize,
            boolean publishAtOnce,
            Duration ocspLifetime) {
        static StatusView of(AuthorityStatus status) {
            return new StatusView(
                    CrlView.of(status.fullCrl()),
                    status.partitions(),
                    status.partitionEntries(),
                    CrlView.of(status.oldestPartition()),
                    status.pendingChanges(),
                    status.responder().map(CertificateView::of).orElse(null),
                    status.revokedAt().orElse(null),
                    status.settings().crlLifetime(),
                    status.settings().partitionSize(),
                    status.settings().publishAtOnce(),
                    status.settings().ocspLifetime());
        }
    }

    record ImportBody(String name, String certificates, String privateKey) {
        /// Without the key.
        @Override
        public String toString() {
            return "ImportBody[" + name + "]";
        }

        byte[] pkcs8() {
            try {
                List<Bytes> keys = Pem.contents(privateKey, Pem.PRIVATE_KEY);
                if (keys.size() == 1) {
                    return keys.getFirst().toArray();
                }
            } catch (EncodingException ignored) {
                // Said below; the parser's message could repeat the key.
            }
            throw Fields.invalid(
                    "privateKey",
                    "must be one PEM block 'PRIVATE KEY' (PKCS#8, not encrypted), as 'openssl pkey -in FILE' prints it");
        }
    }

    record View(
            String id,
            String name,
            String kind,
            String state,
            String algorithm,
            @Nullable String parent,
            @Nullable CertificateView certificate,
            Instant createdAt) {
        static View of(Authority authority) {
            Certificate certificate = authority.certificate();
            AuthorityId parent = authority.parent();
            return new View(
                    authority.id().toString(),
                    authority.name(),
                    Names.of(authority.kind()),
                    Names.of(authority.state()),
                    authority.algorithm().id(),
                    parent == null ? null : parent.toString(),
                    certificate == null ? null : CertificateView.of(certificate),
                    authority.createdAt());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", PATH, Permission.READ_TENANT, this::list),
                gate.creatingGuarded(PATH, Permission.MANAGE_AUTHORITIES, this::create),
                gate.creatingGuarded(PATH + "/import", Permission.MANAGE_AUTHORITIES, this::importAuthority),
                gate.route("GET", PATH + "/{authority}", Permission.READ_TENANT, this::get),
                gate.route("GET", PATH + "/{authority}/chain", Permission.READ_TENANT, this::chain),
                gate.route("GET", PATH + "/{authority}/request", Permission.READ_TENANT, this::request),
                gate.route("GET", PATH + "/{authority}/status", Permission.READ_TENANT, this::status),
                gate.route("PATCH", PATH + "/{authority}/status", Permission.MANAGE_AUTHORITIES, this::changeStatus),
                gate.route("POST", PATH + "/{authority}/crl", Permission.MANAGE_AUTHORITIES, this::publish)
                        .withTimeout(LONGEST_PUBLICATION),
                gate.guarded(
                        "POST",
                        PATH + "/{authority}/retire",
                        Permission.MANAGE_AUTHORITIES,
                        this::checkRetirement,
                        this::retire),
                gate.guarded("POST", PATH + "/{authority}/revoke", Permission.MANAGE_AUTHORITIES, this::revoke),
                gate.guarded("PUT", PATH + "/{authority}/certificate", Permission.MANAGE_AUTHORITIES, this::upload));
    }

    private Response list(Call call) {
        return Response.json(
                Queries.Listing.of(authorities.list(call.tenant(), Queries.page(call.request())), View::of));
    }

    private Response create(Call call) {
        Body body = call.request().json(Body.class);
        NewAuthority wanted = body.toNewAuthority();
        if (Boolean.TRUE.equals(body.root())) {
            if (body.parent() != null) {
                throw Fields.invalid("parent", "is not for a root, which signs itself");
            }
            return created(authorities.createRoot(call.tenant(), call.actor(), wanted));
        }
        return created(
                body.parent() == null
                        ? authorities.createPending(call.tenant(), call.actor(), wanted)
                        : authorities.createIssuing(
                                call.tenant(), call.actor(), AuthorityId.parse(body.parent()), wanted));
    }

    private Response importAuthority(Call call) {
        ImportBody body = call.request().json(ImportBody.class);
        Bytes certificates = Bytes.of(body.certificates().getBytes(StandardCharsets.UTF_8));
        return created(
                authorities.importAuthority(call.tenant(), call.actor(), body.name(), certificates, body.pkcs8()));
    }

    private static Response created(Authority authority) {
        return Response.json(201, View.of(authority)).with("Location", PATH + "/" + authority.id());
    }

    private Response get(Call call) {
        return Response.json(View.of(authorities.get(call.tenant(), id(call))));
    }

    private Response chain(Call call) {
        StringBuilder pem = new StringBuilder();
        for (Certificate certificate : authorities.chain(call.tenant(), id(call))) {
            pem.append(certificate.pem());
        }
        return Response.text(200, PEM_CHAIN, pem.toString());
    }

    private Response request(Call call) {
        return Response.text(
                200, PEM_FILE, authorities.request(call.tenant(), id(call)).pem());
    }

    private Response status(Call call) {
        return Response.json(StatusView.of(statuses.get(call.tenant(), id(call))));
    }

    private Response changeStatus(Call call) {
        StatusBody body = call.request().json(StatusBody.class);
        StatusSettings before = statuses.get(call.tenant(), id(call)).settings();
        return Response.json(StatusView.of(statuses.change(call.tenant(), id(call), call.actor(), body.over(before))));
    }

    private Response publish(Call call) {
        return Response.json(StatusView.of(statuses.publish(call.tenant(), id(call), call.actor())));
    }

    private void checkRetirement(Call call) {
        if (!Boolean.TRUE.equals(call.request().json(RetireBody.class).leaveBehind())) {
            requireUnused(call);
        }
    }

    private Response retire(Call call) {
        checkRetirement(call);
        return Response.json(View.of(authorities.retire(call.tenant(), call.actor(), id(call))));
    }

    private void requireUnused(Call call) {
        if (authorities.get(call.tenant(), id(call)).state() != Authority.State.ACTIVE) {
            return;
        }
        List<Broken> broken = dependents.broken(call.tenant(), id(call));
        if (!broken.isEmpty()) {
            throw new RefusedException(
                    ErrorCode.BREAKS_CHAINS,
                    "it is still depended on, by "
                            + broken.stream().map(AuthorityResource::counted).collect(Collectors.joining(", ")),
                    broken);
        }
    }

    private static String counted(Broken some) {
        String things = some.what().equals("authority") ? "authorities" : some.what() + "s";
        return some.count() + (some.more() ? " and more " : " ") + (some.count() == 1 ? some.what() : things);
    }

    private Response revoke(Call call) {
        RevokeBody body = call.request().json(RevokeBody.class);
        Reason reason =
                body.reason() == null ? Reason.UNSPECIFIED : Names.reason(Reason.class, "reason", body.reason());
        return Response.json(View.of(authorities.revoke(call.tenant(), call.actor(), id(call), reason.number())));
    }

    private Response upload(Call call) {
        if (!CERTIFICATE_TYPES.contains(call.request().contentType())) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                    "send the certificates as " + PEM_CHAIN + " or application/pkix-cert");
        }
        Bytes certificates = Bytes.of(call.request().body());
        return Response.json(
                View.of(authorities.uploadCertificate(call.tenant(), call.actor(), id(call), certificates)));
    }

    private static AuthorityId id(Call call) {
        return AuthorityId.parse(call.path("authority"));
    }
}
