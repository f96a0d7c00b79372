// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static dev.tegata.pki.certificate.NameAttribute.COMMON_NAME;
import static dev.tegata.pki.certificate.NameAttribute.COUNTRY;
import static dev.tegata.pki.certificate.NameAttribute.DN_QUALIFIER;
import static dev.tegata.pki.certificate.NameAttribute.LOCALITY;
import static dev.tegata.pki.certificate.NameAttribute.ORGANIZATION;
import static dev.tegata.pki.certificate.NameAttribute.SERIAL_NUMBER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NameTest {
    @Test
    void aNameIsWrittenAndRead() throws Exception {
        Name name = Name.of(
                Name.Attribute.of(COUNTRY, "IT"),
                Name.Attribute.of(LOCALITY, "Forlì"),
                Name.Attribute.of(ORGANIZATION, "Rossi, Bianchi + C. \"R&B\""),
                Name.Attribute.of(COMMON_NAME, " #1; <x>\\ "),
                Name.Attribute.of(SERIAL_NUMBER, "00-11"),
                Name.Attribute.of(DN_QUALIFIER, "a=b"));
        Name again = Name.decode(name.encoded());
        assertThat(again).isEqualTo(name);
        assertThat(again.attributes()).isEqualTo(name.attributes());
        assertThat(Name.parse(name.toString())).isEqualTo(name);
        assertThat(again.commonName()).contains(" #1; <x>\\ ");
        assertThat(again.value(NameAttribute.STATE)).isEmpty();
        assertThat(name)
                .hasToString("dnQualifier=a=b,serialNumber=00-11,CN=\\ #1\\; \\<x\\>\\\\\\ ,"
                        + "O=Rossi\\, Bianchi \\+ C. \\\"R&B\\\",L=Forlì,C=IT");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "CN=a,O=b|CN=a,O=b",
                " cn = a , o = b c |CN=a,O=b c",
                "CN=a\\,b|CN=a\\,b",
                "CN=M\\C3\\BCller|CN=Müller",
                "DNQ=x|dnQualifier=x"
            })
    @DisplayName("RFC 4514 §3: the text form is read")
    void textIsRead(String text, String canonical) {
        assertThat(Name.parse(text)).hasToString(canonical);
    }

    @Test
    void theEmptyNameIsEmpty() throws Exception {
        assertThat(Name.parse("")).isEqualTo(Name.EMPTY);
        assertThat(Name.decode(Bytes.ofHex("3000"))).isEqualTo(Name.EMPTY);
        assertThat(Name.EMPTY.isEmpty()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "CN",
                "CN=",
                "CN= ",
                "XX=a",
                "CN=a+O=b",
                "CN=\"a\"",
                "CN=#0401ff",
                "CN=a\\",
                "CN=a\\x",
                "CN=a\\FF",
                "CN=a\\00b",
                "CN=a\u202eb",
                "CN=a\nb",
                "C=it",
                "C=ITA",
                "C=I",
                "serialNumber=a@b",
                "dnQualifier=é",
                "CN=a,,O=b"
            })
    void whatCannotBeANameIsRefused(String text) {
        assertThatThrownBy(() -> Name.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @DisplayName("RFC 5280 appendix A: upper bounds count characters")
    void boundsAreKept() {
        assertThat(Name.of(Name.Attribute.of(COMMON_NAME, "é".repeat(64))).commonName())
                .isPresent();
        assertThatThrownBy(() -> Name.of(Name.Attribute.of(COMMON_NAME, "x".repeat(65))))
                .hasMessage("CN has 65 characters, at most 64 are allowed");
        assertThatThrownBy(() -> Name.of(Name.Attribute.of(LOCALITY, "x".repeat(129))))
                .hasMessageContaining("at most 128");
    }

    @Test
    void namesOfOthersAreShownSafely() throws Exception {
        // CN as UTF8String with a line feed, and an attribute of an unknown type
        Bytes strange =
                Bytes.ofHex("3020" + "310c300a06035504030c03610a62" + "3110300e06042a030405" + "0c06637573746f6d");
        assertThat(Name.decode(strange)).hasToString("1.2.3.4.5=#0c06637573746f6d,CN=a\\0ab");
    }

    @Nested
    class Templates {
        private static final Map<String, String> VARIABLES =
                Map.of("device.id", "d-1", "device.serial", "00FF", "tenant.organization", "A, B=C + D");

        @Test
        void gapsAreFilled() {
            NameTemplate template = NameTemplate.parse("CN=x {device.id}-{device.serial},O={tenant.organization},C=IT");
            assertThat(template.render(VARIABLES)).hasToString("CN=x d-1-00FF,O=A\\, B=C \\+ D,C=IT");
        }

        @Test
        void whatIsFilledInCannotAddAttributes() {
            Name name = NameTemplate.parse("CN={device.id}").render(Map.of("device.id", "x,O=Evil\\,{device.serial}"));
            assertThat(name.attributes()).hasSize(1);
            assertThat(name.commonName()).contains("x,O=Evil\\,{device.serial}");
        }

        @Test
        void bracesCanBeMeant() {
            assertThat(NameTemplate.parse("CN=\\{device.id\\}").render(Map.of()).commonName())
                    .contains("{device.id}");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "CN={device.name}",
                    "CN={device.id",
                    "CN=device.id}",
                    "CN={}",
                    "CN={device.id},CN=x",
                    "C=Italy",
                    "CN=",
                    "X={device.id}"
                })
        void mistakesAreFoundWhenParsed(String text) {
            assertThatThrownBy(() -> NameTemplate.parse(text)).isInstanceOf(IllegalArgumentException.class);
        }

        @Test
        void valuesThatDoNotFitAreErrors() {
            NameTemplate template = NameTemplate.parse("CN={device.id}");
            assertThatThrownBy(() -> template.render(Map.of("device.id", "x".repeat(65))))
                    .hasMessage("CN has 65 characters, at most 64 are allowed");
            assertThatThrownBy(() -> template.render(Map.of())).hasMessageContaining("'device.id' has no value");
        }
    }
}
