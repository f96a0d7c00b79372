// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.dice;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Extension;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.KeyUsage;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Oid;
import dev.tegata.pki.der.Tag;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.path.TrustAnchors;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A chain of certificates in which extensions tell the layers' measurements (TCG DICE Attestation Architecture
/// §6), or Open DICE's profile of the same idea. The last layer's certificate is the first.
public record DiceChain(List<Certificate> certificates, List<Layer> layers) {
    private static final Oid TCB_INFO = Oid.of("2.23.133.5.4.1");
    private static final Oid UEID = Oid.of("2.23.133.5.4.4");
    private static final Oid MULTI_TCB_INFO = Oid.of("2.23.133.5.4.5");
    private static final Oid OPEN_DICE = Oid.of("1.3.6.1.4.1.11129.2.1.24");
    private static final Set<Oid> UNDERSTOOD = Set.of(
            TCB_INFO,
            UEID,
            MULTI_TCB_INFO,
            OPEN_DICE,
            Extension.BASIC_CONSTRAINTS,
            Extension.KEY_USAGE,
            Extension.EXTENDED_KEY_USAGE,
            Extension.SUBJECT_KEY_IDENTIFIER,
            Extension.AUTHORITY_KEY_IDENTIFIER);
    private static final int MAX_CERTIFICATES = 8;
    private static final int MAX_LAYERS = 64;
    private static final Map<Oid, Integer> DIGESTS = Map.of(
            Oid.of("2.16.840.1.101.3.4.2.1"), 1,
            Oid.of("2.16.840.1.101.3.4.2.2"), 7,
            Oid.of("2.16.840.1.101.3.4.2.3"), 8);

    /// What one layer is. `mode` is Open DICE's, null elsewhere.
    public record Layer(
            Environment environment,
            Measurement measurement,
            @Nullable String mode) {}

    public static DiceChain parsePem(String text) throws MalformedException {
        try {
            return of(Certificate.parsePem(text));
        } catch (InvalidCertificateException e) {
            throw new MalformedException(Objects.requireNonNull(e.getMessage()));
        }
    }

    public static DiceChain of(List<Certificate> certificates) throws MalformedException {
        if (certificates.isEmpty() || certificates.size() > MAX_CERTIFICATES) {
            throw new MalformedException("a chain has 1 to " + MAX_CERTIFICATES + " certificates");
        }
        List<Layer> layers = new ArrayList<>();
        try {
            for (Certificate certificate : certificates) {
                for (Extension extension : certificate.extensions()) {
                    DerReader reader = DerReader.of(extension.value());
                    if (extension.type().equals(TCB_INFO)) {
                        layers.add(tcbInfo(reader.sequence()));
                        reader.end();
                    } else if (extension.type().equals(MULTI_TCB_INFO)) {
                        DerReader infos = reader.sequence();
                        reader.end();
                        while (infos.hasMore() && layers.size() < MAX_LAYERS) {
                            layers.add(tcbInfo(infos.sequence()));
                        }
                        infos.end();
                    } else if (extension.type().equals(OPEN_DICE)) {
                        layers.add(OpenDice.read(reader).layer());
                    }
                }
            }
        } catch (EncodingException e) {
            throw new MalformedException("a DICE extension is malformed: " + e.getMessage());
        }
        return new DiceChain(List.copyOf(certificates), layers);
    }

    private static Layer tcbInfo(DerReader reader) throws EncodingException, MalformedException {
        String vendor = text(reader, 0);
        String model = text(reader, 1);
        String version = text(reader, 2);
        Long svn = number(reader, 3);
        Long layer = number(reader, 4);
        Long index = number(reader, 5);
        Cbor digests = null;
        if (reader.nextIs(Tag.context(6))) {
            digests = digests(reader.enter(Tag.context(6)));
        }
        Cbor flags = null;
        if (reader.nextIs(Tag.contextPrimitive(7))) {
            flags = flags(reader.content(Tag.contextPrimitive(7)));
        }
        Cbor raw = null;
        if (reader.nextIs(Tag.contextPrimitive(8))) {
            raw = new Cbor.Tagged(Environment.BYTES_TAG, Cbor.of(reader.content(Tag.contextPrimitive(8))));
        }
        Cbor type = null;
        if (reader.nextIs(Tag.contextPrimitive(9))) {
            type = new Cbor.Tagged(Environment.BYTES_TAG, Cbor.of(reader.content(Tag.contextPrimitive(9))));
        }
        while (reader.hasMore()) {
            // A mask of flags and integrity registers, which newer revisions have.
            reader.skip();
        }
        Measurement measurement = new Measurement(
                null,
                Cbor.map()
                        .put(Measurement.VERSION, Measurement.versionOf(version))
                        .put(Measurement.SVN, svn == null ? null : Cbor.of(svn))
                        .put(Measurement.DIGESTS, digests)
                        .put(Measurement.FLAGS, flags)
                        .put(Measurement.RAW_VALUE, raw)
                        .build());
        return new Layer(new Environment(type, vendor, model, layer, index, null, null), measurement, null);
    }

