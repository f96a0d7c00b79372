// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Optional;

/// The 72 bytes that a secure element keeps of a certificate; the rest is in a template, and in its key.
///
/// Layout: signature (r ‖ s) 64; dates 3: year since 2000 (5 bits), month (4), day (5), hour (5), years
/// of life (5, 0 for ever); signer's number 2; numbers of template and chain 1; source of the serial
/// number and format 1; reserved 1.
///
/// @param dates    packed
/// @param signer   0 to 65535
/// @param template 0 to 15
/// @param chain    0 to 15
public record CompressedLeaf(Bytes signature, int dates, int signer, int template, int chain) {
    /// Bytes of the form.
    public static final int SIZE = 72;

    private static final int COORDINATE = 32;
    private static final int SIGNATURE = 2 * COORDINATE;
    private static final int FIRST_YEAR = 2000;
    private static final int LARGEST = 31;
    private static final int SERIAL_SIZE = 16;
    /// The serial number follows from key and dates; format 0.
    private static final int SERIAL_FROM_KEY_AND_DATES = 0xA0;

    public CompressedLeaf {
        if (signature.size() != SIGNATURE
                || dates >>> 24 != 0
                || signer >>> 16 != 0
                || template >>> 4 != 0
                || chain >>> 4 != 0) {
            throw new IllegalArgumentException("no part of a compressed certificate");
        }
    }

    /// The compressed form of `leaf`.
    ///
    /// @throws IllegalArgumentException where it does not fit, as those of compressible profiles do
    public static CompressedLeaf of(Certificate leaf, int signer, int template, int chain) {
        int dates = pack(leaf.validity())
                .orElseThrow(() -> new IllegalArgumentException("the compressed form cannot say its dates"));
        try {
            if (!leaf.serial().equals(serial(leaf.publicKey(), leaf.validity()))) {
                throw new IllegalArgumentException("its serial number does not follow from its key and dates");
            }
            DerReader values = DerReader.of(leaf.signature()).sequence();
            Bytes signature = coordinate(values.integer()).concat(coordinate(values.integer()));
            return new CompressedLeaf(signature, dates, signer, template, chain);
        } catch (EncodingException | InvalidKeyInfoException e) {
            throw new IllegalArgumentException("its key and its signature must be those of P-256", e);
        }
    }

    private static Bytes coordinate(BigInteger value) {
        byte[] bytes = value.toByteArray();
        if (value.signum() <= 0 || value.bitLength() > 8 * COORDINATE) {
            throw new IllegalArgumentException("its signature is not one of a P-256 key");
        }
        byte[] fixed = new byte[COORDINATE];
        int size = Math.min(bytes.length, COORDINATE);
        System.arraycopy(bytes, bytes.length - size, fixed, COORDINATE - size, size);
        return Bytes.of(fixed);
    }

    public Bytes encoded() {
        byte[] bytes = Arrays.copyOf(signature.toArray(), SIZE);
        System.arraycopy(datesBytes(dates), 0, bytes, SIGNATURE, 3);
        bytes[67] = (byte) (signer >> 8);
        bytes[68] = (byte) signer;
        bytes[69] = (byte) (template << 4 | chain);
        bytes[70] = (byte) SERIAL_FROM_KEY_AND_DATES;
        return Bytes.of(bytes);
    }

    /// Reads the 72 bytes.
    ///
    /// @throws IllegalArgumentException where they are something else
    public static CompressedLeaf parse(Bytes encoded) {
        if (encoded.size() != SIZE || (encoded.at(70) & 0xff) != SERIAL_FROM_KEY_AND_DATES || encoded.at(71) != 0) {
            throw new IllegalArgumentException("no compressed certificate of a form that is known here");
        }
        CompressedLeaf leaf = new CompressedLeaf(
                encoded.slice(0, SIGNATURE),
                number(encoded, SIGNATURE) << 16 | number(encoded, 65) << 8 | number(encoded, 66),
                number(encoded, 67) << 8 | number(encoded, 68),
                number(encoded, 69) >> 4,
                number(encoded, 69) & 15);
        leaf.validity();
        return leaf;
    }

    private static int number(Bytes bytes, int index) {
        return bytes.at(index) & 0xff;
    }

    /// @throws IllegalArgumentException where the dates are none
    public Validity validity() {
        try {
            Instant begin = OffsetDateTime.of(
                            FIRST_YEAR + (dates >> 19),
                            dates >> 15 & 15,
                            dates >> 10 & 31,
                            dates >> 5 & 31,
                            0,
                            0,
                            0,
                            ZoneOffset.UTC)
                    .toInstant();
            return new Validity(begin, end(begin, dates & LARGEST));
        } catch (DateTimeException e) {
            throw new IllegalArgumentException("the dates of a compressed certificate are none", e);
        }
    }

