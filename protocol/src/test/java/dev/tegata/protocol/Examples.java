// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.RequestAttribute;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.path.TrustAnchors;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECPrivateKeyParameters;
import org.bouncycastle.crypto.signers.ECDSASigner;
import org.bouncycastle.crypto.signers.HMacDSAKCalculator;
import org.bouncycastle.math.ec.ECPoint;

/// One message of each kind, the same in each run: keys are hashes of their names, and signatures are
/// deterministic (RFC 6979).
final class Examples {
    static final Instant NOW = Instant.parse("2026-07-01T12:00:00Z");
    static final UUID DEVICE = UUID.fromString("019f1c2a-4b00-7000-8000-0123456789ab");
    static final UUID ORDER = UUID.fromString("019f1c2b-0000-7000-8000-00000000000a");
    static final String CHIP = "0123d4c8a1b2f7ee01";
    static final KeyActivation.Challenge CHALLENGE = new KeyActivation.Challenge(
            "019f1c2b-0000-7000-8000-00000000000b",
            Bytes.ofHex("0020" + "11".repeat(32) + "22".repeat(34)),
            Bytes.ofHex("33".repeat(256)));

    /// A key whose signatures are the same each time.
    record Key(PublicKeyInfo publicKey, BigInteger secret) {
        byte[] sign(byte[] data) {
            try {
                ECDSASigner signer = new ECDSASigner(new HMacDSAKCalculator(new SHA256Digest()));
                signer.init(true, new ECPrivateKeyParameters(secret, domain()));
                BigInteger[] signature =
                        signer.generateSignature(Bytes.sha256(data).toArray());
                ASN1EncodableVector parts = new ASN1EncodableVector();
                parts.add(new ASN1Integer(signature[0]));
                parts.add(new ASN1Integer(signature[1]));
                return new DERSequence(parts).getEncoded("DER");
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        Signer signer() {
            return new Signer(publicKey, this::sign);
        }
    }

    final Key rootKey = key("root");
    final Key signerKey = key("order signer");
    final Key deviceKey = key("device");
    final Key birthKey = key("birth");
    final Certificate root = root(rootKey, "CN=Example root");
    final Certificate signer = issued(root, rootKey, signerKey, "CN=Order signing", SignedOrders.PURPOSE.toString());
    final Certificate device = issued(root, rootKey, deviceKey, "CN=" + DEVICE, "clientAuth");
    final Certificate birth = root(birthKey, "CN=sn" + CHIP);
    final Bytes nonce = Bytes.sha256("nonce".getBytes(StandardCharsets.US_ASCII));

    final CheckIn checkIn = new CheckIn(
            "t4h2k9x0qm-7d3fz1",
            List.of(
                    new CheckIn.Component("bootloader", "2.1.0", Optional.empty()),
                    new CheckIn.Component("application", "1.4.2", Optional.of(nonce.sha256()))),
            17,
            List.of(device.serial()),
            List.of(root.fingerprint()),
            1_782_906_000_000L,
            Optional.of(Bytes.ofHex("000000006a44f9c0a1a2a3a4a5a6a7a8a9aaabacadaeafb0")),
            List.of(new CheckIn.Result(ORDER, CheckIn.Status.FAILED, "no room", Optional.empty())),
            Optional.of(new CheckIn.Evidence("application/eat+cwt", Bytes.ofHex("d28443a10126a0"), nonce)));

    static Bytes order(OrderContent content, Key key, Certificate... chain) {
        return SignedOrders.sign(plain(content), key.signer(), encoded(chain));
    }

    static Order plain(OrderContent content) {
        return new Order(DEVICE, CHIP, ORDER, NOW.toEpochMilli(), NOW, NOW.plusSeconds(86_400), content);
    }

    CheckInAnswer answer() {
        return new CheckInAnswer(
                NOW.plusSeconds(60),
                DEVICE,
                21_600,
                CheckInAnswer.State.ACTIVE,
                Optional.of(Bytes.ofHex("000000006a44fc18b1b2b3b4b5b6b7b8b9babbbcbdbebfc0")),
                List.of(order(new OrderContent.Store("settings", Bytes.ofHex("a10102")), signerKey, signer)));
    }

    Bytes relayed() {
        return RelayedCheckIn.sign(nonce, checkIn, deviceKey.signer(), encoded(device));
    }

    Bytes request() {
        return CertificateRequest.create(Name.EMPTY, deviceKey.publicKey(), List.of(), deviceKey::sign)
                .encoded();
    }

    Bytes relayedEnrolment() {
        return RelayedEnrolment.sign(nonce, checkIn.fleet(), false, request(), birthKey.signer(), encoded(birth));
    }

    RelayedRefusal refusal() {
        return new RelayedRefusal(NOW.plusSeconds(60), 403, "certificate-revoked", "", 0);
    }

    Bytes refused(Bytes asked) {
        return refusal().sign(asked.sha256(), signerKey.signer(), encoded(signer));
    }

    /// A PSA token stands for evidence of any kind.
    Bytes requestWithEvidence() {
        Bytes message = Cbor.array(Cbor.of("application/eat+cwt"), Cbor.of(Bytes.ofHex("d28443a10126a0")), Cbor.of(4))
                .encode();
        AttestationBundle bundle =
                new AttestationBundle(List.of(AttestationBundle.Statement.ofMessage(message)), List.of());
        return CertificateRequest.create(
                        Name.EMPTY,
                        deviceKey.publicKey(),
                        List.of(new RequestAttribute(AttestationBundle.ATTRIBUTE, bundle.encode())),
                        deviceKey::sign)
                .encoded();
    }

    Bytes relayedEnrolmentWithEvidence() {
        return RelayedEnrolment.sign(
                nonce, checkIn.fleet(), false, requestWithEvidence(), birthKey.signer(), encoded(birth));
    }

    /// The key is one that signs only what the TPM itself has made: ECC P-256, ECDSA with SHA-256.
    Bytes wish() {
        Bytes point = deviceKey.publicKey().encoded();
        String x = point.slice(point.size() - 64, point.size() - 32).hex();
        String y = point.slice(point.size() - 32, point.size()).hex();
        Bytes attestationKey = Bytes.ofHex("0023000b000500720000" + "00100018000b00030010" + "0020" + x + "0020" + y);
        return new KeyActivation.Wish(checkIn.fleet(), attestationKey, encoded(birth)).encode();
    }

    RelayedEnrolment.Answer enrolled() {
        return new RelayedEnrolment.Answer(NOW.plusSeconds(60), device, List.of(root));
    }

    static List<Bytes> encoded(Certificate... chain) {
        return List.of(chain).stream().map(Certificate::encoded).toList();
    }

    OrderVerifier verifier() {
        return new OrderVerifier(TrustAnchors.of(root), CHIP, Optional.of(DEVICE));
    }

    private static ECDomainParameters domain() {
        X9ECParameters curve = CustomNamedCurves.getByName("secp256r1");
        return new ECDomainParameters(curve.getCurve(), curve.getG(), curve.getN(), curve.getH());
    }

    static Key key(String name) {
        BigInteger secret = new BigInteger(
                        1,
                        Bytes.sha256(name.getBytes(StandardCharsets.US_ASCII)).toArray())
                .mod(domain().getN());
        ECPoint point = domain().getG().multiply(secret).normalize();
        try {
            return new Key(
                    PublicKeyInfo.ofP256Point(
                            Bytes.of(point.getAffineXCoord().getEncoded()),
                            Bytes.of(point.getAffineYCoord().getEncoded())),
                    secret);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    static Certificate root(Key key, String subject) {
        return make(Issuance.selfSigned(profile(CertificateProfile.root(), subject, "P25Y")), key, key);
    }

    static Certificate issued(Certificate issuer, Key issuerKey, Key key, String subject, String... purposes) {
        CertificateProfile base = CertificateProfile.device();
        CertificateProfile profile = new CertificateProfile(
                "example",
                base.kind(),
                subject,
                "P30D",
                "PT1H",
                List.of(KeyAlgorithm.EC_P256),
                null,
                List.of(KeyUsage.DIGITAL_SIGNATURE),
                List.of(purposes),
                List.of(),
                base.locations(),
                base.requestedExtensions());
        try {
            return make(Issuance.of(issuer, profile), key, issuerKey);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static CertificateProfile profile(CertificateProfile base, String subject, String lifetime) {
        return new CertificateProfile(
                base.name(),
                base.kind(),
                subject,
                lifetime,
                base.backdate(),
                List.of(KeyAlgorithm.EC_P256),
                base.pathLength(),
                base.keyUsages(),
                base.extendedKeyUsages(),
                base.alternativeNames(),
                base.locations(),
                base.requestedExtensions());
    }

    private static Certificate make(Issuance issuance, Key key, Key issuer) {
        try {
            CertificateRequest request = CertificateRequest.create(Name.EMPTY, key.publicKey(), List.of(), key::sign);
            SerialNumber serial = new SerialNumber(
                    new BigInteger(1, key.publicKey().fingerprint().slice(0, 16).toArray()));
            return issuance.grant(request.prove(), Map.of(), serial, NOW).lint().redeem(issuer::sign);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
