// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.status.CrlScope;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Whether certificates of other CAs are revoked, by the lists that a tenant has brought in.
public enum ForeignStatus {
    /// A current list does not name it, or its CA says nowhere that it revokes.
    GOOD,
    REVOKED,
    /// Its CA revokes, and there is no list, or only one whose time is over.
    UNKNOWN;

    static final String ALL = "all";
    private static final String HTTP = "http://";
    private static final int LONGEST_URL = 1024;
    private static final String USERS = "users";
    private static final String AUTHORITIES = "authorities";

    /// The worst status on a path, of which the last certificate is trusted as it is.
    public static ForeignStatus ofPath(Handle tx, TenantId tenant, List<Certificate> path, Instant now) {
        ForeignStatus worst = GOOD;
        for (int at = 0; at + 1 < path.size() && worst != REVOKED; at++) {
            ForeignStatus status = of(tx, tenant, path.subList(at, path.size()), now);
            worst = status == GOOD ? worst : status;
        }
        return worst;
    }

    /// The status of the first certificate of a path that leads to a trusted one. Where its list is
    /// missing, it is fetched from now on.
    public static ForeignStatus of(Handle tx, TenantId tenant, List<Certificate> path, Instant now) {
        Certificate certificate = path.getFirst();
        ForeignStatus known = known(tx, tenant, certificate, path.get(1), now);
        if (known == UNKNOWN) {
            certificate.locations().crls().stream()
                    .filter(url -> url.regionMatches(true, 0, HTTP, 0, HTTP.length()) && url.length() <= LONGEST_URL)
                    .findFirst()
                    .ifPresent(url -> FetchedLists.want(tx, tenant, url, path.subList(1, path.size()), now));
        }
        return known;
    }

    private static ForeignStatus known(
            Handle tx, TenantId tenant, Certificate certificate, Certificate issuer, Instant now) {
        List<String> scopes = new ArrayList<>(certificate.locations().crls());
        scopes.add(ALL);
        scopes.add(certificate.isAuthority() ? AUTHORITIES : USERS);
        return tx.createQuery("""
                        SELECT coalesce(bool_or(r.serial IS NOT NULL), false) AS revoked,
                            coalesce(bool_or(l.next_update IS NULL OR l.next_update > :now), false) AS current
                        FROM revocation_list l
                        LEFT JOIN revoked_elsewhere r ON r.tenant_id = l.tenant_id AND r.issuer = l.issuer
                            AND r.scope = l.scope AND r.serial = :serial
                        WHERE l.tenant_id = :tenant AND l.issuer = :issuer AND l.scope = ANY (:scopes)""")
                .bind("now", now)
                .bind("serial", certificate.serial().content())
                .bind("tenant", tenant)
                .bind("issuer", issuer(issuer))
                .bindArray("scopes", String.class, scopes)
                .map((row, context) -> {
                    if (row.getBoolean("revoked")) {
                        return REVOKED;
                    }
                    boolean revocable = !certificate.locations().crls().isEmpty()
                            || !certificate.locations().ocsp().isEmpty();
                    return row.getBoolean("current") || !revocable ? GOOD : UNKNOWN;
                })
                .one();
    }

    /// Whether a birth certificate or a TPM's is to be refused: it is revoked, or its trusted CA stands
    /// under the rule that its status must be known.
    ///
    /// @param path which ends at the trusted CA
    /// @return what is wrong, for people; null where nothing is
    public static @Nullable String fault(Handle tx, TenantId tenant, List<Certificate> path, Instant now) {
        return switch (ofPath(tx, tenant, path, now)) {
            case GOOD -> null;
            case REVOKED -> "the certificate or one above it is revoked by its CA";
            case UNKNOWN ->
                isRequired(tx, tenant, path.getLast())
                        ? "it is not known whether the certificate is revoked: there is no current revocation list"
                        : null;
        };
    }

    private static boolean isRequired(Handle tx, TenantId tenant, Certificate anchor) {
        return tx.createQuery("""
                        SELECT EXISTS (SELECT FROM trusted_certificate
                            WHERE tenant_id = :tenant AND fingerprint = :anchor AND status_required
                                AND purpose IN ('BIRTH_CA', 'TPM_VENDOR_CA'))""")
                .bind("tenant", tenant)
                .bind("anchor", anchor.fingerprint())
                .mapTo(Boolean.class)
                .one();
    }

    /// By what a CA is found: two may have one name, and one may have several certificates.
    static Bytes issuer(Certificate authority) {
        return authority
                .subject()
                .encoded()
                .concat(authority.publicKeyEncoded())
                .sha256();
    }

    static String scope(@Nullable CrlScope scope) {
        return switch (scope) {
            case null -> ALL;
            case CrlScope.UserCertificates() -> USERS;
            case CrlScope.AuthorityCertificates() -> AUTHORITIES;
            case CrlScope.DistributionPoint(String url) -> url;
        };
    }
}
