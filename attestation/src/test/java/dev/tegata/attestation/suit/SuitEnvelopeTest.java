// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.suit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.suit.SuitEnvelope.Component;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.PublicKeyInfo;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("SUIT manifests (draft-ietf-suit-manifest)")
class SuitEnvelopeTest {
    /// Example 0 of the draft's appendix B, signed with the key that it prints.
    private static final Bytes EXAMPLE = Bytes.ofHex("""
            d86ba2025873825824822f58206658ea560262696dd1f13b782239a064da7c6c5cbaf52fded428a6fc83c7e5af584ad28443
            a10126a0f658406c56f1463de7d83c945b88bceb0797958938942a71b2b4a7dffe2b4e8f07b91dd4ee3c6c48f869e668f6ce
            9113c32de6b2b17dbcabdcad5588102d486c3884df035871a50101020003585fa202818141000458568614a40150fa6b4a53
            d5ad5fdfbe9de663e4d41ffe02501492af1425695e48bf429b2d51f2ab45035824822f582000112233445566778899aabbcc
            ddeeff0123456789abcdeffedcba98765432100e1987d0010f020f074382030f0943821702""".replaceAll("\\s", ""));

    /// Example 3: one component, another image for each of two slots.
    private static final Bytes SLOTS = Bytes.ofHex("""
            d86ba2025873825824822f5820f6d44a62ec906b392500c242e78e908e9cc5057f3f04104a06a8566200da2ee0584ad28443
            a10126a0f658401b5e052f3e8b2aad1330b1b1d9055b1ef2bbb8aea0841034d3cd7906aabb723a91a218e7e23c96f8973ddc
            88d0a31c25fc18d52ba1f2712198e618cecdd307180359010fa5010102030358a4a2028181410004589b8814a20150fa6b4a
            53d5ad5fdfbe9de663e4d41ffe02501492af1425695e48bf429b2d51f2ab450f8258348614a10500050514a2035824822f58
            2000112233445566778899aabbccddeeff0123456789abcdeffedcba98765432100e1987d058368614a10501050514a20358
            24822f58200123456789abcdeffedcba987654321000112233445566778899aabbccddeeff0e1a00012c22010f020f074382
            030f14585b860f8258288614a10500050514a115781c687474703a2f2f6578616d706c652e636f6d2f66696c65312e62696e
            58288614a10501050514a115781c687474703a2f2f6578616d706c652e636f6d2f66696c65322e62696e1502030f""".replaceAll("\\s", ""));
    private static final Bytes EXAMPLE_KEY = Bytes.ofBase64("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhJaBGq4LqqvSYVcYnuza"
            + "Jr6qi/Ebbz/m4rVlnIXbwK07HypLbAmBMcCjbazR14vTgdzfsJwFLbM5kdtzOLSolg==");
    private static final Bytes FIRST = Bytes.ofHex("11".repeat(32));
    private static final Bytes SECOND = Bytes.ofHex("22".repeat(48));
    private static final Bytes OTHER = Bytes.ofHex("33".repeat(32));

    private final Signer signer = TestKeys.signer("secp256r1");

    private static Cbor wrap(Cbor item) {
        return Cbor.of(item.encode());
    }

    private static Cbor digest(Bytes value) {
        return wrap(Cbor.array(Cbor.of(value.size() == 32 ? -16 : -43), Cbor.of(value)));
    }

    private static Cbor digestParameters(Bytes value) {
        return Cbor.map().put(3, digest(value)).build();
    }

    private static Cbor id(String name) {
        return Cbor.array(Cbor.of(Bytes.of(name.getBytes(StandardCharsets.US_ASCII))));
    }

    private static Cbor common(Cbor... shared) {
        return wrap(Cbor.map()
                .put(2, Cbor.array(id("boot"), id("app")))
                .put(4, wrap(Cbor.array(shared)))
                .build());
    }

    private static Cbor.Builder manifest(Cbor common) {
        return Cbor.map().put(1, Cbor.of(1)).put(2, Cbor.of(7)).put(3, common);
    }

