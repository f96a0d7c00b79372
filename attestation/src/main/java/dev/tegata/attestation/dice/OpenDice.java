// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.dice;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Tag;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The inputs of one layer in Open DICE's profile, from a certificate's extension or a CBOR certificate.
public record OpenDice(
        @Nullable Bytes codeHash,
        @Nullable Bytes configurationHash,
        @Nullable Bytes configurationDescriptor,
        @Nullable Bytes authorityHash,
        int mode,
        @Nullable String profile) {
    private static final List<String> MODES = List.of("not-configured", "normal", "debug", "recovery");

    private static final int CODE_HASH = -4670545;
    private static final int CONFIGURATION_HASH = -4670547;
    private static final int CONFIGURATION_DESCRIPTOR = -4670548;
    private static final int AUTHORITY_HASH = -4670549;
    private static final int MODE = -4670551;
    private static final int SUBJECT_PUBLIC_KEY = -4670552;
    private static final int PROFILE = -4670554;

    /// A CBOR certificate: its message, to be verified with the issuer's key, its inputs and its subject's key.
    public record CborCertificate(CoseMessage message, OpenDice inputs, CoseKey subjectKey) {
        public static CborCertificate parse(Bytes encoded) throws MalformedException {
            Cbor item = Cbor.read(encoded, CborLimits.TOKEN);
            CoseMessage message = item instanceof Cbor.ArrayItem
                    ? CoseMessage.of(CoseMessage.Kind.SIGN1, item)
                    : CoseMessage.of(item);
            Cbor.MapItem claims = Cbor.read(message.content(), CborLimits.TOKEN).mapping("the certificate");
            Bytes mode = claims.require(MODE, "the mode").bytes("the mode", 1);
            Bytes key = claims.require(SUBJECT_PUBLIC_KEY, "the subject's key").bytes("the subject's key");
            Cbor profile = claims.get(PROFILE);
            return new CborCertificate(
                    message,
                    new OpenDice(
                            bytes(claims.get(CODE_HASH)),
                            bytes(claims.get(CONFIGURATION_HASH)),
                            bytes(claims.get(CONFIGURATION_DESCRIPTOR)),
                            bytes(claims.get(AUTHORITY_HASH)),
                            mode(mode.at(0)),
                            profile == null ? null : profile.text("the profile")),
                    CoseKey.parse(Cbor.read(key, CborLimits.TOKEN)));
        }
    }

    private static @Nullable Bytes bytes(@Nullable Cbor item) throws MalformedException {
        return item == null ? null : item.bytes("a hash or descriptor");
    }

    private static int mode(int value) throws MalformedException {
        if (value < 0 || value >= MODES.size()) {
            throw new MalformedException("the mode " + value + " is not defined");
        }
        return value;
    }

    /// Reads the extension's value.
    static OpenDice read(DerReader reader) throws EncodingException, MalformedException {
        DerReader sequence = reader.sequence();
        reader.end();
        @Nullable Bytes[] hashes = new Bytes[6];
        for (int i = 0; i < hashes.length; i++) {
            if (sequence.nextIs(Tag.context(i))) {
                DerReader inner = sequence.enter(Tag.context(i));
                hashes[i] = inner.octetString();
                inner.end();
            }
        }
        int mode = 0;
        if (sequence.nextIs(Tag.context(6))) {
            Bytes value = sequence.enter(Tag.context(6)).content(Tag.ENUMERATED);
            mode = mode(value.size() == 1 ? value.at(0) : -1);
        }
        String profile = null;
        if (sequence.nextIs(Tag.context(7))) {
            profile = sequence.enter(Tag.context(7)).text();
        }
        sequence.end();
        return new OpenDice(hashes[0], hashes[2], hashes[3], hashes[4], mode, profile);
    }

    /// The name of the mode.
    public String modeName() {
        return MODES.get(mode);
    }

    /// The inputs as integrity registers.
    DiceChain.Layer layer() {
        Cbor registers = Cbor.map()
                .put("code", digest(codeHash))
                .put("configuration", digest(configurationHash != null ? configurationHash : configurationDescriptor))
                .put("authority", digest(authorityHash))
                .build();
        Measurement measurement = new Measurement(
                Cbor.of("open-dice"),
                Cbor.map()
                        .put(Measurement.INTEGRITY_REGISTERS, registers)
                        .put(
                                Measurement.FLAGS,
                                Cbor.map()
                                        .put(0, Cbor.of(mode != 0))
                                        .put(3, Cbor.of(mode == 2))
                                        .build())
                        .build());
        Environment environment =
                new Environment(null, "Open DICE", profile == null ? "android" : profile, null, null, null, null);
        return new DiceChain.Layer(environment, measurement, modeName());
    }

    private static @Nullable Cbor digest(@Nullable Bytes hash) {
        if (hash == null) {
            return null;
        }
        int algorithm = switch (hash.size()) {
            case 32 -> 1;
            case 48 -> 7;
            default -> 8;
        };
        return Cbor.array(Cbor.array(Cbor.of(algorithm), Cbor.of(hash)));
    }
}
