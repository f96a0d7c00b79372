// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// A certificate as text, in the layout that readers of `openssl x509 -text` know.
public final class CertificateText {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern(
                    "MMM ppd HH:mm:ss yyyy 'GMT'", Locale.ROOT)
            .withZone(ZoneOffset.UTC);
    private static final int BYTES_PER_LINE = 18;

    private CertificateText() {}

    public static String of(Certificate certificate) {
        StringBuilder text = new StringBuilder("Certificate:\n    Data:\n");
        text.append("        Version: %d (0x%x)\n".formatted(certificate.version(), certificate.version() - 1));
        text.append("        Serial Number:\n            ")
                .append(colons(Bytes.ofHex(certificate.serial().hex()), false))
                .append('\n');
        text.append("        Signature Algorithm: ")
                .append(signature(certificate))
                .append('\n');
        text.append("        Issuer: ").append(name(certificate.issuer())).append('\n');
        text.append("        Validity\n            Not Before: ")
                .append(time(certificate.validity().notBefore()))
                .append("\n            Not After : ")
                .append(time(certificate.validity().notAfter()))
                .append('\n');
        text.append("        Subject: ").append(name(certificate.subject())).append('\n');
        text.append("        Subject Public Key Info:\n            SHA-256: ")
                .append(certificate.publicKeyEncoded().sha256().hex())
                .append('\n');
        if (!certificate.extensions().isEmpty()) {
            text.append("        X509v3 extensions:\n");
            for (Extension extension : certificate.extensions()) {
                text.append("            ")
                        .append(title(extension.type()))
                        .append(extension.critical() ? ": critical\n" : ":\n")
                        .append("                ")
                        .append(value(certificate, extension))
                        .append('\n');
            }
        }
        text.append("    Signature Algorithm: ").append(signature(certificate)).append('\n');
        text.append("    Signature Value:\n");
        Bytes signature = certificate.signature();
        for (int from = 0; from < signature.size(); from += BYTES_PER_LINE) {
            int to = Math.min(from + BYTES_PER_LINE, signature.size());
            text.append("        ")
                    .append(colons(signature.slice(from, to), false))
                    .append(to < signature.size() ? ":\n" : "\n");
        }
        return text.toString();
    }

    private static String time(Instant instant) {
        return TIME.format(instant);
    }

    private static String signature(Certificate certificate) {
        return certificate
                .signatureAlgorithm()
                .map(algorithm -> switch (algorithm) {
                    case ECDSA_SHA256 -> "ecdsa-with-SHA256";
                    case ECDSA_SHA384 -> "ecdsa-with-SHA384";
                    case ECDSA_SHA512 -> "ecdsa-with-SHA512";
                    case ED25519 -> "ED25519";
                    case RSA_SHA256 -> "sha256WithRSAEncryption";
                    case RSA_SHA384 -> "sha384WithRSAEncryption";
                    case RSA_SHA512 -> "sha512WithRSAEncryption";
                    case ML_DSA_44, ML_DSA_65, ML_DSA_87 -> algorithm.jca();
                })
                .orElse("unknown");
    }

    private static String name(Name name) {
        return name.attributes().stream()
                .map(attribute -> keyword(attribute.type()) + " = " + attribute.value())
                .collect(Collectors.joining(", "));
    }

    private static String keyword(Oid type) {
        for (NameAttribute attribute : NameAttribute.values()) {
            if (attribute.oid().equals(type)) {
                return attribute.keyword();
            }
        }
        return type.toString();
    }