    private Bytes envelope(Cbor.Builder manifest, Cbor.Builder severed) {
        return envelope(wrap(manifest.build()), severed, signer);
    }

    private static Bytes envelope(Cbor manifest, Cbor.Builder severed, @Nullable Signer signer) {
        Bytes digest =
                Cbor.array(Cbor.of(-16), Cbor.of(manifest.encode().sha256())).encode();
        Cbor authentication = Cbor.array(Cbor.of(digest));
        if (signer != null) {
            CoseMessage message =
                    CoseMessage.sign1(Cbor.map().build(), Cbor.map().build(), digest, signer);
            Cbor detached = new Cbor.Tagged(
                    18,
                    Cbor.array(
                            Cbor.of(message.protectedHeader()),
                            Cbor.map().build(),
                            Cbor.NULL,
                            Cbor.of(message.signature())));
            authentication = Cbor.array(Cbor.of(digest), wrap(detached));
        }
        return new Cbor.Tagged(
                        107,
                        severed.put(2, wrap(authentication)).put(3, manifest).build())
                .encode();
    }

    @Test
    @DisplayName("the draft's example verifies with its key and tells its component")
    void example() throws Exception {
        SuitEnvelope envelope = SuitEnvelope.parse(EXAMPLE);
        assertThat(envelope.isSignedBy(CoseKey.of(PublicKeyInfo.parse(EXAMPLE_KEY))))
                .isTrue();
        assertThat(envelope.isSignedBy(CoseKey.of(signer.publicKey()))).isFalse();
        assertThat(envelope.sequenceNumber()).isZero();
        assertThat(components(envelope))
                .containsExactly(new Component(
                        "00",
                        null,
                        Bytes.ofHex("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"),
                        null));
    }

    @Test
    @DisplayName("the draft's example with an image for each slot tells both, each with its slot")
    void slots() throws Exception {
        SuitEnvelope envelope = SuitEnvelope.parse(SLOTS);
        assertThat(envelope.isSignedBy(CoseKey.of(PublicKeyInfo.parse(EXAMPLE_KEY))))
                .isTrue();
        assertThat(envelope.variants())
                .containsExactly(
                        List.of(new Component(
                                "00",
                                null,
                                Bytes.ofHex("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"),
                                0L)),
                        List.of(new Component(
                                "00",
                                null,
                                Bytes.ofHex("0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff"),
                                1L)));
    }

    private static Cbor inSlot(int slot, Bytes digest) {
        return wrap(Cbor.array(
                Cbor.of(20),
                Cbor.map().put(5, Cbor.of(slot)).build(),
                Cbor.of(5),
                Cbor.of(5),
                Cbor.of(20),
                digestParameters(digest)));
    }

    @Test
    @DisplayName("slots of two components are independent; each slot that is known once is that slot everywhere")
    void twoComponents() throws Exception {
        Cbor both = common(
                Cbor.of(12),
                Cbor.of(0),
                Cbor.of(15),
                Cbor.array(inSlot(0, FIRST), inSlot(1, OTHER)),
                Cbor.of(12),
                Cbor.of(1),
                Cbor.of(15),
                Cbor.array(inSlot(0, FIRST), inSlot(1, SECOND)));
        Cbor validate = wrap(Cbor.array(
                Cbor.of(12),
                Cbor.of(0),
                Cbor.of(15),
                Cbor.array(inSlot(0, FIRST), inSlot(1, OTHER)),
                Cbor.of(3),
                Cbor.of(15)));
        assertThat(SuitEnvelope.parse(envelope(manifest(both).put(7, validate), Cbor.map()))
                        .variants())
                .containsExactlyInAnyOrder(
                        List.of(new Component("boot", null, FIRST, 0L), new Component("app", null, FIRST, 0L)),
                        List.of(new Component("boot", null, FIRST, 0L), new Component("app", null, SECOND, 1L)),
                        List.of(new Component("boot", null, OTHER, 1L), new Component("app", null, FIRST, 0L)),
                        List.of(new Component("boot", null, OTHER, 1L), new Component("app", null, SECOND, 1L)));
    }

