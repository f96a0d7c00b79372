// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cose;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.pki.Bytes;
import java.security.KeyPair;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("COSE (RFC 9052)")
class CoseMessageTest {
    private static final Cbor.MapItem EMPTY = Cbor.map().build();
    private static final Bytes PAYLOAD = Bytes.ofHex("a0");

    @ParameterizedTest
    @ValueSource(strings = {"secp256r1", "secp384r1", "Ed25519"})
    @DisplayName("§4.2: a message that we sign verifies, under the signer's key only")
    void signs(String kind) throws MalformedException {
        Signer signer = TestKeys.signer(kind);
        CoseMessage message = CoseMessage.parse(
                CoseMessage.sign1(EMPTY, EMPTY, PAYLOAD, signer).encode(), CborLimits.TOKEN);
        assertThat(message.verifies(CoseKey.of(signer.publicKey()))).isTrue();
        assertThat(message.verifies(CoseKey.of(TestKeys.signer(kind).publicKey())))
                .isFalse();
        assertThat(message.verifies(CoseKey.of(signer.publicKey()), Bytes.ofHex("01")))
                .isFalse();
    }

    @Test
    @DisplayName("a public key is never taken for a MAC key, nor the other way round")
    void confusion() throws MalformedException {
        Signer signer = TestKeys.signer("secp256r1");
        CoseKey.Secret asSecret = CoseKey.ofSecret(signer.publicKey().encoded().toArray());
        CoseMessage mac = CoseMessage.mac0(CoseAlgorithm.HMAC_256, PAYLOAD, asSecret);
        assertThat(mac.verifies(asSecret)).isTrue();
        assertThat(mac.verifies(CoseKey.of(signer.publicKey()))).isFalse();
        CoseMessage relabelled = CoseMessage.of(new Cbor.Tagged(18, mac.toCbor().tagged("mac", 17)));
        assertThat(relabelled.verifies(CoseKey.of(signer.publicKey()))).isFalse();
        assertThat(relabelled.verifies(asSecret)).isFalse();
    }

    @Test
    @DisplayName("§3.1: a critical header that is not understood, unprotected or absent is refused")
    void critical() {
        for (Cbor.MapItem header : List.of(
                Cbor.map().put(2, Cbor.array(Cbor.of(99))).put(99, Cbor.of(1)).build(),
                Cbor.map().put(2, Cbor.array(Cbor.of(3))).build(),
                Cbor.map().put(2, Cbor.array()).build())) {
            Cbor message = Cbor.array(Cbor.of(header.encode()), EMPTY, Cbor.of(PAYLOAD), Cbor.of(PAYLOAD));
            assertThatThrownBy(() -> CoseMessage.of(new Cbor.Tagged(18, message)))
                    .isInstanceOf(MalformedException.class)
                    .hasMessageContaining("critical");
        }
    }

    @Test
    @DisplayName("a label may not stand in both headers")
    void both() {
        Cbor.MapItem header = Cbor.map().put(1, Cbor.of(-7)).build();
        assertThatThrownBy(() -> CoseMessage.of(new Cbor.Tagged(
                        18, Cbor.array(Cbor.of(header.encode()), header, Cbor.of(PAYLOAD), Cbor.of(PAYLOAD)))))
                .hasMessageContaining("both");
    }

    @Test
    @DisplayName("a COSE_Key gives the key that it encodes")
    void key() throws MalformedException {
        KeyPair pair = TestKeys.pair("secp256r1");
        Bytes spki = Bytes.of(pair.getPublic().getEncoded());
        Cbor encoded = Cbor.map()
                .put(1, Cbor.of(2))
                .put(-1, Cbor.of(1))
                .put(-2, Cbor.of(spki.slice(27, 59)))
                .put(-3, Cbor.of(spki.slice(59, 91)))
                .build();
        assertThat(CoseKey.parse(encoded)).isEqualTo(CoseKey.of(pair.getPublic()));
        assertThatThrownBy(() -> CoseKey.parse(Cbor.map()
                        .put(1, Cbor.of(2))
                        .put(-1, Cbor.of(1))
                        .put(-2, Cbor.of(spki.slice(27, 59)))
                        .put(-3, Cbor.of(spki.slice(27, 59)))
                        .build()))
                .isInstanceOf(MalformedException.class);
    }

    @Test
    @DisplayName("mutations of messages are read or refused, nothing else, and never verify with another payload")
    void fuzz() {
        Signer signer = TestKeys.signer("secp256r1");
        CoseKey key = CoseKey.of(signer.publicKey());
        Bytes good = CoseMessage.sign1(EMPTY, EMPTY, PAYLOAD, signer).encode();
        Mutations.feed(List.of(good), 3_000, input -> {
            CoseMessage message = CoseMessage.parse(input, CborLimits.TOKEN);
            if (message.verifies(key)) {
                assertThat(message.content()).isEqualTo(PAYLOAD);
            }
            return message;
        });
    }
}
