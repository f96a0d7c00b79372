// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/// The certificates of the virtual vendor: root, signer and chip.
///
/// Signer and chip certificates follow fixed templates, so a chip stores them compressed and anyone who reads the chip
/// can rebuild them.
public final class VendorCertificates {
    static final String ORGANIZATION = "Tegata Virtual Silicon";

    /// Where a chip of the Trust&GO kind keeps its certificates: compressed device certificate, signer's public key,
    /// compressed signer certificate; the root's key identifier lies in OTP.
    public static final int DEVICE_CERTIFICATE_SLOT = 10;

    public static final int SIGNER_KEY_SLOT = 11;
    public static final int SIGNER_CERTIFICATE_SLOT = 12;
    public static final int ROOT_KEY_ID_IN_OTP = 32;
    public static final int ROOT_KEY_ID_LENGTH = 20;

    static final int DEVICE_TEMPLATE = 1;
    static final int SIGNER_TEMPLATE = 2;

    private static final byte[] ECDSA_WITH_SHA256 = Der.sequence(Der.oid("2a8648ce3d040302"));
    private static final byte[] EC_P256 = Der.sequence(Der.oid("2a8648ce3d0201"), Der.oid("2a8648ce3d030107"));
    private static final byte[] ORGANIZATION_NAME = Der.oid("55040a");
    private static final byte[] COMMON_NAME = Der.oid("550403");
    private static final byte[] VERSION_3 = Der.value(0xA0, Der.unsignedInteger(new byte[] {2}));

    private static final byte[] NOT_A_CA = extension("551d13", true, Der.sequence());
    private static final byte[] A_CA = extension("551d13", true, Der.sequence(Der.value(0x01, new byte[] {-1})));
    private static final byte[] A_CA_OF_DEVICES = extension(
            "551d13", true, Der.sequence(Der.value(0x01, new byte[] {-1}), Der.unsignedInteger(new byte[] {0})));
    private static final byte[] SIGNS_AND_AGREES =
            extension("551d0f", true, Der.value(0x03, new byte[] {3, (byte) 0x88}));
    private static final byte[] SIGNS_CERTIFICATES = extension("551d0f", true, Der.value(0x03, new byte[] {1, 0x06}));

    /// What a chip stores of its chain.
    ///
    /// @param device the compressed device certificate
    /// @param signerPublicKey X ‖ Y
    /// @param signer the compressed signer certificate
    /// @param rootKeyId the root's key identifier, 20 bytes
    public record Stored(byte[] device, byte[] signerPublicKey, byte[] signer, byte[] rootKeyId) {}

    /// A certificate that lacks its signature.
    record Unsigned(byte[] tbs) {
        byte[] digest() {
            return Crypto.sha256(tbs);
        }

        byte[] with(byte[] signature) {
            byte[] der = Der.sequence(
                    Der.unsignedInteger(Arrays.copyOf(signature, 32)),
                    Der.unsignedInteger(Arrays.copyOfRange(signature, 32, 64)));
            return Der.sequence(tbs, ECDSA_WITH_SHA256, Der.bitString(der));
        }
    }

    private VendorCertificates() {}

    /// Rebuilds the chain (device, signer) as DER.
    ///
    /// @throws IllegalArgumentException where the stored bytes do not follow the virtual vendor's templates
    public static List<byte[]> rebuild(byte[] serial, byte[] devicePublicKey, Stored stored) {
        CompressedCertificate device = CompressedCertificate.parse(stored.device);
        CompressedCertificate signer = CompressedCertificate.parse(stored.signer);
        if (device.template() != DEVICE_TEMPLATE || signer.template() != SIGNER_TEMPLATE) {
            throw new IllegalArgumentException("not certificates of the virtual vendor");
        }
        try {
            return List.of(
                    device(serial, devicePublicKey, device.dates(), device.signerId(), stored.signerPublicKey)
                            .with(device.signature()),
                    signer(stored.signerPublicKey, signer.dates(), signer.signerId(), stored.rootKeyId)
                            .with(signer.signature()));
        } catch (DateTimeException e) {
            throw new IllegalArgumentException("the certificate's dates are no dates", e);
        }
    }

