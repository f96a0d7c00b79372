// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.Preset;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertificateProfile;
import dev.tegata.pki.certificate.CertificateProfile.Form;
import dev.tegata.pki.certificate.CertificateRequest;
import dev.tegata.pki.certificate.CompressedLeaf;
import dev.tegata.pki.certificate.Issuance;
import dev.tegata.pki.certificate.Name;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class CompressedLeafInChipTest {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final Instant NOW = Instant.parse("2026-06-07T08:09:10Z");
    /// A slot for data of the field.
    private static final int SLOT = 8;

    private final SoftwareKey authority = SoftwareKey.generate(KeyAlgorithm.EC_P256);

    private byte[] sign(byte[] data) {
        return authority.sign(SignatureAlgorithm.ECDSA_SHA256, data);
    }

    @Test
    void aChipKeepsItsOperationalCertificateInSeventyTwoBytesAndGivesItBack() throws Exception {
        CertificateRequest own =
                CertificateRequest.create(Name.parse("CN=x"), authority.publicKey(), List.of(), this::sign);
        Certificate root = Issuance.selfSigned(CertificateProfile.root())
                .grant(own.prove(), Map.of("tenant.organization", "Chips"), SerialNumber.random(RANDOM), NOW)
                .lint()
                .redeem(this::sign);
        Issuance issuance = Issuance.of(
                root,
                CertificateProfile.device()
                        .withKeyAlgorithms(List.of(KeyAlgorithm.EC_P256))
                        .withLifetime("P10Y")
                        .withForm(Form.COMPRESSIBLE));
        SoftwareKey other = SoftwareKey.generate(KeyAlgorithm.EC_P256);
        Certificate template = issue(
                issuance,
                CertificateRequest.create(
                        Name.EMPTY,
                        other.publicKey(),
                        List.of(),
                        data -> other.sign(SignatureAlgorithm.ECDSA_SHA256, data)),
                UUID.randomUUID());

        try (ChipKeys keys = ChipKeys.of(new Ecc608(
                Transport.of(new ChipFactory(RANDOM).make(Preset.TRUST_GO, Instant.parse("2026-01-01T00:00:00Z"))),
                RANDOM))) {
            DeviceKeys.Made made = keys.make(keys.nameNext(Set.of()));
            UUID device = UUID.randomUUID();
            Certificate leaf = issue(
                    issuance,
                    CertificateRequest.create(
                            Name.EMPTY,
                            made.key().publicKey(),
                            List.of(),
                            data -> made.key().sign(data)),
                    device);

            keys.chip()
                    .write(SLOT, 0, CompressedLeaf.of(leaf, 1, 0, 0).encoded().toArray());
            Bytes stored = Bytes.of(keys.chip().read(SLOT, 0, CompressedLeaf.SIZE));
            Certificate back =
                    CompressedLeaf.parse(stored).expand(template, made.key().publicKey(), device.toString());

            assertThat(back.encoded()).isEqualTo(leaf.encoded());
            assertThat(back.isSignedBy(authority.publicKey())).isTrue();
        }
    }

    private Certificate issue(Issuance issuance, CertificateRequest request, UUID device) throws Exception {
        return issuance.grant(request.prove(), Map.of("device.id", device.toString()), SerialNumber.random(RANDOM), NOW)
                .lint()
                .redeem(this::sign);
    }
}
