// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.rollover;

import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.NameAttribute;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.platform.AuthorityId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.authority.Authority;
import dev.tegata.platform.authority.AuthorityMaker;
import dev.tegata.platform.authority.AuthorityMaker.Below;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.authority.NewAuthority;
import dev.tegata.platform.authority.PreparedAuthority;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Makes the authorities that take the place of others. Nothing of it is stored yet.
final class Successors {
    private static final Pattern NUMBERED = Pattern.compile("(.*) G([0-9]{1,4})");
    private static final int LONGEST = 58;

    private final AuthorityMaker maker;

    Successors(AuthorityMaker maker) {
        this.maker = maker;
    }

    /// A certificate that joins two roots.
    record Cross(AuthorityId subject, AuthorityId issuer, Certificate certificate) {}

    /// New authorities, in the order in which they are to be stored.
    ///
    /// @param places which one takes the place of which
    /// @param root the new root; null where the old one stays
    record Made(
            List<PreparedAuthority> authorities,
            Map<AuthorityId, AuthorityId> places,
            List<Cross> crosses,
            @Nullable Certificate root) {}

    /// @param signer the old root where it may certify the new one, and be certified by it; null where
    /// nobody should
    ///     trust it any more
    /// @param taken names of the tenant's authorities, whatever has become of these
    Made tree(
            TenantId tenant,
            Authority root,
            List<Authority> below,
            @Nullable KeyAlgorithm algorithm,
            @Nullable IssuingAuthority signer,
            Set<Name> taken) {
        Set<Name> names = new HashSet<>(taken);
        List<PreparedAuthority> made = new ArrayList<>();
        try {
            // The same name, as the standards have it: the certificates between both keys are self-issued then.
            Name subject = root.requireCertificate().subject();
            NewAuthority next = like(root, algorithm, names);
            NewAuthority wanted = signer == null ? next : new NewAuthority(next.name(), subject, next.algorithm());
            PreparedAuthority fresh =
                    maker.root(tenant, wanted, root.isForAuthorities() ? Below.AUTHORITIES : Below.DEVICES);
            made.add(fresh);
            Map<AuthorityId, AuthorityId> places = new LinkedHashMap<>();
            places.put(root.id(), fresh.id());
            for (Authority old : below) {
                PreparedAuthority successor = maker.issuing(tenant, like(old, null, names), fresh.issuing());
                made.add(successor);
                places.put(old.id(), successor.id());
            }
            List<Cross> crosses = signer == null
                    ? List.of()
                    : List.of(
                            new Cross(fresh.id(), root.id(), maker.cross(tenant, fresh.issuing(), signer)),
                            new Cross(root.id(), fresh.id(), maker.cross(tenant, signer, fresh.issuing())));
            return new Made(made, places, crosses, fresh.issuing().certificate());
        } catch (RuntimeException e) {
            made.forEach(maker::discard);
            throw e;
        }
    }

    Made issuing(
            TenantId tenant,
            Authority old,
            @Nullable KeyAlgorithm algorithm,
            IssuingAuthority parent,
            Set<Name> taken) {
        PreparedAuthority successor = maker.issuing(tenant, like(old, algorithm, new HashSet<>(taken)), parent);
        return new Made(List.of(successor), Map.of(old.id(), successor.id()), List.of(), null);
    }

    void discard(Made made) {
        made.authorities().forEach(maker::discard);
    }

    /// Under the next name that no authority of the tenant has had, which is taken by that.
    private static NewAuthority like(Authority old, @Nullable KeyAlgorithm algorithm, Set<Name> taken) {
        String name = next(old.name());
        Name subject = next(old.requireCertificate().subject());
        while (!taken.add(subject)) {
            name = next(name);
            subject = next(subject);
        }
        return new NewAuthority(name, subject, algorithm == null ? old.algorithm() : algorithm);
    }

    /// Another name, so that nobody takes one authority for the other: `Issuing CA`, `Issuing CA G2`,
    /// `Issuing CA G3`.
    private static Name next(Name name) {
        if (name.commonName().isEmpty()) {
            throw new RefusedException(
                    ErrorCode.CONFLICT, "the authority has no common name: make its replacement and name it");
        }
        return Name.of(name.attributes().stream()
                .map(attribute -> attribute.type().equals(NameAttribute.COMMON_NAME.oid())
                        ? Name.Attribute.of(NameAttribute.COMMON_NAME, next(attribute.value()))
                        : attribute)
                .toList());
    }

    static String next(String name) {
        Matcher numbered = NUMBERED.matcher(name);
        return numbered.matches()
                ? numbered.group(1) + " G" + (Integer.parseInt(numbered.group(2)) + 1)
                : name.substring(
                                        0,
                                        name.offsetByCodePoints(
                                                0, Math.min(LONGEST, name.codePointCount(0, name.length()))))
                                .strip()
                        + " G2";
    }
}
