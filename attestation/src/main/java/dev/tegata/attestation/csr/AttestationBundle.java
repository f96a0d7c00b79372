// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.csr;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.tpm.KeyCertification;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.List;

/// The value of a request's attestation attribute: statements, and certificates that may be needed to check
/// them.
public record AttestationBundle(List<Statement> statements, List<Bytes> certificates) {
    /// The attribute's type.
    public static final Oid ATTRIBUTE = Oid.of("1.2.840.113549.1.9.16.2.59");

    /// A TPM's certification of the request's key.
    public static final Oid TPM_CERTIFY = Oid.of("2.23.133.20.1");

    /// A conceptual message (RFC 9999 §5), and how TCG names one.
    public static final Oid CONCEPTUAL_MESSAGE = Oid.of("1.3.6.1.5.5.7.1.35");

    private static final Oid TCG_CONCEPTUAL_MESSAGE = Oid.of("2.23.133.5.4.9");

    private static final int MAX_STATEMENTS = 16;
    private static final int MAX_CERTIFICATES = 16;

    /// One statement: a type, and what the type defines, in DER.
    public record Statement(Oid type, Bytes content) {
        /// A TPM's certification of a key, as [#tpmCertification] reads it.
        public static Statement of(KeyCertification certification) {
            DerWriter writer = new DerWriter();
            writer.sequence(() -> {
                writer.octetString(certification.attest().toArray());
                writer.octetString(certification.signature().toArray());
                writer.octetString(certification.publicArea().toArray());
            });
            return new Statement(TPM_CERTIFY, writer.toBytes());
        }

        /// A conceptual message in CBOR.
        public static Statement ofMessage(Bytes encoded) {
            DerWriter writer = new DerWriter();
            writer.octetString(encoded.toArray());
            return new Statement(CONCEPTUAL_MESSAGE, writer.toBytes());
        }

        public boolean isWrapped() {
            return type.equals(CONCEPTUAL_MESSAGE) || type.equals(TCG_CONCEPTUAL_MESSAGE);
        }

        /// The conceptual message, in CBOR or JSON.
        public Bytes wrapped() throws MalformedException {
            try {
                DerReader reader = DerReader.of(content);
                Bytes message = reader.nextIs(Tag.UTF8_STRING)
                        ? Bytes.of(reader.content(Tag.UTF8_STRING).toArray())
                        : reader.octetString();
                reader.end();
                return message;
            } catch (EncodingException e) {
                throw new MalformedException("the wrapped message is malformed: " + e.getMessage());
            }
        }

        /// The statement of a TPM. Its signature is a TPMT_SIGNATURE, which [KeyCertification#verify]
        /// checks.
        public KeyCertification tpmCertification() throws MalformedException {
            try {
                DerReader outer = DerReader.of(content);
                DerReader reader = outer.sequence();
                outer.end();
                Bytes attest = reader.octetString();
                Bytes signature = reader.octetString();
                Bytes publicArea = reader.octetString();
                reader.end();
                return new KeyCertification(attest, signature, publicArea);
            } catch (EncodingException e) {
                throw new MalformedException("the TPM's statement is malformed: " + e.getMessage());
            }
        }
    }

    /// The attribute's value.
    public Bytes encode() {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.sequence(() -> statements.forEach(statement -> writer.sequence(() -> {
                writer.oid(statement.type());
                writer.raw(statement.content());
            })));
            if (!certificates.isEmpty()) {
                writer.sequence(() -> certificates.forEach(writer::raw));
            }
        });
        return writer.toBytes();
    }

    public static AttestationBundle parse(Bytes encoded) throws MalformedException {
        try {
            DerReader outer = DerReader.of(encoded);
            DerReader bundle = outer.sequence();
            outer.end();
            List<Statement> statements = new ArrayList<>();
            DerReader list = bundle.sequence();
            while (list.hasMore() && statements.size() < MAX_STATEMENTS) {
                DerReader statement = list.sequence();
                statements.add(new Statement(statement.oid(), statement.element()));
                if (statement.nextIs(Tag.IA5_STRING)) {
                    // A hint for finding the verifier, which drafts before the twentieth had.
                    statement.skip();
                }
                statement.end();
            }
            list.end();
            List<Bytes> certificates = new ArrayList<>();
            if (bundle.hasMore()) {
                DerReader chain = bundle.sequence();
                while (chain.hasMore() && certificates.size() < MAX_CERTIFICATES) {
                    certificates.add(chain.element());
                }
                chain.end();
            }
            bundle.end();
            if (statements.isEmpty()) {
                throw new MalformedException("an attestation bundle must have a statement");
            }
            return new AttestationBundle(statements, certificates);
        } catch (EncodingException e) {
            throw new MalformedException("the attestation bundle is malformed: " + e.getMessage());
        }
    }
}
