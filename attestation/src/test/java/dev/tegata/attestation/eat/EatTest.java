// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.eat;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.DiagnosticNotation;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.Vectors;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.jose.Jws;
import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("EAT (RFC 9711)")
class EatTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {10: h'00010203040506'}            | 8 to 64 bytes
        {10: [h'0001020304050607']}        | 2 to 16 items
        {256: h'010203'}                   | 7 to 33 bytes
        {6: 1.0}                           | integer
        {4: "tomorrow"}                    | integer
        {263: 5}                           | between 0 and 4
        {262: 1}                           | true or false
        {258: h'0102'}                     | 3 or 16 bytes
        {266: {"a": 1}}                    | submodule
        {266: {"a": {10: h'00'}}}          | 8 to 64 bytes
        {266: {1: {262: true}}}            | name must be text
        {273: [[70000, h'00']]}            | between 0 and 65535
        {266:{"a":{266:{"a":{266:{"a":{266:{"a":{266:{"a":{}}}}}}}}}}} | nested
        """)
    @DisplayName("§4: a claim of another type than defined is refused")
    void refused(String claims, String reason) {
        assertThatThrownBy(() -> Eat.of(DiagnosticNotation.parse(claims)))
                .isInstanceOf(MalformedException.class)
                .hasMessageContaining(reason);
    }

    @Test
    @DisplayName("§5: detached claims with another digest are refused")
    void otherDetached() throws MalformedException {
        String bundle = Vectors.text("eat/tokens/deb.json").replace("ImlVV3QiLA", "ImlVV3UiLA");
        EatToken.Bundle read = (EatToken.Bundle) EatToken.parse(Bytes.of(bundle.getBytes(StandardCharsets.UTF_8)));
        Eat main = ((EatToken.Jwt) read.token()).claims();
        assertThatThrownBy(() -> read.claims(main, "Audio Subsystem")).hasMessageContaining("another digest");
    }

    @Test
    @DisplayName("tokens signed with 'none' or HS256 do not verify")
    void algorithms() throws MalformedException {
        String compact = Vectors.json("eat/tokens/deb.json").at("/0/1").asString();
        CoseKey key = CoseKey.ofSecret(new byte[32]);
        assertThatThrownBy(() -> Jws.parse(compact).verifies(key)).hasMessageContaining("HS256");
        String none =
                Bytes.of("{\"alg\":\"none\"}".getBytes(StandardCharsets.UTF_8)).base64Url() + ".e30.";
        assertThatThrownBy(() -> Jws.parse(none).verifies(key)).hasMessageContaining("none");
        String critical = Bytes.of("{\"alg\":\"ES256\",\"crit\":[\"x\"],\"x\":1}".getBytes(StandardCharsets.UTF_8))
                        .base64Url()
                + ".e30.";
        assertThatThrownBy(() -> Jws.parse(critical)).hasMessageContaining("critical");
    }

    @Test
    @DisplayName("mutations of tokens and wrappers are read or refused, nothing else")
    void fuzz() {
        List<Bytes> seeds = new ArrayList<>();
        for (String folder : List.of("eat/tokens", "eat/payloads", "cmw")) {
            Vectors.files(folder, ".json").forEach(file -> seeds.add(Vectors.bytes(file)));
            Vectors.files(folder, ".diag")
                    .forEach(file -> seeds.add(Vectors.diagnostic(file).encode()));
        }
        Mutations.feed(seeds, 20_000, input -> {
            EatToken token = EatToken.parse(input);
            return token instanceof EatToken.Unprotected(Eat claims) ? claims.toJson() : token;
        });
        Mutations.feed(seeds, 10_000, input -> Cmw.parse(input).toJson());
    }
}
