// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.enrol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.NameAttribute;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.claim.ClaimTokens;
import dev.tegata.platform.claim.ForeignStatus;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.store.Database;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// From what a device shows to which device it is. The one place that matches credentials to devices, for
/// all protocols.
///
/// Evidence of trust beats configuration: an operational certificate is compared, byte by byte, with what
/// was issued; a birth key with what was claimed. Only where the manifest told no keys does a chain to a
/// birth CA decide.
public final class Identification {
    private static final int MAX_CHAIN = 8;

    private final DeviceLookup lookup;
    private final Function<TenantId, TrustAnchors> birthCas;
    private final PathCheck pathCheck;

    /// An identification of its own.
    ///
    /// @param birthCas the CAs whose birth certificates a tenant trusts
    public Identification(Database database, Function<TenantId, TrustAnchors> birthCas) {
        this(new DeviceLookup(database), birthCas, new PathCheck(Enrolments.SIGNATURE_CACHE));
    }

    Identification(DeviceLookup lookup, Function<TenantId, TrustAnchors> birthCas, PathCheck pathCheck) {
        this.lookup = lookup;
        this.birthCas = birthCas;
        this.pathCheck = pathCheck;
    }

    /// What the device's word rests on.
    public enum Basis {
        OPERATIONAL_CERTIFICATE,
        BIRTH_KEY,
        BIRTH_CERTIFICATE,
        CLAIM_TOKEN,
        ACCOUNT
    }

    /// The outcome.
    public sealed interface Result {
        /// @param birthKey the fingerprint of the birth key that was shown
        /// @param claimToken the hash of the token that was shown
        /// @param newBirthKey the SubjectPublicKeyInfo of a birth key that was not known of the device
        /// before
        record Found(
                Candidate device,
                Basis basis,
                @Nullable Bytes birthKey,
                @Nullable Bytes claimToken,
                @Nullable Bytes newBirthKey)
                implements Result {}

        /// The chain leads to a birth CA of the tenant, and the fleet takes any device of such a CA.
        record Unclaimed(Certificate birthCertificate) implements Result {}

        /// @param device whose certificate was shown, where it is one that is no longer good
        /// @param onHold whether that certificate would be good but for a hold
        record NotFound(
                ErrorCode code, String detail, @Nullable Candidate device, boolean onHold) implements Result {
            NotFound(ErrorCode code, String detail) {
                this(code, detail, null, false);
            }
        }
    }

    /// Finds the device.
    ///
    /// @param operationalFirst whether the certificate is more likely one of ours than a birth certificate,
    /// which is
    ///     a matter of speed only
    public Result identify(IssuingFleet fleet, DeviceCredential credential, boolean operationalFirst, Instant now) {
        TenantId tenant = fleet.tenant();
        return switch (credential) {
            case DeviceCredential.None ignored ->
                new Result.NotFound(ErrorCode.UNAUTHENTICATED, "the device showed neither a certificate nor a token");
            case DeviceCredential.ClaimToken token -> byToken(tenant, token, now);
            case DeviceCredential.Account(DeviceId device, Instant since) -> byAccount(tenant, device, since);
            case DeviceCredential.TlsCertificate(List<Bytes> chain) ->
                byCertificate(fleet, tenant, chain, operationalFirst, now);
            case DeviceCredential.SignedMessage(List<Bytes> chain) ->
                byCertificate(fleet, tenant, chain, operationalFirst, now);
        };
    }

    /// Who held the device before its last refurbishing may still have the account's key.
    private Result byAccount(TenantId tenant, DeviceId id, Instant since) {
        return lookup.byId(tenant, id)
                .filter(device -> device.state() != DeviceState.CLAIMED
                        || device.current() == null
                        || device.current().issuedAt().isBefore(since))
                .<Result>map(device -> new Result.Found(device, Basis.ACCOUNT, null, null, null))
                .orElseGet(() -> new Result.NotFound(
                        ErrorCode.DEVICE_UNKNOWN, "the account's device is gone, or was set up anew since"));
    }

    private Result byToken(TenantId tenant, DeviceCredential.ClaimToken token, Instant now) {
        Bytes hash = ClaimTokens.hash(token.secret());
        return lookup.byToken(tenant, hash, now)
                .<Result>map(device ->
                        new Result.Found(device, Basis.CLAIM_TOKEN, null, hash, birthKeyBeside(token, device.serial())))
                .orElseGet(() ->
                        new Result.NotFound(ErrorCode.TOKEN_INVALID, "the claim token is unknown, expired or used up"));
    }

    private Result byCertificate(
            IssuingFleet fleet, TenantId tenant, List<Bytes> chain, boolean operationalFirst, Instant now) {
        Certificate leaf;
        try {
            leaf = Certificate.parse(chain.getFirst());
        } catch (InvalidCertificateException e) {
            return new Result.NotFound(
                    ErrorCode.DEVICE_UNKNOWN, "the client certificate cannot be read: " + e.getMessage());
        }
        Optional<Result> found = operationalFirst
                ? byOperationalCertificate(tenant, leaf, now).or(() -> byBirthKey(tenant, leaf))
                : byBirthKey(tenant, leaf).or(() -> byOperationalCertificate(tenant, leaf, now));
        return found.orElseGet(() -> byBirthCertificate(fleet, tenant, leaf, chain, now));
    }

