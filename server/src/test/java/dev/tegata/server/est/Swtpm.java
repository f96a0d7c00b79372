// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.agent.tpm.Tpm;
import dev.tegata.agent.tpm.TpmPort;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A software TPM that its maker gave an endorsement key with a certificate. It survives reboots.
final class Swtpm implements AutoCloseable {
    /// The handle of its endorsement key, of RSA.
    static final long RSA_KEY = 0x8101_0001L;

    private static final long RSA_CERTIFICATE = 0x01C0_0002L;

    private final Path folder;
    private final Path ca;
    private Process process;
    private Tpm tpm;

    /// A new TPM by a maker of its own.
    Swtpm(Path folder) throws IOException, InterruptedException {
        this(folder, folder.resolve("ca"));
    }

    /// Another TPM by the maker of this one.
    Swtpm sibling(Path other) throws IOException, InterruptedException {
        return new Swtpm(other, ca);
    }

    private Swtpm(Path folder, Path ca) throws IOException, InterruptedException {
        Tool.require("swtpm", "swtpm");
        Tool.require("swtpm_setup", "swtpm-tools");
        this.folder = Files.createDirectories(folder);
        this.ca = Files.createDirectories(ca);
        Files.createDirectories(folder.resolve("state"));
        Tool tool = new Tool(folder);
        tool.write("setup.conf", """
                create_certs_tool = /usr/share/swtpm/swtpm-localca
                create_certs_tool_config = %1$s/localca.conf
                create_certs_tool_options = %1$s/localca.options
                active_pcr_banks = sha256
                """.formatted(folder));
        tool.write("localca.conf", """
                statedir = %1$s
                signingkey = %1$s/signkey.pem
                issuercert = %1$s/issuercert.pem
                certserial = %1$s/certserial
                """.formatted(ca));
        tool.write(
                "localca.options",
                "--platform-manufacturer Example\n--platform-version 1.0\n--platform-model ExampleGateway\n");
        tool.run(
                "swtpm_setup",
                "--tpm2",
                "--tpmstate",
                folder.resolve("state").toString(),
                "--create-ek-cert",
                "--lock-nvram",
                "--overwrite",
                "--config",
                folder.resolve("setup.conf").toString(),
                "--logfile",
                folder.resolve("setup.log").toString());
        start();
    }

    private void start() throws IOException, InterruptedException {
        int port = Tool.freePort();
        process = new ProcessBuilder(
                        "swtpm",
                        "socket",
                        "--tpm2",
                        "--tpmstate",
                        "dir=" + folder.resolve("state"),
                        "--server",
                        "type=tcp,port=" + port + ",bindaddr=127.0.0.1",
                        "--ctrl",
                        "type=tcp,port=" + Tool.freePort() + ",bindaddr=127.0.0.1",
                        "--flags",
                        "not-need-init,startup-clear")
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log").toFile())
                .start();
        // To connect in order to see would take the one connection that it gives.
        String listening = "0100007F:%04X 00000000:0000 0A".formatted(port);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!Files.readString(Path.of("/proc/net/tcp")).contains(listening)) {
            assertThat(System.nanoTime()).as("swtpm does not start").isLessThan(deadline);
            Thread.sleep(20);
        }
        tpm = new Tpm(TpmPort.tcp(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 30_000));
    }

    Tpm tpm() {
        return tpm;
    }

    /// Starts the machine anew: PCRs are zero, and the firmware measures what it starts.
    void boot(String... measured) throws IOException, InterruptedException {
        close();
        start();
        for (String component : measured) {
            tpm.extendPcr(
                    0, Bytes.of(component.getBytes(StandardCharsets.UTF_8)).sha256());
        }
    }

    /// The endorsement key's certificate, and the maker's that is above it.
    List<Certificate> endorsement() throws IOException, InvalidCertificateException {
        return List.of(Certificate.parse(tpm.readNv(RSA_CERTIFICATE)), certificate("issuercert.pem"));
    }

    /// What stands between the TPM's certificate and the maker's root, in DER.
    List<Bytes> issuers() {
        return List.of(certificate("issuercert.pem").encoded());
    }

    /// The maker's root.
    Certificate maker() {
        return certificate("swtpm-localca-rootca-cert.pem");
    }

    private Certificate certificate(String file) {
        try {
            return EstTenant.certificate(Files.readString(ca.resolve(file)));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() throws IOException, InterruptedException {
        tpm.close();
        process.destroy();
        process.waitFor(10, TimeUnit.SECONDS);
    }
}
