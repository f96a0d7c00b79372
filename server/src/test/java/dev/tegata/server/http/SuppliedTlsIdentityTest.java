// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.testing.TestClock;
import dev.tegata.server.http.ListenerOptions.Transport;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SuppliedTlsIdentityTest {
    @TempDir
    Path folder;

    private final TestClock clock =
            TestClock.at(InstantSource.system().instant().toString());

    /// A CA, and a certificate of it for `localhost`.
    @BeforeEach
    void make() throws Exception {
        clock.advance(Duration.ofMinutes(1));
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=CA -days 30"
                + " -addext keyUsage=critical,keyCertSign");
        key("server.key", "EC -pkeyopt ec_paramgen_curve:P-256");
        issue("server", "serverAuth");
    }

    private void openssl(String arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("openssl"));
        command.addAll(List.of(arguments.split(" ")));
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
    }

    private void key(String name, String kind) throws Exception {
        openssl("genpkey -out " + name + " -algorithm " + kind);
    }

    private void issue(String name, String purpose) throws Exception {
        openssl("req -x509 -key " + name + ".key -out " + name + ".pem -subj /CN=localhost -days 20 -CA ca.pem"
                + " -CAkey ca.key -addext subjectAltName=DNS:localhost -addext extendedKeyUsage=" + purpose);
    }

    private Path join(String name, String... parts) throws Exception {
        StringBuilder all = new StringBuilder();
        for (String part : parts) {
            all.append(Files.readString(folder.resolve(part)));
        }
        return Files.writeString(folder.resolve(name), all);
    }

    private SuppliedTlsIdentity identity(String chain, String key) {
        return new SuppliedTlsIdentity(folder.resolve(chain), folder.resolve(key), clock);
    }

    private void assertRefused(String chain, String key, String... parts) {
        assertThatThrownBy(() -> identity(chain, key))
                .isInstanceOf(UncheckedIOException.class)
                .message()
                .contains(parts)
                .doesNotContain("Exception", "java");
    }

    @ParameterizedTest
    @CsvSource({
        "EC -pkeyopt ec_paramgen_curve:P-384,false",
        "EC -pkeyopt ec_paramgen_curve:P-256,true",
        "RSA,false",
        "RSA,true"
    })
    void keysOfEachKindAndFormAreShown(String kind, boolean asOldToolsWriteIt) throws Exception {
        key("made.key", kind);
        openssl("pkey -in made.key -out server.key" + (asOldToolsWriteIt ? " -traditional" : ""));
        issue("server", "serverAuth");
        join("chain.pem", "server.pem", "ca.pem");
        try (HttpStack stack = new HttpStack(new SimpleMeterRegistry(), identity("chain.pem", "server.key"))) {
            Listener listener = stack.listen(ListenerOptions.of("api", "localhost", 0, Transport.TLS), List.of());
            try (SSLSocket socket = (SSLSocket) TlsClient.context(folder.resolve("ca.pem"), null, null)
                    .getSocketFactory()
                    .createSocket("localhost", listener.port())) {
                socket.startHandshake();
                assertThat(socket.getSession().getPeerCertificates()).hasSize(2);
            }
        }
    }

    @Test
    void aKeyThatCannotBeUsedIsSaidWithItsFile() throws Exception {
        key("other.key", "EC -pkeyopt ec_paramgen_curve:P-256");
        openssl("pkcs8 -topk8 -in server.key -out sealed.key -passout pass:secret");
        openssl("ec -in server.key -aes128 -out sealed-old.key -passout pass:secret");
        Files.createDirectory(folder.resolve("folder"));

        assertRefused("server.pem", "other.key", "tls-key", "other.key is not the key of", "server.pem");
        assertRefused("server.pem", "ca.key", "tls-key", "ca.key is not the key of");
        assertRefused("server.pem", "sealed.key", "tls-key", "sealed.key is encrypted", "openssl pkey");
        assertRefused("server.pem", "sealed-old.key", "tls-key", "is encrypted");
        assertRefused("server.pem", "server.pem", "tls-key", "holds no private key");
        assertRefused("server.pem", "none.key", "tls-key", "none.key cannot be read");
        assertRefused("server.pem", "folder", "tls-key", "folder cannot be read");
    }

    @Test
    void aCertificateThatCannotBeUsedIsSaidWithItsFile() throws Exception {
        key("other.key", "EC -pkeyopt ec_paramgen_curve:P-256");
        issue("other", "clientAuth");
        join("backwards.pem", "ca.pem", "server.pem");
        join("unrelated.pem", "server.pem", "other.pem");

        assertRefused("server.key", "server.key", "tls-certificate", "server.key holds no certificates");
        assertRefused("none.pem", "server.key", "tls-certificate", "none.pem cannot be read");
        assertRefused("backwards.pem", "server.key", "backwards.pem does not begin with the certificate of tls-key");
        assertRefused("unrelated.pem", "server.key", "unrelated.pem is not in order", "has not issued the first");
        key("ed.key", "ED25519");
        issue("ed", "serverAuth");
        assertRefused("ed.pem", "ed.key", "ed.pem is for a key of the kind EdDSA", "EC or RSA");
        assertRefused("other.pem", "other.key", "other.pem begins with one that is not for TLS servers");
        assertRefused("ca.pem", "ca.key", "ca.pem begins with one that is not for TLS servers", "it is a CA's");
        clock.advance(Duration.ofDays(21));
        assertRefused("server.pem", "server.key", "server.pem has expired at", "renewed");
        clock.advance(Duration.ofDays(-42));
        assertRefused("server.pem", "server.key", "server.pem is good from", "clock");
    }

    @Test
    void whatCannotBeUsedLaterLeavesTheOldOneInUse() throws Exception {
        SuppliedTlsIdentity identity = identity("server.pem", "server.key");
        PemMaterial first = identity.material();
        key("new.key", "EC -pkeyopt ec_paramgen_curve:P-256");
        issue("new", "serverAuth");

        Files.move(folder.resolve("new.pem"), folder.resolve("server.pem"), StandardCopyOption.REPLACE_EXISTING);
        assertThat(identity.refresh()).isFalse();
        assertThat(identity.material()).isSameAs(first);

        Files.move(folder.resolve("new.key"), folder.resolve("server.key"), StandardCopyOption.REPLACE_EXISTING);
        assertThat(identity.refresh()).isTrue();
        assertThat(identity.material()).isNotSameAs(first);
        assertThat(identity.refresh()).isFalse();
    }
}
