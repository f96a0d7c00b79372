// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PemTest {
    private static final Bytes CONTENT = Bytes.of(new byte[100]);

    @Test
    void whatIsWrittenIsRead() throws EncodingException {
        String text = Pem.encode(Pem.CERTIFICATE, CONTENT);
        assertThat(text.lines()).allMatch(line -> line.length() <= 64);
        assertThat(Pem.blocks(text)).containsExactly(new Pem.Block(Pem.CERTIFICATE, CONTENT));
    }

    @Test
    void textAroundTheBlocksIsPassedOver() throws EncodingException {
        String block = Pem.encode(Pem.CERTIFICATE, CONTENT).replace("\n", "\r\n");
        String text = "subject=CN = x\n" + block + "--\nnotes\n  " + Pem.encode("X", CONTENT) + block;
        assertThat(Pem.blocks(text)).hasSize(3);
        assertThat(Pem.contents(text, Pem.CERTIFICATE)).isEqualTo(List.of(CONTENT, CONTENT));
        assertThat(Pem.blocks("nothing here")).isEmpty();
        assertThatThrownBy(() -> Pem.contents("nothing here", Pem.CERTIFICATE)).isInstanceOf(EncodingException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-----BEGIN X-----",
                "-----BEGIN X",
                "-----BEGIN X-----\nAAAA\n-----END Y-----",
                "-----BEGIN x-----\nAAAA\n-----END x-----",
                "-----BEGIN X-----\nA*AA\n-----END X-----",
                "-----BEGIN X-----\nAAA\n-----END X-----",
                "-----BEGIN X-----\nAAAA=AAA\n-----END X-----",
                "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END X-----",
                "-----BEGIN X-----\n-----BEGIN X-----\nAAAA\n-----END X-----",
                "-----BEGIN X-----\n-----END X-----"
            })
    void blocksAreReadStrictly(String text) {
        assertThatThrownBy(() -> Pem.blocks(text)).isInstanceOf(EncodingException.class);
    }

    @Test
    void textIsBounded() {
        assertThatThrownBy(() -> Pem.blocks(" ".repeat(5 << 20))).isInstanceOf(EncodingException.class);
        assertThatThrownBy(() -> Pem.blocks(Pem.encode("X", CONTENT).repeat(1001)))
                .isInstanceOf(EncodingException.class);
    }
}
