// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

/// A rule that a certificate must keep before it is signed (RFC 5280 §4, and the profile).
public enum LintRule {
    FORM("form", "The encoding is that of a TBSCertificate, and nothing follows it."),
    CANONICAL("canonical", "The encoding is canonical DER: writing it anew gives the same octets."),
    VERSION("version", "The version is 3."),
    SERIAL("serial", "The serial number is the one decided, positive, and has at most 20 octets."),
    SIGNATURE_ALGORITHM("signature-algorithm", "The inner signature algorithm is the one that the issuer signs with."),
    ISSUER("issuer", "The issuer is not empty and is the subject of the issuer's certificate."),
    VALIDITY_ORDER("validity-order", "The validity begins before it ends."),
    VALIDITY_ISSUER("validity-issuer", "The validity lies within that of the issuer."),
    VALIDITY_DECIDED("validity-decided", "The validity is the one decided."),
    SUBJECT_BOUNDS("subject-bounds", "The subject's attributes keep to their types and bounds."),
    SUBJECT_DECIDED("subject-decided", "The subject is the one decided, and not empty for an authority."),
    KEY_PROVEN("key-proven", "The key is the one whose possession was proven."),
    KEY_ALLOWED("key-allowed", "The key is of a kind that the profile allows."),
    EXTENSION_ONCE("extension-once", "No extension is there twice."),
    EXTENSION_EXPECTED(
            "extension-expected",
            "There are the extensions that the profile calls for, critical where they should be, and no others."),
    EXTENSION_FORM("extension-form", "The extensions have the form that their type demands."),
    BASIC_CONSTRAINTS(
            "basic-constraints", "An authority says so in critical basic constraints, and nothing else does."),
    PATH_LENGTH("path-length", "The path length is the profile's, and less than the issuer's."),
    KEY_USAGE("key-usage", "The key usages are the profile's, and only authorities may sign certificates and CRLs."),
    KEY_USAGE_FITS("key-usage-fits", "The key usages fit the kind of key."),
    EXTENDED_KEY_USAGE(
            "extended-key-usage",
            "The extended key usages are the profile's, within those of the issuer, and never any purpose."),
    ALTERNATIVE_NAMES(
            "alternative-names",
            "The alternative names are those decided, and there are some where the subject is empty."),
    LOCATIONS("locations", "Distribution points, responders and issuers are where the profile says."),
    SUBJECT_KEY_IDENTIFIER("subject-key-identifier", "The subject key identifier is that of the key."),
    AUTHORITY_KEY_IDENTIFIER("authority-key-identifier", "The authority key identifier is that of the issuer.");

    private final String id;
    private final String sentence;

    LintRule(String id, String sentence) {
        this.id = id;
        this.sentence = sentence;
    }

    /// A stable name.
    public String id() {
        return id;
    }

    /// What the rule demands.
    public String sentence() {
        return sentence;
    }
}
