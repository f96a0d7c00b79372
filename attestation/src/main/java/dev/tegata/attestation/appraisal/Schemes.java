// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Reason;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.dice.DiceChain;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.attestation.eat.EatToken;
import dev.tegata.attestation.eat.MeasuredComponent;
import dev.tegata.attestation.ecc608.ChipPreset;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/// The steps of verification for each format: who signed, is the signature right, is it fresh, and what
/// does it say.
final class Schemes {
    private final Trust trust;
    private final @Nullable Bytes expectedNonce;
    private final Instant at;
    private final String label;

    Schemes(Trust trust, @Nullable Bytes expectedNonce, Instant at, String label) {
        this.trust = trust;
        this.expectedNonce = expectedNonce;
        this.at = at;
        this.label = label;
    }

    /// A signer that was found to be right.
    private record Signed(CoseKey key, String source) {
        List<Bytes> authorities() {
            return key instanceof CoseKey.Public(PublicKeyInfo info) ? List.of(info.fingerprint()) : List.of();
        }
    }

    private interface Check {
        boolean verifies(CoseKey key) throws MalformedException;
    }

    Verified psa(Bytes content) throws MalformedException, RejectedException {
        CoseMessage message = PsaToken.parseEnvelope(content);
        PsaToken token = PsaToken.parse(message.content());
        List<Certificate> chain = CertificateChains.parse(message.x5chain());
        Signed signed = chain.isEmpty()
                ? signedByKnown(token.environment(), message::verifies)
                : signedByCertificate(
                        chain,
                        message,
                        (certificate, key) -> CertificateChains.isFor(certificate, key, token.instanceId())
                                || ofIdentity(certificate)
                                        .map(Environment::instance)
                                        .equals(Optional.ofNullable(
                                                token.environment().instance())));
        requireNonce(token.nonce()::equals);
        List<Endorsements.Claim> measured = token.measurements().stream()
                .map(measurement -> new Endorsements.Claim(token.environment(), measurement, signed.authorities()))
                .toList();
        return new Verified(
                label,
                "psa",
                measured,
                device(token, chain),
                claims(token),
                signed.source,
                token.nonce(),
                null,
                CertificateChains.keys(chain));
    }

    /// What a token is of: the instance that it says, or the device that its certificate is known to be
    /// for.
    private Environment device(PsaToken token, List<Certificate> chain) {
        Environment said = token.environment();
        Cbor known = chain.isEmpty()
                ? null
                : trust.knownKeys()
                        .ofCertificate(chain.getFirst())
                        .map(Environment::instance)
                        .orElse(null);
        return known == null ? said : new Environment(said.classId(), null, null, null, null, known, null);
    }

    /// The device whose identity an author says the certificate's key is.
    private Optional<Environment> ofIdentity(Certificate certificate) {
        Bytes key = certificate.publicKeyEncoded().sha256();
        return trust.knownKeys().ofIdentity(key).or(() -> trust.endorsements().instanceWithKey(key));
    }

    private static Cbor.MapItem claims(PsaToken token) {
        List<Cbor> components = token.components().stream().map(Schemes::claims).toList();
        Bytes bootSeed = token.bootSeed();
        String certification = token.certificationReference();
        String service = token.verificationService();
        return Cbor.map()
                .put("profile", Cbor.of(token.profile().profileName()))
                .put("implementation_id", Cbor.of(token.implementationId()))
                .put("instance_id", Cbor.of(token.instanceId()))
                .put("client_id", Cbor.of(token.clientId()))
                .put("lifecycle", Cbor.of(token.lifecycleState().name().toLowerCase(Locale.ROOT)))
                .put("boot_seed", bootSeed == null ? null : Cbor.of(bootSeed))
                .put("certification", certification == null ? null : Cbor.of(certification))
                .put("components", new Cbor.ArrayItem(components))
                .put("verification_service", service == null ? null : Cbor.of(service))
                .build();
    }

    private static Cbor claims(SoftwareComponent component) {
        String type = component.type();
        String version = component.version();
        Bytes signerId = component.signerId();
        return Cbor.map()
                .put("type", type == null ? null : Cbor.of(type))
                .put("version", version == null ? null : Cbor.of(version))
                .put("measurement", Cbor.of(component.measurement()))
                .put("signer_id", signerId == null ? null : Cbor.of(signerId))
                .build();
    }