    private static String title(Oid type) {
        if (type.equals(Extension.SUBJECT_KEY_IDENTIFIER)) {
            return "X509v3 Subject Key Identifier";
        }
        if (type.equals(Extension.AUTHORITY_KEY_IDENTIFIER)) {
            return "X509v3 Authority Key Identifier";
        }
        if (type.equals(Extension.BASIC_CONSTRAINTS)) {
            return "X509v3 Basic Constraints";
        }
        if (type.equals(Extension.KEY_USAGE)) {
            return "X509v3 Key Usage";
        }
        if (type.equals(Extension.EXTENDED_KEY_USAGE)) {
            return "X509v3 Extended Key Usage";
        }
        if (type.equals(Extension.SUBJECT_ALTERNATIVE_NAME)) {
            return "X509v3 Subject Alternative Name";
        }
        if (type.equals(Extension.CRL_DISTRIBUTION_POINTS)) {
            return "X509v3 CRL Distribution Points";
        }
        if (type.equals(Extension.AUTHORITY_INFORMATION_ACCESS)) {
            return "Authority Information Access";
        }
        return type.toString();
    }

    private static String value(Certificate certificate, Extension extension) {
        Oid type = extension.type();
        if (type.equals(Extension.SUBJECT_KEY_IDENTIFIER)) {
            return certificate
                    .subjectKeyIdentifier()
                    .map(id -> colons(id, true))
                    .orElse("");
        }
        if (type.equals(Extension.AUTHORITY_KEY_IDENTIFIER)) {
            return certificate
                    .authorityKeyIdentifier()
                    .map(id -> colons(id, true))
                    .orElse("");
        }
        if (type.equals(Extension.BASIC_CONSTRAINTS)) {
            return certificate
                    .basicConstraints()
                    .map(constraints -> "CA:" + (constraints.authority() ? "TRUE" : "FALSE")
                            + (constraints.pathLength().isPresent()
                                    ? ", pathlen:" + constraints.pathLength().getAsInt()
                                    : ""))
                    .orElse("");
        }
        if (type.equals(Extension.KEY_USAGE)) {
            return certificate.keyUsages().orElseThrow().stream()
                    .map(KeyUsage::name)
                    .map(CertificateText::words)
                    .collect(Collectors.joining(", "));
        }
        if (type.equals(Extension.EXTENDED_KEY_USAGE)) {
            return certificate.extendedKeyUsages().orElseThrow().stream()
                    .map(CertificateText::purpose)
                    .collect(Collectors.joining(", "));
        }
        if (type.equals(Extension.SUBJECT_ALTERNATIVE_NAME)) {
            return certificate.alternativeNames().stream().map(Object::toString).collect(Collectors.joining(", "));
        }
        return locations(extension).orElseGet(() -> colons(extension.value(), true));
    }

    /// The addresses in an extension that has any.
    private static Optional<String> locations(Extension extension) {
        try {
            CertificateProfile.Locations found = WrittenLocations.read(List.of(extension));
            String text = Stream.of(
                            found.crls().stream().map(url -> "URI:" + url),
                            found.ocsp().stream().map(url -> "OCSP - URI:" + url),
                            found.issuers().stream().map(url -> "CA Issuers - URI:" + url))
                    .flatMap(urls -> urls)
                    .collect(Collectors.joining("\n                "));
            return text.isEmpty() ? Optional.empty() : Optional.of(text);
        } catch (EncodingException e) {
            return Optional.empty();
        }
    }

    private static String purpose(Oid purpose) {
        if (purpose.equals(KeyPurpose.CLIENT_AUTH)) {
            return "TLS Web Client Authentication";
        }
        if (purpose.equals(KeyPurpose.SERVER_AUTH)) {
            return "TLS Web Server Authentication";
        }
        return purpose.equals(KeyPurpose.OCSP_SIGNING) ? "OCSP Signing" : purpose.toString();
    }

    private static String words(String constant) {
        return java.util.Arrays.stream(constant.split("_"))
                .map(word -> word.equals("CRL")
                        ? word
                        : word.charAt(0) + word.substring(1).toLowerCase(Locale.ROOT))
                .collect(Collectors.joining(" "));
    }

    private static String colons(Bytes bytes, boolean upperCase) {
        String hex = upperCase ? bytes.hex().toUpperCase(Locale.ROOT) : bytes.hex();
        return hex.replaceAll("(..)(?!$)", "$1:");
    }
}
