// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The rules: what is known of an authority or a device goes in, what is wrong comes out. Nothing is looked
/// up here.
public final class HealthRules {
    private static final Duration KEY_OLD = Duration.ofDays(3653);
    private static final Duration AUTHORITY_AHEAD = Duration.ofDays(548);
    private static final double LAST_PART = 0.1;

    private final AlgorithmPolicy algorithms;

    public HealthRules(AlgorithmPolicy algorithms) {
        this.algorithms = algorithms;
    }

    /// @param issuerEnd when the certificate above it ends; null for a root
    /// @param pathFits whether its issuer's path length leaves room for it
    /// @param nameShared whether another active authority has its name and no certificate joins both
    /// @param crlEnd when the first of its revocation lists ends; null where there is none
    /// @param responderEnd when its newest responder's certificate ends; null where there is none yet
    /// @param unreachable which address of status does not answer, and how; null where all do
    public record AuthorityRecord(
            String algorithm,
            Instant keyMadeAt,
            Instant notAfter,
            @Nullable Instant issuerEnd,
            boolean pathFits,
            boolean nameShared,
            @Nullable Instant crlEnd,
            @Nullable Instant responderEnd,
            @Nullable String unreachable) {}

    /// @param holds whether it said that it holds this certificate; null where it said nothing
    /// @param trusts whether it said that it trusts the root of its chain; null where it said nothing
    /// @param keyShared whether another device has a certificate for its key
    public record DeviceRecord(
            String algorithm,
            Instant notBefore,
            Instant notAfter,
            Instant issuerEnd,
            boolean hasStatus,
            @Nullable Boolean holds,
            @Nullable Boolean trusts,
            boolean keyShared) {}

    /// What is wrong.
    public record Problem(FindingCode code, String detail) {}

    public List<Problem> of(AuthorityRecord authority, Instant now) {
        if (!now.isBefore(authority.notAfter())) {
            // Nobody needs its lists any more, nor can the rest be mended.
            return List.of(new Problem(FindingCode.AUTHORITY_EXPIRED, "ended on " + authority.notAfter()));
        }
        List<Problem> found = new ArrayList<>();
        if (now.plus(AUTHORITY_AHEAD).isAfter(authority.notAfter())) {
            found.add(new Problem(FindingCode.AUTHORITY_ENDS_SOON, "ends on " + authority.notAfter()));
        }
        algorithm(authority.algorithm(), authority.notAfter(), FindingCode.AUTHORITY_ALGORITHM)
                .ifPresent(found::add);
        if (now.isAfter(authority.keyMadeAt().plus(KEY_OLD))) {
            found.add(new Problem(FindingCode.AUTHORITY_KEY_OLD, "its key is of " + authority.keyMadeAt()));
        }
        Instant issuerEnd = authority.issuerEnd();
        if (issuerEnd != null && authority.notAfter().isAfter(issuerEnd)) {
            found.add(new Problem(FindingCode.AUTHORITY_OUTLIVES_ISSUER, "its issuer ends before it, on " + issuerEnd));
        }
        if (!authority.pathFits()) {
            found.add(new Problem(FindingCode.AUTHORITY_PATH_LENGTH, "its issuer allows no authority there"));
        }
        if (authority.nameShared()) {
            found.add(new Problem(FindingCode.AUTHORITY_NAME_SHARED, "another active authority has the same name"));
        }
        Instant crlEnd = authority.crlEnd();
        if (crlEnd == null) {
            found.add(new Problem(FindingCode.CRL_MISSING, "no revocation list was published"));
        } else if (!now.isBefore(crlEnd)) {
            found.add(new Problem(FindingCode.CRL_STALE, "its revocation list ended on " + crlEnd));
        }
        Instant responderEnd = authority.responderEnd();
        if (responderEnd != null && !now.isBefore(responderEnd)) {
            found.add(new Problem(FindingCode.RESPONDER_STALE, "its responder's certificate ended on " + responderEnd));
        }
        String unreachable = authority.unreachable();
        if (unreachable != null) {
            found.add(new Problem(FindingCode.STATUS_UNREACHABLE, unreachable));
        }
        return found;
    }

    public List<Problem> of(DeviceRecord device, Instant now) {
        List<Problem> found = new ArrayList<>();
        Duration life = Duration.between(device.notBefore(), device.notAfter());
        Instant soon = device.notAfter().minusSeconds((long) (life.toSeconds() * LAST_PART));
        if (!now.isBefore(device.notAfter())) {
            found.add(new Problem(FindingCode.CERTIFICATE_EXPIRED, "ended on " + device.notAfter()));
        } else if (!now.isBefore(soon)) {
            found.add(new Problem(FindingCode.CERTIFICATE_ENDS_SOON, "ends on " + device.notAfter()));
        }
        algorithm(device.algorithm(), device.notAfter(), FindingCode.CERTIFICATE_ALGORITHM)
                .ifPresent(found::add);
        if (device.notAfter().isAfter(device.issuerEnd())) {
            found.add(new Problem(
                    FindingCode.CERTIFICATE_OUTLIVES_ISSUER, "its issuer ends before it, on " + device.issuerEnd()));
        }
        if (!device.hasStatus()) {
            found.add(new Problem(FindingCode.CERTIFICATE_WITHOUT_STATUS, "names neither a list nor a responder"));
        }
        if (Boolean.FALSE.equals(device.holds())) {
            found.add(new Problem(FindingCode.CERTIFICATE_NOT_HELD, "the device reports other certificates"));
        }
        if (Boolean.FALSE.equals(device.trusts())) {
            found.add(new Problem(FindingCode.ROOT_NOT_TRUSTED, "the device reports other trust anchors"));
        }
        if (device.keyShared()) {
            found.add(new Problem(FindingCode.KEY_SHARED, "another device has a certificate for the same key"));
        }
        return found;
    }

    private Optional<Problem> algorithm(String algorithm, Instant notAfter, FindingCode code) {
        return algorithms
                .met(algorithm, notAfter)
                .map(limit -> new Problem(
                        code, algorithm + " is valid beyond " + limit.until() + " (" + limit.source() + ")"));
    }
}
