// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.DerWriter;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Tag;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// One name of a subjectAltName or of another extension (RFC 5280 §4.2.1.6).
public sealed interface GeneralName {
    /// A host name.
    record Dns(String name) implements GeneralName {}

    record Uri(String uri) implements GeneralName {}

    record Email(String address) implements GeneralName {}

    /// An address of 4 or 16 octets.
    record Ip(Bytes address) implements GeneralName {
        public Ip {
            if (address.size() != 4 && address.size() != 16) {
                throw new IllegalArgumentException("an IP address has 4 or 16 octets");
            }
        }

        @Override
        public String toString() {
            try {
                return InetAddress.getByAddress(address.toArray()).getHostAddress();
            } catch (UnknownHostException e) {
                throw new IllegalStateException("4 or 16 octets are an address", e);
            }
        }
    }

    record Directory(Name name) implements GeneralName {}

    /// A name of another kind, as its whole DER element.
    record Other(Bytes encoded) implements GeneralName {}

    int EMAIL_TAG = Tag.contextPrimitive(1);
    int DNS_TAG = Tag.contextPrimitive(2);
    int DIRECTORY_TAG = Tag.context(4);
    int URI_TAG = Tag.contextPrimitive(6);
    int IP_TAG = Tag.contextPrimitive(7);
    int MAX_NAMES = 256;

    /// Reads `GeneralNames`: a sequence of at least one.
    static List<GeneralName> readAll(DerReader reader) throws EncodingException {
        DerReader sequence = reader.sequence();
        List<GeneralName> names = new ArrayList<>();
        do {
            if (names.size() == MAX_NAMES) {
                throw new EncodingException("there are more than " + MAX_NAMES + " alternative names");
            }
            names.add(read(sequence));
        } while (sequence.hasMore());
        return List.copyOf(names);
    }

    private static GeneralName read(DerReader reader) throws EncodingException {
        int tag = reader.nextTag();
        if (tag == EMAIL_TAG) {
            return new Email(ascii(reader.content(tag)));
        } else if (tag == DNS_TAG) {
            return new Dns(ascii(reader.content(tag)));
        } else if (tag == URI_TAG) {
            return new Uri(ascii(reader.content(tag)));
        } else if (tag == IP_TAG) {
            Bytes address = reader.content(tag);
            if (address.size() != 4 && address.size() != 16) {
                throw new EncodingException("an IP address has neither 4 nor 16 octets");
            }
            return new Ip(address);
        } else if (tag == DIRECTORY_TAG) {
            DerReader inside = reader.enter(tag);
            Directory directory = new Directory(Name.read(inside));
            inside.end();
            return directory;
        }
        return new Other(reader.element());
    }

    private static String ascii(Bytes content) throws EncodingException {
        for (int i = 0; i < content.size(); i++) {
            if (content.at(i) < 0x20 || content.at(i) == 0x7f) {
                throw new EncodingException("an alternative name has characters that it may not have");
            }
        }
        return new String(content.toArray(), StandardCharsets.US_ASCII);
    }

    /// Writes the name as one choice of `GeneralName`.
    default void write(DerWriter writer) {
        switch (this) {
            case Dns(String name) -> writer.text(DNS_TAG, name);
            case Uri(String uri) -> writer.text(URI_TAG, uri);
            case Email(String address) -> writer.text(EMAIL_TAG, address);
            case Ip(Bytes address) -> writer.primitive(IP_TAG, address.toArray());
            case Directory(Name name) -> writer.nested(DIRECTORY_TAG, () -> writer.raw(name.encoded()));
            case Other(Bytes encoded) -> writer.raw(encoded);
        }
    }
}
