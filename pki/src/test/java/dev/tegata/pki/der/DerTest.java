// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.math.BigInteger;
import java.time.Instant;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DerTest {
    private static String write(Consumer<DerWriter> body) {
        DerWriter writer = new DerWriter();
        body.accept(writer);
        return writer.toBytes().hex();
    }

    private static DerReader read(String hex) {
        return DerReader.of(Bytes.ofHex(hex));
    }

    @Nested
    class WhatIsWrittenIsRead {
        @ParameterizedTest
        @ValueSource(ints = {0, 1, 127, 128, 255, 256, 65535, 65536, 70000})
        @DisplayName("X.690 §8.1.3: lengths in their shortest form")
        void lengths(int size) throws EncodingException {
            DerWriter writer = new DerWriter();
            writer.sequence(() -> writer.octetString(new byte[size]));
            DerReader reader = DerReader.of(writer.toArray());
            DerReader inside = reader.sequence();
            assertThat(inside.octetString().size()).isEqualTo(size);
            inside.end();
            reader.end();
        }

        @ParameterizedTest
        @ValueSource(strings = {"0", "1", "127", "128", "255", "256", "-1", "-128", "-129", "340282366920938463463"})
        void integers(String value) throws EncodingException {
            String hex = write(writer -> writer.integer(new BigInteger(value)));
            assertThat(read(hex).integer()).isEqualTo(value);
        }

        @ParameterizedTest
        @ValueSource(ints = {0, 1, 2, 0x21, 0x60, 0x80, 0x100, 0x1ff, 0xffffff})
        void namedBits(int bits) throws EncodingException {
            assertThat(read(write(writer -> writer.namedBits(bits))).namedBits())
                    .isEqualTo(bits);
        }

        @ParameterizedTest
        @CsvSource({
            "1950-01-01T00:00:00Z, 170d3530303130313030303030305a",
            "2049-12-31T23:59:59Z, 170d3439313233313233353935395a",
            "2050-01-01T00:00:00Z, 180f32303530303130313030303030305a",
            "9999-12-31T23:59:59Z, 180f39393939313233313233353935395a",
            "1949-12-31T23:59:59Z, 180f31393439313233313233353935395a"
        })
        @DisplayName("RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on")
        void times(Instant time, String hex) throws EncodingException {
            assertThat(write(writer -> writer.time(time))).isEqualTo(hex);
            assertThat(read(hex).time()).isEqualTo(time);
        }

        @ParameterizedTest
        @CsvSource({
            "2.5.29.15, 0603551d0f",
            "1.2.840.113549.1.1.11, 06092a864886f70d01010b",
            "2.999.3, 0603883703",
            "0.9.2342.19200300.100.1.25, 060a0992268993f22c640119",
            "2.25.340282366920938463463374607431768211455, 06146983ffffffffffffffffffffffffffffffffff7f"
        })
        void objectIdentifiers(String dotted, String hex) throws EncodingException {
            assertThat(write(writer -> writer.oid(Oid.of(dotted)))).isEqualTo(hex);
            assertThat(read(hex).oid()).hasToString(dotted).isEqualTo(Oid.of(dotted));
        }

        @Test
        @DisplayName("X.690 §11.6: the elements of a SET OF in the order of their encodings")
        void sets() {
            List<Bytes> elements = List.of(Bytes.ofHex("020103"), Bytes.ofHex("0101ff"), Bytes.ofHex("020101"));
            assertThat(write(writer -> writer.setOf(Tag.SET, elements))).isEqualTo("31090101ff020101020103");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "3080020101" + "0000", // indefinite length
                "308103020101", // length not in its shortest form
                "30820003020101",
                "3084000000030201010000", // four octets of length
                "3003020201", // longer than what surrounds it
                "30",
                "3f0100", // a tag of more than one octet
                "300402020001", // a number not in its shortest form
                "30040202ff80",
                "30020200", // an empty number
                "300602010102010a" // one element too many
            })
    void aSequenceOfOneNumberIsReadStrictly(String hex) {
        assertThatThrownBy(() -> {
                    DerReader reader = read(hex);
                    DerReader sequence = reader.sequence();
                    reader.end();
                    sequence.integer();
                    sequence.end();
                })
                .isInstanceOf(EncodingException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "010101", // TRUE is FF
                "01020000",
                "0303040108", // an unused bit that is one
                "03020880", // eight unused bits
                "030101", // unused bits in nothing
                "03020101", // an unused bit that is one
                "170b3236303130313030303030305a", // no such length
                "170d3236313330313030303030305a", // month 13
                "170d3236303133323030303030305a", // day 32
                "170d3236303130313234303030305a", // hour 24
                "17113236303130313030303030302b30303030", // an offset
                "181132303236303130313030303030302e355a", // a fraction
                "0602802a", // an arc not in its shortest form
                "06022a86", // an arc that is cut off
                "0600",
                "050100", // a NULL with content
                "0c02c328", // not UTF-8
                "1302c3a9", // not ASCII
                "130140", // '@' is not printable
                "2403040100", // a constructed string
                "0901", // REAL
                "31060201020201" + "01" // a SET that is not in order
            })
    void theCanonicalFormIsDemanded(String hex) {
        assertThatThrownBy(() -> CanonicalDer.require(Bytes.ofHex(hex).toArray()))
                .isInstanceOf(EncodingException.class);
    }

    @Test
    void nestingIsBounded() {
        DerWriter writer = new DerWriter();
        nest(writer, 30);
        assertThatThrownBy(() -> CanonicalDer.require(writer.toArray()))
                .isInstanceOf(EncodingException.class)
                .hasMessageContaining("too deeply");
    }

    private static void nest(DerWriter writer, int levels) {
        if (levels > 0) {
            writer.sequence(() -> nest(writer, levels - 1));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1", "3.1", "1.40", "0.99999999999", "1.2.", ".1.2", "1.02", "1.2.x", "1..2", "-1.2"})
    void whatIsNoObjectIdentifierIsRefused(String text) {
        assertThatThrownBy(() -> Oid.of(text)).isInstanceOf(IllegalArgumentException.class);
    }
}