    /// The signer among the keys that are known for an instance.
    private Signed signedByKnown(Environment environment, Check check) throws MalformedException, RejectedException {
        List<Trust.KnownKey> candidates = new ArrayList<>(trust.knownKeys().ofInstance(environment));
        Cbor instance = environment.instance();
        if (instance != null) {
            for (Endorsements.EndorsedKey key : trust.endorsements().keys(instance)) {
                if (key.environment().covers(environment)) {
                    candidates.add(new Trust.KnownKey(
                            key.key(),
                            key.environment(),
                            "endorsed by " + key.origin().signer() + " in "
                                    + key.origin().corim()));
                }
            }
        }
        if (candidates.isEmpty()) {
            throw new RejectedException(Reason.UNKNOWN_DEVICE, "no key is known for this device");
        }
        for (Trust.KnownKey candidate : candidates) {
            if (check.verifies(candidate.key())) {
                return new Signed(candidate.key(), candidate.source());
            }
        }
        throw new RejectedException(Reason.BAD_SIGNATURE, "the signature is not by the device's key");
    }

    private interface Binding {
        boolean holds(Certificate leaf, PublicKeyInfo key);
    }

    private Signed signedByCertificate(List<Certificate> chain, CoseMessage message, Binding binding)
            throws MalformedException, RejectedException {
        CoseKey key = CertificateChains.verifyAny(chain, trust, at);
        if (!message.verifies(key)) {
            throw new RejectedException(Reason.BAD_SIGNATURE, "the signature is not by the certificate's key");
        }
        Certificate leaf = chain.getFirst();
        if (!binding.holds(leaf, CertificateChains.key(leaf))) {
            throw new RejectedException(Reason.WRONG_DEVICE, "the certificate is for another device than the token");
        }
        return new Signed(key, "certified by " + leaf.issuer());
    }

    /// Nonces that are as expected, or any where none is expected.
    private void requireNonce(Predicate<Bytes> matches) throws RejectedException {
        if (expectedNonce != null && !matches.test(expectedNonce)) {
            throw new RejectedException(Reason.WRONG_NONCE, "the evidence was not made for this nonce");
        }
    }

    Verified tpm(TpmEvidence evidence) throws MalformedException, RejectedException {
        TpmEvidence.Verified quote = evidence.verify();
        PublicKeyInfo key = quote.key().key();
        List<Certificate> chain = CertificateChains.parse(evidence.certificates());
        Trust.KnownKey known = chain.isEmpty() ? knownKey(key) : certifiedKey(chain, key);
        requireNonce(quote.attest().extraData()::equals);
        Environment environment = known.environment();
        Measurement registers = quote.pcrs().toMeasurement(quote.quote());
        Cbor.MapItem claims = Cbor.map()
                .put("reset_count", Cbor.of(quote.attest().resetCount()))
                .put("restart_count", Cbor.of(quote.attest().restartCount()))
                .put("clock", Cbor.of(quote.attest().clock()))
                .put("clock_safe", Cbor.of(quote.attest().safe()))
                .put("firmware_version", Cbor.of(Long.toHexString(quote.attest().firmwareVersion())))
                .put("event_log", Cbor.of(quote.log().isPresent()))
                .put("pcrs", registers.values().get(Measurement.INTEGRITY_REGISTERS))
                .build();
        return new Verified(
                label,
                "tpm",
                List.of(new Endorsements.Claim(environment, registers, List.of(key.fingerprint()))),
                environment,
                claims,
                known.source(),
                quote.attest().extraData(),
                null,
                CertificateChains.keys(chain));
    }

    private Trust.KnownKey knownKey(PublicKeyInfo key) throws RejectedException {
        Optional<Trust.KnownKey> known = trust.knownKeys()
                .ofFingerprint(key.fingerprint())
                .or(() -> trust.endorsements()
                        .attestationKey(key.fingerprint())
                        .map(endorsed -> new Trust.KnownKey(
                                endorsed.key(),
                                endorsed.environment(),
                                "endorsed by " + endorsed.origin().signer() + " in "
                                        + endorsed.origin().corim())));
        return known.orElseThrow(() ->
                new RejectedException(Reason.UNKNOWN_DEVICE, "the attestation key is of no device that is known"));
    }

    private Trust.KnownKey certifiedKey(List<Certificate> chain, PublicKeyInfo key) throws RejectedException {
        CoseKey certified = CertificateChains.verify(chain, trust, at);
        if (!certified.equals(CoseKey.of(key))) {
            throw new RejectedException(Reason.WRONG_DEVICE, "the certificate is for another key than the evidence");
        }
        Certificate leaf = chain.getFirst();
        Environment environment = trust.knownKeys()
                .ofCertificate(leaf)
                .or(() -> ofIdentity(leaf))
                .orElseThrow(() ->
                        new RejectedException(Reason.UNKNOWN_DEVICE, "the certificate is of no device that is known"));
        return new Trust.KnownKey(certified, environment, "certified by " + leaf.issuer());
    }

