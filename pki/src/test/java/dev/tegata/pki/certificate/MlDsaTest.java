// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.crypto.params.MLDSAPrivateKeyParameters;
import org.bouncycastle.crypto.params.MLDSAPublicKeyParameters;
import org.bouncycastle.crypto.signers.MLDSASigner;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("RFC 9881: ML-DSA in certificates")
class MlDsaTest {
    private static final Random RANDOM = new Random(9881);

    private static CertificateProfile deviceProfile(KeyAlgorithm algorithm, List<KeyUsage> usages) {
        CertificateProfile device = CertificateProfile.device();
        return new CertificateProfile(
                device.name(),
                device.kind(),
                device.subject(),
                device.lifetime(),
                device.backdate(),
                List.of(algorithm),
                device.pathLength(),
                usages,
                device.extendedKeyUsages(),
                device.alternativeNames(),
                device.locations(),
                device.requestedExtensions());
    }

    /// Verified by an implementation that shares nothing with the one that signed.
    private static boolean bouncyCastleVerifies(Certificate certificate, Certificate issuer) throws Exception {
        X509CertificateHolder holder =
                new X509CertificateHolder(certificate.encoded().toArray());
        X509CertificateHolder issuerHolder =
                new X509CertificateHolder(issuer.encoded().toArray());
        MLDSASigner signer = new MLDSASigner();
        signer.init(
                false, (MLDSAPublicKeyParameters) PublicKeyFactory.createKey(issuerHolder.getSubjectPublicKeyInfo()));
        byte[] tbs = holder.toASN1Structure().getTBSCertificate().getEncoded("DER");
        signer.update(tbs, 0, tbs.length);
        return signer.verifySignature(holder.getSignature());
    }

    @ParameterizedTest
    @EnumSource(
            value = KeyAlgorithm.class,
            names = {"ML_DSA_44", "ML_DSA_65", "ML_DSA_87"})
    void aChainOfThreeIsVerifiedByAnIndependentImplementation(KeyAlgorithm algorithm) throws Exception {
        TestAuthority root = TestAuthority.root(algorithm);
        TestKeys issuingKeys = TestKeys.generate(algorithm);
        TestAuthority issuing = new TestAuthority(issuingKeys, root.issue(issuingKeys, CertificateProfile.issuing()));
        Certificate device = issuing.issue(
                TestKeys.generate(algorithm), deviceProfile(algorithm, List.of(KeyUsage.DIGITAL_SIGNATURE)));

        assertThat(bouncyCastleVerifies(root.certificate(), root.certificate())).isTrue();
        assertThat(bouncyCastleVerifies(issuing.certificate(), root.certificate()))
                .isTrue();
        assertThat(bouncyCastleVerifies(device, issuing.certificate())).isTrue();
        assertThat(bouncyCastleVerifies(device, root.certificate())).isFalse();
        assertThat(device.isSignedBy(issuingKeys.publicKey())).isTrue();
        assertThat(device.publicKey().algorithm()).isEqualTo(algorithm);
        assertThat(Certificate.parse(device.encoded())).isEqualTo(device);
        // spec| RFC 9881 §2: the parameters field MUST be absent
        assertThat(new X509CertificateHolder(device.encoded().toArray())
                        .getSignatureAlgorithm()
                        .getParameters())
                .isNull();
    }

    @Test
    void aPostQuantumDeviceUnderAClassicalChainAndTheOtherWayRound() {
        TestAuthority classical = TestAuthority.root().issuing();
        TestAuthority postQuantum = TestAuthority.root(KeyAlgorithm.ML_DSA_65);
        TestKeys keys = TestKeys.generate(KeyAlgorithm.ML_DSA_44);

        assertThat(classical
                        .issue(keys, deviceProfile(KeyAlgorithm.ML_DSA_44, List.of(KeyUsage.DIGITAL_SIGNATURE)))
                        .isSignedBy(classical.keys().publicKey()))
                .isTrue();
        assertThat(postQuantum
                        .issue(TestKeys.p256(), CertificateProfile.device())
                        .signatureAlgorithm())
                .contains(SignatureAlgorithm.ML_DSA_65);
    }