    @Test
    @DisplayName("where a manifest chooses the component, an update leaves one or the other")
    void chosenComponent() throws Exception {
        Cbor choice = common(
                Cbor.of(15),
                Cbor.array(
                        wrap(Cbor.array(
                                Cbor.of(12), Cbor.of(0), Cbor.of(5), Cbor.of(5), Cbor.of(20), digestParameters(FIRST))),
                        wrap(Cbor.array(
                                Cbor.of(12),
                                Cbor.of(1),
                                Cbor.of(5),
                                Cbor.of(5),
                                Cbor.of(20),
                                digestParameters(SECOND))),
                        Cbor.NULL));
        assertThat(SuitEnvelope.parse(envelope(manifest(choice), Cbor.map())).variants())
                .containsExactly(
                        List.of(new Component("boot", null, FIRST, null)),
                        List.of(new Component("app", null, SECOND, null)));
    }

    @Test
    @DisplayName("alternatives without end are refused")
    void tooManyWays() {
        List<Cbor> commands = new ArrayList<>();
        for (int component = 0; component < 2; component++) {
            List<Cbor> alternatives = new ArrayList<>();
            for (int slot = 0; slot < 9; slot++) {
                alternatives.add(inSlot(slot, Bytes.of(new byte[] {(byte) slot}).sha256()));
            }
            commands.addAll(List.of(Cbor.of(12), Cbor.of(component), Cbor.of(15)));
            commands.add(Cbor.array(alternatives.toArray(Cbor[]::new)));
        }
        assertThatThrownBy(() ->
                        SuitEnvelope.parse(envelope(manifest(common(commands.toArray(Cbor[]::new))), Cbor.map())))
                .isInstanceOf(MalformedException.class);
    }

    /// Of a manifest with one variant.
    private static List<Component> components(SuitEnvelope envelope) {
        assertThat(envelope.variants()).hasSize(1);
        return envelope.variants().getFirst();
    }

    @Test
    @DisplayName("a changed byte anywhere is refused or not signed")
    void changed() throws Exception {
        CoseKey key = CoseKey.of(PublicKeyInfo.parse(EXAMPLE_KEY));
        for (int at = 0; at < EXAMPLE.size(); at++) {
            byte[] changed = EXAMPLE.toArray();
            changed[at] ^= 1;
            boolean accepted;
            try {
                accepted = SuitEnvelope.parse(Bytes.of(changed)).isSignedBy(key);
            } catch (MalformedException _) {
                accepted = false;
            }
            assertThat(accepted).as("byte " + at).isFalse();
        }
    }

    @Test
    @DisplayName("what boot checks counts, then what installation checks, then what is set; by component")
    void sequences() throws Exception {
        Cbor shared = common(
                Cbor.of(12),
                Cbor.of(0),
                Cbor.of(20),
                digestParameters(FIRST),
                Cbor.of(12),
                Cbor.of(1),
                Cbor.of(20),
                digestParameters(SECOND));
        assertThat(components(SuitEnvelope.parse(envelope(manifest(shared), Cbor.map()))))
                .containsExactly(new Component("boot", null, FIRST, null), new Component("app", null, SECOND, null));
        // The image comes encrypted, with another digest on the way.
        Cbor install = wrap(
                Cbor.array(Cbor.of(12), Cbor.of(1), Cbor.of(20), digestParameters(OTHER), Cbor.of(3), Cbor.of(15)));
        Cbor validate = wrap(Cbor.array(Cbor.of(12), Cbor.of(true), Cbor.of(3), Cbor.of(15)));
        assertThat(components(SuitEnvelope.parse(envelope(manifest(shared).put(20, install), Cbor.map()))))
                .containsExactly(new Component("boot", null, FIRST, null), new Component("app", null, OTHER, null));
        assertThat(components(SuitEnvelope.parse(
                        envelope(manifest(shared).put(7, validate).put(20, install), Cbor.map()))))
                .containsExactly(new Component("boot", null, FIRST, null), new Component("app", null, SECOND, null));
    }

