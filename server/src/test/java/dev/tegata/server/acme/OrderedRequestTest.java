// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.acme.AcmeOrder;
import dev.tegata.platform.acme.AcmeOrder.Authorization;
import dev.tegata.platform.acme.AcmeOrder.Identifier;
import dev.tegata.server.est.Tool;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("draft-ietf-acme-device-attest-10 §3.2: permanent identifiers in requests that openssl makes")
class OrderedRequestTest {
    private static final String DEVICE = "dev-00Ab";
    private static final AccountKey ACCOUNT =
            new AccountKey(SoftwareKey.generate(KeyAlgorithm.EC_P256).publicKey(), "{}");

    @TempDir
    Path folder;

    private void finalize(String kind, String ordered, String names) throws AcmeProblem {
        Tool.require("openssl", "openssl");
        Tool tool = new Tool(folder);
        tool.write("csr.cnf", """
                [req]
                distinguished_name = name
                prompt = no
                %s
                [name]
                CN = gateway
                [extensions]
                subjectAltName = @names
                [names]
                %s
                """.formatted(
                        names.isEmpty() ? "" : "req_extensions = extensions", names.replace("; ", "\n")));
        tool.run(
                "openssl",
                "req",
                "-new",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-config",
                "csr.cnf",
                "-keyout",
                "key.pem",
                "-outform",
                "DER",
                "-out",
                "csr.der");
        Authorization authorization = new Authorization(
                "a", "o", new Identifier(kind, ordered), AcmeOrder.Validation.VALID, "t", null, null, null, null);
        AcmeOrder order = new AcmeOrder(
                "o", "x", AcmeOrder.State.READY, null, null, List.of(), Instant.EPOCH, List.of(authorization));
        OrderedRequest.requireFit(Bytes.of(tool.read("csr.der")), order, ACCOUNT);
    }

    @Test
    @DisplayName("what was ordered, with its assigner, or nothing at all")
    void fits() {
        for (String names : List.of("", "otherName = 1.3.6.1.5.5.7.8.3;SEQUENCE:id; [id]; value = UTF8:" + DEVICE)) {
            assertThatCode(() -> finalize(Identifier.PERMANENT, DEVICE, names)).doesNotThrowAnyException();
        }
        assertThatCode(() -> finalize(
                        Identifier.PERMANENT,
                        DEVICE + "/1.2.3.4",
                        "otherName = 1.3.6.1.5.5.7.8.3;SEQUENCE:id; [id]; value = UTF8:" + DEVICE
                                + "; assigner = OID:1.2.3.4"))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "value = UTF8:dev-00ab",
                "value = UTF8:dev-00Ab0",
                "value = UTF8:dev-00Ab; assigner = OID:1.2.3.4",
                "assigner = OID:1.2.3.4",
                "value = PRINTABLESTRING:dev-00Ab",
                "value = UTF8:dev-00Ab; assigner = OID:1.2.3.4; more = NULL"
            })
    @DisplayName("any other octet, an assigner that was not ordered, and what is no such identifier are refused")
    void differs(String fields) {
        String names = "otherName = 1.3.6.1.5.5.7.8.3;SEQUENCE:id; [id]; " + fields;
        assertThatThrownBy(() -> finalize(Identifier.PERMANENT, DEVICE, names)).isInstanceOf(AcmeProblem.class);
    }

    @Test
    @DisplayName("a second one, one beside a host name, and a host name beside one are refused")
    void others() {
        String one = "otherName.1 = 1.3.6.1.5.5.7.8.3;SEQUENCE:id; ";
        String identifier = "[id]; value = UTF8:" + DEVICE;
        for (String names : List.of(
                one + "otherName.2 = 1.3.6.1.5.5.7.8.3;SEQUENCE:no; " + identifier + "; [no]; value = UTF8:another",
                one + "DNS.1 = gateway.example; " + identifier)) {
            assertThatThrownBy(() -> finalize(Identifier.PERMANENT, DEVICE, names))
                    .isInstanceOf(AcmeProblem.class);
        }
        assertThatThrownBy(() ->
                        finalize(Identifier.DNS, "gateway.example", one + "DNS.1 = gateway.example; " + identifier))
                .isInstanceOf(AcmeProblem.class);
    }
}
