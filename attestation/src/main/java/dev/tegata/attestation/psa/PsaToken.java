// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.psa;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.cose.CoseAlgorithm;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The claims of a PSA token, checked against its profile.
///
/// `clientId` is negative for a caller from the non-secure side. `components` is empty only in the first profile,
/// where the token says that nothing was measured. `verificationService` is the device's hint; nothing contacts
/// it.
public record PsaToken(
        PsaProfile profile,
        Bytes nonce,
        Bytes instanceId,
        Bytes implementationId,
        int clientId,
        int lifecycle,
        @Nullable Bytes bootSeed,
        @Nullable String certificationReference,
        List<SoftwareComponent> components,
        @Nullable String verificationService) {
    private static final int MAX_COMPONENTS = 64;

    /// spec| RFC 9783 §5.1.1: only definite lengths; longer forms of integers must be accepted.
    private static final CborLimits LIMITS = CborLimits.TOKEN.definiteLengthsOnly();

    /// Reads the envelope: COSE_Sign1 or COSE_Mac0 with its tag.
    ///
    /// The claims are read with [#of] from a message that verified.
    public static CoseMessage parseEnvelope(Bytes token) throws MalformedException {
        CoseMessage message = CoseMessage.parse(token, LIMITS);
        boolean allowed = switch (message.algorithm()) {
            case ES256, ES384, ES512, HMAC_256, HMAC_384, HMAC_512 -> true;
            case EDDSA, RS256, HMAC_256_64 -> false;
        };
        if (!allowed) {
            throw new MalformedException("a PSA token is not protected with " + message.algorithm());
        }
        return message;
    }

    /// Whether claims are of a PSA profile.
    public static boolean isPsa(Cbor.MapItem claims) {
        return PsaProfile.of(claims).isPresent();
    }

    /// Reads the claims of a message's payload.
    public static PsaToken parse(Bytes claims) throws MalformedException {
        return of(Cbor.read(claims, LIMITS).mapping("the claims"));
    }

    public static PsaToken of(Cbor.MapItem claims) throws MalformedException {
        PsaProfile profile = PsaProfile.of(claims)
                .orElseThrow(() -> new MalformedException("the claims are not of a PSA profile that we know"));
        int clientId = claims.require(profile.clientId(), "the client id")
                .integer("the client id", Integer.MIN_VALUE, Integer.MAX_VALUE);
        if (clientId == 0) {
            throw new MalformedException("the client id must not be 0");
        }
        int lifecycle = claims.require(profile.lifecycle(), "the security life cycle")
                .integer("the security life cycle", 0, 0xffff);
        Lifecycle.of(lifecycle);
        Bytes instanceId =
                claims.require(profile.instanceId(), "the instance id").bytes("the instance id", 33);
        if (instanceId.at(0) != 1) {
            throw new MalformedException("the instance id must begin with 01");
        }
        return new PsaToken(
                profile,
                SoftwareComponent.hash(claims.require(profile.nonce(), "the nonce"), "the nonce"),
                instanceId,
                claims.require(profile.implementationId(), "the implementation id")
                        .bytes("the implementation id", 32),
                clientId,
                lifecycle,
                bootSeed(profile, claims),
                certificationReference(profile, claims.get(profile.certification())),
                components(profile, claims),
                verificationService(claims.get(profile.verificationService())));
    }

    private static @Nullable Bytes bootSeed(PsaProfile profile, Cbor.MapItem claims) throws MalformedException {
        Cbor value = claims.get(profile.bootSeed());
        if (value == null) {
            if (profile == PsaProfile.PROFILE_1) {
                throw new MalformedException("the boot seed is missing");
            }
            return null;
        }
        Bytes bootSeed = value.bytes("the boot seed");
        int min = profile == PsaProfile.PROFILE_1 ? 32 : 8;
        if (bootSeed.size() < min || bootSeed.size() > 32) {
            throw new MalformedException("the boot seed must have " + min + " to 32 bytes, not " + bootSeed.size());
        }
        return bootSeed;
    }

    private static @Nullable String certificationReference(PsaProfile profile, @Nullable Cbor value)
            throws MalformedException {
        if (value == null) {
            return null;
        }
        String reference = value.text("the certification reference");
        if (!reference.matches(profile.certificationReferenceForm())) {
            throw new MalformedException("the certification reference is malformed");
        }
        return reference;
    }

    private static List<SoftwareComponent> components(PsaProfile profile, Cbor.MapItem claims)
            throws MalformedException {
        Cbor value = claims.get(profile.components());
        if (profile == PsaProfile.PROFILE_1) {
            Cbor none = claims.get(PsaProfile.NO_MEASUREMENTS);
            if ((value == null) == (none == null)) {
                throw new MalformedException("the token must have software components or say that there are none");
            }
            if (none != null) {
                none.integer("the claim of no measurements", 1, 1);
                return List.of();
            }
        }
        if (value == null) {
            throw new MalformedException("the software components are missing");
        }
        List<SoftwareComponent> components = new ArrayList<>();
        for (Cbor item : value.array("the software components", 1, MAX_COMPONENTS)) {
            components.add(SoftwareComponent.of(item));
        }
        return components;
    }

    private static @Nullable String verificationService(@Nullable Cbor value) throws MalformedException {
        return value == null ? null : value.text("the verification service");
    }

    public Lifecycle lifecycleState() {
        try {
            return Lifecycle.of(lifecycle);
        } catch (MalformedException e) {
            throw new IllegalStateException("a checked token has an undefined life cycle", e);
        }
    }

    /// What the token speaks of, as endorsements name it.
    public Environment environment() {
        return Environment.ofBytes(implementationId, instanceId);
    }

    public List<Measurement> measurements() {
        return components.stream().map(SoftwareComponent::toMeasurement).toList();
    }

    /// The claims set under the profile's keys.
    public Cbor.MapItem claims() {
        return Cbor.map()
                .put(profile.profile(), Cbor.of(profile.profileName()))
                .put(profile.clientId(), Cbor.of(clientId))
                .put(profile.lifecycle(), Cbor.of(lifecycle))
                .put(profile.implementationId(), Cbor.of(implementationId))
                .put(profile.bootSeed(), bootSeed == null ? null : Cbor.of(bootSeed))
                .put(profile.certification(), certificationReference == null ? null : Cbor.of(certificationReference))
                .put(
                        profile.components(),
                        components.isEmpty()
                                ? null
                                : new Cbor.ArrayItem(components.stream()
                                        .map(SoftwareComponent::toCbor)
                                        .toList()))
                .put(PsaProfile.NO_MEASUREMENTS, components.isEmpty() ? Cbor.of(1) : null)
                .put(profile.nonce(), Cbor.of(nonce))
                .put(profile.instanceId(), Cbor.of(instanceId))
                .put(profile.verificationService(), verificationService == null ? null : Cbor.of(verificationService))
                .build();
    }

    /// The token signed by an attestation key. `certificates` are its chain in DER, or none.
    public Bytes sign(Signer signer, List<Bytes> certificates) {
        Cbor.MapItem header = Cbor.map()
                .put(
                        CoseMessage.X5CHAIN,
                        switch (certificates.size()) {
                            case 0 -> null;
                            case 1 -> Cbor.of(certificates.getFirst());
                            default ->
                                new Cbor.ArrayItem(
                                        certificates.stream().map(Cbor::of).toList());
                        })
                .build();
        return CoseMessage.sign1(Cbor.map().build(), header, claims().encode(), signer)
                .encode();
    }

    /// The token authenticated with a shared key (HMAC with SHA-256).
    public Bytes authenticate(CoseKey.Secret key) {
        return CoseMessage.mac0(CoseAlgorithm.HMAC_256, claims().encode(), key).encode();
    }
}
