// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.status.CrlScope;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.TenantId;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// Whether certificates of other CAs are revoked, by lists and by answers of OCSP responders.
public enum ForeignStatus {
    /// A current list does not name it, a current answer says so, or its CA says nowhere that it revokes.
    GOOD,
    REVOKED,
    /// Its CA revokes, and there is neither a list nor an answer, or only such whose time is over.
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

    /// The status of the first certificate of a path that leads to a trusted one. Where it is not known,
    /// its list is fetched from now on, or else its CA's OCSP responder asked.
    public static ForeignStatus of(Handle tx, TenantId tenant, List<Certificate> path, Instant now) {
        Certificate certificate = path.getFirst();
        Certificate issuer = path.get(1);
        Known known = known(tx, tenant, certificate, issuer, now);
        if (known.status == UNKNOWN || known.ages) {
            Optional<String> list = first(certificate.locations().crls());
            // A list that cannot be had, or is too long or not of a kind that is read, leaves the responder.
            boolean hasList =
                    list.isPresent() && !FetchedLists.want(tx, tenant, list.get(), path.subList(1, path.size()), now);
            if (!hasList) {
                first(certificate.locations().ocsp())
                        .ifPresent(url -> OcspAnswers.want(tx, tenant, url, certificate, issuer, now));
            }
        }
        return known.status;
    }

    private static Optional<String> first(List<String> urls) {
        return urls.stream()
                .filter(url -> url.regionMatches(true, 0, HTTP, 0, HTTP.length()) && url.length() <= LONGEST_URL)
                .findFirst();
    }

    /// @param ages whether it rests on an answer of which nobody has said for a day that it is needed
    private record Known(ForeignStatus status, boolean ages) {}

    private static Known known(Handle tx, TenantId tenant, Certificate certificate, Certificate issuer, Instant now) {
        List<String> scopes = new ArrayList<>(certificate.locations().crls());
        scopes.add(ALL);
        scopes.add(certificate.isAuthority() ? AUTHORITIES : USERS);
        return tx.createQuery("""
                        WITH list AS (
                            SELECT coalesce(bool_or(r.serial IS NOT NULL), false) AS revoked,
                                coalesce(bool_or(l.next_update IS NULL OR l.next_update > :now), false) AS current
                            FROM revocation_list l
                            LEFT JOIN revoked_elsewhere r ON r.tenant_id = l.tenant_id AND r.issuer = l.issuer
                                AND r.scope = l.scope AND r.serial = :serial
                            WHERE l.tenant_id = :tenant AND l.issuer = :issuer AND l.scope = ANY (:scopes))
                        SELECT list.revoked OR a.revoked_at IS NOT NULL AS revoked,
                            list.current OR coalesce(a.next_update > :now, false) AS current,
                            NOT list.current AND coalesce(a.wanted_at < :now - interval '1 day', false) AS ages
                        FROM list LEFT JOIN revocation_answer a
                            ON a.tenant_id = :tenant AND a.issuer = :issuer AND a.serial = :serial""")
                .bind("now", now)
                .bind("serial", certificate.serial().content())
                .bind("tenant", tenant)
                .bind("issuer", issuer(issuer))
                .bindArray("scopes", String.class, scopes)
                .map((row, context) -> {
                    boolean revocable = !certificate.locations().crls().isEmpty()
                            || !certificate.locations().ocsp().isEmpty();
                    ForeignStatus status = row.getBoolean("revoked")
                            ? REVOKED
                            : row.getBoolean("current") || !revocable ? GOOD : UNKNOWN;
                    return new Known(status, row.getBoolean("ages"));
                })
                .one();
    }

    /// Whether a birth certificate or a TPM's is to be refused: it is revoked, or its trusted CA stands
    /// under the rule that its status must be known.
    ///
    /// @param path which ends at the trusted CA
    /// @return what is wrong; null where nothing is
    public static @Nullable Fault fault(Handle tx, TenantId tenant, List<Certificate> path, Instant now) {
        return switch (ofPath(tx, tenant, path, now)) {
            case GOOD -> null;
            case REVOKED -> new Fault(false, "the certificate or one above it is revoked by its CA");
            case UNKNOWN ->
                isRequired(tx, tenant, path.getLast())
                        ? new Fault(
                                true,
                                "it is not known whether the certificate is revoked: there is neither a current"
                                        + " revocation list nor a current answer of its CA's OCSP responder")
                        : null;
        };
    }

    /// Why a certificate is to be refused.
    ///
    /// @param unknown whether it is because nobody knows its status now, which may be known soon
    /// @param sentence for people
    public record Fault(boolean unknown, String sentence) {
        /// What the refusal is called.
        ///
        /// @param otherwise where it is not for want of knowledge
        public ErrorCode code(ErrorCode otherwise) {
            return unknown ? ErrorCode.STATUS_UNKNOWN : otherwise;
        }
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
