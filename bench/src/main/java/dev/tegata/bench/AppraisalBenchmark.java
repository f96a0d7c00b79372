// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.attestation.appraisal.Appraiser;
import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.appraisal.EvidenceVerifier;
import dev.tegata.attestation.appraisal.Trust;
import dev.tegata.attestation.appraisal.Verdict;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.psa.PsaProfile;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.tpm.EventLog;
import dev.tegata.attestation.tpm.PcrValues;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmHash;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.TrustAnchors;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;

/// Evidence appraised by the library, beside the verification of the signature in it alone. Endorsements are at hand;
/// each device has a key of its own.
final class AppraisalBenchmark implements Benchmark {
    private static final int DEVICES = 64;
    private static final int EVENTS = 80;
    private static final Duration WARM_UP = Duration.ofSeconds(8);
    private static final Bytes IMPLEMENTATION = Bytes.ofHex("aa".repeat(32));
    private static final Bytes MAKER = Bytes.ofHex("cc".repeat(32));
    private static final Bytes NONCE = Bytes.ofHex("5a".repeat(32));
    private static final Policy POLICY = Policy.defaultPolicy();
    private static final Ear.VerifierId VERIFIER = new Ear.VerifierId("Tegata", "bench");

    @Override
    public String name() {
        return "appraisal";
    }

    @Override
    public String about() {
        return "PSA tokens, TPM quotes with logs and ECC608 attestations, beside their signatures alone";
    }

    @Override
    public void measure(Run run) throws Exception {
        Instant now = InstantSource.system().instant();
        measure(run, psa(), now, 0.7);
        measure(run, tpm(), now, 0);
        measure(run, ecc608(), now, 0);
    }

    /// Evidence of one kind.
    ///
    /// @param evidence of one device each
    /// @param keys that signed it
    /// @param trust in them, and the reference values
    private record Kind(String name, List<Evidence> evidence, List<SoftwareKey> keys, Trust trust) {}

    private static void measure(Run run, Kind kind, Instant now, double aim) {
        run.say("measuring " + kind.name + " …");
        int cores = Runtime.getRuntime().availableProcessors();
        SoftwareKey own = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        Signer signer = new Signer(own.publicKey(), data -> own.sign(SignatureAlgorithm.ECDSA_SHA256, data));
        Load.Operation verification = verification(kind);
        Load.Operation appraisal = i -> appraise(kind, i, now).toJson();
        Load.Operation signed = i -> appraise(kind, i, now).signJwt("bench", signer);
        if (appraise(kind, 0, now).status() != Tier.AFFIRMING) {
            throw new IllegalStateException(kind.name + " is not affirmed: " + appraise(kind, 0, now));
        }
        List<Load.Operation> all = List.of(verification, appraisal, signed);
        Load.inTurns(cores, WARM_UP, all);
        List<Load.Outcome> outcomes = Load.inTurns(cores, run.duration(), all);
        String limit = "/s: the same signatures verified and nothing else, " + cores + " cores";
        Measure unsigned = run.number(
                        kind.name + ", to the result's claims", outcomes.get(1).perSecond(), "/s")
                .of(limit, outcomes.get(0).perSecond());
        run.report(aim > 0 ? unsigned.ratioAtLeast(aim) : unsigned);
        run.report(run.number(
                        kind.name + ", with the result's signature",
                        outcomes.get(2).perSecond(),
                        "/s")
                .of(limit, outcomes.get(0).perSecond()));
    }

    private static Ear appraise(Kind kind, int i, Instant now) {
        List<EvidenceOutcome> outcomes =
                new EvidenceVerifier(kind.trust, NONCE, now).verify(kind.evidence.get(i % kind.evidence.size()));
        Verdict verdict = new Appraiser(kind.trust.endorsements(), POLICY).appraise(outcomes, Map.of());
        return verdict.toEar(new Verdict.Issue(EarProfile.DRAFT_04, VERIFIER, now, now.plusSeconds(300), NONCE), null);
    }

    /// A signature over as much as a small token holds.
    private static Load.Operation verification(Kind kind) {
        byte[] message = ("x".repeat(400)).getBytes(StandardCharsets.US_ASCII);
        List<byte[]> signatures = kind.keys.stream()
                .map(key -> key.sign(SignatureAlgorithm.ECDSA_SHA256, message))
                .toList();
        return i -> {
            int at = i % signatures.size();
            if (!kind.keys.get(at).publicKey().verifies(SignatureAlgorithm.ECDSA_SHA256, message, signatures.get(at))) {
                throw new IllegalStateException("a good signature does not verify");
            }
        };
    }

    private static List<SoftwareKey> keys() {
        List<SoftwareKey> keys = new ArrayList<>();
        for (int i = 0; i < DEVICES; i++) {
            keys.add(SoftwareKey.generate(KeyAlgorithm.EC_P256));
        }
        return keys;
    }

    private static Endorsements endorsements(List<Triple> triples) {
        Tag.Comid comid = new Tag.Comid(null, new TagIdentity(Cbor.of("bench/1"), 1), List.of(), List.of(), triples);
        Corim corim = new Corim(Cbor.of("bench"), List.of(comid), List.of(), null, null, List.of());
        return Endorsements.of(
                List.of(new Endorsements.Source(corim, "Bench")),
                InstantSource.system().instant());
    }

