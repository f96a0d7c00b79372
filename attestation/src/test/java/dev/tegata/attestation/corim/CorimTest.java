// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.Vectors;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("CoRIM (draft-ietf-rats-corim)")
class CorimTest {
    private static final Validity VALIDITY =
            new Validity(Instant.parse("2026-01-01T00:00:00Z"), Instant.parse("2027-01-01T00:00:00Z"));

    private static Corim corim() {
        Measurement measurement = new Measurement(
                Cbor.of("fw"),
                Cbor.map()
                        .put(Measurement.SVN, new Cbor.Tagged(553, Cbor.of(3)))
                        .build());
        Tag.Comid comid = new Tag.Comid(
                null,
                new TagIdentity(Cbor.of("example/v1"), 2),
                List.of(new Entity("Example", "https://example.com", List.of(0L))),
                List.of(new Tag.LinkedTag(Cbor.of("example/v0"), true)),
                List.of(new Triple.Reference(Environment.ofModel("Example", "Lamp"), List.of(measurement))));
        Tag.Cotl cotl = new Tag.Cotl(new TagIdentity(Cbor.of("list"), 0), List.of(comid.identity()), VALIDITY);
        return new Corim(
                Cbor.of("example"),
                List.of(comid, cotl, new Tag.Opaque(505, Bytes.ofHex("a0"))),
                List.of("https://example.com/rim"),
                "tag:example.com,2026:lamp",
                VALIDITY,
                List.of());
    }

    @Test
    @DisplayName("what we write reads as it was written, signed and unsigned")
    void roundTrip() throws MalformedException {
        assertThat(Corim.parse(corim().encode())).isEqualTo(corim());
        Signer signer = TestKeys.signer("secp384r1");
        SignedCorim signed = SignedCorim.parse(SignedCorim.sign(corim(), "Example", VALIDITY, List.of(), signer)
                .encode());
        assertThat(signed.verifies(CoseKey.of(signer.publicKey()))).isTrue();
        assertThat(signed.corim()).isEqualTo(corim());
        assertThat(signed.signerName()).isEqualTo("Example");
        assertThat(signed.validity()).isEqualTo(VALIDITY);
    }

    @Test
    @DisplayName("§4.2.2: a signature with CWT claims may say its beginning without its end")
    void notBefore() throws MalformedException {
        Cbor.MapItem claims = Cbor.map()
                .put(1, Cbor.of("Example"))
                .put(5, Cbor.of(VALIDITY.notAfter().getEpochSecond()))
                .build();
        Cbor.MapItem header = Cbor.map().put(CoseMessage.CWT_CLAIMS, claims).build();
        CoseMessage message =
                CoseMessage.sign1(header, Cbor.map().build(), corim().encode(), TestKeys.signer("secp256r1"));
        Validity validity =
                Objects.requireNonNull(SignedCorim.parse(message.encode()).validity());
        assertThat(validity.contains(VALIDITY.notAfter())).isTrue();
        assertThat(validity.contains(VALIDITY.notAfter().minusSeconds(1))).isFalse();
    }

    @Test
    @DisplayName("a document of 50 MB is refused before it is read")
    void large() {
        byte[] large = new byte[50 * 1024 * 1024];
        Arrays.fill(large, (byte) 0x81);
        assertThatThrownBy(() -> Corim.parse(Bytes.of(large))).hasMessageContaining("at most");
    }

    @Test
    @DisplayName("a small document of a million items is refused")
    void manyItems() {
        byte[] many = new byte[1024 * 1024];
        many[0] = (byte) 0x9f;
        assertThatThrownBy(() -> Corim.parse(Bytes.of(many))).hasMessageContaining("items");
    }

    @Test
    @DisplayName("mutations of manifests are read or refused, nothing else")
    void fuzz() {
        List<Bytes> seeds = new ArrayList<>();
        seeds.add(corim().encode());
        Vectors.files("corim/comid", ".cbor").forEach(file -> seeds.add(Vectors.bytes(file)));
        Mutations.feed(seeds, 20_000, input -> Tag.Comid.parse(input).toCbor());
        List<Bytes> whole = Vectors.files("corim/corim", ".cbor").stream()
                .map(Vectors::bytes)
                .toList();
        Mutations.feed(whole, 20_000, input -> Corim.parse(input).encode());
        Mutations.feed(whole, 20_000, input -> SignedCorim.parse(input).corim());
    }
}
