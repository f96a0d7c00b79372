// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.store;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/// Where the state is kept.
public interface StateStore {
    /// What was saved last; empty where nothing was.
    Optional<AgentState> load() throws IOException;

    /// Returns when the state is durable. Cut off at any moment, it leaves the old state or the new.
    void save(AgentState state) throws IOException;

    /// A file with a checksum, replaced as a whole.
    static StateStore inFile(Disk disk, Path file) {
        return new StateStore() {
            private static final int DIGEST = 32;

            @Override
            public Optional<AgentState> load() throws IOException {
                Optional<byte[]> content = disk.read(file);
                return content.isEmpty() ? Optional.empty() : Optional.of(parse(content.get()));
            }

            private AgentState parse(byte[] content) throws IOException {
                int end = content.length - DIGEST;
                byte[] state = Arrays.copyOf(content, Math.max(end, 0));
                if (end < 0 || !Bytes.sha256(state).equals(Bytes.of(content, end, DIGEST))) {
                    throw new IOException("the device's state in " + file + " is damaged");
                }
                try {
                    return AgentState.parse(Bytes.of(state));
                } catch (MalformedException e) {
                    throw new IOException("the device's state in " + file + " cannot be read: " + e.getMessage(), e);
                }
            }

            @Override
            public void save(AgentState state) throws IOException {
                Bytes encoded = state.encode();
                disk.replace(file, encoded.concat(encoded.sha256()).toArray());
            }
        };
    }
}