    /// The key of a certificate that names the chip which the token is for: it becomes a birth key. TLS
    /// stacks show certificates to anybody who asks, so that one with another name means nothing.
    private static @Nullable Bytes birthKeyBeside(DeviceCredential.ClaimToken token, String serial) {
        try {
            if (!token.chain().isEmpty()) {
                Certificate leaf = Certificate.parse(token.chain().getFirst());
                return serialsIn(leaf).contains(serial.toLowerCase(Locale.ROOT)) ? leaf.publicKeyEncoded() : null;
            }
            return null;
        } catch (InvalidCertificateException e) {
            return null;
        }
    }

    private Optional<Result> byOperationalCertificate(TenantId tenant, Certificate leaf, Instant now) {
        return lookup.bySerialNumber(tenant, leaf.serial().content())
                .filter(ours -> ours.encoded().equals(leaf.encoded()))
                .map(ours -> {
                    if (ours.revoked()) {
                        return new Result.NotFound(
                                ErrorCode.CERTIFICATE_REVOKED,
                                "certificate " + leaf.serial().hex() + " of device "
                                        + ours.device().id() + " is revoked or on hold",
                                ours.device(),
                                ours.onHold() && !leaf.validity().isOver(now));
                    }
                    if (leaf.validity().isOver(now)) {
                        return new Result.NotFound(
                                ErrorCode.CERTIFICATE_EXPIRED,
                                "certificate " + leaf.serial().hex() + " of device "
                                        + ours.device().id()
                                        + " has expired; the birth key is good for "
                                        + "another one during the fleet's grace period",
                                ours.device(),
                                false);
                    }
                    return new Result.Found(ours.device(), Basis.OPERATIONAL_CERTIFICATE, null, null, null);
                });
    }

    private Optional<Result> byBirthKey(TenantId tenant, Certificate leaf) {
        Bytes fingerprint = leaf.publicKeyEncoded().sha256();
        return lookup.byBirthKey(tenant, fingerprint)
                .map(device -> new Result.Found(device, Basis.BIRTH_KEY, fingerprint, null, null));
    }

    private Result byBirthCertificate(
            IssuingFleet fleet, TenantId tenant, Certificate leaf, List<Bytes> chain, Instant now) {
        TrustAnchors anchors = birthCas.apply(tenant);
        if (anchors.isEmpty()) {
            return unknown(leaf);
        }
        List<Certificate> intermediates = new ArrayList<>();
        for (Bytes encoded : chain.stream().skip(1).limit(MAX_CHAIN).toList()) {
            try {
                intermediates.add(Certificate.parse(encoded));
            } catch (InvalidCertificateException e) {
                return new Result.NotFound(
                        ErrorCode.DEVICE_UNKNOWN, "the client's chain cannot be read: " + e.getMessage());
            }
        }
        PathResult path = pathCheck.checkBirth(new Presented(leaf, intermediates), anchors, now, Purpose.ANY);
        if (!(path instanceof PathResult.Valid(List<Certificate> certificates))) {
            return unknown(leaf);
        }
        ForeignStatus.Fault fault = lookup.fault(tenant, certificates, now);
        if (fault != null) {
            return new Result.NotFound(
                    fault.code(ErrorCode.CERTIFICATE_REVOKED), "'" + leaf.subject() + "': " + fault.sentence());
        }
        List<String> serials = serialsIn(leaf);
        List<DeviceLookup.Claimed> claimed = serials.isEmpty() ? List.of() : lookup.byChipSerials(tenant, serials);
        if (claimed.isEmpty()) {
            return fleet.fleet().policy().acceptAnyOfBirthCa() ? new Result.Unclaimed(leaf) : unknown(leaf);
        }
        if (claimed.size() > 1) {
            return new Result.NotFound(
                    ErrorCode.DEVICE_UNKNOWN,
                    "the birth certificate '" + leaf.subject() + "' fits more than one claimed device");
        }
        DeviceLookup.Claimed device = claimed.getFirst();
        if (device.keysKnown()) {
            return new Result.NotFound(
                    ErrorCode.KEY_MISMATCH,
                    "device " + device.device().id() + " was claimed with other keys than that of '" + leaf.subject()
                            + "'");
        }
        Bytes key = leaf.publicKeyEncoded();
        return new Result.Found(device.device(), Basis.BIRTH_CERTIFICATE, key.sha256(), null, key);
    }

    private static Result unknown(Certificate leaf) {
        return new Result.NotFound(
                ErrorCode.DEVICE_UNKNOWN,
                "neither the key nor the certificate '" + leaf.subject() + "' (SHA-256 "
                        + leaf.fingerprint().hex() + ") belongs to a claimed device");
    }

    /// The chip serial numbers that a birth certificate may mean: its serialNumber and CN, whole and
    /// without the `sn` that some vendors put before.
    public static List<String> serialsIn(Certificate birthCertificate) {
        return Stream.of(NameAttribute.SERIAL_NUMBER, NameAttribute.COMMON_NAME)
                .flatMap(type -> birthCertificate.subject().value(type).stream())
                .map(text -> text.toLowerCase(Locale.ROOT).strip())
                .flatMap(text -> text.startsWith("sn") ? Stream.of(text, text.substring(2)) : Stream.of(text))
                .filter(text -> !text.isEmpty())
                .distinct()
                .toList();
    }
}