    /// The whole certificate, byte for byte.
    ///
    /// @param example  another certificate by the same profile and issuer, which is the template
    /// @param key      the device's
    /// @param deviceId as long as that of the example, which stands in its common name
    /// @throws IllegalArgumentException where the parts do not make a certificate
    public Certificate expand(Certificate example, PublicKeyInfo key, String deviceId) {
        String exampleId = example.subject()
                .commonName()
                .orElseThrow(() -> new IllegalArgumentException("the template has no common name"));
        if (exampleId.length() != deviceId.length()) {
            throw new IllegalArgumentException("the device's id is not as long as the template's");
        }
        try {
            byte[] tbs = example.tbs().toArray();
            byte[] exampleKey = example.publicKey().keyIdentifier().toArray();
            replace(tbs, exampleKey, key.keyIdentifier().toArray());
            replace(tbs, exampleId.getBytes(StandardCharsets.UTF_8), deviceId.getBytes(StandardCharsets.UTF_8));
            DerWriter writer = new DerWriter();
            byte[] filled = fill(DerReader.of(tbs).sequence(), key, validity());
            writer.sequence(() -> {
                writer.raw(filled);
                writer.raw(SignatureAlgorithm.ECDSA_SHA256.identifier());
                writer.bitString(derSignature());
            });
            return Certificate.parse(writer.toBytes());
        } catch (EncodingException | InvalidKeyInfoException | InvalidCertificateException e) {
            throw new IllegalArgumentException("the template is no certificate of a P-256 key", e);
        }
    }

    private static byte[] fill(DerReader fields, PublicKeyInfo key, Validity validity) throws EncodingException {
        Bytes version = fields.element();
        fields.skip();
        Bytes algorithm = fields.element();
        Bytes issuer = fields.element();
        fields.skip();
        Bytes subject = fields.element();
        fields.skip();
        Bytes extensions = fields.element();
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.raw(version);
            writer.integer(serial(key, validity).value());
            writer.raw(algorithm);
            writer.raw(issuer);
            writer.sequence(() -> {
                writer.time(validity.notBefore());
                writer.time(validity.notAfter());
            });
            writer.raw(subject);
            writer.raw(key.encoded());
            writer.raw(extensions);
        });
        return writer.toArray();
    }

    private byte[] derSignature() {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.integer(new BigInteger(1, signature.slice(0, COORDINATE).toArray()));
            writer.integer(
                    new BigInteger(1, signature.slice(COORDINATE, SIGNATURE).toArray()));
        });
        return writer.toArray();
    }

    private static void replace(byte[] in, byte[] old, byte[] with) {
        for (int i = 0; i + old.length <= in.length; i++) {
            if (Arrays.equals(in, i, i + old.length, old, 0, old.length)) {
                System.arraycopy(with, 0, in, i, with.length);
            }
        }
    }

    /// The serial number of a compressible certificate: it takes no room.
    static SerialNumber serial(PublicKeyInfo key, Validity validity) {
        if (key.algorithm() != KeyAlgorithm.EC_P256) {
            throw new IllegalArgumentException("the compressed form is for P-256 keys");
        }
        int dates = pack(validity)
                .orElseThrow(() -> new IllegalArgumentException("the compressed form cannot say its dates"));
        Bytes info = key.encoded();
        byte[] digest = Bytes.sha256(
                        info.slice(info.size() - SIGNATURE, info.size()).toArray(), datesBytes(dates))
                .slice(0, SERIAL_SIZE)
                .toArray();
        digest[0] = (byte) (digest[0] & 0x3f | 0x40);
        return new SerialNumber(new BigInteger(1, digest));
    }

    /// The full hour at or before `instant` from which whole years can be counted.
    static Instant beginning(Instant instant) {
        OffsetDateTime hour = instant.truncatedTo(ChronoUnit.HOURS).atOffset(ZoneOffset.UTC);
        boolean leapDay = hour.getMonthValue() == 2 && hour.getDayOfMonth() == 29;
        return (leapDay ? hour.truncatedTo(ChronoUnit.DAYS).minusHours(1) : hour).toInstant();
    }

    /// The longest validity inside `limit` that the form can say; empty where it can say none.
    static Optional<Validity> within(Validity limit) {
        if (pack(limit).isPresent()) {
            return Optional.of(limit);
        }
        Instant begin = limit.notBefore();
        for (int years = LARGEST; years > 0; years--) {
            Validity shorter = new Validity(begin, end(begin, years));
            if (!shorter.notAfter().isAfter(limit.notAfter()) && pack(shorter).isPresent()) {
                return Optional.of(shorter);
            }
        }
        return Optional.empty();
    }

    private static Instant end(Instant begin, int years) {
        return years == 0
                ? Validity.NO_EXPIRY
                : begin.atOffset(ZoneOffset.UTC).plusYears(years).toInstant();
    }

    private static Optional<Integer> pack(Validity validity) {
        OffsetDateTime begin = validity.notBefore().atOffset(ZoneOffset.UTC);
        int year = begin.getYear() - FIRST_YEAR;
        int years = validity.isUnlimited()
                ? 0
                : validity.notAfter().atOffset(ZoneOffset.UTC).getYear() - begin.getYear();
        boolean fits = year >= 0
                && year <= LARGEST
                && years >= 0
                && years <= LARGEST
                && beginning(validity.notBefore()).equals(validity.notBefore())
                && end(validity.notBefore(), years).equals(validity.notAfter());
        return fits
                ? Optional.of(year << 19
                        | begin.getMonthValue() << 15
                        | begin.getDayOfMonth() << 10
                        | begin.getHour() << 5
                        | years)
                : Optional.empty();
    }

    private static byte[] datesBytes(int dates) {
        return new byte[] {(byte) (dates >> 16), (byte) (dates >> 8), (byte) dates};
    }
}
