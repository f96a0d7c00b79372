// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The operator's own certificate and key, read again when the files change.
public final class SuppliedTlsIdentity implements TlsIdentity {
    private static final Logger LOG = LoggerFactory.getLogger(SuppliedTlsIdentity.class);

    private final Path chainFile;
    private final Path keyFile;
    private volatile PemMaterial material;

    /// @throws UncheckedIOException where a file cannot be read
    public SuppliedTlsIdentity(Path chainFile, Path keyFile) {
        this.chainFile = chainFile;
        this.keyFile = keyFile;
        try {
            this.material = read();
        } catch (IOException e) {
            throw new UncheckedIOException("the TLS certificate or its key cannot be read: " + e.getMessage(), e);
        }
    }

    @Override
    public PemMaterial material() {
        return material;
    }

    @Override
    public boolean refresh() {
        try {
            PemMaterial now = read();
            if (Arrays.equals(now.chain(), material.chain()) && Arrays.equals(now.key(), material.key())) {
                return false;
            }
            material = now;
            return true;
        } catch (IOException e) {
            LOG.warn("The TLS certificate in {} cannot be read; the old one stays in use.", chainFile, e);
            return false;
        }
    }

    @Override
    public Optional<Path> authorityFile() {
        return Optional.empty();
    }

    private PemMaterial read() throws IOException {
        return new PemMaterial(Files.readAllBytes(chainFile), Files.readAllBytes(keyFile));
    }
}