    @Test
    @DisplayName("severed members count by their digest; the text tells versions, with and without languages")
    void severed() throws Exception {
        Cbor shared = common(Cbor.of(12), Cbor.of(true), Cbor.of(20), digestParameters(FIRST));
        Cbor component = Cbor.map()
                .put(id("app"), Cbor.map().put(6, Cbor.of("1.4.0")).build())
                .build();
        for (Cbor text : List.of(
                component,
                Cbor.map()
                        .put(new Cbor.Tagged(38, Cbor.array(Cbor.of("en"), Cbor.of(false))), component)
                        .build())) {
            Cbor wrapped = wrap(text);
            Cbor digest = Cbor.array(Cbor.of(-16), Cbor.of(wrapped.encode().sha256()));
            SuitEnvelope whole = SuitEnvelope.parse(
                    envelope(manifest(shared).put(23, digest), Cbor.map().put(23, wrapped)));
            assertThat(components(whole).get(1).version()).isEqualTo("1.4.0");
            assertThat(whole.isSignedBy(CoseKey.of(signer.publicKey()))).isTrue();
            assertThat(components(SuitEnvelope.parse(envelope(manifest(shared).put(23, digest), Cbor.map())))
                            .get(1)
                            .version())
                    .isNull();
            assertThatThrownBy(() -> SuitEnvelope.parse(envelope(
                            manifest(shared).put(23, digest),
                            Cbor.map().put(23, wrap(Cbor.map().build())))))
                    .isInstanceOf(MalformedException.class);
        }
    }

    @Test
    @DisplayName("nothing is signed without a signature, and a MAC is none")
    void unsigned() throws Exception {
        Cbor shared = common(Cbor.of(20), digestParameters(FIRST));
        SuitEnvelope envelope =
                SuitEnvelope.parse(envelope(wrap(manifest(shared).build()), Cbor.map(), null));
        assertThat(envelope.isSignedBy(CoseKey.of(signer.publicKey()))).isFalse();
    }

    @Test
    @DisplayName("no digest, weak digests, odd sequences, loops of sequences and components twice are refused")
    void refused() {
        Cbor deep = Cbor.array(Cbor.of(20), digestParameters(FIRST));
        for (int depth = 0; depth < 6; depth++) {
            deep = Cbor.array(Cbor.of(32), wrap(deep));
        }
        Cbor weak = Cbor.map()
                .put(3, wrap(Cbor.array(Cbor.of(-14), Cbor.of(Bytes.ofHex("11".repeat(20))))))
                .build();
        Cbor twice = wrap(Cbor.map()
                .put(2, Cbor.array(id("app"), id("app")))
                .put(4, wrap(Cbor.array(Cbor.of(20), digestParameters(FIRST))))
                .build());
        for (Cbor common : List.of(
                common(),
                common(Cbor.of(20), weak),
                common(Cbor.of(20)),
                common(Cbor.of(12), Cbor.of(2)),
                common(Cbor.of(32), wrap(deep)),
                twice)) {
            assertThatThrownBy(() -> SuitEnvelope.parse(envelope(manifest(common), Cbor.map())))
                    .isInstanceOf(MalformedException.class);
        }
    }

    @Test
    @DisplayName("mutations end in a refusal")
    void fuzz() {
        Mutations.feed(List.of(EXAMPLE, SLOTS), 20_000, SuitEnvelope::parse);
        // Behind the digest, the reader goes on.
        Cbor manifest = Cbor.map().build();
        try {
            manifest = Cbor.read(SLOTS, CborLimits.DOCUMENT)
                    .tagged("", 107)
                    .mapping("")
                    .require(3, "");
        } catch (MalformedException e) {
            throw new IllegalStateException(e);
        }
        Mutations.feed(
                List.of(((Cbor.ByteString) manifest).value()),
                20_000,
                input -> SuitEnvelope.parse(envelope(Cbor.of(input), Cbor.map(), null)));
    }
}