    Verified ecc608(KeyAttestation attestation) throws MalformedException, RejectedException {
        Environment chip = new Environment(
                null,
                null,
                null,
                null,
                null,
                new Cbor.Tagged(Environment.BYTES_TAG, Cbor.of(attestation.serial())),
                null);
        List<Trust.KnownKey> known = trust.knownKeys().ofInstance(chip);
        if (known.isEmpty()) {
            throw new RejectedException(Reason.UNKNOWN_DEVICE, "the chip's signing key is not known");
        }
        if (expectedNonce == null) {
            throw new RejectedException(
                    Reason.WRONG_NONCE, "a chip's attestation needs the nonce that it was made for");
        }
        for (Trust.KnownKey candidate : known) {
            String model = candidate.environment().model();
            Optional<ChipPreset> preset = model == null ? Optional.empty() : ChipPreset.named(model);
            if (candidate.key() instanceof CoseKey.Public(PublicKeyInfo info)
                    && preset.isPresent()
                    && attestation.verifies(info, preset.get(), expectedNonce)) {
                return ecc608(attestation, candidate, info);
            }
        }
        // The nonce is inside what is signed: a wrong one and a wrong key look the same.
        throw new RejectedException(Reason.BAD_SIGNATURE, "the chip did not sign this key in this slot for this nonce");
    }

    private Verified ecc608(KeyAttestation attestation, Trust.KnownKey known, PublicKeyInfo signer)
            throws MalformedException {
        PublicKeyInfo key = attestation.key();
        Measurement slot = new Measurement(
                Cbor.of("ecc608.slot"),
                Cbor.map()
                        .put(Measurement.NAME, Cbor.of("slot " + attestation.slot()))
                        .put(Measurement.CRYPTO_KEYS, Cbor.array(CryptoKeys.of(key)))
                        .build());
        Cbor.MapItem claims = Cbor.map()
                .put("serial", Cbor.of(attestation.serial()))
                .put("slot", Cbor.of(attestation.slot()))
                .put("slot_locked", Cbor.of(attestation.slotLocked()))
                .build();
        return new Verified(
                label,
                "ecc608",
                List.of(new Endorsements.Claim(known.environment(), slot, List.of(signer.fingerprint()))),
                known.environment(),
                claims,
                known.source(),
                expectedNonce,
                key.encoded(),
                List.of());
    }

    Verified dice(DiceChain chain) throws MalformedException, RejectedException {
        CoseKey key = CertificateChains.verifyDice(chain, trust, at);
        if (expectedNonce != null) {
            throw new RejectedException(
                    Reason.WRONG_NONCE, "a certificate chain has no nonce: send a token that its last key signed");
        }
        return dice(chain, key);
    }

    private Verified dice(DiceChain chain, CoseKey key) {
        List<Bytes> authorities = new Signed(key, "").authorities();
        List<Endorsements.Claim> measured = chain.layers().stream()
                .map(layer -> new Endorsements.Claim(layer.environment(), layer.measurement(), authorities))
                .toList();
        Environment device = measured.isEmpty()
                ? Environment.ofModel(
                        "DICE", chain.certificates().getFirst().subject().toString())
                : measured.getLast().environment();
        return new Verified(
                label,
                "dice",
                measured,
                device,
                Cbor.map().put("layers", chain.claims()).build(),
                "certified by " + chain.certificates().getLast().issuer(),
                null,
                key instanceof CoseKey.Public(PublicKeyInfo info) ? info.encoded() : null,
                CertificateChains.keys(chain.certificates()));
    }

    /// An entity attestation token that was found genuine and fresh, whose parts are to be judged too.
    record Whole(Verified verified, Eat claims, List<Bytes> authorities) {}

    Whole eat(EatToken token, Eat claims) throws MalformedException, RejectedException {
        List<Certificate> chain = token instanceof EatToken.Cwt(CoseMessage message)
                ? CertificateChains.parse(message.x5chain())
                : List.of();
        Environment environment = environment(claims, chain);
        Signed signed = chain.isEmpty()
                ? signedByKnown(environment, key -> verifies(token, key))
                : signedByCertificate(chain, ((EatToken.Cwt) token).message(), (leaf, key) -> isFor(leaf, key, claims));
        List<Bytes> nonces = claims.nonces();
        requireNonce(nonces::contains);
        requireCurrent(claims);
        List<Endorsements.Claim> measured = measured(claims, environment, signed.authorities());
        if (!chain.isEmpty()) {
            for (DiceChain.Layer layer : DiceChain.of(chain).layers()) {
                measured.add(new Endorsements.Claim(layer.environment(), layer.measurement(), signed.authorities()));
            }
        }
        Verified verified = new Verified(
                label,
                "eat",
                measured,
                environment,
                told(claims),
                signed.source,
                nonces.isEmpty() ? null : nonces.getFirst(),
                null,
                CertificateChains.keys(chain));
        return new Whole(verified, claims, signed.authorities());
    }

