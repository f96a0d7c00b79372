// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.psa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.DiagnosticNotation;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cose.CoseAlgorithm;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("PSA token (RFC 9783)")
class PsaTokenTest {
    private static final Bytes HASH = Bytes.of(new byte[32]);

    private static PsaToken token(PsaProfile profile) {
        return new PsaToken(
                profile,
                HASH,
                Bytes.ofHex("01").concat(HASH),
                HASH,
                -1,
                0x3000,
                HASH,
                "1234567890123-12345",
                List.of(new SoftwareComponent("BL", HASH, "1.0.0", HASH, null)),
                "verifier.example");
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("a token that we build in any profile verifies and reads as it was built")
    void roundTrip(PsaProfile profile) throws MalformedException {
        Signer signer = TestKeys.signer("secp256r1");
        PsaToken token = token(profile);
        CoseMessage signed = PsaToken.parseEnvelope(token.sign(signer, List.of()));
        assertThat(signed.verifies(CoseKey.of(signer.publicKey()))).isTrue();
        assertThat(PsaToken.parse(signed.content())).isEqualTo(token);
        CoseKey.Secret secret = CoseKey.ofSecret(new byte[32]);
        CoseMessage authenticated = PsaToken.parseEnvelope(token.authenticate(secret));
        assertThat(authenticated.verifies(secret)).isTrue();
        assertThat(authenticated.verifies(CoseKey.of(signer.publicKey()))).isFalse();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        2394 | 0              | must not be 0
        2394 | 4294967296     | between
        2394 | 1.0            | integer
        2395 | 28672          | not defined
        2395 | 65536          | between
        10   | h'00'          | 32, 48 or 64
        10   | [h'0000000000000000000000000000000000000000000000000000000000000000'] | byte string
        256  | h'020202020202020202020202020202020202020202020202020202020202020202' | begin with 01
        2398 | "1234567890123" | certification reference
        2399 | []             | 1 to 64 items
        2399 | [{1: "BL"}]    | is missing
        268  | h'00'          | boot seed
        265  | "tag:other"    | profile
        """)
    @DisplayName("§4: a claim outside of its limits is refused")
    void refused(int key, String value, String reason) {
        Cbor.Builder claims = Cbor.map();
        token(PsaProfile.RFC_9783).claims().entries().forEach(claims::put);
        claims.put(key, DiagnosticNotation.parse(value));
        assertThatThrownBy(() -> PsaToken.of(claims.build()))
                .isInstanceOf(MalformedException.class)
                .hasMessageContaining(reason);
    }

    @Test
    @DisplayName("§5.1.1: an unknown claim is no error, long integers are read, indefinite lengths are refused")
    void encoding() throws MalformedException {
        Cbor.Builder claims = Cbor.map().put(99_999, Cbor.of("new"));
        token(PsaProfile.RFC_9783).claims().entries().forEach(claims::put);
        String hex = claims.build().encode().hex();
        assertThat(PsaToken.parse(Bytes.ofHex(hex)).clientId()).isEqualTo(-1);
        assertThat(PsaToken.parse(Bytes.ofHex(hex.replace("19095b193000", "19095b1a00003000")))
                        .lifecycle())
                .isEqualTo(0x3000);
        assertThatThrownBy(() -> PsaToken.parse(Bytes.ofHex("bf" + hex.substring(2) + "ff")))
                .hasMessageContaining("indefinite");
    }

    @Test
    @DisplayName("§5.1: truncated MACs and other algorithms are refused")
    void algorithms() {
        Bytes truncated = CoseMessage.mac0(
                        CoseAlgorithm.HMAC_256_64,
                        token(PsaProfile.RFC_9783).claims().encode(),
                        CoseKey.ofSecret(new byte[32]))
                .encode();
        assertThatThrownBy(() -> PsaToken.parseEnvelope(truncated)).hasMessageContaining("HMAC_256_64");
    }

    @Test
    @DisplayName("mutations of claims are read or refused, nothing else")
    void fuzz() {
        List<Bytes> seeds = List.of(
                token(PsaProfile.RFC_9783).claims().encode(),
                token(PsaProfile.ARM_2_0_0).claims().encode(),
                token(PsaProfile.PROFILE_1).claims().encode());
        Mutations.feed(seeds, 20_000, input -> {
            PsaToken token = PsaToken.parse(input);
            token.measurements();
            return assertThat(PsaToken.of(token.claims())).isEqualTo(token);
        });
        Bytes message = token(PsaProfile.RFC_9783).sign(TestKeys.signer("secp256r1"), List.of(HASH, HASH));
        Mutations.feed(
                List.of(message), 10_000, input -> PsaToken.parseEnvelope(input).x5chain());
    }
}
