// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.coap;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstTenant;
import dev.tegata.server.est.Tool;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// libcoap's `coap-client-openssl`, as Debian has it.
@DisplayName("coap-client-openssl")
class LibcoapTest {
    private static final EstTenant TENANT = new EstTenant("libcoap");
    private static final String FLEET = TENANT.fleet("");
    private static final String TLS_CA = RunningServer.shared()
            .server()
            .authorityFile()
            .orElseThrow()
            .toAbsolutePath()
            .toString();

    @TempDir
    Path folder;

    private Tool tool;

    @BeforeAll
    static void requireTool() {
        Tool.require("coap-client-openssl", "libcoap3-bin");
        Tool.require("openssl", "openssl");
    }

    @BeforeEach
    void makeBirthKey() {
        tool = new Tool(folder);
        makeKey("birth");
        tool.run(
                "sh",
                "-c",
                "openssl req -new -x509 -key birth.key -subj /CN=chip -days 3650 -out birth.pem && openssl pkey -in birth.key -pubout -outform der -out birth.pub");
    }

    @Test
    @DisplayName("fetches root and issuing CA, block by block, and the CSR attributes")
    void caCertificates() throws Exception {
        coap("crts", "-b", "64", "-A", "281", "-o", "crts");
        assertThat(CertsOnlyCms.decode(Bytes.of(tool.read("crts"))))
                .containsExactlyInAnyOrderElementsOf(TENANT.authorities());
        coap("att", "-o", "att");
        assertThat(tool.read("att")).startsWith(0x30);
    }

    @Test
    @DisplayName("enrols with a birth key, and again with the operational certificate; both forms of answers")
    void enrolsAndRenews() throws Exception {
        String device = TENANT.claim(FLEET, Bytes.of(tool.read("birth.pub")));
        makeRequest("first");
        coap("sen", "-m", "post", "-t", "286", "-A", "287", "-f", "first.req", "-o", "first.der");
        Certificate first = Certificate.parse(Bytes.of(tool.read("first.der")));
        assertThat(TENANT.state(device)).isEqualTo("active");
        assertThat(TENANT.certificates(device)).containsExactly(first);

        tool.write("birth.pem", first.pem());
        Files.copy(
                folder.resolve("first.key"),
                folder.resolve("birth.key"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        makeRequest("second");
        coap("sren", "-m", "post", "-b", "128", "-t", "286", "-A", "281", "-f", "second.req", "-o", "second.p7");
        assertThat(CertsOnlyCms.decode(Bytes.of(tool.read("second.p7"))))
                .containsExactly(TENANT.certificates(device).getFirst());
        assertThat(TENANT.certificates(device)).hasSize(2);
    }

    @Test
    @DisplayName("is told no where nobody claimed the key, and by another tenant's fleet")
    void refused() {
        makeRequest("first");
        String stranger = coap("sen", "-m", "post", "-t", "286", "-f", "first.req");
        assertThat(stranger).contains("4.03").contains("device-unknown");
        TENANT.awaitRefusal("fleet:" + FLEET, "device-unknown");

        TENANT.claim(FLEET, Bytes.of(tool.read("birth.pub")));
        EstTenant other = new EstTenant("libcoap elsewhere");
        String elsewhere = run(other.fleet(""), "sen", "-m", "post", "-t", "286", "-f", "first.req");
        assertThat(elsewhere).contains("4.03").contains("device-unknown");
    }

    private void makeKey(String name) {
        tool.run("sh", "-c", "openssl ecparam -name prime256v1 -genkey -noout -out " + name + ".key");
    }

    private void makeRequest(String name) {
        makeKey(name);
        tool.run("sh", "-c", "openssl req -new -key %1$s.key -subj /CN=x -outform der -out %1$s.req".formatted(name));
    }

    private String coap(String operation, String... options) {
        return run(FLEET, operation, options);
    }

    private String run(String fleet, String operation, String... options) {
        String url = RunningServer.shared().server().coapUrl().orElseThrow().replace("localhost", "127.0.0.1");
        List<String> words = new ArrayList<>(List.of("coap-client-openssl", "-B", "20"));
        words.addAll(List.of("-c", "birth.pem", "-j", "birth.key", "-R", TLS_CA));
        words.addAll(List.of(options));
        words.add(url + "/.well-known/est/" + fleet + "/" + operation);
        return tool.run(words.toArray(String[]::new));
    }
}