    /// Claims about a part of a device that the token around them vouches for, by its signature or by a
    /// digest. They speak for the same instance as that token, whatever they say: no device can speak for
    /// another.
    Verified part(Whole whole, String name, Eat claims) throws MalformedException, RejectedException {
        requireCurrent(claims);
        Environment around = whole.verified.environment();
        Cbor model = claims.claims().get(Eat.HARDWARE_MODEL);
        Environment environment = model == null
                ? around
                : new Environment(
                        new Cbor.Tagged(Environment.BYTES_TAG, model), null, null, null, null, around.instance(), null);
        Cbor.Builder told = Cbor.map().put("submodule", Cbor.of(name));
        told(claims).entries().forEach(told::put);
        return new Verified(
                label,
                "eat",
                measured(claims, environment, whole.authorities),
                environment,
                told.build(),
                "that of the token around these claims, " + whole.verified.trustedBy(),
                whole.verified.nonce(),
                null,
                whole.verified.certified());
    }

    /// What a token says, under names. Its parts have results of their own.
    private static Cbor.MapItem told(Eat claims) {
        ObjectNode told = claims.toJson();
        told.remove("submods");
        return (Cbor.MapItem) Json.toCbor(told);
    }

    private void requireCurrent(Eat claims) throws RejectedException {
        Long expires = claims.number(Eat.EXPIRES);
        Long notBefore = claims.number(Eat.NOT_BEFORE);
        if ((expires != null && at.getEpochSecond() >= expires)
                || (notBefore != null && at.getEpochSecond() < notBefore)) {
            throw new RejectedException(Reason.EXPIRED, "the token is not valid at this time");
        }
    }

    private static List<Endorsements.Claim> measured(Eat claims, Environment environment, List<Bytes> authorities)
            throws MalformedException {
        List<Endorsements.Claim> measured = new ArrayList<>();
        for (Measurement measurement : measurements(claims)) {
            measured.add(new Endorsements.Claim(environment, measurement, authorities));
        }
        return measured;
    }

    private static boolean isFor(Certificate leaf, PublicKeyInfo key, Eat claims) {
        Bytes ueid = claims.ueid();
        return ueid == null || CertificateChains.isFor(leaf, key, ueid);
    }

    private static boolean verifies(EatToken token, CoseKey key) throws MalformedException {
        return switch (token) {
            case EatToken.Cwt cwt -> cwt.verifies(key);
            case EatToken.Jwt jwt -> jwt.verifies(key);
            case EatToken.Unprotected _, EatToken.Bundle _ -> false;
        };
    }

    /// What an EAT is about: the device that its certificate or its UEID tells, of the model that it says.
    private Environment environment(Eat claims, List<Certificate> chain) throws RejectedException {
        if (!chain.isEmpty()) {
            Optional<Environment> known = trust.knownKeys().ofCertificate(chain.getFirst());
            if (known.isPresent()) {
                return known.get();
            }
        }
        Bytes ueid = claims.ueid();
        if (ueid == null && !chain.isEmpty()) {
            Optional<Environment> listed = ofIdentity(chain.getFirst());
            if (listed.isPresent()) {
                return listed.get();
            }
        }
        if (ueid == null) {
            throw new RejectedException(Reason.UNKNOWN_DEVICE, "the token does not say which device it is of");
        }
        Cbor model = claims.claims().get(Eat.HARDWARE_MODEL);
        return new Environment(
                model == null ? null : new Cbor.Tagged(Environment.BYTES_TAG, model),
                null,
                null,
                null,
                null,
                new Cbor.Tagged(Environment.UEID_TAG, Cbor.of(ueid)),
                null);
    }

    private static List<Measurement> measurements(Eat claims) throws MalformedException {
        List<Measurement> measurements = new ArrayList<>();
        for (Eat.Typed typed : claims.measurements()) {
            // CoSWID evidence (258) is not matched; the rest must be measured components.
            if (typed.contentFormat() != 258) {
                measurements.add(component(typed.content()).toMeasurement());
            }
        }
        return measurements;
    }

    /// A component in either encoding, which need not be that of the token.
    private static MeasuredComponent component(Cbor content) throws MalformedException {
        return switch (content) {
            case Cbor.ByteString(Bytes encoded)
            when !encoded.isEmpty() && encoded.at(0) == '{' -> MeasuredComponent.ofJson(Json.parseObject(encoded));
            case Cbor.ByteString(Bytes encoded) -> MeasuredComponent.of(Cbor.read(encoded, CborLimits.TOKEN));
            case Cbor.MapItem map
            when map.get("id") != null -> MeasuredComponent.ofJson(Json.object(Json.of(map), "a measured component"));
            default -> MeasuredComponent.of(content);
        };
    }
}
