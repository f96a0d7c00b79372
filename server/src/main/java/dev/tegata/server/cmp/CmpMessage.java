// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Tag;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.InfoTypeAndValue;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.PKIHeader;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.GeneralName;
import org.jspecify.annotations.Nullable;

/// A PKIMessage whose form has been checked, but not its protection.
///
/// @param encoded all of it
/// @param bodyType of [org.bouncycastle.asn1.cmp.PKIBody]
/// @param bodyContent what the body's tag stands around, DER
/// @param protectedPart what its protection is made over
/// @param extraCertificates DER, in the order sent
record CmpMessage(
        Bytes encoded,
        PKIHeader header,
        int bodyType,
        Bytes bodyContent,
        Bytes protectedPart,
        Bytes protection,
        List<Bytes> extraCertificates) {
    private static final int MAX_CERTIFICATES = 10;
    private static final int PROTECTION = Tag.context(0);
    private static final int EXTRA_CERTIFICATES = Tag.context(1);
    private static final int MIN_NONCE = 16;
    private static final int MAX_OCTETS = 64;

    /// @throws CmpFailure where it is no PKIMessage
    static CmpMessage parse(byte[] encoded) throws CmpFailure {
        try {
            DerReader shallow = DerReader.of(encoded);
            requireShallow(shallow);
            DerReader outer = DerReader.of(encoded);
            DerReader message = outer.sequence();
            outer.end();
            Bytes header = message.element();
            int tag = message.nextTag();
            if ((tag & 0xe0) != 0xa0) {
                throw new EncodingException("there is no body");
            }
            int start = message.position();
            Bytes content = message.content(tag);
            byte[] body = Arrays.copyOfRange(encoded, start, message.position());
            Bytes protection = Bytes.EMPTY;
            if (message.nextIs(PROTECTION)) {
                DerReader inside = message.enter(PROTECTION);
                protection = inside.bitString();
                inside.end();
            }
            List<Bytes> certificates = new ArrayList<>();
            if (message.nextIs(EXTRA_CERTIFICATES)) {
                DerReader inside = message.enter(EXTRA_CERTIFICATES);
                DerReader all = inside.sequence();
                inside.end();
                while (all.hasMore()) {
                    if (certificates.size() == MAX_CERTIFICATES) {
                        throw new EncodingException("there are more than " + MAX_CERTIFICATES + " extra certificates");
                    }
                    certificates.add(all.element());
                }
            }
            message.end();
            return new CmpMessage(
                    Bytes.of(encoded),
                    PKIHeader.getInstance(ASN1Primitive.fromByteArray(header.toArray())),
                    tag & 0x1f,
                    content,
                    protectedPart(header, Bytes.of(body)),
                    protection,
                    List.copyOf(certificates));
        } catch (EncodingException | java.io.IOException | RuntimeException e) {
            // The ASN.1 library says with many kinds of exceptions that something has the wrong form.
            throw new CmpFailure(PKIFailureInfo.badDataFormat, "The message is no PKIMessage in DER.");
        }
    }

    /// Requires definite lengths and bounded nesting all the way down, which the ASN.1 library alone
    /// does not.
    private static void requireShallow(DerReader reader) throws EncodingException {
        while (reader.hasMore()) {
            int tag = reader.nextTag();
            if ((tag & 0x20) != 0) {
                requireShallow(reader.enter(tag));
            } else {
                reader.skip();
            }
        }
    }

    private static Bytes protectedPart(Bytes header, Bytes body) {
        DerWriter writer = new DerWriter();
        writer.sequence(() -> {
            writer.raw(header);
            writer.raw(body);
        });
        return writer.toBytes();
    }

    /// Requires what every message must have in its header.
    void checkHeader() throws CmpFailure {
        int version = version();
        if (version != PKIHeader.CMP_2000 && version != PKIHeader.CMP_2021) {
            throw new CmpFailure(PKIFailureInfo.unsupportedVersion, "Only versions 2 and 3 of CMP are known here.");
        }
        // spec| RFC 9483 §3.1: transactionID and senderNonce are REQUIRED, 128 bits of random data
        Bytes id = octets(header.getTransactionID());
        if (id.isEmpty() || id.size() > MAX_OCTETS) {
            throw new CmpFailure(PKIFailureInfo.badDataFormat, "The transaction id must have 1 to 64 bytes.");
        }
        Bytes nonce = octets(header.getSenderNonce());
        if (nonce.size() < MIN_NONCE || nonce.size() > MAX_OCTETS) {
            throw new CmpFailure(PKIFailureInfo.badSenderNonce, "The sender's nonce must have 16 to 64 bytes.");
        }
    }

    int version() {
        return header.getPvno().hasValue(PKIHeader.CMP_2021)
                ? PKIHeader.CMP_2021
                : header.getPvno().hasValue(PKIHeader.CMP_2000) ? PKIHeader.CMP_2000 : 0;
    }

    GeneralName sender() {
        return header.getSender();
    }

    Optional<AlgorithmIdentifier> protectionAlgorithm() {
        return Optional.ofNullable(header.getProtectionAlg());
    }

    Bytes senderKeyId() {
        return octets(header.getSenderKID());
    }

    Bytes transactionId() {
        return octets(header.getTransactionID());
    }

    Bytes recipientNonce() {
        return octets(header.getRecipNonce());
    }

    private static Bytes octets(@Nullable ASN1OctetString value) {
        return value == null ? Bytes.EMPTY : Bytes.of(value.getOctets());
    }

    /// Whether the device wants to do without a confirmation.
    boolean wantsImplicitConfirm() {
        InfoTypeAndValue[] infos = header.getGeneralInfo();
        return infos != null
                && Arrays.stream(infos)
                        .anyMatch(info -> info.getInfoType().equals(CMPObjectIdentifiers.it_implicitConfirm));
    }

    /// The parts are long; the type is what a log needs.
    @Override
    public String toString() {
        return "CmpMessage[" + bodyType + "]";
    }
}
