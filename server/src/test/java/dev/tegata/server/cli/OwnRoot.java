// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A company's own root, kept with openssl.
final class OwnRoot {
    private OwnRoot() {}

    /// A key and its certificate.
    record Pair(Path key, Path certificate) {}

    static Pair make(Path folder) throws IOException, InterruptedException {
        Pair root = new Pair(folder.resolve("root.key"), folder.resolve("root.pem"));
        openssl(
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                root.key().toString(),
                "-out",
                root.certificate().toString(),
                "-days",
                "3650",
                "-subj",
                "/C=DE/O=Commands GmbH/CN=Own Root",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign");
        return root;
    }

    /// Signs `request` and gives the chain up to the root.
    static Path sign(Path folder, Path request) throws IOException, InterruptedException {
        Pair root = make(folder);
        Path extensions = Files.writeString(folder.resolve("ca.ext"), """
                basicConstraints=critical,CA:TRUE,pathlen:0
                keyUsage=critical,keyCertSign,cRLSign
                subjectKeyIdentifier=hash
                authorityKeyIdentifier=keyid
                """);
        Path signed = folder.resolve("signed.pem");
        openssl(
                "x509",
                "-req",
                "-in",
                request.toString(),
                "-CA",
                root.certificate().toString(),
                "-CAkey",
                root.key().toString(),
                "-CAcreateserial",
                "-days",
                "365",
                "-extfile",
                extensions.toString(),
                "-out",
                signed.toString());
        return Files.writeString(
                folder.resolve("chain.pem"), Files.readString(signed) + Files.readString(root.certificate()));
    }

    private static void openssl(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("openssl"));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
    }
}