    private static Trust trust(List<Triple> triples, Trust.KnownKeys known) {
        return new Trust(
                endorsements(triples),
                known,
                TrustAnchors.of(List.of()),
                new PathCheck(16),
                _ -> Trust.Revocation.Status.GOOD);
    }

    private static Kind psa() {
        List<SoftwareKey> keys = keys();
        List<SoftwareComponent> components = List.of(
                new SoftwareComponent("BL", Bytes.ofHex("10".repeat(32)), "3.4.2", MAKER, null),
                new SoftwareComponent("PRoT", Bytes.ofHex("11".repeat(32)), "1.3.5", MAKER, null),
                new SoftwareComponent("ARoT", Bytes.ofHex("12".repeat(32)), "0.1.4", MAKER, null));
        List<Triple> triples = new ArrayList<>();
        triples.add(new Triple.Reference(
                Environment.ofBytes(IMPLEMENTATION, null),
                components.stream().map(SoftwareComponent::toMeasurement).toList()));
        List<Evidence> evidence = new ArrayList<>();
        for (int i = 0; i < DEVICES; i++) {
            SoftwareKey key = keys.get(i);
            Bytes instance = Bytes.ofHex("01" + "%064x".formatted(i));
            triples.add(new Triple.Keys(
                    true,
                    Environment.ofBytes(IMPLEMENTATION, instance),
                    List.of(CryptoKeys.of(key.publicKey())),
                    null,
                    List.of()));
            PsaToken token = new PsaToken(
                    PsaProfile.RFC_9783, NONCE, instance, IMPLEMENTATION, 1, 0x3000, NONCE, null, components, null);
            Signer signer = new Signer(key.publicKey(), data -> key.sign(SignatureAlgorithm.ECDSA_SHA256, data));
            evidence.add(new Evidence(Evidence.PSA, token.sign(signer, List.of())));
        }
        return new Kind("PSA, ES256", evidence, keys, trust(triples, Trust.KnownKeys.none()));
    }

    /// Keys that the verifier knows beside endorsements, by fingerprint or by instance.
    private record Known(Map<Object, Trust.KnownKey> keys) implements Trust.KnownKeys {
        @Override
        public List<Trust.KnownKey> ofInstance(Environment environment) {
            Trust.KnownKey key = keys.get(environment.instance());
            return key == null ? List.of() : List.of(key);
        }

        @Override
        public Optional<Trust.KnownKey> ofFingerprint(Bytes fingerprint) {
            return Optional.ofNullable(keys.get(fingerprint));
        }

        @Override
        public Optional<Environment> ofCertificate(dev.tegata.pki.certificate.Certificate certificate) {
            return Optional.empty();
        }
    }

    private static Kind tpm() throws Exception {
        List<SoftwareKey> keys = keys();
        Bytes log = eventLog();
        SortedMap<Integer, Bytes> replayed = EventLog.parse(log).replay(TpmHash.SHA256);
        PcrValues pcrs = new PcrValues(Map.of(TpmHash.SHA256, replayed));
        List<Evidence> evidence = new ArrayList<>();
        Map<Object, Trust.KnownKey> known = new HashMap<>();
        Environment environment = Environment.ofModel("Bench", "server");
        for (SoftwareKey key : keys) {
            Bytes quote = quote(replayed);
            Bytes raw = Bytes.of(EcdsaSignature.rawOf(
                    key.sign(SignatureAlgorithm.ECDSA_SHA256, quote.toArray()), KeyAlgorithm.EC_P256));
            Bytes signature = structure(out -> {
                out.writeShort(0x0018);
                out.writeShort(TpmHash.SHA256.id());
                sized(out, raw.slice(0, 32));
                sized(out, raw.slice(32, 64));
            });
            evidence.add(new Evidence(
                    TpmEvidence.MEDIA_TYPE,
                    new TpmEvidence(publicArea(key.publicKey()), quote, signature, pcrs, log, List.of()).encode()));
            known.put(
                    key.publicKey().fingerprint(),
                    new Trust.KnownKey(CoseKey.of(key.publicKey()), environment, "an activated key"));
        }
        return withReferences("TPM quote and log of %d events".formatted(EVENTS), evidence, keys, new Known(known));
    }

    private static Bytes quote(SortedMap<Integer, Bytes> pcrs) throws IOException {
        int bitmap = pcrs.keySet().stream().mapToInt(pcr -> 1 << pcr).sum();
        Bytes digest =
                TpmHash.SHA256.digest(pcrs.values().stream().map(Bytes::toArray).toArray(byte[][]::new));
        return structure(out -> {
            out.writeInt(0xff544347);
            out.writeShort(0x8018);
            sized(out, Bytes.ofHex("000b" + "00".repeat(32)));
            sized(out, NONCE);
            out.writeLong(1_000);
            out.writeInt(1);
            out.writeInt(0);
            out.writeByte(1);
            out.writeLong(0x20260101);
            out.writeInt(1);
            out.writeShort(TpmHash.SHA256.id());
            out.writeByte(3);
            out.writeByte(bitmap);
            out.writeByte(bitmap >> 8);
            out.writeByte(bitmap >> 16);
            sized(out, digest);
        });
    }

