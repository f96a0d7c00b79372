// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.PublicKeyInfo;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The encoded parts that all certificates of an [Issuance] share, ready to be copied around what differs.
final class TbsTemplate {
    private static final byte[] VERSION_3 = {(byte) Tag.context(0), 3, Tag.INTEGER, 1, 2};

    private final byte[] signatureAndIssuer;
    private final byte[] extensions;
    /// Where in the extensions the digits of the partition go.
    private final int[] partitionGaps;

    private TbsTemplate(byte[] signatureAndIssuer, byte[] extensions) {
        this.signatureAndIssuer = signatureAndIssuer;
        this.extensions = extensions;
        this.partitionGaps = gaps(extensions);
    }

    private static int[] gaps(byte[] extensions) {
        String text = new String(extensions, StandardCharsets.ISO_8859_1);
        return Pattern.compile(CertificateProfile.Locations.PARTITION, Pattern.LITERAL)
                .matcher(text)
                .results()
                .mapToInt(MatchResult::start)
                .toArray();
    }

    static TbsTemplate of(CertificateProfile profile, @Nullable Certificate issuer, @Nullable PublicKeyInfo issuerKey) {
        DerWriter head = new DerWriter();
        DerWriter extensions = new DerWriter();
        writeCommonExtensions(profile, extensions);
        if (issuer != null && issuerKey != null) {
            head.raw(issuerKey.algorithm().signatureAlgorithm().identifier());
            head.raw(issuer.subject().encoded());
            Bytes keyIdentifier = issuer.subjectKeyIdentifier().orElseGet(issuerKey::keyIdentifier);
            extension(
                    Extension.AUTHORITY_KEY_IDENTIFIER,
                    false,
                    extensions,
                    value -> value.sequence(() -> value.primitive(Tag.contextPrimitive(0), keyIdentifier.toArray())));
        }
        return new TbsTemplate(head.toArray(), extensions.toArray());
    }

    /// The DER TBSCertificate for one request.
    byte[] fill(GrantedRequest granted) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.raw(VERSION_3);
            writer.integer(granted.serial().value());
            if (signatureAndIssuer.length > 0) {
                writer.raw(signatureAndIssuer);
            } else {
                writer.raw(granted.signatureAlgorithm().identifier());
                writer.raw(granted.subject().encoded());
            }
            writer.sequence(() -> {
                writer.time(granted.validity().notBefore());
                writer.time(granted.validity().notAfter());
            });
            writer.raw(granted.subject().encoded());
            writer.raw(granted.publicKey().encoded());
            writer.nested(
                    Tag.context(3),
                    () -> writer.sequence(() -> {
                        writer.raw(commonExtensions(granted));
                        writeOwnExtensions(granted, writer);
                    }));
        });
        return writer.toArray();
    }

    private byte[] commonExtensions(GrantedRequest granted) {
        if (partitionGaps.length == 0) {
            return extensions;
        }
        byte[] filled = extensions.clone();
        byte[] digits = granted.partitionDigits().getBytes(StandardCharsets.US_ASCII);
        for (int gap : partitionGaps) {
            System.arraycopy(digits, 0, filled, gap, digits.length);
        }
        return filled;
    }

    private static void writeOwnExtensions(GrantedRequest granted, DerWriter writer) {
        extension(
                Extension.SUBJECT_KEY_IDENTIFIER,
                false,
                writer,
                value -> value.octetString(granted.publicKey().keyIdentifier().toArray()));
        if (!granted.alternativeNames().isEmpty()) {
            // spec| RFC 5280 §4.2.1.6: if the subject field is an empty sequence, subjectAltName MUST be critical
            extension(
                    Extension.SUBJECT_ALTERNATIVE_NAME,
                    granted.subject().isEmpty(),
                    writer,
                    value -> value.sequence(() -> granted.alternativeNames().forEach(name -> name.write(value))));
        }
    }

    private static void writeCommonExtensions(CertificateProfile profile, DerWriter writer) {
        extension(
                Extension.BASIC_CONSTRAINTS,
                true,
                writer,
                value -> profile.basicConstraints().write(value));
        extension(Extension.KEY_USAGE, true, writer, value -> value.namedBits(KeyUsage.bits(profile.keyUsages())));
        if (!profile.extendedKeyUsages().isEmpty()) {
            extension(
                    Extension.EXTENDED_KEY_USAGE,
                    false,
                    writer,
                    value -> value.sequence(() -> profile.purposes().forEach(value::oid)));
        }
        if (profile.kind() == CertificateProfile.Kind.OCSP_RESPONDER) {
            extension(Extension.OCSP_NO_CHECK, false, writer, DerWriter::nullValue);
        }
        writeLocations(profile.locations(), writer);
    }

    private static void writeLocations(CertificateProfile.Locations locations, DerWriter writer) {
        if (!locations.crls().isEmpty()) {
            extension(
                    Extension.CRL_DISTRIBUTION_POINTS,
                    false,
                    writer,
                    value -> value.sequence(() -> locations.crls().forEach(url -> writeDistributionPoint(url, value))));
        }
        if (!locations.ocsp().isEmpty() || !locations.issuers().isEmpty()) {
            extension(
                    Extension.AUTHORITY_INFORMATION_ACCESS,
                    false,
                    writer,
                    value -> value.sequence(() -> {
                        writeAccess(WrittenLocations.OCSP, locations.ocsp(), value);
                        writeAccess(WrittenLocations.CA_ISSUERS, locations.issuers(), value);
                    }));
        }
    }

    private static void writeDistributionPoint(String url, DerWriter writer) {
        writer.sequence(() -> writer.nested(
                Tag.context(0), () -> writer.nested(Tag.context(0), () -> new GeneralName.Uri(url).write(writer))));
    }

    private static void writeAccess(Oid method, List<String> urls, DerWriter writer) {
        for (String url : urls) {
            writer.sequence(() -> {
                writer.oid(method);
                new GeneralName.Uri(url).write(writer);
            });
        }
    }

    private static void extension(Oid type, boolean critical, DerWriter writer, Consumer<DerWriter> value) {
        writer.sequence(() -> {
            writer.oid(type);
            if (critical) {
                writer.bool(true);
            }
            writer.octetString(() -> value.accept(writer));
        });
    }
}