    private static @Nullable String text(DerReader reader, int number) throws EncodingException {
        int tag = Tag.contextPrimitive(number);
        return reader.nextIs(tag) ? new String(reader.content(tag).toArray(), StandardCharsets.UTF_8) : null;
    }

    private static @Nullable Long number(DerReader reader, int number) throws EncodingException, MalformedException {
        int tag = Tag.contextPrimitive(number);
        if (!reader.nextIs(tag)) {
            return null;
        }
        Bytes content = reader.content(tag);
        if (content.isEmpty() || content.size() > 4 || content.at(0) < 0) {
            throw new MalformedException("a number of a DICE extension is out of range");
        }
        long value = 0;
        for (int i = 0; i < content.size(); i++) {
            value = value << 8 | (content.at(i) & 0xff);
        }
        return value;
    }

    private static Cbor digests(DerReader reader) throws EncodingException, MalformedException {
        List<Cbor> digests = new ArrayList<>();
        while (reader.hasMore()) {
            DerReader entry = reader.sequence();
            Integer algorithm = DIGESTS.get(entry.oid());
            Bytes digest = entry.octetString();
            entry.end();
            // Digests by other algorithms cannot be compared with anything.
            if (algorithm != null) {
                digests.add(Cbor.array(Cbor.of(algorithm), Cbor.of(digest)));
            }
        }
        if (digests.isEmpty() || digests.size() > 32) {
            throw new MalformedException("a layer must have a digest by SHA-256, SHA-384 or SHA-512");
        }
        return new Cbor.ArrayItem(digests);
    }

    /// spec| TCG DICE §6.1.1: notConfigured(0), notSecure(1), recovery(2), debug(3).
    private static Cbor flags(Bytes bits) throws MalformedException {
        if (bits.isEmpty() || bits.size() > 5) {
            throw new MalformedException("a layer's flags are malformed");
        }
        int first = bits.size() > 1 ? bits.at(1) & 0xff : 0;
        return Cbor.map()
                .put(0, Cbor.of((first & 0x80) == 0))
                .put(1, Cbor.of((first & 0x40) == 0))
                .put(2, Cbor.of((first & 0x20) != 0))
                .put(3, Cbor.of((first & 0x10) != 0))
                .build();
    }

    /// The layers in a form for policies and results.
    public Cbor claims() {
        return new Cbor.ArrayItem(layers.stream()
                .<Cbor>map(layer -> {
                    String vendor = layer.environment.vendor();
                    String model = layer.environment.model();
                    String version = layer.measurement.version();
                    String mode = layer.mode;
                    boolean debug = layer.measurement.values().get(Measurement.FLAGS) instanceof Cbor.MapItem flags
                            && Cbor.TRUE.equals(flags.get(3));
                    return Cbor.map()
                            .put("vendor", vendor == null ? null : Cbor.of(vendor))
                            .put("model", model == null ? null : Cbor.of(model))
                            .put("version", version == null ? null : Cbor.of(version))
                            .put("mode", mode != null ? Cbor.of(mode) : debug ? Cbor.of("debug") : null)
                            .build();
                })
                .toList());
    }

    /// Whether the chain leads to one of `anchors`; null where it does, else a sentence for people.
    ///
    /// DICE certificates carry critical extensions that ordinary path checks refuse, so this walks the chain
    /// itself: each is signed by the next, the last by an anchor.
    public @Nullable String fault(TrustAnchors anchors, Instant at) {
        for (int i = 0; i < certificates.size(); i++) {
            Certificate certificate = certificates.get(i);
            if (!certificate.validity().contains(at)) {
                return "'" + certificate.subject() + "' is not valid at this time";
            }
            for (Extension extension : certificate.extensions()) {
                if (extension.critical() && !UNDERSTOOD.contains(extension.type())) {
                    return "'" + certificate.subject() + "' has the critical extension " + extension.type();
                }
            }
            List<Certificate> issuers = i + 1 < certificates.size()
                    ? List.of(certificates.get(i + 1))
                    : anchors.named(certificate.issuer());
            if (issuers.stream().noneMatch(issuer -> issued(issuer, certificate))) {
                return "'" + certificate.subject() + "' was not issued by the next certificate or a trust anchor";
            }
        }
        return null;
    }

    private static boolean issued(Certificate issuer, Certificate certificate) {
        try {
            return issuer.subject().equals(certificate.issuer())
                    && issuer.isAuthority()
                    && issuer.allows(KeyUsage.KEY_CERT_SIGN)
                    && certificate.isSignedBy(issuer.publicKey());
        } catch (InvalidKeyInfoException _) {
            return false;
        }
    }
}