    @Test
    @DisplayName("§3: key usages are those of signatures, and no others")
    void keyUsages() {
        TestAuthority issuing = TestAuthority.root().issuing();
        TestKeys keys = TestKeys.generate(KeyAlgorithm.ML_DSA_44);
        issuing.issue(
                keys,
                deviceProfile(
                        KeyAlgorithm.ML_DSA_44, List.of(KeyUsage.DIGITAL_SIGNATURE, KeyUsage.CONTENT_COMMITMENT)));
        for (KeyUsage unfit : List.of(KeyUsage.KEY_ENCIPHERMENT, KeyUsage.DATA_ENCIPHERMENT, KeyUsage.KEY_AGREEMENT)) {
            CertificateProfile profile = deviceProfile(KeyAlgorithm.ML_DSA_44, List.of(unfit));
            assertThatThrownBy(() -> issuing.issue(keys, profile)).hasMessageContaining("is not for [" + unfit + "]");
        }
    }

    @Test
    void aProfileThatDoesNotNameItDoesNotTakeIt() {
        TestAuthority issuing = TestAuthority.root().issuing();
        assertThatThrownBy(() -> issuing.issue(TestKeys.generate(KeyAlgorithm.ML_DSA_65), CertificateProfile.device()))
                .hasStackTraceContaining("the key is ml-dsa-65");
    }

    @ParameterizedTest
    @EnumSource(
            value = KeyAlgorithm.class,
            names = {"ML_DSA_44", "ML_DSA_65", "ML_DSA_87"})
    void keysAndRequestsAreReadByAnIndependentImplementation(KeyAlgorithm algorithm) throws Exception {
        SoftwareKey key = SoftwareKey.generate(algorithm);
        MLDSAPrivateKeyParameters theirs = (MLDSAPrivateKeyParameters) PrivateKeyFactory.createKey(key.pkcs8());
        MLDSASigner signer = new MLDSASigner();
        signer.init(true, theirs);
        byte[] data = {1, 2, 3};
        signer.update(data, 0, data.length);

        assertThat(key.publicKey().verifies(algorithm.signatureAlgorithm(), data, signer.generateSignature()))
                .isTrue();
        assertThat(SoftwareKey.ofPkcs8(key.pkcs8()).publicKey()).isEqualTo(key.publicKey());
        CertificateRequest request = CertificateRequest.create(
                Name.EMPTY, key.publicKey(), List.of(), tbs -> key.sign(algorithm.signatureAlgorithm(), tbs));
        assertThat(CertificateRequest.parse(request.encoded()).prove().publicKey())
                .isEqualTo(key.publicKey());
        assertThat(new PKCS10CertificationRequest(request.encoded().toArray())
                        .getSubjectPublicKeyInfo()
                        .getEncoded())
                .isEqualTo(key.publicKey().encoded().toArray());
    }

    @Test
    void malformedKeysAndSignaturesAreRefused() throws Exception {
        SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.ML_DSA_44);
        byte[] encoded = key.publicKey().encoded().toArray();
        byte[] data = {1, 2, 3};
        byte[] signature = key.sign(SignatureAlgorithm.ML_DSA_44, data);
        for (int i = 0; i < 200; i++) {
            byte[] cut = Arrays.copyOf(encoded, RANDOM.nextInt(encoded.length));
            assertThatThrownBy(() -> PublicKeyInfo.parse(Bytes.of(cut))).isInstanceOf(InvalidKeyInfoException.class);
            byte[] changed = signature.clone();
            changed[RANDOM.nextInt(changed.length)] ^= (byte) (1 << RANDOM.nextInt(8));
            assertThat(key.publicKey().verifies(SignatureAlgorithm.ML_DSA_44, data, changed))
                    .as(HexFormat.of().formatHex(changed, 0, 8))
                    .isFalse();
        }
        byte[] longer = Arrays.copyOf(encoded, encoded.length + 1);
        assertThatThrownBy(() -> PublicKeyInfo.parse(Bytes.of(longer))).isInstanceOf(InvalidKeyInfoException.class);
        assertThat(key.publicKey().verifies(SignatureAlgorithm.ML_DSA_65, data, signature))
                .isFalse();
    }
}