    static Unsigned device(byte[] serial, byte[] publicKey, int dates, int signerId, byte[] signerPublicKey) {
        String chip = HexFormat.of().withUpperCase().formatHex(serial);
        return unsigned(
                serialNumber(publicKey, CompressedCertificate.datesBytes(dates)),
                signerName(signerId),
                CompressedCertificate.notBefore(dates),
                CompressedCertificate.notAfter(dates),
                name("sn" + chip),
                publicKey,
                NOT_A_CA,
                SIGNS_AND_AGREES,
                subjectKeyIdentifier(publicKey),
                authorityKeyIdentifier(keyId(signerPublicKey)));
    }

    static Unsigned signer(byte[] publicKey, int dates, int signerId, byte[] rootKeyId) {
        return unsigned(
                serialNumber(publicKey, CompressedCertificate.datesBytes(dates)),
                rootName(),
                CompressedCertificate.notBefore(dates),
                CompressedCertificate.notAfter(dates),
                signerName(signerId),
                publicKey,
                A_CA_OF_DEVICES,
                SIGNS_CERTIFICATES,
                subjectKeyIdentifier(publicKey),
                authorityKeyIdentifier(rootKeyId));
    }

    static Unsigned root(byte[] publicKey, Instant notBefore, Instant notAfter) {
        return unsigned(
                serialNumber(publicKey, Der.time(notBefore)),
                rootName(),
                notBefore,
                notAfter,
                rootName(),
                publicKey,
                A_CA,
                SIGNS_CERTIFICATES,
                subjectKeyIdentifier(publicKey));
    }

    /// A self-signed certificate for a signer of manifests.
    static Unsigned manifestSigner(byte[] publicKey, Instant notBefore, Instant notAfter) {
        byte[] name = name("Virtual Manifest Signer 001");
        return unsigned(
                serialNumber(publicKey, Der.time(notBefore)),
                name,
                notBefore,
                notAfter,
                name,
                publicKey,
                NOT_A_CA,
                subjectKeyIdentifier(publicKey),
                authorityKeyIdentifier(keyId(publicKey)));
    }

    /// The key identifier of RFC 5280 §4.2.1.2 (1): SHA-1 of the public key with its leading 04.
    static byte[] keyId(byte[] publicKey) {
        return Crypto.sha1(point(publicKey));
    }

    private static Unsigned unsigned(
            byte[] serialNumber,
            byte[] issuer,
            Instant notBefore,
            Instant notAfter,
            byte[] subject,
            byte[] publicKey,
            byte[]... extensions) {
        return new Unsigned(Der.sequence(
                VERSION_3,
                serialNumber,
                ECDSA_WITH_SHA256,
                issuer,
                Der.sequence(Der.time(notBefore), Der.time(notAfter)),
                subject,
                Der.sequence(EC_P256, Der.bitString(point(publicKey))),
                Der.value(0xA3, Der.sequence(extensions))));
    }

    /// Sixteen bytes from the digest of the public key and the dates, positive and never short.
    private static byte[] serialNumber(byte[] publicKey, byte[] dates) {
        byte[] number = Arrays.copyOf(Crypto.sha256(publicKey, dates), 16);
        number[0] = (byte) (number[0] & 0x3F | 0x40);
        return Der.unsignedInteger(number);
    }

    private static byte[] rootName() {
        return name("Virtual Chip Root CA 001");
    }

    private static byte[] signerName(int signerId) {
        return name("Virtual Chip Signer %04X".formatted(signerId));
    }

    private static byte[] name(String commonName) {
        return Der.sequence(
                Der.set(Der.sequence(ORGANIZATION_NAME, Der.utf8(ORGANIZATION))),
                Der.set(Der.sequence(COMMON_NAME, Der.utf8(commonName))));
    }

    private static byte[] subjectKeyIdentifier(byte[] publicKey) {
        return extension("551d0e", false, Der.octetString(keyId(publicKey)));
    }

    private static byte[] authorityKeyIdentifier(byte[] keyId) {
        return extension("551d23", false, Der.sequence(Der.value(0x80, keyId)));
    }

    private static byte[] extension(String oid, boolean critical, byte[] value) {
        return critical
                ? Der.sequence(Der.oid(oid), Der.value(0x01, new byte[] {-1}), Der.octetString(value))
                : Der.sequence(Der.oid(oid), Der.octetString(value));
    }

    private static byte[] point(byte[] publicKey) {
        byte[] point = new byte[1 + publicKey.length];
        point[0] = 4;
        System.arraycopy(publicKey, 0, point, 1, publicKey.length);
        return point;
    }
}
