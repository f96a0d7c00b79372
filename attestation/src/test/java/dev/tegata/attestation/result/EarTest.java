// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.TestKeys;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.interfaces.ECPublicKey;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("EAR (draft-ietf-rats-ear-04)")
class EarTest {
    private static final Instant NOW = Instant.ofEpochSecond(1_780_000_000);

    private static Ear ear(EarProfile profile) {
        Appraisal bad =
                Appraisal.of(TrustVector.all(TrustVector.CRYPTO_FAILED), List.of("default"), null, null, null, null);
        Appraisal good = Appraisal.of(
                new TrustVector(Map.of(TrustClaim.EXECUTABLES, 2)),
                List.of("default"),
                Cbor.map().put("scheme", Cbor.of("psa")).build(),
                Cbor.map().put("why", Cbor.of("because")).build(),
                Bytes.ofHex("0011223344556677"),
                Bytes.ofHex("30"));
        return new Ear(
                profile,
                NOW,
                NOW.plusSeconds(60),
                new Ear.VerifierId("Example", "1.0"),
                new Cmw.Single(new Cmw.MediaType("application/octet-stream"), Bytes.ofHex("01"), 0),
                Bytes.ofHex("0011223344556677"),
                Map.of("a", good, "b", bad),
                profile == EarProfile.DRAFT_04 ? Map.of("a", List.of("b")) : Map.of());
    }

    @Test
    @DisplayName("a result that we sign reads as it was, as JWT and as CWT, by our reader and another's")
    void roundTrip() throws Exception {
        KeyPair pair = TestKeys.pair("secp256r1");
        Signer signer = TestKeys.signer(pair);
        CoseKey key = CoseKey.of(signer.publicKey());
        Ear ear = ear(EarProfile.DRAFT_04);
        assertThat(ear.status()).isEqualTo(Tier.CONTRAINDICATED);
        String jwt = ear.signJwt("k1", signer);
        assertThat(Ear.verifyJwt(jwt, key, NOW)).isEqualTo(ear);
        assertThat(JWSObject.parse(jwt).verify(new ECDSAVerifier((ECPublicKey) pair.getPublic())))
                .isTrue();
        assertThat(Ear.verifyCwt(ear.signCwt("k1", signer), key, NOW)).isEqualTo(ear);
        Ear older = ear(EarProfile.VERAISON_2023);
        assertThat(Ear.verifyJwt(older.signJwt("k1", signer), key, NOW)).isEqualTo(older);
    }

    @Test
    @DisplayName("a result of another signer, or one that ran out, is refused")
    void refusedTokens() {
        Signer signer = TestKeys.signer("secp256r1");
        String jwt = ear(EarProfile.DRAFT_04).signJwt("k1", signer);
        assertThatThrownBy(() -> Ear.verifyJwt(
                        jwt, CoseKey.of(TestKeys.signer("secp256r1").publicKey()), NOW))
                .hasMessageContaining("signature");
        assertThatThrownBy(() -> Ear.verifyJwt(jwt, CoseKey.of(signer.publicKey()), NOW.plusSeconds(60)))
                .hasMessageContaining("ran out");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        'iat":1780000000'     | 'iat":1780000000.0' | integer
        'iat":'               | 'xat":'             | iat
        'rats/ear#04'         | 'rats/ear#99'       | profile
        'submods":'           | 'submodz":'         | submods
        '"build":'            | '"built":'          | build
        'executables":2'      | 'executables":200'  | between
        'executables":2'      | 'executable":2'     | no trustworthiness claim
        '"ear_status":"contraindicated","ear_ver' | '"ear_status":"affirming","ear_ver' | better than
        '{"executables":2}'   | '{}'                | empty
        """)
    @DisplayName("§3: mandatory claims, dates as integers, values in range")
    void refused(String from, String to, String reason) {
        String json = new String(ear(EarProfile.DRAFT_04).toJson().toArray(), StandardCharsets.UTF_8);
        assertThat(json).contains(from);
        assertThatThrownBy(() -> Ear.parseJson(Bytes.of(json.replace(from, to).getBytes(StandardCharsets.UTF_8))))
                .isInstanceOf(MalformedException.class)
                .hasMessageContaining(reason);
    }

    @ParameterizedTest
    @CsvSource({
        "0,NONE",
        "1,NONE",
        "-1,NONE",
        "2,AFFIRMING",
        "31,AFFIRMING",
        "-2,AFFIRMING",
        "-32,AFFIRMING",
        "32,WARNING",
        "95,WARNING",
        "-33,WARNING",
        "-96,WARNING",
        "96,CONTRAINDICATED",
        "127,CONTRAINDICATED",
        "-97,CONTRAINDICATED",
        "-128,CONTRAINDICATED"
    })
    @DisplayName("AR4SI §2.3.2: tiers of values")
    void tiers(int value, Tier tier) {
        assertThat(Tier.ofValue(value)).isEqualTo(tier);
    }

    @Test
    @DisplayName("mutations of results are read or refused, nothing else")
    void fuzz() {
        Mutations.feed(
                List.of(
                        ear(EarProfile.DRAFT_04).toJson(),
                        ear(EarProfile.VERAISON_2023).toJson()),
                10_000,
                Ear::parseJson);
        Mutations.feed(List.of(ear(EarProfile.DRAFT_04).toCbor()), 10_000, Ear::parseCbor);
    }
}
