// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.key.SignatureAlgorithm;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/// A request that the profile said yes to, with everything decided that the certificate will say. Only
/// [Issuance#grant] makes one.
public final class GrantedRequest {
    /// The highest number of a partition: six digits.
    public static final int MAX_PARTITION = 999_999;

    private final Issuance issuance;
    private final ProvenRequest request;
    private final Name subject;
    private final List<GeneralName> alternativeNames;
    private final SerialNumber serial;
    private final Validity validity;
    private final int partition;

    GrantedRequest(
            Issuance issuance,
            ProvenRequest request,
            Name subject,
            List<GeneralName> alternativeNames,
            SerialNumber serial,
            Validity validity) {
        this(issuance, request, subject, alternativeNames, serial, validity, 0);
    }

    private GrantedRequest(
            Issuance issuance,
            ProvenRequest request,
            Name subject,
            List<GeneralName> alternativeNames,
            SerialNumber serial,
            Validity validity,
            int partition) {
        this.issuance = issuance;
        this.request = request;
        this.subject = subject;
        this.alternativeNames = List.copyOf(alternativeNames);
        this.serial = serial;
        this.validity = validity;
        this.partition = partition;
    }

    /// The same in a partition of the issuer's revocation lists, from 1 to [#MAX_PARTITION].
    public GrantedRequest inPartition(int number) {
        if (number < 1 || number > MAX_PARTITION) {
            throw new IllegalArgumentException("a partition has a number from 1 to " + MAX_PARTITION);
        }
        return new GrantedRequest(issuance, request, subject, alternativeNames, serial, validity, number);
    }

    /// The same, valid no longer than to `end`.
    public GrantedRequest until(Instant end) {
        Instant whole = end.truncatedTo(ChronoUnit.SECONDS);
        return validity.notAfter().isAfter(whole)
                ? new GrantedRequest(
                        issuance,
                        request,
                        subject,
                        alternativeNames,
                        serial,
                        new Validity(validity.notBefore(), whole),
                        partition)
                : this;
    }

    /// The number as it stands in distribution points.
    ///
    /// @throws IllegalStateException where the profile calls for a partition, and none was chosen
    String partitionDigits() {
        if (partition == 0) {
            throw new IllegalStateException("the certificate was given no partition");
        }
        String digits = Integer.toString(partition);
        return "000000".substring(digits.length()) + digits;
    }

    public Issuance issuance() {
        return issuance;
    }

    public ProvenRequest request() {
        return request;
    }

    public PublicKeyInfo publicKey() {
        return request.publicKey();
    }

    public Name subject() {
        return subject;
    }

    public List<GeneralName> alternativeNames() {
        return alternativeNames;
    }

    public SerialNumber serial() {
        return serial;
    }

    public Validity validity() {
        return validity;
    }

    /// What the issuer will sign with: its key's usual algorithm.
    public SignatureAlgorithm signatureAlgorithm() {
        return signingKey().algorithm().signatureAlgorithm();
    }

    /// The issuer's key; the request's own where the certificate is to be self-signed.
    PublicKeyInfo signingKey() {
        return issuance.issuerKey().orElse(publicKey());
    }

    Name issuerName() {
        return issuance.issuer().map(Certificate::subject).orElse(subject);
    }

    /// Encodes what is to be signed, and checks the encoding.
    ///
    /// @throws LintException where it breaks a rule; nothing has been signed then
    public LintedTbs lint() {
        byte[] tbs = issuance.template().fill(this);
        return new LintedTbs(tbs, issuance.linter().lint(tbs, this), this);
    }

    @Override
    public String toString() {
        return "certificate " + serial + " for " + subject;
    }
}
