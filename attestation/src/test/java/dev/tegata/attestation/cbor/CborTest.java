// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cbor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.upokecenter.cbor.CBORObject;
import dev.tegata.attestation.DiagnosticNotation;
import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.Vectors;
import dev.tegata.pki.Bytes;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("CBOR (RFC 8949)")
class CborTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        00                   | 0
        1864                 | 100
        1bffffffffffffffff   | 18446744073709551615
        3bffffffffffffffff   | -18446744073709551616
        3903e7               | -1000
        f93c00               | 1.0
        f97bff               | 65504.0
        fa47c35000           | 100000.0
        fb3ff199999999999a   | 1.1
        f4                   | false
        f6                   | null
        c11a514b67b0         | 1(1363896240)
        4401020304           | h'01020304'
        62c3bc               | "\u00fc"
        83010203             | [1, 2, 3]
        a201020304           | {1: 2, 3: 4}
        """)
    @DisplayName("appendix A: examples decode, and encode to the same bytes")
    void examples(String hex, String diagnostic) throws MalformedException {
        Cbor item = Cbor.read(Bytes.ofHex(hex), CborLimits.TOKEN);
        if (!diagnostic.contains("1844674407370955161")) {
            assertThat(item).isEqualTo(DiagnosticNotation.parse(diagnostic));
        }
        assertThat(item.encode()).isEqualTo(Bytes.ofHex(hex));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        a201020103 | a map has a key twice
        0000       | 1 bytes follow
        9f0102     | ends too early
        18         | ends too early
        1c         | reserved
        ff         | reserved
        f814       | two bytes
        62c328     | not UTF-8
        5affffffff | beyond the end
        bb7fffffffffffffff | beyond the end
        7f4100ff   | chunk of another kind
        a1810000   | map key
        81818181818181818181818181818181818100 | nested
        """)
    @DisplayName("what is not well-formed is refused with its reason")
    void refused(String hex, String reason) {
        assertThatThrownBy(() -> Cbor.read(Bytes.ofHex(hex), CborLimits.TOKEN))
                .isInstanceOf(MalformedException.class)
                .hasMessageContaining(reason);
    }

    @Test
    @DisplayName("indefinite lengths are read where allowed only, and long forms of integers always")
    void lengths() throws MalformedException {
        Bytes indefinite = Bytes.ofHex("bf019f0203ff0263616263ff");
        assertThat(Cbor.read(indefinite, CborLimits.TOKEN)).isEqualTo(DiagnosticNotation.parse("{1:[2,3],2:\"abc\"}"));
        assertThatThrownBy(() -> Cbor.read(indefinite, CborLimits.TOKEN.definiteLengthsOnly()))
                .hasMessageContaining("indefinite");
        assertThat(Cbor.read(Bytes.ofHex("1b0000000000000001"), CborLimits.TOKEN))
                .isEqualTo(Cbor.of(1));
    }

    @Test
    @DisplayName("every CBOR vector decodes as a second decoder says, and encodes to something that it reads the same")
    void secondOpinion() throws MalformedException {
        List<String> files = Stream.of(".cbor", ".cose")
                .flatMap(suffix -> Vectors.files("", suffix).stream())
                .toList();
        for (String file : files) {
            Bytes encoded = Vectors.bytes(file);
            Cbor item = Cbor.read(encoded, CborLimits.DOCUMENT);
            assertThat(CBORObject.DecodeFromBytes(item.encode().toArray()))
                    .as(file)
                    .isEqualTo(CBORObject.DecodeFromBytes(encoded.toArray()));
        }
    }

    @Test
    @DisplayName("mutations of good input are read or refused, nothing else; what is read survives a round trip")
    void fuzz() {
        List<Bytes> seeds = List.of(
                Bytes.ofHex("bf019f0203ff0263616263ff"),
                Bytes.ofHex("d28443a10126a10442313154546869732069732074686520636f6e74656e742e4101"),
                Bytes.ofHex("a2f93c0001fb3ff199999999999a82c1027f6161ff"));
        Mutations.feed(seeds, 50_000, input -> {
            Cbor item = Cbor.read(input, CborLimits.TOKEN);
            return assertThat(Cbor.read(item.encode(), CborLimits.TOKEN)).isEqualTo(item);
        });
    }
}
