// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.http.ListenerOptions.Transport;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalTlsIdentityTest {
    @TempDir
    Path folder;

    private final AtomicReference<Instant> now =
            new AtomicReference<>(InstantSource.system().instant().minus(Duration.ofDays(61)));
    private final InstantSource clock = now::get;

    @Test
    void theFilesAreForTheirOwnerOnly() throws Exception {
        new LocalTlsIdentity(folder.resolve("tls"), List.of(), clock);

        try (Stream<Path> files = Files.list(folder.resolve("tls"))) {
            assertThat(files)
                    .hasSize(4)
                    .allSatisfy(file -> assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                            .isEqualTo("rw-------"));
        }
    }

    @Test
    void aSecondStartUsesTheSameCertificateUnlessTheNamesChange() {
        byte[] first = new LocalTlsIdentity(folder, List.of(), clock).material().chain();

        assertThat(new LocalTlsIdentity(folder, List.of(), clock).material().chain())
                .isEqualTo(first);
        assertThat(new LocalTlsIdentity(folder, List.of("10.1.2.3", "2001:db8::1"), clock)
                        .material()
                        .chain())
                .isNotEqualTo(first);
    }

    @Test
    void aCertificateThatIsDamagedOrForAnotherKeyIsMadeAnew() throws Exception {
        byte[] first = new LocalTlsIdentity(folder, List.of(), clock).material().chain();
        Files.copy(folder.resolve("ca.key"), folder.resolve("server.key"), StandardCopyOption.REPLACE_EXISTING);
        byte[] second =
                new LocalTlsIdentity(folder, List.of(), clock).material().chain();
        Files.write(folder.resolve("server.pem"), new byte[0]);
        byte[] third = new LocalTlsIdentity(folder, List.of(), clock).material().chain();

        assertThat(second).isNotEqualTo(first);
        assertThat(third).isNotEqualTo(first).isNotEqualTo(second);
        assertThat(new LocalTlsIdentity(folder, List.of(), clock).material().chain())
                .isEqualTo(third);
    }

    @Test
    void aCertificateIsRenewedInTimeAndShownWithoutARestart() throws Exception {
        LocalTlsIdentity identity = new LocalTlsIdentity(folder, List.of(), clock);
        try (HttpStack stack = new HttpStack(new SimpleMeterRegistry(), identity)) {
            Listener listener = stack.listen(ListenerOptions.of("api", "localhost", 0, Transport.TLS), List.of());
            BigInteger first = shown(listener).getSerialNumber();

            stack.renewIdentity(identity);
            assertThat(shown(listener).getSerialNumber()).isEqualTo(first);

            now.updateAndGet(instant -> instant.plus(Duration.ofDays(61)));
            stack.renewIdentity(identity);
            for (int i = 0; i < 4; i++) {
                assertThat(shown(listener).getSerialNumber()).isNotEqualTo(first);
            }
        }
    }

    private X509Certificate shown(Listener listener) throws Exception {
        try (SSLSocket socket = (SSLSocket) TlsClient.context(folder.resolve("ca.pem"), null, null)
                .getSocketFactory()
                .createSocket("localhost", listener.port())) {
            socket.startHandshake();
            return (X509Certificate) socket.getSession().getPeerCertificates()[0];
        }
    }
}