    /// A restricted signing key that stays in its TPM.
    private static Bytes publicArea(PublicKeyInfo key) throws IOException {
        Bytes encoded = key.encoded();
        return structure(out -> {
            out.writeShort(0x0023);
            out.writeShort(TpmHash.SHA256.id());
            out.writeInt(1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18);
            out.writeShort(0);
            out.writeShort(0x0010);
            out.writeShort(0x0018);
            out.writeShort(TpmHash.SHA256.id());
            out.writeShort(0x0003);
            out.writeShort(0x0010);
            sized(out, encoded.slice(encoded.size() - 64, encoded.size() - 32));
            sized(out, encoded.slice(encoded.size() - 32, encoded.size()));
        });
    }

    /// Events in PCRs 0 to 9, as a firmware and a boot loader write them.
    private static Bytes eventLog() throws IOException {
        Bytes header = structure(out -> {
            out.write("Spec ID Event03\0".getBytes(StandardCharsets.US_ASCII));
            out.write(new byte[] {0, 0, 0, 0, 0, 2, 0, 2});
            out.writeInt(Integer.reverseBytes(1));
            out.writeShort(Short.reverseBytes((short) TpmHash.SHA256.id()));
            out.writeShort(Short.reverseBytes((short) 32));
            out.writeByte(0);
        });
        return structure(out -> {
            out.writeInt(0);
            out.writeInt(Integer.reverseBytes(3));
            out.write(new byte[20]);
            out.writeInt(Integer.reverseBytes(header.size()));
            out.write(header.toArray());
            for (int i = 0; i < EVENTS; i++) {
                byte[] data = ("event " + i + " ").repeat(20).getBytes(StandardCharsets.US_ASCII);
                out.writeInt(Integer.reverseBytes(i % 10));
                out.writeInt(Integer.reverseBytes(0x80000001));
                out.writeInt(Integer.reverseBytes(1));
                out.writeShort(Short.reverseBytes((short) TpmHash.SHA256.id()));
                out.write(TpmHash.SHA256.digest(data).toArray());
                out.writeInt(Integer.reverseBytes(data.length));
                out.write(data);
            }
        });
    }

    private interface Writing {
        void to(DataOutputStream out) throws IOException;
    }

    private static Bytes structure(Writing writing) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        writing.to(new DataOutputStream(bytes));
        return Bytes.of(bytes.toByteArray());
    }

    private static void sized(DataOutputStream out, Bytes bytes) throws IOException {
        out.writeShort(bytes.size());
        out.write(bytes.toArray());
    }

    private static Kind ecc608() throws Exception {
        SecureRandom random = new SecureRandom();
        List<Evidence> evidence = new ArrayList<>();
        Map<Object, Trust.KnownKey> known = new HashMap<>();
        for (int i = 0; i < DEVICES; i++) {
            VirtualChip chip = VirtualChip.create(Preset.TRUST_GO, random);
            Bytes point = Bytes.of(Objects.requireNonNull(chip.publicKeys().get(1)));
            PublicKeyInfo signing = PublicKeyInfo.ofP256Point(point.slice(0, 32), point.slice(32, 64));
            Cbor instance = new Cbor.Tagged(Environment.BYTES_TAG, Cbor.of(Bytes.of(chip.serial())));
            Environment environment = new Environment(null, null, "ecc608-trust-go", null, null, instance, null);
            known.put(instance, new Trust.KnownKey(CoseKey.of(signing), environment, "its vendor's manifest"));
            try (Ecc608 driver = new Ecc608(Transport.of(chip), random)) {
                var made = driver.attest(
                        1, 0, KeyAttestation.challenge(NONCE, true).toArray(), false);
                evidence.add(new Evidence(
                        KeyAttestation.MEDIA_TYPE,
                        new KeyAttestation(
                                        Bytes.of(made.serial()),
                                        made.slot(),
                                        Bytes.of(made.publicKey()),
                                        Bytes.of(made.randomOut()),
                                        0x08,
                                        0x40,
                                        made.slotLocked(),
                                        Bytes.of(made.signature()))
                                .encode()));
            }
        }
        return withReferences("ECC608", evidence, keys(), new Known(known));
    }

    /// What is measured is what is expected.
    private static Kind withReferences(String name, List<Evidence> evidence, List<SoftwareKey> keys, Known known) {
        Trust bare = trust(List.of(), known);
        Instant now = InstantSource.system().instant();
        List<Triple> triples = new ArrayList<>();
        for (Evidence each : evidence) {
            Verified verified = (Verified)
                    new EvidenceVerifier(bare, NONCE, now).verify(each).getFirst();
            for (Endorsements.Claim claim : verified.measured()) {
                Triple triple = new Triple.Reference(claim.environment(), List.of(claim.measurement()));
                if (!triples.contains(triple)) {
                    triples.add(triple);
                }
            }
        }
        return new Kind(name, evidence, keys, trust(triples, known));
    }
}
