// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.key.KeyAlgorithm;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Map;

/// An authority in memory, for tests.
public record TestAuthority(TestKeys keys, Certificate certificate) {
    public static final Instant NOW = Instant.parse("2026-03-04T05:06:07Z");
    public static final Map<String, String> VARIABLES = Map.of(
            "device.id", "dev-0001",
            "device.serial", "0123fe55667788ee01",
            "fleet.id", "thermostats",
            "fleet.name", "Thermostats",
            "tenant.id", "t-1",
            "tenant.organization", "Müller & Söhne, Inc.");

    private static final SecureRandom RANDOM = new SecureRandom();

    public static TestAuthority root(KeyAlgorithm algorithm) {
        TestKeys keys = TestKeys.generate(algorithm);
        try {
            Certificate certificate = Issuance.selfSigned(CertificateProfile.root())
                    .grant(keys.proven("CN=x"), VARIABLES, SerialNumber.random(RANDOM), NOW)
                    .lint()
                    .redeem(keys::sign);
            return new TestAuthority(keys, certificate);
        } catch (InvalidRequestException e) {
            throw new IllegalStateException(e);
        }
    }

    public static TestAuthority root() {
        return root(KeyAlgorithm.EC_P256);
    }

    public TestAuthority issuing(CertificateProfile profile) {
        TestKeys issuing = TestKeys.p256();
        return new TestAuthority(issuing, issue(issuing, profile));
    }

    public TestAuthority issuing() {
        return issuing(CertificateProfile.issuing());
    }

    public Certificate issue(TestKeys subject, CertificateProfile profile) {
        try {
            return Issuance.of(certificate, profile)
                    .grant(subject.proven("CN=x"), VARIABLES, SerialNumber.random(RANDOM), NOW)
                    .lint()
                    .redeem(keys::sign);
        } catch (InvalidRequestException | InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    public Certificate device() {
        return issue(TestKeys.p256(), CertificateProfile.device());
    }
}
